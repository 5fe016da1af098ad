"""What the tests on a private SLURM do: start a head, watch shards and processes, ask sacct."""

import os
import re
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

DUMP = "results/hidden_states/stories/w32-d1.h5"
# Every table, and of the figures one.
TARGETS = ("tables", "results/figures/stories/sentence_maps.png")


def submitted(run) -> list[str]:
    """SLURM's ids of the jobs that a run has submitted."""
    return re.findall(r"has been submitted with SLURM jobid (\d+)", run.stdout + run.stderr)


def done(cluster, ids) -> list[dict]:
    """What sacct says of jobs, once it knows that all have ended."""

    def all_ended():
        rows = [row for row in cluster.accounted() if row["id"] in ids]
        ended = {row["id"] for row in rows if row["end"] not in ("", "Unknown")}
        return rows if ended == set(ids) else None

    return cluster.wait_for(all_ended, "sacct to know the ends of all jobs")


class Head:
    """A snakemake that runs beside the test; its words go to a file."""

    def __init__(self, checkout, *arguments, log="head.log"):
        self.log, self.cluster = checkout.path(log), checkout.cluster
        with self.log.open("w") as file:
            self.process = subprocess.Popen(
                checkout.command(*arguments), cwd=checkout.folder, stdout=file, stderr=file,
                env=checkout.cluster.environment, start_new_session=True,
            )  # fmt: skip

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)  # its local rules too
        self.process.wait()
        arrays = re.findall(r"\d+_\d+", "".join(re.findall("SLURM: .*", self.log.read_text())))
        if ids := self.ids() + arrays:
            self.cluster.run("scancel", *ids, check=False)

    def wait(self, seconds=600) -> str:
        """All that it said, once it has ended well."""
        self.process.wait(seconds)
        assert self.process.returncode == 0, self.log.read_text()[-6000:]
        return self.log.read_text()

    def ids(self) -> list[str]:
        return re.findall(r"has been submitted with SLURM jobid (\d+)", self.log.read_text())


class Shards:
    """What is seen of a dump's shards: name -> every version (inode and time) that was there."""

    def __init__(self, checkout):
        self.folder, self.seen = checkout.path("scratch"), {}

    def look(self) -> int:
        """Look again; how many shards have been seen."""
        with suppress(FileNotFoundError):  # removed meanwhile, since the dump is whole
            for path in self.folder.rglob("shard-*.h5"):
                state = path.stat()
                self.seen.setdefault(path.name, set()).add((state.st_ino, state.st_mtime_ns))
        return len(self.seen)

    def assert_none_was_made_twice(self):
        assert not {name for name, versions in self.seen.items() if len(versions) > 1}


def watched_to_the_end(head, shards) -> str:
    """What a head said, after looking at shards until it ended well."""
    while head.process.poll() is None:
        shards.look()
        time.sleep(0.02)
    return head.wait()


def occupy_all_nodes(cluster) -> str:
    """The id of a job that may preempt all others, and leaves none a node."""
    return cluster.run(
        "sbatch", "--parsable", "-p", "urgent", "-N", "2", "--exclusive", "-o", "/dev/null",
        "--wrap", "sleep 600",
    ).strip()  # fmt: skip


def processes(checkout, text: str) -> list[int]:
    """Ids of the processes that work in a checkout and whose command holds a text."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            here = (process / "cwd").readlink() == checkout.folder
            if here and text in (process / "cmdline").read_text():
                found.append(int(process.name))
        except OSError:  # ended meanwhile
            continue
    return found


def variable(process: int, name: str) -> str | None:
    """An environment variable of a process."""
    text = (Path("/proc") / str(process) / "environ").read_text(errors="replace")
    return dict(line.partition("=")[::2] for line in text.split("\0")).get(name)


def kill_job(cluster, job: str) -> None:
    """Kill every process of a job, SLURM's own included, as the loss of its node would.

    Another private cluster has jobs of the same numbers: theirs are left alone.
    """
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cmdline").read_text().startswith(f"slurmstepd: [{job}."):
                # Its title lies over its environment, but its log is in the folder of the cluster.
                files = [str(file.readlink()) for file in (process / "fd").iterdir()]
                here = any(file.startswith(f"{cluster.root}/") for file in files)
            else:
                path = variable(int(process.name), "PATH") or ""
                here = variable(int(process.name), "SLURM_JOB_ID") == job
                here = here and str(cluster.root) in path
            if here:
                os.kill(int(process.name), signal.SIGKILL)
        except OSError:
            continue
