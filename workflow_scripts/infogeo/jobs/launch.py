"""Where work runs: tasks are spread over workers by one call of submitit, in any placement."""

import contextlib
import os
import threading
import time
import traceback
import uuid
from dataclasses import asdict, is_dataclass
from pathlib import Path

import submitit

from infogeo.jobs import job_array, slurm
from infogeo.files.errors import InfogeoError
from infogeo.files.fingerprint import digest

PLACEMENTS = ("debug", "local", "slurm")
NO_LIMIT = 60 * 24 * 365  # minutes; submitit would stop a local worker after two


def spread(
    function, tasks, *, placement: str, folder, gpus: int = 0, resources=None, waiting=lambda: None
) -> list:
    """Call `function` on each task and return the results in order.

    Parameters
    ----------
    function : callable
        Defined at the top level of a module of this package.
    tasks : list
        One argument each, of plain values or a dataclass of them, and one worker each.
    placement : {'debug', 'local', 'slurm'}
        'debug' runs the tasks one after another in this process. 'local' runs them at once, each in
        a process of its own. 'slurm' submits an array of jobs; see `job_array`.
    folder : path
        For submitit's own files; the caller removes it.
    gpus : int
        GPUs that this process sees; local workers share them out.
    resources : dict or None
        Of each job of an array; see `job_array.parameters`.
    waiting : callable
        Called now and then until the workers are done.

    Raises
    ------
    InfogeoError
        With the whole message of the first task that failed; the others are stopped.
    """
    if placement not in PLACEMENTS:
        raise InfogeoError(
            f"launch.placement: {placement!r} is not one of {', '.join(PLACEMENTS)}."
        )
    head = os.getpid() if placement == "local" else None
    stop = Path(folder).absolute() / f"stop.{uuid.uuid4().hex}"  # this call's own
    shares = _shares(gpus, len(tasks)) if placement == "local" else [None] * len(tasks)
    calls = [
        _Call(function, task, placement, head, stop, share)
        for task, share in zip(tasks, shares, strict=True)
    ]
    with _package_on_path():
        if placement == "slurm":
            plain = [asdict(task) if is_dataclass(task) else task for task in tasks]
            keys = [digest([function.__module__, function.__name__, task]) for task in plain]
            return job_array.run(
                _Worker(), calls, keys, folder=folder, resources=resources, waiting=waiting
            )
        executor = submitit.AutoExecutor(folder=str(folder), cluster=placement)
        executor.update_parameters(timeout_min=NO_LIMIT, stderr_to_stdout=True)
        jobs = executor.map_array(_Worker(), calls)
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


def device(placement: str, resources, sees_gpu: bool) -> str:
    """'cuda' or 'cpu': where workers run, by the GPUs of an array's jobs or of this process."""
    return "cuda" if (resources.get("gpu") if placement == "slurm" else sees_gpu) else "cpu"


class _Call:
    """A function, its argument, and where it runs; plain enough to be pickled."""

    def __init__(self, function, task, placement, head, stop, devices):
        self.function, self.task, self.devices = function, task, devices
        self.placement, self.head, self.stop = placement, head, stop


class _Worker(submitit.helpers.Checkpointable):
    """In the worker: ('ok', result) or ('error', exception); submitit reports nothing.

    Submitit would open a debugger on an exception in this process, and bury the message of another
    process in its own. When a time limit comes near, it puts the job back into SLURM's queue, with
    the same call.
    """

    def __call__(self, call):
        if call.head is not None:
            threading.Thread(target=_follow, args=(call.head, call.stop), daemon=True).start()
            # submitit has overwritten what this process may see, before CUDA looks at it.
            os.environ["CUDA_VISIBLE_DEVICES"] = call.devices
        try:
            return "ok", call.function(call.task)
        except InfogeoError as error:
            return "error", error
        except submitit.core.utils.UncompletedJobError as error:  # raised where a signal came in
            return "error", InfogeoError(
                f"A worker came near its time limit again and again ({error}) What was finished is "
                "kept; the next attempt asks for more time, or set `runtime` for this rule in "
                f"{slurm.BLOCK}."
            )
        except Exception as error:
            bug = error if call.placement == "debug" else RuntimeError(traceback.format_exc())
            return "error", bug


def _follow(head: int, stop: Path) -> None:
    """End this worker when its stop file or the loss of its folder or head says so."""
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


def _shares(gpus: int, workers: int) -> list[str]:
    """What each worker sees of the GPUs of this process, as CUDA_VISIBLE_DEVICES takes it.

    Each gets as many as all can have; where there are fewer GPUs than workers, they take turns.
    """
    names = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    names = (names or [str(i) for i in range(gpus)])[:gpus]
    if not names:
        return [""] * workers
    each = max(1, len(names) // workers)
    groups = [names[first : first + each] for first in range(0, len(names), each)]
    return [",".join(groups[worker % len(groups)]) for worker in range(workers)]


@contextlib.contextmanager
def _package_on_path():
    """Let the processes that are started here import this package."""
    before = os.environ.get("PYTHONPATH")
    parts = [str(Path(__file__).resolve().parents[2]), before]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, parts))
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
