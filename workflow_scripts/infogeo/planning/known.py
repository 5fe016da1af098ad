"""What is known of models and corpora before they are made or fetched, and from then on."""

import contextlib
import math
import os
from functools import cache
from pathlib import Path

from infogeo.files.artefacts import opened_table
from infogeo.files.errors import InfogeoError
from infogeo.sources import cards, foreign, ladder_members
from infogeo.sources.model_directory import validate_directory
from infogeo.sources.parameters import by_names
from infogeo.sources.text_files import text_paths


def describe_model(row: dict, config: dict, results: Path, fingerprint: str | None) -> dict:
    """Parameter counts and shape of a model, without its weights where they are not there yet.

    Parameters
    ----------
    row : dict
        Of the table of models.
    config : dict
        The complete configuration.
    results : Path
        The folder results/, whose model.json is believed if it carries the fingerprint.
    fingerprint : str or None

    Returns
    -------
    dict
        params_total, params_non_embedding, width, layers, vocabulary; and `directory`, of the
        tokenizer, or None.

    Raises
    ------
    InfogeoError
        Where a local directory is not that of a model, or a model of the hub is not there yet.
    """
    # A marker that is missing, damaged or of other settings says nothing: it will be made anew.
    with contextlib.suppress(InfogeoError):
        return cards.read(results / "models" / row["slug"] / "model.json", fingerprint)
    if row["source"] == "ladder":
        member = ladder_members.member(row["where"])
        vocabulary = config["ladders"][member["ladder"]]["vocabulary"]
        sizes = {"width": member["width"], "layers": member["depth"], "vocabulary": vocabulary}
        total, non_embedding = ladder_members.parameters(
            member["width"], member["depth"], vocabulary
        )
        counts = {"params_total": total, "params_non_embedding": non_embedding}
        return {**counts, **sizes, "directory": None}
    if row["source"] == "states":
        (described,) = foreign.of_model(row["where"], [_first_folder(row["where"])])
        return foreign.card([described], row["slug"], row["where"], row["revision"], "")
    if row["source"] == "hub":
        raise InfogeoError(f"model {row['slug']}: {row['where']} has not been downloaded yet.")
    files, _, tensors = validate_directory(row["where"], row["trust_remote_code"])
    parts = by_names(row["where"], files, tensors)
    sizes = {"width": parts.width, "layers": parts.layers, "vocabulary": parts.vocabulary}
    sizes["float32_stream"] = parts.float32_stream
    return {**_stored(tensors, parts.vocabulary), **sizes, "directory": row["where"]}


def _first_folder(where: str) -> str:
    """The name of a folder with the description of states; '' where there is none."""
    described = sorted(Path(where).glob(f"*/{foreign.DESCRIPTION}"))
    return described[0].parent.name if described else ""


def _stored(tensors: dict, vocabulary: int) -> dict:
    """Counts of all that is stored, for a plan: what loads is judged by the job that fetches it."""
    size = {name: math.prod(shape) for name, (_, _, shape, _, _) in tensors.items()}
    rows = [name for name, tensor in tensors.items() if tensor[2][:1] == (vocabulary,)]
    total = sum(size.values())
    return {
        "params_total": total,
        "params_non_embedding": total - sum(size[name] for name in rows),
    }


def written(path: str) -> int | None:
    """When a file was last written, in nanoseconds; None where there is none."""
    try:
        return os.stat(path).st_mtime_ns  # noqa: PTH116, since a Path takes longer than the question
    except OSError:
        return None


def texts_of(results, corpus: dict) -> int:
    """The evaluation texts of a corpus, from its file; else see `texts_at_most`."""
    table = Path(results) / "corpora" / f"{corpus['slug']}.parquet"
    # One that is missing or damaged says nothing: the job that reads it reports that.
    with contextlib.suppress(InfogeoError), opened_table(table, None) as file:
        return file.metadata.num_rows
    return texts_at_most(corpus)


def texts_at_most(corpus: dict) -> int:
    """The evaluation texts of a corpus at most, before it is fetched; 0 if that is not known.

    Parameters
    ----------
    corpus : dict
        Its row of the table. Texts in a user's own files are counted, all but compressed ones.
    """
    bounds = [corpus["texts"]]
    if corpus["source"] == "local":
        bounds.append(_held_out(_texts_in(Path(corpus["where"])), corpus["train_share"]))
    return min(filter(None, bounds), default=0)


def _held_out(texts: int, train_share: float) -> int:
    """Of texts that are trained on by a hash, so many are left; four standard deviations more."""
    left = texts * (1 - train_share)
    return min(texts, math.ceil(left + 4 * math.sqrt(left * train_share)))


@cache
def _texts_in(path: Path) -> int:
    """Texts in a folder or file at most; 0 where it would have to be unpacked, or is damaged."""
    if path.is_dir():
        return len(text_paths(path))
    if path.suffix.lower() == ".parquet":
        with contextlib.suppress(InfogeoError), opened_table(path, None) as file:
            return file.metadata.num_rows
        return 0
    if path.suffix.lower() == ".gz":
        return 0
    with contextlib.suppress(OSError), path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(2**20), b"")) + 1
    return 0


def sampled_texts_of(results, corpus: str) -> int:
    """Texts of a corpus between which distances are taken; 0 before they are drawn."""
    table = Path(results) / "sentences" / corpus / "texts.parquet"
    changed = written(str(table))
    return 0 if changed is None else _sampled_in(table, changed)


@cache
def _sampled_in(table: Path, changed: int) -> int:
    with contextlib.suppress(InfogeoError), opened_table(table, None) as file:
        return file.read(["left_out"])["left_out"].to_pylist().count("")
    return 0
