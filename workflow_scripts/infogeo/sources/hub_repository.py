"""A repository on the hub at one commit, and what it holds there."""

import re
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

from infogeo.files.errors import InfogeoError
from infogeo.sources.hub_client import (
    Explained,
    api,
    cache_folder,
    limit_waiting,
    not_cached,
    page_of,
    patiently,
)


@dataclass(frozen=True)
class Repository:
    """A repository at one commit.

    Attributes
    ----------
    name, kind, revision, commit : str
        `kind` is 'model' or 'dataset'.
    files : dict
        path -> the hub client's entry for it, or one with the same size, lfs and blob_id.
    is_snapshot : bool
        Whether `files` are those of a snapshot that another program left in the cache: the
        repository may hold more.
    """

    name: str
    kind: str
    revision: str
    commit: str
    files: dict
    is_snapshot: bool = False

    def __str__(self) -> str:
        return f"{self.name}@{self.commit[:12]}"


def open_repository(name: str, kind: str, revision: str = "") -> Repository:
    """Resolve a revision to a commit, and list what the repository holds there.

    Parameters
    ----------
    name : str
        As in the hub's addresses, such as 'EleutherAI/pythia-410m'.
    kind : {'model', 'dataset'}
    revision : str
        Branch, tag, pull request ('refs/pr/1') or commit; empty for the main branch.

    Raises
    ------
    InfogeoError
        Where there is no such repository or revision; access is denied; the hub cannot be reached;
        the client is offline and the cache knows no commit; or a path climbs out of its folder.
    """
    from huggingface_hub import get_cached_repo_tree, is_offline_mode, snapshot_download
    from huggingface_hub.errors import CachedRepoTreeNotFoundError
    from huggingface_hub.hf_api import RepoFile

    limit_waiting()
    with Explained(name, kind, revision):
        before = _cached_commit(name, kind, revision)
        if is_offline_mode():
            if before is None:
                raise not_cached(name, kind, revision)
            commit = before
            try:
                listed = get_cached_repo_tree(name, repo_type=kind, revision=commit)
            except CachedRepoTreeNotFoundError:
                files = _files_of_snapshot(name, kind, commit)
                return Repository(name, kind, revision, commit, files, is_snapshot=True)
        else:
            commit = _resolved(name, kind, revision)
            listed = _listed(name, kind, commit)
            # Downloads nothing: it leaves the list of files in the cache. Without network, a
            # download that was broken off is known as such by that list.
            where = {"repo_type": kind, "revision": commit}
            patiently(lambda: snapshot_download(name, **where, allow_patterns=[]))
    files = {file.path: file for file in listed if isinstance(file, RepoFile)}
    climbing = [path for path in files if _climbs(path)]
    if climbing:
        raise InfogeoError(
            f"{page_of(name, kind)}: the repository lists {climbing[0]!r}, a path that leads out "
            "of its own folder. Nothing was downloaded; do not use this repository."
        )
    if before not in (None, commit):
        print(
            f"{name}: {revision or 'main'} is now commit {commit}; it was {before} when this cache "
            "last saw it. Give the commit as `revision` to stay with one.",
            flush=True,
        )
    return Repository(name, kind, revision, commit, files)


def list_files(name: str, kind: str, revision: str = "") -> dict:
    """What `open_repository` gives as files, while nothing is left in the cache.

    Raises
    ------
    InfogeoError
        As there.
    """
    from huggingface_hub import is_offline_mode
    from huggingface_hub.hf_api import RepoFile

    if is_offline_mode():
        return open_repository(name, kind, revision).files
    limit_waiting()
    with Explained(name, kind, revision):
        listed = _listed(name, kind, revision or None)
    return {file.path: file for file in listed if isinstance(file, RepoFile)}


def _listed(name: str, kind: str, revision: str | None) -> list:
    """The entries of a repository at a revision."""
    where = {"repo_type": kind, "revision": revision}
    return patiently(lambda: list(api().list_repo_tree(name, **where, recursive=True)))


def _cached_commit(name: str, kind: str, revision: str) -> str | None:
    """The commit that the client's cache last saw a revision at."""
    from huggingface_hub.errors import RevisionResolutionError

    query = {"repo_type": kind, "revision": revision or None}
    try:
        return api().resolve_revision(name, **query, local_files_only=True).resolved
    except RevisionResolutionError:
        return None


def _files_of_snapshot(name: str, kind: str, commit: str) -> dict:
    """What a snapshot in the cache holds, filled by a client that leaves no list of files.

    Its files are links to blobs, named by the hash that the hub lists: SHA-256 (large files), or
    git's. A file that is no such link has no hash to be compared with.
    """
    folder = storage_folder(name, kind) / "snapshots" / commit
    files, without_hash = {}, 0
    for path in sorted(folder.rglob("*")):
        if not path.is_file():  # a folder, or a link to a blob that is gone
            continue
        blob, size = path.resolve().name, path.stat().st_size
        sha256 = blob if re.fullmatch("[0-9a-f]{64}", blob) else ""
        git = blob if re.fullmatch("[0-9a-f]{40}", blob) else ""
        lfs = SimpleNamespace(sha256=sha256) if sha256 else None
        without_hash += not (sha256 or git)
        files[path.relative_to(folder).as_posix()] = SimpleNamespace(
            size=size, lfs=lfs, blob_id=git or None
        )
    print(
        f"{name}@{commit[:12]}: offline, from a cache that another program filled: {len(files)} "
        f"files, of which {without_hash} have no hash there to be compared with",
        flush=True,
    )
    return files


def storage_folder(name: str, kind: str) -> Path:
    """Where the client's cache keeps a repository."""
    from huggingface_hub.file_download import repo_folder_name

    return Path(cache_folder(), repo_folder_name(repo_id=name, repo_type=kind))


def _resolved(name: str, kind: str, revision: str) -> str:
    """The commit of a revision, asked of the hub."""
    query = {"repo_type": kind, "revision": revision or None}
    commit = patiently(lambda: api().repo_info(name, **query)).sha
    # Once more, since only this leaves it in the cache, for offline use (and may fall back on it).
    if patiently(lambda: api().resolve_revision(name, **query)).resolved != commit:
        raise InfogeoError(
            f"{page_of(name, kind)}: {revision or 'main'} moved, or the hub failed, while it was "
            "looked up. Run the same command again."
        )
    return commit


def _climbs(path: str) -> bool:
    parts = path.replace("\\", "/").split("/")
    drive = re.match("[A-Za-z]:", path)
    return ".." in parts or path.startswith(("/", "\\")) or drive is not None
