"""Intrinsic dimensions of all models, beside those of their untrained twins."""

import numpy as np
import pandas as pd

from infogeo.geometry.depths import relative_depth, width_at
from infogeo.sources.cards import model_columns

PLACE = ["layer", "scope", "first", "n", "estimator", "scale"]
UNTRAINED = ["untrained", "untrained_low", "untrained_high"]
COLUMNS = [
    "corpus", "family", "model", "N", "params_total", "width", "layers", "run", "step",
    *PLACE[:1], "relative_depth", *PLACE[1:], "value", "low", "high",
    "null", "null_low", "null_high", *UNTRAINED, "rows", "duplicates", "reason",
]  # fmt: skip


def dimension_table(corpus: str, models: list[dict], measured: dict, untrained: dict):
    """The dimensions of every model on a corpus.

    Parameters
    ----------
    corpus : str
    models : list of dict
        slug, family and what cards say of them.
    measured, untrained : dict
        slug → table of `dimension_rows.layer_table` of a model; of its twins, with a column draw,
        where it has any.

    Returns
    -------
    pandas.DataFrame
        COLUMNS. width is that of the layer; untrained the mean over draws of the twins, of those
        that have a value, untrained_low and untrained_high the least and largest.
    """
    parts = []
    for model in models:
        rows, twins = measured[model["slug"]], untrained.get(model["slug"])
        if twins is None:
            rows = rows.assign(**dict.fromkeys(UNTRAINED, np.nan))
        else:
            over_draws = twins.groupby(PLACE, sort=False)["value"].agg(["mean", "min", "max"])
            over_draws.columns = UNTRAINED
            rows = rows.merge(over_draws.reset_index(), "left", PLACE)
        depths = [relative_depth(layer, model["layers"]) for layer in rows["layer"]]
        rows = rows.assign(relative_depth=depths, **model_columns(corpus, model))
        rows["width"] = [width_at(layer, model) for layer in rows["layer"]]
        parts.append(rows[COLUMNS])
    return pd.concat(parts, ignore_index=True)
