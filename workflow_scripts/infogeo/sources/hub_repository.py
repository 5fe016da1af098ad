"""A repository on the hub at one commit, and what it holds there."""

import re
from dataclasses import dataclass

from infogeo.files.errors import InfogeoError
from infogeo.sources.hub_client import Explained, api, limit_waiting, not_cached, page_of, patiently


@dataclass(frozen=True)
class Repository:
    """A repository at one commit. `files`: path -> the hub client's entry for it."""

    name: str
    kind: str  # 'model' or 'dataset'
    revision: str
    commit: str
    files: dict

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
        Where there is no such repository or revision, access is denied, the hub cannot be reached,
        the client is offline and the cache knows no commit, or a path climbs out of its folder.
    """
    from huggingface_hub import get_cached_repo_tree, is_offline_mode
    from huggingface_hub.hf_api import RepoFile

    limit_waiting()
    with Explained(name, kind, revision):
        before = _cached_commit(name, kind, revision)
        if is_offline_mode():
            if before is None:
                raise not_cached(name, kind, revision)
            listed = get_cached_repo_tree(name, repo_type=kind, revision=before)
            commit = before
        else:
            commit = _resolved(name, kind, revision)
            listed = patiently(
                lambda: list(
                    api().list_repo_tree(name, repo_type=kind, revision=commit, recursive=True)
                )
            )
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


def _cached_commit(name: str, kind: str, revision: str) -> str | None:
    """The commit that the client's cache last saw a revision at."""
    from huggingface_hub.errors import RevisionResolutionError

    query = {"repo_type": kind, "revision": revision or None}
    try:
        return api().resolve_revision(name, **query, local_files_only=True).resolved
    except RevisionResolutionError:
        return None


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
