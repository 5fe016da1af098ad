"""What a run will not be able to judge, and what to add, as far as its tables show before it runs.

The Snakefile imports this module, so it needs nothing beyond PyYAML and jsonschema.
"""

import contextlib
import json
from collections import Counter
from pathlib import Path

from infogeo.planning.input_tables import has_labels
from infogeo.sources import cards, ladder_members, replicates, runs
from infogeo.sources.models import tokenizer_hash

NO_LABELS = "labels of the texts: label_column in the table of corpora, or subfolders"
NOT_CHOSEN = "the corpus in sentences.corpora"
NO_SIMILARITY = (
    "no similarities of layers and of models: they need the hidden states of all texts and layers "
    "(keep_hidden_states: true)"
)
# Below these nothing is judged: see `regression.reason_no_fit` and `distribution.MIN_TEXTS`, which
# need NumPy.
LEAST_SIZES, LEAST_ABLATED = 3, 8


def notes(models: list[dict], corpora: list[dict], config: dict, results) -> list[str]:
    """What cannot be judged and why: a line for each family and corpus of which something cannot.

    Parameters
    ----------
    models, corpora : lists of dict
        Rows of both tables.
    config : dict
        The complete configuration.
    results : path-like
        The folder results/, whose model.json are believed as to tokenizers.

    Returns
    -------
    list of str
        Empty where all can be judged as far as is known. What the user has left out (labels, a
        corpus in sentences.corpora; a law, of a family whose models are set beside others by
        `pair_with`) is no news.
    """
    families: dict[str, list[dict]] = {}
    for row in models:
        families.setdefault(row["family"], []).append(row)
    lines = []
    for family, rows in families.items():
        if reasons := _of_family(rows, results):
            lines.append(f"family {family}: {'; '.join(reasons)}")
    lacking = lacking_for_sentences(corpora, config)
    for row in corpora:
        reasons = []
        texts = min(config["states"]["attention_texts"], row["texts"] or LEAST_ABLATED)
        if texts < LEAST_ABLATED:
            reasons.append(
                f"no verdict on token ablation and on Lasso: of {texts} texts, {LEAST_ABLATED} are "
                "needed (states.attention_texts, and texts of the corpus)"
            )
        if lacking[row["slug"]] not in ("", NO_LABELS, NOT_CHOSEN):
            reasons.append(f"no study of sentences; to add: {lacking[row['slug']]}")
        if reasons:
            lines.append(f"corpus {row['slug']}: {'; '.join(reasons)}")
    if not config["keep_hidden_states"]:
        lines.append(f"all models: {NO_SIMILARITY}")
    return lines


def _of_family(rows: list[dict], results) -> list[str]:
    reasons = []
    if any(map(cards.is_encoder, rows)):
        reasons.append(f"no likelihoods, gains, token selection, ablation: {cards.NO_PREDICTION}")
    if not all(map(cards.has_model, rows)):
        reasons.append(
            "no twins, token selection, ablation, nor gains of each token, and likelihoods only "
            f"where they are given: {cards.NO_MODEL}"
        )
    rows = runs.last_of_runs(rows)
    dtypes = sorted({row["dtype"] for row in rows})
    count = sizes(rows)
    tokenizers = {_tokenizer(row, results) for row in rows} - {None}
    if len(dtypes) > 1:
        reasons.append(
            f"no scaling law: its models have the dtypes {', '.join(dtypes)}; give all the same, "
            "or each dtype a family"
        )
    elif count < LEAST_SIZES and not all(row.get("pair_with") for row in rows):
        reasons.append(
            f"no scaling law: {count} size{'' if count == 1 else 's'}, {LEAST_SIZES} are needed"
        )
    elif len(tokenizers) > 1:
        reasons.append(
            f"laws of prefix_bits_per_byte alone: its models have {len(tokenizers)} tokenizers; "
            "give those of one tokenizer a family"
        )
    return reasons


def families_beside(models: list[dict]) -> list[str]:
    """Families without a law of which every model is set beside another by `pair_with`."""
    return [
        rows[0]["family"] for rows in cards.by_family(runs.last_of_runs(models))
        if all(row.get("pair_with") for row in rows) and sizes(rows) < LEAST_SIZES
    ]  # fmt: skip


def sizes(rows: list[dict]) -> int:
    """The sizes of models of a family, at most: without params nothing says that two are alike."""
    distinct, numbered = set(), Counter()
    for row in rows:
        if row["source"] == "ladder":
            member = ladder_members.member(row["where"])
            distinct.add((member["ladder"], member["width"], member["depth"]))
        elif row["params"]:
            distinct.add(row["params"])
        elif (replicate := replicates.replicate_of(row)) is not None:
            numbered[replicate] += 1  # those of one number have different sizes
            distinct.add(("replicates", numbered[replicate]))
        else:
            distinct.add(row["slug"])
    return len(distinct)


def _tokenizer(row: dict, results):
    """What two models of one tokenizer share, where it is known; else None."""
    if row["source"] == "ladder":
        return ladder_members.member(row["where"])["ladder"]
    with contextlib.suppress(OSError, ValueError, KeyError):  # its own job reports it
        card = Path(results, "models", row["slug"], "model.json")
        return json.loads(card.read_text(encoding="utf-8"))["tokenizer_sha256"]
    name = "tokenizer.json"
    with contextlib.suppress(Exception):  # likewise: this is a forecast
        if row["source"] == "local" and Path(row["where"], name).is_file():
            return tokenizer_hash(Path(row["where"]), {name: None})
    return None


def lacking_for_sentences(corpora: list[dict], config: dict) -> dict[str, str]:
    """What each corpus lacks for the study of sentences.

    Parameters
    ----------
    corpora : list of dict
        Rows of the table.
    config : dict
        The complete configuration.

    Returns
    -------
    dict
        Slug → what to add; "" where the texts are judged. Whether there are enough texts of two
        labels is known once they are sampled (`infogeo.sentences.sample`).
    """
    return {row["slug"]: _lacking(row, config["sentences"]) for row in corpora}


def _lacking(row: dict, sentences: dict) -> str:
    chosen, least = sentences["corpora"], 2 * sentences["texts_per_label"]
    if not has_labels(row):
        return NO_LABELS
    if chosen != "all" and row["slug"] not in chosen:
        return NOT_CHOSEN
    if row["source"] == "docstrings" and len(_packages(row["where"])) == 1:
        return "another package in `where`, for one is one label, and two are compared"
    if 0 < row["texts"] < least:
        return (
            f"texts of the corpus, of which it takes {row['texts']}: two labels with "
            f"{sentences['texts_per_label']} each (sentences.texts_per_label) need {least}"
        )
    return ""


def _packages(where: str) -> set[str]:
    return {name.strip() for name in where.split(",")} - {""}
