"""Models and data sets on the Hugging Face hub: which files of a repository are needed.

`hub_repository` resolves a revision, `hub_download` brings the files, `hub_client` asks the hub.
"""

import fnmatch
import re
from collections import Counter
from pathlib import PurePosixPath

from infogeo.files.errors import InfogeoError, stop_at
from infogeo.sources import cards, distinct, hub_headers
from infogeo.sources.hub_client import NoRevision, api, not_cached, page_of
from infogeo.sources.hub_download import download
from infogeo.sources.hub_repository import Repository, list_files, open_repository
from infogeo.sources.model_directory import (
    BESIDE_TOKENIZER,
    GGUF,
    INDEX,
    PICKLES,
    TOKENIZER_FILES,
    check_config,
    read_json,
)

PART = re.compile(r"(.*)-\d+-of-(\d+)(.*)")
# Conversions that somebody proposed, looked through where a repository has pickles only.
MOST_PROPOSALS = 20


def fetch_model(
    name: str, revision: str = "", trust_remote_code: bool = False, judge=None, stand_in=None
):
    """Download what running a model takes: configuration, tokenizer, safetensors.

    Parameters
    ----------
    name, revision : str
        See `open_repository`.
    trust_remote_code : bool
        Whether the Python files of the repository are fetched too, and models that need them
        accepted.
    judge : callable, optional
        Called with the folder of configuration and tokenizer, before weights are downloaded: it
        raises where the model cannot be measured.
    stand_in : Path, optional
        An empty folder: weights are not downloaded, and it is filled with what describing the
        model takes; see `hub_headers.stand_in`.

    Returns
    -------
    repository : Repository
    folder : Path
        A directory in Hugging Face format; without the weights where there is a stand-in.
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
    needed = [path for path in files if path in small or (trust_remote_code and _is_code(path))]
    try:
        _check_parts(repository)
    except InfogeoError as error:
        raise not_cached(name, "model", revision) if repository.is_snapshot else error from None
    folder, facts = download(repository, needed)
    config = read_json(folder / "config.json")
    check_config(folder, config, trust_remote_code)
    if judge is not None:
        judge(folder)
    if "model.safetensors" in files:
        weights = ["model.safetensors"]
    else:
        weights = sorted(set(read_json(folder / INDEX).get("weight_map", {}).values()))
        missing = [path for path in weights if path not in files]
        if missing and repository.is_snapshot:
            raise not_cached(name, "model", revision)
        if missing or not weights:
            raise InfogeoError(
                f"{page_of(name, 'model')}: {INDEX} lists {len(weights)} files, of which "
                f"{len(missing)} are not in the repository ({', '.join(missing[:3])}). Choose "
                "another revision."
            )
    if stand_in is None:
        folder, more = download(repository, weights)
    else:
        more = hub_headers.stand_in(folder, repository, weights, stand_in)
    return repository, folder, facts | more


def check_weights(rows: list[dict], fetched: dict) -> None:
    """Stop, before models are downloaded, where revisions are missing or models share weights.

    Parameters
    ----------
    rows : list of dict
        Of the table of models: slug, source, where, revision, same_as.
    fetched : dict of str to path
        See `list_weights`.

    Raises
    ------
    InfogeoError
        As `list_weights` and `distinct.require`.
    """
    listed = zip(rows, list_weights(rows, fetched), strict=True)
    distinct.require(row | {"weights": weights} for row, weights in listed)


def list_weights(rows: list[dict], fetched: dict) -> list[dict[str, str]]:
    """The SHA-256 of the files of weights of models, by name, before they are downloaded.

    Parameters
    ----------
    rows : list of dict
        slug, where, revision.
    fetched : dict of str to path
        model.json of those that are here already, by slug: they are not asked for.

    Raises
    ------
    InfogeoError
        Naming every revision that is not there, and every repository that cannot be read.
    """
    listed, problems, closed = [], [], set()
    for row in rows:
        hashes = {}
        if row["slug"] in fetched:
            files = cards.read(fetched[row["slug"]])["files"]
            hashes = {name: facts["sha256"] for name, facts in files.items()}
        elif row["where"] not in closed:
            try:
                files = list_files(row["where"], "model", row["revision"])
                hashes = {path: entry.lfs.sha256 for path, entry in files.items() if entry.lfs}
            except InfogeoError as error:
                problems.append(f"{row['slug']}: {error}")
                if not isinstance(error, NoRevision):  # and so for other revisions
                    closed.add(row["where"])
        listed.append(distinct.weights(hashes))
    stop_at(problems, "models of source hub")
    return listed


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
    if repository.is_snapshot and (not paths or _lacks_parts(paths)):
        raise not_cached(name, "dataset", revision)
    if not paths:
        shown = ", ".join(sorted(repository.files)[:8])
        raise InfogeoError(
            f"{page_of(name, 'dataset')}: no file matches `files` = {pattern!r}. There are "
            f"{len(repository.files)}, such as {shown}."
        )
    return repository, *download(repository, paths)


def _lacks_parts(paths: list[str]) -> bool:
    """Whether files that are numbered as parts of a whole (…-00000-of-00002…) are not all there."""
    parts = [match for match in (PART.fullmatch(path) for path in paths) if match is not None]
    wholes = Counter((match[1], match[2], match[3]) for match in parts)
    return any(number != int(whole[1]) for whole, number in wholes.items())


def _is_code(path: str) -> bool:
    return path.endswith(".py") and "/" not in path


def _check_parts(repository: Repository) -> None:
    """Refuse, by the names of its files, a repository that is not that of a usable model."""
    files = repository.files
    page = page_of(repository.name, "model")
    at = f"{page} at {repository.revision or 'main'}"
    if "config.json" not in files and not any(path.lower().endswith(".gguf") for path in files):
        raise InfogeoError(f"{at}: no config.json, so it is no model of transformers' format.")
    if "model.safetensors" not in files and INDEX not in files:
        pickled = sorted(path for path in files if PurePosixPath(path).suffix in PICKLES)
        if not pickled and any(path.lower().endswith(".gguf") for path in files):
            raise InfogeoError(f"{at}: {GGUF}.")
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

    revisions = []
    try:
        refs = api().list_repo_refs(repository.name, include_pull_requests=True)
        for ref in (refs.pull_requests or [])[:MOST_PROPOSALS]:
            listed = api().list_repo_tree(repository.name, revision=ref.ref)
            if {"model.safetensors", INDEX} & {file.path for file in listed}:
                revisions.append(ref.ref)
    except (HTTPError, OSError):
        pass  # only a hint
    convert = "where you trust the file, convert it with save_pretrained() and use source `local`"
    if not revisions:
        return f"Choose a revision that has them, or {convert}."
    return (
        f"Pull requests hold them: set `revision` to {' or '.join(revisions)} once you have read, "
        f"on the Community tab, who made it (anyone can propose one); or {convert}."
    )
