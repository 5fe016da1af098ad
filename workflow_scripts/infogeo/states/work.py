"""Work in shards that survive a kill: the task of a worker, the shards, and their folder.

A shard is a file of its own, written under another name and moved into place when whole; to resume
is to make the shards that are missing. What a shard holds depends on the task alone. So it comes
out the same, byte for byte, however often the work was interrupted and by however many workers it
was done. That is so on equal hardware, versions and threads.
"""

import contextlib
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from infogeo.jobs import launch, memory
from infogeo.files.errors import InfogeoError
from infogeo.jobs.job_array import Claim
from infogeo.jobs.progress import Heartbeat
from infogeo.states import loading

LATE_SECONDS = 90  # until a file that was written on another node is seen on this one
ABANDONED = "abandoned"  # a file that ends the work of all workers


@dataclass(frozen=True)
class Launch:
    """Where workers run.

    Attributes
    ----------
    placement, workers, resources
        See `launch.spread`.
    threads : int
        CPU threads of this job, or of each job of an array.
    scratch : path
        Folder for shards; what the work leaves there is removed at its end.
    """

    placement: str = "debug"
    workers: int = 1
    threads: int = 1
    resources: dict | None = None
    scratch: str | Path = "scratch"

    @property
    def device(self) -> str:
        """'cuda' or 'cpu'."""
        return launch.device(self.placement, self.resources, torch.cuda.is_available())

    @property
    def threads_of_worker(self) -> int:
        local = self.placement == "local"
        return max(1, self.threads // self.workers) if local else self.threads


@dataclass(frozen=True)
class ModelRun:
    """Which model a worker runs, and how.

    Attributes
    ----------
    name, directory : str
    kind : {'causal', 'encoder'}
    trust_remote_code : bool
    dtype : {'float32', 'float16', 'bfloat16'}
    device : {'cuda', 'cpu'}
        Where workers run, which may be elsewhere: part of what determines the bytes of a shard.
    threads : int
    twin : (int, int), optional
        Draw and seed of the untrained twin that takes the model's place; see `loading.twin`.
    """

    name: str
    directory: str
    kind: str
    trust_remote_code: bool
    dtype: str
    device: str
    threads: int
    twin: tuple[int, int] | None = None

    @classmethod
    def of(cls, card: dict, trust_remote_code: bool, dtype: str, launched: Launch, twin=None):
        """The model of a card, as workers are to run it."""
        return cls(
            card["slug"],
            card["directory"],
            card["kind"],
            trust_remote_code,
            dtype,
            launched.device,
            launched.threads_of_worker,
            twin,
        )

    def load(self):
        """The model in memory (LanguageModel), with the threads that it is to use."""
        torch.set_num_threads(self.threads)
        if self.twin is None:  # of twins spectra are taken meanwhile, which decide on the memory
            memory.keep_freed()  # else an eighth of a pass goes into pages that it had before
        options = {
            "dtype": self.dtype,
            "name": self.name,
            "kind": self.kind,
            "trust_remote_code": self.trust_remote_code,
        }
        if self.twin is None:
            return loading.load_model(self.directory, **options)
        draw, seed = self.twin
        return loading.twin(self.directory, draw, seed=seed, **options)


@dataclass(frozen=True, kw_only=True)
class Task:
    """What every worker needs, in plain values that are fixed before workers start.

    Attributes
    ----------
    folder : str
    key : str
        What the shards carry as their fingerprint.
    model : ModelRun
    batch_tokens : int
        Most tokens of a batch, padding included.
    shards : tuple of int
        Those of this worker.
    """

    folder: str
    key: str
    model: ModelRun
    batch_tokens: int
    shards: tuple[int, ...] = ()


@dataclass(frozen=True)
class ShardFiles:
    """The shards of some work, as files.

    Attributes
    ----------
    folder : path
    sizes : list of int
        What there is to do for each shard.
    unit : str
        What sizes count, such as 'tokens'.
    suffix : str
        Of the files.
    is_whole : callable
        Whether the file at a path, which exists, can be used.
    """

    folder: Path
    sizes: list[int]
    unit: str
    suffix: str
    is_whole: Callable[[Path], bool]

    def path(self, index: int) -> Path:
        """Where a shard is when it is whole."""
        return shard_path(self.folder, index, self.suffix)

    def missing(self) -> list[int]:
        """The shards that do not exist, or are damaged (these are removed)."""
        absent = set(self.absent())
        for index in set(range(len(self.sizes))) - absent:
            if not self.is_whole(self.path(index)):
                self.path(index).unlink(missing_ok=True)
                absent.add(index)
        return sorted(absent)

    def absent(self) -> list[int]:
        """The shards that do not exist."""
        return [index for index in range(len(self.sizes)) if not self.path(index).exists()]

    def size(self, indices) -> int:
        """What there is to do for some of the shards."""
        return sum(self.sizes[index] for index in indices)


def shard_path(folder, index: int, suffix: str = "h5") -> Path:
    """Where a shard is when it is whole."""
    return Path(folder) / f"shard-{index:06d}.{suffix}"


class Work:
    """A folder in which workers make shards and a later run goes on, and a claim to it.

    Parameters
    ----------
    kind : str
        Names the folder under `scratch`.
    key : str
        Digest of whatever could change a byte of a shard.
    name : str
        Of the model, for messages.
    launched : Launch

    Attributes
    ----------
    folder : Path
    claim : Claim
    """

    def __init__(self, kind: str, key: str, name: str, launched: Launch):
        self.name, self.launched = name, launched
        self.folder = Path(launched.scratch) / kind / key[:32]
        self.folder.mkdir(parents=True, exist_ok=True)
        self.claim = Claim(self.folder)
        (self.folder / ABANDONED).unlink(missing_ok=True)

    def parts(self, shards: int) -> list[tuple[int, ...]]:
        """The shards of each worker.

        They do not depend on which are missing: so a worker that lives is recognised.
        """
        workers = self.launched.workers
        return [tuple(range(first, shards, workers)) for first in range(workers)]

    def make(self, function, task: Task, files: ShardFiles, missing, what: str) -> None:
        """Let workers make the missing shards: function(task) with the worker's among them."""
        self.start(function, task, files, missing, what)
        self.await_files(files.absent, "shards")

    def start(self, function, task: Task, files: ShardFiles, missing, what: str) -> list:
        """The same without waiting for files that show late; the results of the workers."""
        total = files.size(range(len(files.sizes)))
        heartbeat = Heartbeat(f"{self.name}: {what}", total, files.unit)
        heartbeat.update(total - files.size(missing))
        parts = [part for part in self.parts(len(files.sizes)) if set(part) & set(missing)]
        results = self.spread(
            function,
            [replace(task, shards=part) for part in parts],
            lambda: heartbeat.update(total - files.size(files.absent())),
        )
        if not files.absent():
            heartbeat.close()
        return results

    def spread(self, function, tasks, on_wait=lambda: None) -> list:
        """Call function on each of the tasks in a worker; the results in order."""

        def wait():
            self.claim.check()
            on_wait()

        if not tasks:
            return []
        self.claim.check()
        return launch.spread(
            function,
            tasks,
            placement=self.launched.placement,
            folder=self.folder / "launch",
            gpus=torch.cuda.device_count(),
            resources=dict(self.launched.resources or {}, threads=self.launched.threads),
            waiting=wait,
        )

    def await_files(self, absent, what: str) -> None:
        """Wait for files of workers that have ended: a network shows new ones late.

        Parameters
        ----------
        absent : callable
            Those that do not exist yet.
        what : str
            What they are, for the message.
        """
        end = time.monotonic() + LATE_SECONDS
        while lacking := absent():
            if time.monotonic() > end:
                raise InfogeoError(
                    f"{self.folder}: {len(lacking)} of the {what} do not exist, though the "
                    "workers that were to make them have ended. Give the same command again: it "
                    "makes them."
                )
            time.sleep(0.5)

    def abandon(self) -> None:
        """Let workers stop before their next shard."""
        with contextlib.suppress(FileNotFoundError):  # another process has removed the folder
            (self.folder / ABANDONED).touch()

    def close(self) -> None:
        """Remove the folder: its results are in their place."""
        self.claim.check()
        shutil.rmtree(self.folder)
        for parent in (self.folder.parent, Path(self.launched.scratch)):
            with contextlib.suppress(OSError):  # others are still at work there
                parent.rmdir()


def stop_if_abandoned(task: Task) -> None:
    """Stop a worker whose shards nobody will use.

    Raises
    ------
    InfogeoError
    """
    if (Path(task.folder) / ABANDONED).exists():
        raise InfogeoError(f"{task.folder}: what was to be made of these shards has failed.")


def require_disk(needs: list[tuple[Path, int]], what: str) -> None:
    """Stop before the work where its results would not fit the disks.

    Parameters
    ----------
    needs : list of (folder, bytes)
        Folders on one disk count together.
    what : str
        What will be written, for the message.

    Raises
    ------
    InfogeoError
    """
    devices = {}
    for place, size in needs:
        place.mkdir(parents=True, exist_ok=True)
        devices.setdefault(place.stat().st_dev, [place, 0])[1] += size
    for place, size in devices.values():
        free = shutil.disk_usage(place).free
        if free < size:
            raise InfogeoError(
                f"{place}: {size / 1e9:.3g} GB of {what} will be written there, but only "
                f"{free / 1e9:.3g} GB are free. Free some space, choose fewer layers (config "
                "states.layers) or fewer texts (the corpora table)."
            )
