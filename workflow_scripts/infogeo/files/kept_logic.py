"""Hashes of what scripts compute, kept from one start of Snakemake to the next."""

import contextlib
import hashlib
import json
from pathlib import Path

from infogeo.files.artefacts import replacing
from infogeo.files.errors import InfogeoError
from infogeo.files.fingerprint import PACKAGE, digest, logic


def of_scripts(scripts: Path, cache_file: Path) -> dict[str, str]:
    """What `fingerprint.logic` says of every script in a folder.

    Following all imports takes half a second, and every start of Snakemake needs it, on a node too.
    So the hashes are kept in a file, which holds for these very bytes of scripts and library.

    Parameters
    ----------
    scripts : Path
        The folder of the scripts.
    cache_file : Path
        The file, which is written anew where it is of other sources, or damaged.

    Returns
    -------
    dict
        Name of a script, without suffix → hash.

    Raises
    ------
    InfogeoError
        As `fingerprint.logic`.
    """
    sources = _sources(scripts)
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        entry = json.loads(cache_file.read_text(encoding="utf-8"))
        if entry == _entry(sources, entry["logic"]):
            return entry["logic"]
    made = {path.stem: logic(str(path)) for path in sorted(scripts.glob("*.py"))}
    if _sources(scripts) != sources:  # edited meanwhile: nobody knows of which these are
        return made
    # A folder that cannot be written to, or a full disk, costs the time again, no more.
    with contextlib.suppress(OSError, InfogeoError), replacing(cache_file) as temporary:
        temporary.write_text(json.dumps(_entry(sources, made)), encoding="utf-8")
    return made


def _sources(scripts: Path) -> str:
    """The hash of the paths and bytes of all scripts and of the library."""
    paths = [*sorted(scripts.glob("*.py")), *sorted(PACKAGE.rglob("*.py"))]
    return digest([_bytes_of(path) for path in paths])


def _entry(sources: str, made: dict[str, str]) -> dict:
    """What the file holds: `seal` shows whether the rest is what was written."""
    return {"sources": sources, "logic": made, "seal": digest([sources, made])}


def _bytes_of(path: Path) -> list[str]:
    return [str(path), hashlib.sha256(path.read_bytes()).hexdigest()]
