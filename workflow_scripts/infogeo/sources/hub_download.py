"""Files of a repository on the hub: downloaded into the client's cache, and checked byte for byte.

They stay where the client keeps them, under HF_HOME, shared with whatever else uses them there: no
file lies on the disk twice.
"""

import contextlib
import hashlib
import shutil
import threading
import time
from pathlib import Path, PurePosixPath

from infogeo.files.artefacts import sha256_file
from infogeo.files.errors import InfogeoError
from infogeo.jobs.progress import Heartbeat
from infogeo.sources.hub_client import Explained, patiently
from infogeo.sources.hub_repository import Repository, storage_folder

# Nobody writes any more to part of a file that is this old.
REMAINS_SECONDS = 86_400


def download(repository: Repository, paths) -> tuple[Path, dict[str, dict]]:
    """Bring files into the client's cache and check every byte.

    The client writes under a temporary name, goes on where a connection broke, compares sizes and
    moves the whole file into place; here follows the comparison of hashes. What is there already
    is checked too. A file that fails is removed, so that the next attempt fetches it.

    Parameters
    ----------
    repository : Repository
    paths : sequence of str
        Of `repository.files`.

    Returns
    -------
    folder : Path
        Where the paths lie.
    facts : dict
        path -> {'bytes', 'sha256'}.

    Raises
    ------
    InfogeoError
        As `open_repository`; where a file differs from what the hub lists, or the disk is too
        small.

    Notes
    -----
    Verified against an HTTP server that speaks the hub's protocol (tests/hub).
    """
    from huggingface_hub import hf_hub_download, is_offline_mode
    from huggingface_hub.utils import disable_progress_bars

    disable_progress_bars()
    where = {"repo_id": repository.name, "repo_type": repository.kind}
    where["revision"] = repository.commit
    if not is_offline_mode():
        _remove_remains(repository)
        _require_room(repository, paths)
    total = sum(repository.files[path].size for path in paths)
    heartbeat = Heartbeat(str(repository), total, "bytes")
    heartbeat.update(0)
    facts = {}
    with (
        Explained(repository.name, repository.kind, repository.revision),
        _watched(heartbeat, repository, facts),
    ):
        for path in paths:
            file = Path(patiently(lambda path=path: hf_hub_download(filename=path, **where)))
            facts[path] = _checked(file, repository, path)
    heartbeat.close()
    folder = file.parents[len(PurePosixPath(path).parts) - 1]
    return folder, facts


@contextlib.contextmanager
def _watched(heartbeat: Heartbeat, repository: Repository, facts: dict):
    """Beat while files arrive: by those that are whole (`facts`) and the parts of the others."""
    blobs = _blobs(repository)
    before = set(blobs.glob("*.incomplete"))  # left by a process that was killed
    ended = threading.Event()

    def beat():
        while not ended.wait(1):
            whole = sum(fact["bytes"] for fact in list(facts.values()))
            parts = sum(_size(file) for file in set(blobs.glob("*.incomplete")) - before)
            heartbeat.update(whole + parts)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:  # it has just been moved into place
        return 0


def _checked(file: Path, repository: Repository, path: str) -> dict:
    """Size and SHA-256 of a downloaded file; removes it where it is not what the hub lists."""
    listed = repository.files[path]
    facts = {"bytes": file.stat().st_size, "sha256": ""}
    if facts["bytes"] == listed.size:
        facts["sha256"] = sha256_file(file)
        if _is_listed(file, facts["sha256"], listed):
            return facts
    blob = file.resolve()
    file.unlink()
    blob.unlink(missing_ok=True)
    raise InfogeoError(
        f"{repository}: {path} is not what the hub lists (listed {listed.size:,} bytes, got "
        f"{facts['bytes']:,}; SHA-256 {facts['sha256'][:12] or 'not taken'}…). It was damaged on "
        "the way or on the disk, and has been removed: run the same command again."
    )


def _is_listed(file: Path, sha256: str, listed) -> bool:
    """Whether a file has the hash by which the hub lists it: SHA-256 (large files), or git's."""
    if listed.lfs is not None:
        return sha256 == listed.lfs.sha256
    if listed.blob_id is None:  # of a snapshot without hashes
        return True
    # The list in the cache lacks the SHA-256. The client names the file by it, where it can; and
    # git keeps a pointer to it instead of a large file.
    if file.is_symlink() and file.readlink().name == sha256:
        return True
    pointer = (
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {listed.size}\n"
    )
    header = b"blob %d\0"
    if hashlib.sha1(header % len(pointer) + pointer.encode()).hexdigest() == listed.blob_id:
        return True
    with file.open("rb") as data:
        digest = hashlib.file_digest(data, lambda: hashlib.sha1(header % listed.size))
    return digest.hexdigest() == listed.blob_id


def _require_room(repository: Repository, paths) -> None:
    """See that the disk of the cache has room for what is not there yet."""
    blobs = _blobs(repository)
    missing = 0
    for path in paths:
        listed = repository.files[path]
        name = listed.lfs.sha256 if listed.lfs is not None else listed.blob_id
        missing += 0 if (blobs / name).exists() else listed.size
    disk = next(folder for folder in (blobs, *blobs.parents) if folder.exists())
    free = shutil.disk_usage(disk).free
    if missing > free:
        raise InfogeoError(
            f"{repository}: {missing / 1e9:,.1f} GB are still to be downloaded, but {disk} has "
            f"{free / 1e9:,.1f} GB free. Free some space, or set HF_HOME to a larger disk."
        )


def _remove_remains(repository: Repository) -> None:
    """Remove parts of files that a killed process left: the client never goes on with them."""
    for file in _blobs(repository).glob("*.incomplete"):
        if time.time() - file.stat().st_mtime > REMAINS_SECONDS:
            file.unlink(missing_ok=True)


def _blobs(repository: Repository) -> Path:
    """Where the client keeps the bytes of a repository's files."""
    return storage_folder(repository.name, repository.kind) / "blobs"
