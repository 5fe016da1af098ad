"""Tables of how well every distance of every model separates the labels.

The headline is the AUC of `js_centred` at the headline depth, of all tokens; everything else, the
same without the first token too, is exploratory.
"""

import numpy as np
import pandas as pd

from infogeo.inference.multiple_tests import benjamini_hochberg
from infogeo.sentences.scores import LEAST, SCORES
from infogeo.sentences.separation import Separation
from infogeo.sentences.study import REFERENCES, Study
from infogeo.sources.cards import model_columns

HEADLINE = ("js_centred", "auc")  # distance, score


def bounds(names) -> list[str]:
    """Each name, and its interval's columns."""
    return [column for name in names for column in (name, f"{name}_low", f"{name}_high")]


SCORE_COLUMNS = [
    "corpus", "family", "model", "N", "width", "layers", "replicate", "run", "step",
    "depth", "first", "distance", "score", "headline",
    "texts", "labels", "sources", "chance", "value", "low", "high", "p", "q",
    "untrained", "untrained_low", "untrained_high",
    *bounds(f"minus_{name}" for name in (*REFERENCES, "out")),
]  # fmt: skip


def is_headline(depth: str, first: str, distance: str, score: str, headline_depth: str) -> bool:
    """Whether a row was declared a headline before the run."""
    return (depth, first, distance, score) == (headline_depth, "in", *HEADLINE)


def score_table(study: Study, *, headline_depth: str) -> pd.DataFrame:
    """One row per model, depth, distance with the first token or without it, and score.

    Parameters
    ----------
    study : Study
    headline_depth : str

    Returns
    -------
    pandas.DataFrame
        SCORE_COLUMNS. low, high: 95 % over sources, within what the score can be; p: permutation
        test, chance: mean of the permuted scores; untrained: mean, least and largest draw of the
        twins; minus_*: paired differences from a reference of the same model, depth and first;
        minus_out: of all tokens, less the same without the first. q: see `with_q_values`.
    """
    separation, rows = study.separation, []
    counts = {
        "texts": len(separation.texts), "labels": separation.texts.onehot.shape[1],
        "sources": len(separation.texts.members),
    }  # fmt: skip
    models = {model["slug"]: model for model in study.models}
    for (slug, *key), cell in study.cells.items():
        depth, first, distance = key
        low, high = separation.interval(cell.values, cell.influence)
        columns = {
            "chance": cell.chance, "value": cell.values, "p": cell.p,
            "low": np.maximum(low, LEAST), "high": np.minimum(high, 1.0),
        }  # fmt: skip
        if (slug, *key) in study.twins:
            values, _ = study.twins[slug, *key]
            columns |= {"untrained": values.mean(0), "untrained_low": values.min(0),
                        "untrained_high": values.max(0)}  # fmt: skip
        for name in (*REFERENCES, "out"):
            gap, influence = study.gap(slug, *key, name)
            columns |= estimate(separation, f"minus_{name}", gap, influence)
        for at, score in enumerate(SCORES):
            row = model_columns(study.corpus, models[slug]) | counts
            row |= {"depth": depth, "first": first, "distance": distance, "score": score}
            row["headline"] = is_headline(*key, score, headline_depth)
            rows.append(row | {name: column[at] for name, column in columns.items()})
    return pd.DataFrame(rows).reindex(columns=SCORE_COLUMNS)


def estimate(separation: Separation, name: str, value, influence) -> dict:
    """The columns of an estimate with its interval."""
    low, high = separation.interval(value, influence)
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def with_q_values(frame: pd.DataFrame) -> pd.DataFrame:
    """Benjamini–Hochberg q values over the exploratory rows of all corpora; headlines have none.

    Takes scores (p → q) or trends (trend_p → trend_q, covariance_p → covariance_q).
    """
    frame = frame.copy()
    exploratory = ~frame["headline"].astype(bool)
    for p in ("p", "trend_p", "covariance_p"):
        if p in frame:
            q = p.removesuffix("p") + "q"
            frame[q] = np.nan
            frame.loc[exploratory, q] = benjamini_hochberg(frame.loc[exploratory, p])
    return frame
