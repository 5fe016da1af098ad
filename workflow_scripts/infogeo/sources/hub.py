"""Files of models and data sets on the Hugging Face hub: found, chosen, downloaded, checked.

They stay where the hub's own client keeps them, under HF_HOME, shared with whatever else uses them
there: no file lies on the disk twice. The client reads HF_HOME, HF_ENDPOINT, HF_TOKEN and
HF_HUB_OFFLINE from the environment; the token is never handled here.
"""

import contextlib
import fnmatch
import hashlib
import os
import re
import shutil
import threading
import time
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from infogeo.files.artefacts import disk_full, is_disk_full, sha256_file
from infogeo.files.errors import InfogeoError
from infogeo.jobs.progress import Heartbeat
from infogeo.sources.model_directory import (
    BESIDE_TOKENIZER,
    PICKLES,
    TOKENIZER_FILES,
    check_config,
    read_json,
)

# What a busy or restarting server answers; each request is made so many times, waiting longer each
# time or as long as the server says.
BUSY = (408, 429, 500, 502, 503, 504)
TRIES = 4
INDEX = "model.safetensors.index.json"
# Nobody writes any more to part of a file that is this old.
REMAINS_SECONDS = 86_400
# Conversions that somebody proposed, looked through where a repository has pickles only.
MOST_PROPOSALS = 20


@dataclass(frozen=True)
class Repository:
    """A repository at one commit. `files`: path -> what the hub's client says about it."""

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

    _wait_for_no_answer_for_ever()
    with _Explained(name, kind, revision):
        before = _cached_commit(name, kind, revision)
        if is_offline_mode():
            if before is None:
                raise _not_cached(name, kind, revision)
            listed = get_cached_repo_tree(name, repo_type=kind, revision=before)
            commit = before
        else:
            commit = _resolved(name, kind, revision)
            listed = _patiently(
                lambda: list(
                    _api().list_repo_tree(name, repo_type=kind, revision=commit, recursive=True)
                )
            )
    files = {file.path: file for file in listed if isinstance(file, RepoFile)}
    climbing = [path for path in files if _climbs(path)]
    if climbing:
        raise InfogeoError(
            f"{_page(name, kind)}: the repository lists {climbing[0]!r}, a path that leads out of "
            "its own folder. Nothing was downloaded; do not use this repository."
        )
    if before not in (None, commit):
        print(
            f"{name}: {revision or 'main'} is now commit {commit}; it was {before} when this cache "
            "last saw it. Give the commit as `revision` to stay with one.",
            flush=True,
        )
    return Repository(name, kind, revision, commit, files)


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
    from huggingface_hub import hf_hub_download, is_offline_mode, snapshot_download
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
        _Explained(repository.name, repository.kind, repository.revision),
        _watched(heartbeat, repository, facts),
    ):
        for path in paths:
            file = Path(_patiently(lambda path=path: hf_hub_download(filename=path, **where)))
            facts[path] = _checked(file, repository, path)
        if not is_offline_mode():
            # Downloads nothing more: it leaves the list of files in the cache, for offline use.
            patterns = [path.replace("[", "[[]") for path in paths]
            _patiently(lambda: snapshot_download(allow_patterns=patterns, **where))
    heartbeat.close()
    folder = file.parents[len(PurePosixPath(path).parts) - 1]
    return folder, facts


def fetch_model(name: str, revision: str = "", trust_remote_code: bool = False):
    """Download what running a model takes: configuration, tokenizer, safetensors.

    Parameters
    ----------
    name, revision : str
        See `open_repository`.
    trust_remote_code : bool
        Whether the Python files of the repository are fetched too, and models that need them
        accepted.

    Returns
    -------
    repository : Repository
    folder : Path
        A directory in Hugging Face format.
    facts : dict
        path -> {'bytes', 'sha256'}.

    Raises
    ------
    InfogeoError
        Before weights are downloaded: where there are only pickled weights, quantised ones or
        none, no tokenizer, or code is needed and not allowed. And as `open_repository` and
        `download`.
    """
    repository = open_repository(name, "model", revision)
    files = repository.files
    small = {"config.json", INDEX, *TOKENIZER_FILES, *BESIDE_TOKENIZER}
    wanted = [path for path in files if path in small or (trust_remote_code and _is_code(path))]
    _check_parts(repository)
    folder, facts = download(repository, wanted)
    config = read_json(folder / "config.json")
    check_config(folder, config, trust_remote_code)
    if "model.safetensors" in files:
        weights = ["model.safetensors"]
    else:
        weights = sorted(set(read_json(folder / INDEX).get("weight_map", {}).values()))
        missing = [path for path in weights if path not in files]
        if missing or not weights:
            raise InfogeoError(
                f"{_page(name, 'model')}: {INDEX} lists {len(weights)} files, of which "
                f"{len(missing)} are not in the repository ({', '.join(missing[:3])}). Choose "
                "another revision."
            )
    folder, more = download(repository, weights)
    return repository, folder, facts | more


def fetch_dataset(name: str, revision: str, pattern: str):
    """Download the files of a data set whose paths match a pattern.

    Parameters
    ----------
    name, revision : str
        See `open_repository`.
    pattern : str
        Shell-style, over the whole path: * also matches a slash.

    Returns
    -------
    repository, folder, facts
        As `fetch_model`; `facts` in the order of the paths.

    Raises
    ------
    InfogeoError
        Where no path matches. And as `open_repository` and `download`.
    """
    repository = open_repository(name, "dataset", revision)
    paths = sorted(path for path in repository.files if fnmatch.fnmatchcase(path, pattern))
    if not paths:
        shown = ", ".join(sorted(repository.files)[:8])
        raise InfogeoError(
            f"{_page(name, 'dataset')}: no file matches `files` = {pattern!r}. There are "
            f"{len(repository.files)}, such as {shown}."
        )
    return repository, *download(repository, paths)


# ---------------------------------------------------------------- what a repository holds
def _climbs(path: str) -> bool:
    parts = path.replace("\\", "/").split("/")
    drive = re.match("[A-Za-z]:", path)
    return ".." in parts or path.startswith(("/", "\\")) or drive is not None


def _is_code(path: str) -> bool:
    return path.endswith(".py") and "/" not in path


def _check_parts(repository: Repository) -> None:
    """Refuse, by the names of its files, a repository that is not that of a usable model."""
    files = repository.files
    page = _page(repository.name, "model")
    at = f"{page} at {repository.revision or 'main'}"
    if "config.json" not in files:
        raise InfogeoError(f"{at}: no config.json, so it is no model of transformers' format.")
    if "model.safetensors" not in files and INDEX not in files:
        pickled = sorted(path for path in files if PurePosixPath(path).suffix in PICKLES)
        if not pickled:
            raise InfogeoError(f"{at}: no weights: neither model.safetensors nor {INDEX}.")
        raise InfogeoError(
            f"{at}: only pickled weights ({', '.join(pickled[:3])}), which can run code when they "
            f"are read. Safetensors are needed. {_proposals(repository)}"
        )
    if not any(name in files for name in TOKENIZER_FILES):
        raise InfogeoError(f"{at}: no tokenizer (none of {', '.join(TOKENIZER_FILES)}).")


def _proposals(repository: Repository) -> str:
    """Where the safetensors of a repository of pickles may be had."""
    from huggingface_hub.errors import HTTPError

    found = []
    try:
        refs = _api().list_repo_refs(repository.name, include_pull_requests=True)
        for ref in (refs.pull_requests or [])[:MOST_PROPOSALS]:
            listed = _api().list_repo_tree(repository.name, revision=ref.ref)
            if {"model.safetensors", INDEX} & {file.path for file in listed}:
                found.append(ref.ref)
    except (HTTPError, OSError):
        pass  # only a hint
    convert = "where you trust the file, convert it with save_pretrained() and use source `local`"
    if not found:
        return f"Choose a revision that has them, or {convert}."
    return (
        f"Pull requests hold them: set `revision` to {' or '.join(found)} once you have read, on "
        f"the Community tab, who made it (anyone can propose one); or {convert}."
    )


# ---------------------------------------------------------------- bytes
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
        found = hashlib.file_digest(data, lambda: hashlib.sha1(header % listed.size))
    return found.hexdigest() == listed.blob_id


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
    from huggingface_hub.file_download import repo_folder_name

    name = repo_folder_name(repo_id=repository.name, repo_type=repository.kind)
    return Path(_cache(), name, "blobs")


# ---------------------------------------------------------------- the client
def _api():
    from huggingface_hub import HfApi

    return HfApi(library_name="infogeo")


def _wait_for_no_answer_for_ever() -> None:
    """Give every request of the client the time limit that it gives only to some."""
    from huggingface_hub import constants, set_client_factory
    from huggingface_hub.utils._http import default_client_factory

    def limit(request) -> None:
        limits = request.extensions.get("timeout") or {}
        for kind in ("connect", "read", "write", "pool"):
            limits[kind] = limits.get(kind) or constants.HF_HUB_DOWNLOAD_TIMEOUT
        request.extensions["timeout"] = limits

    def client():
        made = default_client_factory()
        hooks = made.event_hooks
        hooks["request"].append(limit)
        made.event_hooks = hooks
        return made

    set_client_factory(client)


def _cached_commit(name: str, kind: str, revision: str) -> str | None:
    """The commit that the client's cache last saw a revision at."""
    from huggingface_hub.errors import RevisionResolutionError

    wanted = {"repo_type": kind, "revision": revision or None}
    try:
        return _api().resolve_revision(name, **wanted, local_files_only=True).resolved
    except RevisionResolutionError:
        return None


def _resolved(name: str, kind: str, revision: str) -> str:
    """The commit of a revision, asked of the hub."""
    wanted = {"repo_type": kind, "revision": revision or None}
    commit = _patiently(lambda: _api().repo_info(name, **wanted)).sha
    # Once more, since only this leaves it in the cache, for offline use (and may fall back on it).
    if _patiently(lambda: _api().resolve_revision(name, **wanted)).resolved != commit:
        raise InfogeoError(
            f"{_page(name, kind)}: {revision or 'main'} moved, or the hub failed, while it was "
            "looked up. Run the same command again."
        )
    return commit


def _patiently(call):
    """The result of a request, made again where the server is busy or the network fails."""
    for attempt in range(TRIES):
        try:
            return call()
        except Exception as error:
            wait = _pause(error, attempt)
            if wait is None or attempt == TRIES - 1:
                raise
            print(f"the hub is busy or out of reach; again in {wait} s", flush=True)
            time.sleep(wait)
    raise AssertionError("unreachable")


def _pause(error: Exception, attempt: int) -> int | None:
    """Seconds to wait before a request is made again; None where that would not help."""
    from huggingface_hub.utils import parse_ratelimit_headers

    response = _response(error)
    if response is not None and response.status_code in BUSY:
        after = response.headers.get("Retry-After", "")
        if after.isdigit():
            return int(after)
        limits = parse_ratelimit_headers(response.headers)
        if limits is not None and limits.remaining == 0:
            return limits.reset_in_seconds + 1
        return 2**attempt
    return 2**attempt if response is None and _is_network(error) else None


class _Explained:
    """Turns the errors of the hub's client into messages for users."""

    def __init__(self, name: str, kind: str, revision: str):
        self.what = name, kind, revision

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        if error is not None and not isinstance(error, InfogeoError):
            message = _message(error, *self.what)
            if message is not None:
                raise message from error


def _message(error: BaseException, name: str, kind: str, revision: str) -> InfogeoError | None:
    from huggingface_hub import errors, is_offline_mode

    page = _page(name, kind)
    causes = list(_causes(error))

    def among(*kinds) -> bool:
        return any(isinstance(cause, kinds) for cause in causes)

    if among(errors.OfflineModeIsEnabled) or (
        is_offline_mode()
        and among(errors.CachedRepoTreeNotFoundError, errors.LocalEntryNotFoundError)
    ):
        return _not_cached(name, kind, revision)
    if among(errors.GatedRepoError):
        return InfogeoError(
            f"{page}: gated: its licence must be accepted. Do so on that page, with your account; "
            f"then set HF_TOKEN to a token of that account that may read it. {_token()}"
        )
    if among(errors.RepositoryNotFoundError):
        return InfogeoError(
            f"{page}: no such repository, or it is private. Correct `where`; if it is private, "
            f"set HF_TOKEN to a token that may read it. {_token()}"
        )
    if among(errors.RevisionNotFoundError):
        return InfogeoError(
            f"{page}: no revision {revision!r}. The column `revision` is a branch, a tag, a pull "
            "request (refs/pr/1) or a commit; empty for the main branch."
        )
    response = _response(error)
    status = response.status_code if response is not None else None
    if status in (401, 403):
        return InfogeoError(
            f"{page}: access denied ({status}). Set HF_TOKEN to a valid token of an account that "
            f"may read it. {_token()}"
        )
    if status == 429:
        return InfogeoError(
            f"{page}: too many requests (429), also after waiting as long as the server asked. Run "
            "the same command again later; with HF_TOKEN set the limits are wider."
        )
    if status is not None:
        return InfogeoError(
            f"{page}: the hub answers with status {status}. What was fetched is kept; run the same "
            "command again later."
        )
    if any(is_disk_full(cause) for cause in causes):
        return disk_full(_cache())
    if among(errors.HFValidationError):
        return InfogeoError(f"{page}: {name!r} is not a repository's name (`where`): {error}")
    if _is_network(error):
        return InfogeoError(
            f"{page}: no answer ({type(causes[-1]).__name__}). Is there network here, and "
            "HF_ENDPOINT right? What was fetched is kept: run the same command again; or, where "
            "everything is in the cache, set HF_HUB_OFFLINE=1."
        )
    if among(OSError):
        return InfogeoError(
            f"{page}: {causes[-1]} (cache: {_cache()}). Run the same command again."
        )
    return None


def _not_cached(name: str, kind: str, revision: str) -> InfogeoError:
    return InfogeoError(
        f"{_page(name, kind)} at {revision or 'main'}: HF_HUB_OFFLINE is set, and not all of it is "
        f"in the cache {_cache()}. Fetch it once where there is network, with the same HF_HOME."
    )


def _page(name: str, kind: str) -> str:
    from huggingface_hub import constants

    return f"{constants.ENDPOINT}/{'datasets/' if kind == 'dataset' else ''}{name}"


def _cache() -> str:
    from huggingface_hub import constants

    return constants.HF_HUB_CACHE


def _token() -> str:
    there = "is set" if os.environ.get("HF_TOKEN") else "is not set"
    return f"(HF_TOKEN {there} here.)"


def _causes(error: BaseException):
    while error is not None:
        yield error
        error = error.__cause__


def _response(error: Exception):
    """The server's answer behind an error, or None."""
    from huggingface_hub.errors import HfHubHTTPError

    return next((e.response for e in _causes(error) if isinstance(e, HfHubHTTPError)), None)


def _is_network(error: Exception) -> bool:
    from huggingface_hub.errors import HTTPError

    return any(isinstance(e, HTTPError) for e in _causes(error))
