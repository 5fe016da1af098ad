"""Labels, models and distances of the sentence study, as its figures and page show them."""

import numpy as np
import pandas as pd

from infogeo.figures.families import extremes
from infogeo.figures.style import COLOURS, panel
from infogeo.figures.tables import select
from infogeo.files import numbers
from infogeo.files.numbers import count, number
from infogeo.sentences.distances import BASELINES

SHAPES = ["o", "s", "^", "D", "v", "X"]
DISTANCES = {
    "js_centred": "√JS, centred",
    "js_unit": "√JS, unit",
    "bures_centred": "Bures, centred",
    "bures_unit": "Bures, unit",
    "cosine_centred": "cosine of means, centred",
    "cosine": "cosine of means",
    "euclidean": "Euclidean of means",
    "bag_of_words": "bag of words",
    "length": "length in bytes",
}


def label_looks(labels) -> dict[str, tuple[str, str, bool]]:
    """Colour, shape and whether it is filled, of each label in alphabetical order.

    Twelve labels differ in shape or fill, 72 with colour.
    """
    looks = {}
    for i, label in enumerate(sorted(set(labels))):
        shape, half, round_ = i % len(SHAPES), i // len(SHAPES) % 2, i // (2 * len(SHAPES))
        colour = COLOURS[(shape + 3 * half + round_) % len(COLOURS)]
        looks[label] = (colour, SHAPES[shape], half == 0)
    return looks


def label_mark(look: tuple[str, str, bool]) -> dict:
    """How the mark of a label is drawn; the legend uses the same."""
    colour, shape, filled = look
    return {
        "color": colour, "marker": shape, "linestyle": "",
        "markersize": (4 if filled else 3.4) + (shape == "X"),  # so that all look equally large
        "markerfacecolor": colour if filled else "white",
        "markeredgecolor": "white" if filled else colour,
        "markeredgewidth": 0.3 if filled else 0.9,
    }  # fmt: skip


def shown_models(scores: pd.DataFrame, corpus: str) -> dict[str, str]:
    """The "smallest" and "largest" model by N, of the family with most models on a corpus.

    Of families of equal size the first by name; a family of one model has only a largest one, and
    without scores there is none.
    """
    rows = select(scores, corpus=corpus)
    if not len(rows):
        return {}
    counts = rows.groupby("family")["model"].nunique()  # in the order of names
    models = {role: model for _, role, model in extremes(select(rows, family=counts.idxmax()))}
    return {role: models[role] for role in ("smallest", "largest") if role in models}


def note_on_family(scores: pd.DataFrame, corpus: str) -> str:
    """Which family the models of `shown_models` are of, where there are others; else ""."""
    models = select(scores, corpus=corpus).drop_duplicates("model").set_index("model")["family"]
    if models.nunique() < 2:
        return ""
    family = models[shown_models(scores, corpus)["largest"]]
    return (
        f"Single models are of {family}, the family with most models of {models.nunique()}; "
        "sentence_view.html has the maps of all, sentences.csv their scores"
    )


def of_model(
    scores: pd.DataFrame, corpus: str, model: str, depth: str, first: str = "in"
) -> pd.DataFrame:
    """AUC of a model at a depth by distance; the baselines are there at every depth."""
    rows = select(scores, corpus=corpus, model=model, score="auc")
    at = (rows["depth"] == depth) & (rows["first"] == first)
    rows = rows[at | rows["distance"].isin(BASELINES)]
    return rows.set_index("distance")


def titled(ax, letter: str, title: str, reason: str) -> bool:
    """`panel`, the letter beside the first line of a title of several."""
    shown = panel(ax, "", title, reason)
    ax.annotate(
        letter, (0, 1), (-4, 3.5 + 9 * title.count("\n")), xycoords="axes fraction",
        textcoords="offset points", weight="bold", ha="right", va="bottom",
    )  # fmt: skip
    return shown


def short(name: str, most: int = 24) -> str:
    """A label, its middle left out where it is long."""
    half = most // 2
    return name if len(name) <= most else f"{name[: half - 1]}…{name[-half:]}"


def estimate(row) -> str:
    """A score with its interval, for a heading."""
    if not np.isfinite(row["value"]):
        return "n/a"
    if not np.isfinite([row["low"], row["high"]]).all():
        return f"{number(row['value'], 2)} (no interval)"
    return numbers.estimate(row["value"], row["low"], row["high"], 2)


def with_size(scores: pd.DataFrame, corpus: str, role: str, model: str) -> str:
    """A model for a heading, with its size."""
    N = select(scores, corpus=corpus, model=model)["N"].iloc[0]
    return f"{model} ({role}, N = {count(N)})"
