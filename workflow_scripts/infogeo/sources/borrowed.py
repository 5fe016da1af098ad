"""Weights from the hub that are on the disk only while jobs read them: keep_weights false.

A folder of notes, scratch/weights, has a record for each model whose weights are there. A job that
reads them downloads them into the client's cache, unless an earlier one has. There is room for so
many models (checkpoints_at_once). For one more a job removes weights that no job of the run will
read again; failing that it waits for such, and at last takes those that no job is reading.

Locks say who reads: they end with their process, so that nothing is lost where a run is killed. The
next one finds what was downloaded, and downloads no whole file twice.
"""

import contextlib
import fcntl
import json
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

from infogeo.files.artefacts import replacing
from infogeo.files.errors import InfogeoError
from infogeo.sources import cards, distinct

WAIT_SECONDS = 60  # for a job of the run that is to read what is there, before it is removed


@contextlib.contextmanager
def weights(card_path, output, *, at_once: int, scratch="scratch"):
    """The weights of a model for a job: there while it runs, and until other jobs have read them.

    Parameters
    ----------
    card_path : path
        model.json.
    output : path
        The first output of the job, by which the run names it; see `begin`.
    at_once : int
        Most models whose weights are on the disk; 0 for one whose weights are kept: nothing is
        done.
    scratch : path
        Where the notes are.

    Raises
    ------
    InfogeoError
        As `hub_download.download`; where the cache is another than when the model was described, or
        the disk knows no locks.

    Notes
    -----
    Verified by killing runs on a server that speaks the hub's protocol (tests/hub).
    """
    if not at_once:
        yield
        return
    card = cards.read(card_path)
    shelf = Shelf(scratch)
    with shelf.read_by_this_process(card, at_once):
        shelf.fetch(card)
        yield
    shelf.has_been_read(card["slug"], str(output))


def begin(readers: dict[str, list[str]], staying=(), scratch="scratch") -> None:
    """Note at the start of a run which of its jobs will read which weights, and remove the others.

    Parameters
    ----------
    readers : dict
        Slug → the first output of each job that will read its weights.
    staying : iterable of str
        Models whose weights are kept, even if they were not before.
    scratch : path
    """
    if readers or (Path(scratch) / Shelf.NAME).exists():
        Shelf(scratch).begin(readers, set(staying))


def end(scratch="scratch") -> None:
    """Remove at the end of a run the weights that all of its jobs have read."""
    if (Path(scratch) / Shelf.NAME).exists():
        Shelf(scratch).end()


class Shelf:
    """The notes on which weights are on the disk, and who reads them."""

    NAME = "weights"

    def __init__(self, scratch):
        self.folder = Path(scratch, self.NAME)
        self.folder.mkdir(parents=True, exist_ok=True)

    # -------- of a job
    @contextlib.contextmanager
    def read_by_this_process(self, card: dict, at_once: int):
        """Weights of a model that nobody removes: a place for them, without their files."""
        since, reported = time.monotonic(), False
        while True:
            with self._locked("lock"):
                if self._has_place(card, at_once, patient=time.monotonic() - since < WAIT_SECONDS):
                    reading = _lock(self._path(card["slug"], "reading"), fcntl.LOCK_SH)
                    break
            if not reported:
                print(f"{card['slug']}: waits until weights of others are read", flush=True)
                reported = True
            time.sleep(0.5)
        with reading:
            yield

    def _has_place(self, card: dict, at_once: int, patient: bool) -> bool:
        """Whether a model has a place, or is given one; under the lock."""
        slug, records, readers = card["slug"], self._records(), self._readers()

        def remove(others):
            for other in others:
                if self._removed(records[other]):
                    del records[other]

        if slug in records and records[slug]["directory"] != card["directory"]:
            remove([slug])  # of another revision
            if slug in records:
                return False
        remove([other for other in records if other != slug and not readers.get(other)])
        if slug not in records:
            by_use = sorted(records, key=lambda other: records[other]["used"])
            while by_use and len(records) >= at_once and not patient:
                remove([by_use.pop(0)])
            if len(records) >= at_once:
                return False
            records[slug] = _record(card)
        self._write(slug, records[slug] | {"used": time.time()})
        return True

    def fetch(self, card: dict) -> None:
        """Download the weights unless they are there."""
        from infogeo.sources.hub_download import download
        from infogeo.sources.hub_repository import Repository, storage_folder

        slug, files, folder = card["slug"], _weights(card), Path(card["directory"])
        waits = f"{slug}: waits until another job has downloaded its weights"
        with self._locked_by_one(f"{slug}.fetching", waits):
            # This one alone: the notes on others may be removed meanwhile.
            record = json.loads(self._path(slug, "record").read_text())
            if record["whole"] and all(
                _size(folder / name) == files[name]["bytes"] for name in files
            ):
                return
            here = storage_folder(card["where"], "model")
            if folder.absolute() != (here / "snapshots" / card["commit"]).absolute():
                raise InfogeoError(
                    f"model {slug}: it was described in {folder}, but the cache is now {here}. Set "
                    "HF_HOME to what it was, or describe it anew: snakemake -R "
                    f"results/models/{slug}/model.json"
                )
            _remove_incomplete(record)
            listed = {
                name: SimpleNamespace(
                    size=facts["bytes"], lfs=SimpleNamespace(sha256=facts["sha256"]), blob_id=None
                )
                for name, facts in files.items()
            }
            where = card["where"], "model", card["revision"], card["commit"]
            download(Repository(*where, listed), list(listed))
            with self._locked("lock"):
                self._write(slug, record | {"whole": True})

    def has_been_read(self, slug: str, output: str) -> None:
        """Note that a job has read the weights: the next to start removes what all have read.

        Not at once: the job is over when Snakemake has noted so, and until then may be run again.
        """
        with self._locked("lock"):
            readers = self._readers()
            if output in readers.get(slug, ()):
                readers[slug].remove(output)
                self._write_readers(readers)

    # -------- of a run
    def begin(self, readers: dict[str, list[str]], staying: set[str]) -> None:
        """See `begin`."""
        with self._locked("lock"):
            self._write_readers({slug: list(outputs) for slug, outputs in readers.items()})
            for slug, record in self._records().items():
                if slug in staying:
                    self._forget(record)
                elif not readers.get(slug):
                    self._removed(record)

    def end(self) -> None:
        """See `end`."""
        with self._locked("lock"):
            readers = self._readers()
            for slug, record in self._records().items():
                if not readers.get(slug):
                    self._removed(record)
            empty = not self._records()
        if empty:
            shutil.rmtree(self.folder)
            with contextlib.suppress(OSError):  # others are at work there
                self.folder.parent.rmdir()

    # -------- the notes
    def _path(self, slug: str, what: str) -> Path:
        return self.folder / f"{slug}.{what}"

    def _locked(self, name: str):
        return _lock(self.folder / name, fcntl.LOCK_EX)

    def _locked_by_one(self, name: str, waits: str):
        """The same, where that may take hours: then it says what it waits for."""
        try:
            return _lock(self.folder / name, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(waits, flush=True)
            return self._locked(name)

    def _records(self) -> dict[str, dict]:
        """The notes on weights that are on the disk, by slug."""
        records = (json.loads(path.read_text()) for path in sorted(self.folder.glob("*.record")))
        return {record["slug"]: record for record in records}

    def _write(self, slug: str, record: dict) -> None:
        with replacing(self._path(slug, "record")) as temporary:
            temporary.write_text(json.dumps(record))

    def _readers(self) -> dict[str, list[str]]:
        with contextlib.suppress(FileNotFoundError):
            return json.loads((self.folder / "readers.json").read_text())
        return {}

    def _write_readers(self, readers: dict[str, list[str]]) -> None:
        with replacing(self.folder / "readers.json") as temporary:
            temporary.write_text(json.dumps(readers))

    def _removed(self, record: dict) -> bool:
        """Remove weights and the note on them; False where a job reads them: nothing is done."""
        try:
            reading = _lock(self._path(record["slug"], "reading"), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        with reading:
            _remove(record)
            self._forget(record)
        return True

    def _forget(self, record: dict) -> None:
        self._path(record["slug"], "record").unlink()


def _lock(path: Path, how: int):
    """An open file that is locked until it is closed."""
    file = path.open("a+")  # NFS gives shared locks to readers alone, and others to writers
    try:
        fcntl.flock(file, how)
    except BlockingIOError:
        file.close()
        raise
    except OSError as error:
        file.close()
        raise InfogeoError(
            f"{path}: this disk knows no locks ({error.strerror}), by which weights that are read "
            "are not removed. Set keep_weights to true, or run on another disk."
        ) from error
    return file


def _record(card: dict) -> dict:
    """The note on weights that are to be downloaded; what was there before is not to be removed."""
    folder = Path(card["directory"])
    hashes = {name: facts["sha256"] for name, facts in _weights(card).items()}
    return {
        "slug": card["slug"],
        "directory": card["directory"],
        "downloaded": {name: hashes[name] for name in hashes if not (folder / name).exists()},
        "whole": False,
    }


def _weights(card: dict) -> dict[str, dict]:
    """The files of weights of a model: name → bytes and sha256."""
    names = distinct.weights(dict.fromkeys(card["files"], ""))
    return {name: card["files"][name] for name in names}


def _size(file: Path) -> int | None:
    return file.stat().st_size if file.exists() else None


def _remove(record: dict) -> None:
    """Remove what was downloaded: files of a snapshot, and bytes to which no other links."""
    snapshot = Path(record["directory"])
    for name, sha256 in record["downloaded"].items():
        (snapshot / name).unlink(missing_ok=True)
        blob = _blobs(snapshot) / sha256
        others = (link.resolve() for link in snapshot.parent.glob(f"*/{name}"))
        if blob.resolve() not in others:
            blob.unlink(missing_ok=True)
    _remove_incomplete(record)


def _remove_incomplete(record: dict) -> None:
    """Remove parts of files that a killed process left: the client never goes on with them."""
    for sha256 in record["downloaded"].values():
        for part in _blobs(Path(record["directory"])).glob(f"{sha256}*.incomplete"):
            part.unlink(missing_ok=True)


def _blobs(snapshot: Path) -> Path:
    """Where the client keeps the bytes of the files of a snapshot."""
    return snapshot.parents[1] / "blobs"
