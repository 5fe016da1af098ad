"""Hashes of what scripts compute, kept from one start of Snakemake to the next."""

import contextlib
import hashlib
import json
from pathlib import Path

from infogeo.files.artefacts import replacing
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
    paths = sorted(scripts.glob("*.py"))
    sources = digest([_bytes_of(path) for path in [*paths, *sorted(PACKAGE.rglob("*.py"))]])
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        entry = json.loads(cache_file.read_text(encoding="utf-8"))
        if entry["sources"] == sources:
            return entry["logic"]
    made = {path.stem: logic(str(path)) for path in paths}
    # A folder that cannot be written to costs the time again, no more.
    with contextlib.suppress(OSError), replacing(cache_file) as temporary:
        temporary.write_text(json.dumps({"sources": sources, "logic": made}), encoding="utf-8")
    return made


def _bytes_of(path: Path) -> list[str]:
    return [str(path), hashlib.sha256(path.read_bytes()).hexdigest()]
