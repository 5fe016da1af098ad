"""Headers of safetensors files on the hub: enough to describe a model, without its weights."""

from pathlib import Path

from infogeo.sources.hub_client import Explained, patiently
from infogeo.sources.hub_download import download
from infogeo.sources.hub_repository import Repository
from infogeo.sources.tensor_files import write_stand_in

START_BYTES = 65_536  # that are asked for first: most headers are shorter
MOST_BYTES = 100_000_000  # of a header, as the format allows


def stand_in(folder: Path, repository: Repository, paths, at: Path) -> dict[str, dict]:
    """Fill a folder with links to a model's small files, and stand-ins for its weights.

    Parameters
    ----------
    folder : Path
        Where the small files are, and weights that were downloaded before.
    repository : Repository
    paths : list of str
        Of the files of weights.
    at : Path
        The folder to fill, which is empty.

    Returns
    -------
    dict
        path -> {'bytes', 'sha256'} of the weights, as the hub lists them. A file without a
        SHA-256 there is a small one, and is downloaded.

    Raises
    ------
    InfogeoError
        As `hub_repository.open_repository`.

    Notes
    -----
    Verified against the description of the same model after a download, on an HTTP server that
    speaks the hub's protocol (tests/hub).
    """
    facts = {}
    for path in paths:
        listed = repository.files[path]
        if listed.lfs is None:
            facts |= download(repository, [path])[1]
        elif not (folder / path).exists():
            write_stand_in(at / path, header(repository, path), listed.size)
        facts.setdefault(path, {"bytes": listed.size, "sha256": listed.lfs and listed.lfs.sha256})
    for file in folder.iterdir():
        if not (at / file.name).exists():
            (at / file.name).symlink_to(file.absolute())
    return facts


def header(repository: Repository, path: str) -> bytes:
    """A safetensors file up to the end of its header; what is no such file, a little of it."""
    with Explained(repository.name, repository.kind, repository.revision):
        start = patiently(lambda: _first_bytes(repository, path, START_BYTES))
        end = 8 + int.from_bytes(start[:8], "little")
        if len(start) < end <= min(repository.files[path].size, MOST_BYTES):
            start = patiently(lambda: _first_bytes(repository, path, end))
    return start[:end]


def _first_bytes(repository: Repository, path: str, count: int) -> bytes:
    """So many bytes from the start of a file, or all where there are fewer."""
    from huggingface_hub import hf_hub_url
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    where = {"repo_type": repository.kind, "revision": repository.commit}
    url = hf_hub_url(repository.name, path, **where)
    headers = build_hf_headers(library_name="infogeo")
    headers |= {"Range": f"bytes=0-{count - 1}", "Accept-Encoding": "identity"}
    begun = bytearray()
    with get_session().stream("GET", url, headers=headers, follow_redirects=True) as answer:
        hf_raise_for_status(answer)
        for piece in answer.iter_bytes():
            begun += piece
            if len(begun) >= count:  # a server may send all of the file
                break
    return bytes(begun[:count])
