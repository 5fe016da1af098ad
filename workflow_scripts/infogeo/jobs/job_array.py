"""Workers as a SLURM job array: submitted once, followed, and picked up again by the next head.

The array outlives the process that submitted it. Its ids lie beside its results, so that a process
that comes later waits for the tasks that still live instead of submitting them again. A task that
is preempted, loses its node or reaches its time limit goes back into the queue and starts anew;
what it had finished is the business of the function that it runs. Whether a task still lives is
asked of the controller alone: this works with and without accounting.
"""

import contextlib
import json
import os
import shlex
import time
import uuid
from pathlib import Path

import submitit

from infogeo.jobs import slurm
from infogeo.files.artefacts import replacing
from infogeo.files.errors import InfogeoError
from infogeo.files.fingerprint import digest

ASK_SECONDS = 10  # between questions to the controller
# So long may a task be gone from the queue before its result is there: file systems on a network
# show new files late, and SLURM needs a moment to put a task back.
PATIENCE_SECONDS = 90
LAST_LINES = 30


class TakenOver(InfogeoError):
    """Another process goes on with this work, so that this one must leave it alone."""


class Claim:
    """A process's claim to a folder of work: whoever claims it last does the work.

    A process whose workflow was killed may live on; the next run of the workflow takes its work.
    """

    def __init__(self, folder):
        self.path, self.name = Path(folder) / "claim", uuid.uuid4().hex
        with replacing(self.path) as temporary:
            temporary.write_text(self.name)

    def check(self) -> None:
        """Stop where another process has claimed the folder since, or has finished and removed it.

        Raises
        ------
        TakenOver
        """
        owner = ""
        with contextlib.suppress(FileNotFoundError):
            owner = self.path.read_text()
        if owner != self.name:
            raise TakenOver(f"{self.path.parent}: another process does this work; this one stops.")


def run(worker, calls, keys, *, folder, resources: dict, waiting) -> list:
    """Call `worker` on each of `calls`, in a task of a job array each; the results in order.

    Parameters
    ----------
    worker : submitit.helpers.Checkpointable
        Returns a pair whose first member is 'ok' or 'error'.
    calls : list
        Picklable arguments.
    keys : list of str
        Names of the calls, equal for equal work: a living task of that name is waited for.
    folder : path
        On a disk that all nodes see; for pickles, logs and the ids of the tasks.
    resources : dict
        Of the job, as Snakemake names them; see `parameters`.
    waiting : callable
        Called now and then; what it raises ends the array, `TakenOver` alone leaves it.

    Raises
    ------
    InfogeoError
        Where SLURM does not answer or refuses, or a task has ended without a result.
    """
    folder = Path(folder).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    name = f"infogeo-{digest(str(folder))[:12]}"
    ids = _picked_up(folder, name, keys)
    new = [index for index, key in enumerate(keys) if key not in ids]
    if ids:
        print(f"SLURM: picked up {len(ids)} of {len(keys)} tasks again", flush=True)
    if new:
        jobs = _submit(worker, [calls[index] for index in new], folder, name, resources)
        ids |= {keys[index]: job.job_id for index, job in zip(new, jobs, strict=True)}
        print(f"SLURM: submitted {', '.join(job.job_id for job in jobs)}", flush=True)
    with replacing(_record(folder)) as temporary:
        temporary.write_text(json.dumps(ids))
    try:
        return _follow(folder, name, [ids[key] for key in keys], waiting)
    except TakenOver:
        raise
    except BaseException:  # Ctrl-C too
        slurm.cancel(ids.values())
        raise


def parameters(resources: dict) -> dict:
    """Snakemake's names of a job's resources as submitit's parameters of an executor.

    Parameters
    ----------
    resources : dict
        runtime (minutes), mem_mb, threads, and where given gpu, gpu_model, slurm_partition,
        slurm_account, qos, constraint, slurm_extra (options of sbatch).

    Raises
    ------
    InfogeoError
        Where slurm_extra is not a list of long options.
    """
    settings = {
        "timeout_min": resources["runtime"],
        "mem_gb": resources["mem_mb"] / 1024,
        "cpus_per_task": resources["threads"],
        "slurm_srun_args": [f"--cpus-per-task={resources['threads']}"],
        "slurm_partition": resources.get("slurm_partition"),
        "slurm_account": resources.get("slurm_account"),
        "slurm_qos": resources.get("qos"),
        "slurm_constraint": resources.get("constraint"),
    }
    extra = {"requeue": True}
    if gpus := resources.get("gpu"):
        model = resources.get("gpu_model")
        extra["gpus"] = f"{model}:{gpus}" if model else gpus
    # The profile quotes the options once more, as Snakemake's plugin wants them.
    for option in shlex.split(" ".join(shlex.split(resources.get("slurm_extra") or ""))):
        key, equals, value = option.partition("=")
        if not key.startswith("--"):
            raise InfogeoError(
                f"slurm_extra: {option!r} is not of the form --option or --option=value, which "
                f"`launch: {{placement: slurm}}` needs. Change it in {slurm.BLOCK}."
            )
        extra[key[2:]] = value if equals else True
    return {key: value for key, value in settings.items() if value} | {
        "slurm_additional_parameters": extra
    }


def _record(folder: Path) -> Path:
    return folder / "array.json"


def _picked_up(folder: Path, name: str, keys) -> dict[str, str]:
    """Ids of the living tasks that do one of these calls, by key; others of the name end."""
    known = json.loads(_record(folder).read_text()) if _record(folder).exists() else {}
    living = {job for job, state in slurm.states(name).items() if slurm.is_alive(state)}
    ids = {key: known[key] for key in keys if known.get(key) in living}
    slurm.cancel(living - set(ids.values()))
    return ids


def _submit(worker, calls, folder: Path, name: str, resources: dict) -> list:
    executor = submitit.AutoExecutor(folder=str(folder), cluster="slurm")
    executor.update_parameters(name=name, stderr_to_stdout=True, **parameters(resources))
    # A head that is a job itself must not hand its own job's settings on.
    inside = submitit.helpers.clean_env() if "SLURM_JOB_ID" in os.environ else None
    try:
        with inside or contextlib.nullcontext():
            return executor.map_array(worker, calls)
    except submitit.core.utils.FailedJobError as error:
        raise InfogeoError(
            f"sbatch refused the job array: {str(error).strip()}\nBring what it asks for under "
            f"your site's limits in {slurm.BLOCK}."
        ) from None


def _follow(folder: Path, name: str, ids: list[str], waiting) -> list:
    """Wait until every task has left a result, or one has failed."""
    results, gone, asked = {}, {}, time.monotonic()
    while True:
        for job in [submitit.SlurmJob(folder, job) for job in ids if job not in results]:
            if job.paths.result_pickle.exists():
                try:
                    outcome, results[job.job_id] = job.result()
                except submitit.core.utils.FailedJobError as error:  # before the call began
                    raise InfogeoError(_ended_message(job, "FAILED")) from error
                if outcome == "error":
                    raise results[job.job_id]
        if len(results) == len(ids):
            return [results[job] for job in ids]
        waiting()
        if time.monotonic() - asked > ASK_SECONDS:
            asked = time.monotonic()
            # Without an answer nothing is known: controllers restart.
            with contextlib.suppress(InfogeoError):
                _note_gone(slurm.states(name), set(ids) - results.keys(), gone)
            for job, (since, state) in gone.items():
                if job not in results and asked - since > PATIENCE_SECONDS:
                    raise InfogeoError(_ended_message(submitit.SlurmJob(folder, job), state))
        time.sleep(0.5)


def _note_gone(states: dict[str, str], ids, gone: dict[str, tuple[float, str]]) -> None:
    """Note since when tasks are not alive, and in which state they were seen last."""
    for job in ids:
        state = states.get(job)
        if state and slurm.is_alive(state):
            gone.pop(job, None)
        else:
            since, last = gone.get(job, (time.monotonic(), "no longer known to SLURM"))
            gone[job] = since, state or last


def _ended_message(job, state: str) -> str:
    log = job.paths.stdout
    last = log.read_text(errors="replace").splitlines()[-LAST_LINES:] if log.exists() else []
    return (
        f"SLURM task {job.job_id} has ended without a result ({state}). What was finished is kept; "
        "the same command goes on from there.\n" + "\n".join(f"  {line}" for line in last)
    )
