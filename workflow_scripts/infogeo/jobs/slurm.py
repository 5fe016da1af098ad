"""What SLURM answers: its partitions, which jobs live, and what sbatch refused."""

import difflib
import os
import re
import subprocess
from collections import Counter
from math import inf

from infogeo.files.errors import InfogeoError

BLOCK = "the block 'your cluster' of profiles/slurm/profile.yaml"
REFUSAL = re.compile(r"SLURM sbatch failed\. The error message was '(.*?)'\.\s+sbatch call:", re.S)
SUBMISSION = re.compile(r"Job submission failed with exception: (.*)")
DAY = 24 * 60  # minutes
# States of a job that will not run again. A preempted one that is put back is PENDING.
ENDED = {"BOOT_FAIL", "CANCELLED", "COMPLETED", "COMPLETING", "DEADLINE", "FAILED", "NODE_FAIL"}
ENDED |= {"OUT_OF_MEMORY", "PREEMPTED", "REVOKED", "TIMEOUT"}


def partitions() -> dict[str, dict]:
    """The partitions of this cluster: name -> {'up': bool, 'gpus': bool, 'minutes': float}.

    Hidden ones are among them: jobs may be submitted to those, too.

    Raises
    ------
    InfogeoError
        Where SLURM does not answer.
    """
    known = {}
    for line in _answer("sinfo", "-a", "-h", "-e", "-o", "%R|%a|%l|%G").splitlines():
        name, state, limit, gres = line.split("|", 3)
        none_yet = {"up": False, "gpus": False, "minutes": _minutes(limit)}
        partition = known.setdefault(name, none_yet)
        partition["up"] |= state == "up"
        partition["gpus"] |= "gpu" in gres
    return known


def _answer(*command: str) -> str:
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    except (OSError, subprocess.SubprocessError) as error:
        answer = (getattr(error, "stderr", None) or str(error)).strip()
        raise InfogeoError(
            f"SLURM does not answer ({' '.join(command)}: {answer}). Run this where sbatch works, "
            "such as a login node, or without the slurm profile and `launch: {placement: slurm}`."
        ) from None
    return run.stdout


def states(name: str) -> dict[str, str]:
    """The state of each of this user's jobs of a name that the controller still knows, by id.

    Tasks of an array have ids such as '12_0'.

    Raises
    ------
    InfogeoError
        Where SLURM does not answer.
    """
    lines = _answer("squeue", "-a", "--me", "-h", "-r", "-t", "all", "-n", name, "-o", "%i|%T")
    return dict(line.split("|") for line in lines.splitlines())


def show_hidden_partitions() -> None:
    """Let whatever this process starts see jobs in hidden partitions, Snakemake's plugin too."""
    os.environ["SQUEUE_ALL"] = "1"


def is_alive(state: str) -> bool:
    """Whether a job in this state waits, runs, or will be put back into the queue."""
    return state not in ENDED


def cancel(ids) -> None:
    """End jobs; those that have ended already do not matter."""
    if ids := sorted(ids):
        subprocess.run(["scancel", *ids], capture_output=True, check=False)


def _minutes(limit: str) -> float:
    """SLURM's [days-][[hours:]minutes:]seconds, or 'infinite'."""
    if not limit[0].isdigit():
        return inf
    days, _, clock = limit.rpartition("-")
    hours, minutes, seconds = [0, 0, *map(int, clock.split(":"))][-3:]
    return (int(days or 0) * 24 + hours) * 60 + minutes + seconds / 60


def check(requests, cluster: dict[str, dict]) -> None:
    """Stop before anything is submitted where a job's partition would not take it.

    Parameters
    ----------
    requests : iterable of (str, str, bool, int)
        Rule, partition (or several with commas between), whether it asks for a GPU, and minutes;
        a job each.
    cluster : dict
        From `partitions`.

    Raises
    ------
    InfogeoError
        Naming every rule, its number of jobs, the partition, and the partitions of the cluster.
    """
    alike = {}
    for rule, names, gpu, minutes in requests:
        alike.setdefault((rule, names, gpu), []).append(minutes)
    problems = []
    for (rule, names, gpu), minutes in alike.items():
        who = f"{rule} ({_jobs(len(minutes))}): slurm_partition"
        known = [cluster[name] for name in names.split(",") if name in cluster]
        for name in names.split(","):
            if name not in cluster:
                near = difflib.get_close_matches(name, cluster, 1)
                hint = f" Did you mean {near[0]!r}?" if near else ""
                problems.append(f"{who} {name!r} does not exist.{hint}")
            elif not cluster[name]["up"]:
                problems.append(f"{who} {name!r} is not up.")
        if known and gpu and not any(partition["gpus"] for partition in known):
            problems.append(f"{who} {names!r} has no GPU, but the job asks for one.")
        limit = max((partition["minutes"] for partition in known), default=inf)
        if too_long := [asked for asked in minutes if asked > limit]:
            problems.append(
                f"{who} {names!r} allows {limit:.0f} minutes, but {_jobs(len(too_long))} of these "
                f"would ask for up to {max(too_long)}: set `runtime: {limit:.0f}` for {rule}. A "
                "dump or a training that is cut off is submitted again and goes on."
                + _slip(too_long)
            )
    if problems:
        names = (f"{n} (GPUs)" if cluster[n]["gpus"] else n for n in sorted(cluster))
        raise InfogeoError(
            "SLURM would not run these jobs; nothing was submitted.\n  "
            + "\n  ".join(problems)
            + f"\nThis cluster has the partitions {', '.join(names)}. Change slurm_partition, "
            f"gpu or runtime in {BLOCK}."
        )


def _slip(requests: list[int]) -> str:
    """A hint where minutes look like a clock: YAML reads h:mm:ss as a number of base 60."""
    for asked in requests:
        if asked >= DAY and asked % 60 == 0:
            hours, rest = divmod(asked, 3600)
            clock = f"{hours}:{rest // 60:02}:00" if hours else f"{rest // 60}:00"
            return (
                f" Is {asked} a clock, {clock}? YAML makes that number of it, and `runtime` is in "
                f"minutes: write {asked // 60}."
            )
    return ""


def check_names(inputs) -> None:
    """Stop where the name of an input would not reach its job as it is.

    Snakemake writes the names of up to 20 files into the command of a job, as Python writes them:
    a shell reads those with an apostrophe or a line break otherwise. More names travel in a file.

    Parameters
    ----------
    inputs : iterable of lists of str
        The input files of each job.

    Raises
    ------
    InfogeoError
        Naming every such file.
    """
    names = {name for files in inputs if len(files) < 20 for name in files if not _is_read(name)}
    if names:
        raise InfogeoError(
            "SLURM's jobs would not find these files, for a shell changes their names:\n"
            + "".join(f"  {name!r}\n" for name in sorted(names))
            + "Rename them: no apostrophe together with $ or `, no backslash or line break."
        )


def _is_read(name: str) -> bool:
    """Whether a shell reads a name as it is from its Python literal."""
    if name.startswith(("'", '"')):  # Snakemake takes it as quoted already
        return False
    literal = repr(name)
    return literal == f"'{name}'" or (literal == f'"{name}"' and not {"$", "`"} & set(name))


def _jobs(count: int) -> str:
    return f"{count} job" if count == 1 else f"{count} jobs"


def refusals(log: str) -> str:
    """What SLURM refused in a run, each reason once with its number of submissions; '' if nothing.

    Parameters
    ----------
    log : str
        Text of the run's log.
    """
    reasons = [" ".join(text.split()) for text in REFUSAL.findall(log) + SUBMISSION.findall(log)]
    if not reasons:
        return ""
    lines = [f"  {count} × {text}" for text, count in Counter(reasons).most_common()]
    return (
        "SLURM refused submissions (each attempt of a job counts):\n"
        + "\n".join(lines)
        + f"\nBring what the jobs ask for under your site's limits in {BLOCK}: partition, account, "
        "qos, runtime, mem_mb, gpu (of one rule: set-resources). `snakemake -n --profile slurm` "
        "shows what each job asks for, `scontrol show partition` and `sacctmgr show qos`, limits."
    )
