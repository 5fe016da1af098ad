"""Whether models have weights of their own: a branch may hold the bytes of another one.

Public checkpoints are partly wrong: of one size of Pythia 76 of 154 branches held the final weights
(EleutherAI/pythia#205). Two such rows would count as two measurements.
"""

import re
from collections.abc import Iterable, Mapping

from infogeo.files.errors import stop_at
from infogeo.files.fingerprint import digest

WEIGHTS = re.compile(r"model(-\d+-of-\d+)?\.safetensors")
SHOWN = 8  # names in a line


def weights(hashes: Mapping[str, str]) -> dict[str, str]:
    """Those of a model's files that hold weights: name → SHA-256."""
    return {name: sha256 for name, sha256 in hashes.items() if WEIGHTS.fullmatch(name)}


def require(models: Iterable[dict]) -> None:
    """Stop where models share files of weights, and the table says nothing of it.

    Parameters
    ----------
    models : iterable of dict
        Of each row of the table: slug, source, where, revision, same_as; and `weights`, the
        SHA-256 of each of its files of weights, by name.

    Raises
    ------
    InfogeoError
        Naming all models that share a file. Rows of one `where` and `revision` may do so, which
        the table shows, and those that `same_as` joins.

    Notes
    -----
    Files are compared, not tensors: equal weights in files of another layout are not noticed.
    """
    models = list(models)
    origins = {row["slug"]: (row["source"], row["where"], row["revision"]) for row in models}
    holders: dict[str, list[dict]] = {}
    for row in models:
        for sha256 in dict.fromkeys(row["weights"].values()):
            holders.setdefault(sha256, []).append(row)
    shared: dict[tuple, list[str]] = {}  # slugs → hashes
    for sha256, rows in holders.items():
        # What a row is the same as need not be among these.
        named = (row["same_as"] or row["slug"] for row in rows)
        if len({origins.get(slug, slug) for slug in named}) > 1:
            shared.setdefault(tuple(row["slug"] for row in rows), []).append(sha256)
    stop_at(
        [_line(slugs, hashes, models) for slugs, hashes in shared.items()],
        "models table: weights under several names. Correct where or revision, leave rows out, or "
        "write into same_as the slug of the model whose weights they are",
    )


def _line(slugs: tuple, hashes: list[str], models: list[dict]) -> str:
    """One set of models that share files."""
    (first, *_) = (row["weights"] for row in models if row["slug"] == slugs[0])
    files = [name for name, sha256 in first.items() if sha256 in hashes]
    more = f" and {len(slugs) - SHOWN} others" if len(slugs) > SHOWN else ""
    of = "" if len(files) == len(first) else f", {len(files)} of {len(first)} files"
    return f"{', '.join(slugs[:SHOWN])}{more}: the same {files[0]} (SHA-256 {hashes[0][:12]}…){of}"


def table(models: Iterable[dict]):
    """One row a model of which there are files of weights.

    Parameters
    ----------
    models : iterable of dict
        As for `require`, with commit.

    Returns
    -------
    pandas.DataFrame
        model, source, where, revision, commit, files (how many), sha256 (of the names and
        SHA-256 of all), same_as.
    """
    import pandas as pd

    columns = "model source where revision commit files sha256 same_as".split()
    rows = [
        [row["slug"], row["source"], row["where"], row["revision"], row["commit"],
         len(row["weights"]), digest(row["weights"]), row["same_as"]]
        for row in models if row["weights"]
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)
