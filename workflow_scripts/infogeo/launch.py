"""Where work runs: tasks are spread over workers by one call of submitit, in any placement."""

import contextlib
import os
import threading
import time
import traceback
import uuid
from pathlib import Path

import submitit

from infogeo.errors import InfogeoError

PLACEMENTS = ("debug", "local")
NO_LIMIT = 60 * 24 * 365  # minutes; submitit would stop a local worker after two


def spread(function, tasks, *, placement: str, folder, gpus: int = 0, waiting=lambda: None) -> list:
    """Call `function` on each task and return the results in order.

    Parameters
    ----------
    function : callable
        Defined at the top level of a module of this package.
    tasks : list
        One argument each, and one worker each.
    placement : {'debug', 'local'}
        'debug' runs the tasks one after another in this process, 'local' at once, each in a
        process of its own.
    folder : path
        For submitit's own files; the caller removes it.
    gpus : int
        GPUs that this process sees; local workers get one each, in turn.
    waiting : callable
        Called now and then until local workers are done.

    Raises
    ------
    InfogeoError
        With the whole message of the first task that failed; the others are stopped.
    """
    if placement not in PLACEMENTS:
        raise InfogeoError(
            f"launch.placement: {placement!r} is not one of {', '.join(PLACEMENTS)}."
        )
    executor = submitit.AutoExecutor(folder=str(folder), cluster=placement)
    executor.update_parameters(timeout_min=NO_LIMIT, stderr_to_stdout=True)
    devices = _visible(gpus)
    head = os.getpid() if placement == "local" else None
    stop = Path(folder).absolute() / f"stop.{uuid.uuid4().hex}"  # this call's own
    calls = [
        _Call(function, task, head, stop, devices[i % gpus] if gpus and head else None)
        for i, task in enumerate(tasks)
    ]
    with _package_on_path():
        jobs = executor.map_array(_run, calls)
    try:
        results = []
        for index, job in enumerate(jobs):
            while head and not job.done():
                waiting()
                time.sleep(0.1)
            results.append(_result(job, index, len(jobs)))
        return results
    finally:
        if head and not all(job.done() for job in jobs):
            # submitit's own cancel interrupts a go-between: a worker may outlive it.
            stop.touch()


class _Call:
    """A function, its argument, and where it runs; plain enough to be pickled."""

    def __init__(self, function, task, head, stop, device):
        self.function, self.task, self.device = function, task, device
        self.head, self.stop = head, stop


def _run(call):
    """In the worker: ('ok', result) or ('error', exception); nothing is left for submitit to tell.

    (submitit would open a debugger on an exception in this process, and bury the message of
    another process in its own.)
    """
    if call.head is not None:
        threading.Thread(target=_follow, args=(call.head, call.stop), daemon=True).start()
        # submitit has overwritten what this process may see, before CUDA looks at it.
        os.environ["CUDA_VISIBLE_DEVICES"] = call.device or ""
    try:
        return "ok", call.function(call.task)
    except InfogeoError as error:
        return "error", error
    except Exception as error:
        return "error", error if call.head is None else RuntimeError(traceback.format_exc())


def _follow(head: int, stop: Path) -> None:
    """End this worker when it is told to stop, its folder is gone, or its head was killed."""
    while True:
        try:
            os.kill(head, 0)
        except ProcessLookupError:
            os._exit(1)
        if stop.exists() or not stop.parent.exists():
            os._exit(1)
        time.sleep(0.5)


def _result(job, index, of):
    try:
        outcome, value = job.result()
    except submitit.core.utils.UncompletedJobError as error:
        raise InfogeoError(
            f"Worker {index + 1} of {of} died without a result (killed, perhaps for want of "
            f"memory). What was finished is kept; the same command goes on from there.\n{error}"
        ) from error
    if outcome == "error":
        raise value
    return value


def _visible(gpus: int) -> list[str]:
    """Names of the GPUs of this process, in the form that CUDA_VISIBLE_DEVICES takes."""
    names = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return (names or [str(i) for i in range(gpus)])[:gpus]


@contextlib.contextmanager
def _package_on_path():
    """Let the processes that are started here import this package."""
    before = os.environ.get("PYTHONPATH")
    parts = [str(Path(__file__).resolve().parents[1]), before]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, parts))
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
