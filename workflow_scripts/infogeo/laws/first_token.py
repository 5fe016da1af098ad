"""Where the first token of the texts decides a number: means with it and without it."""

import numpy as np
import pandas as pd

from infogeo.files.numbers import number

KEY = ["corpus", "family", "model", "scope", "layer", "convention", "n", "metric"]


def both(profiles: pd.DataFrame) -> pd.DataFrame:
    """The means of texts with their first token, beside those without it.

    Parameters
    ----------
    profiles : pandas.DataFrame
        results/scaling/profiles.parquet.

    Returns
    -------
    pandas.DataFrame
        `KEY`, relative_depth, y, y_low, y_high, and the same of the tokens but the first:
        out, out_low, out_high.
    """
    of_texts = profiles[profiles["scope"] == "text"]
    values = ["y", "y_low", "y_high"]
    out = of_texts.loc[of_texts["first"] == "out", [*KEY, *values]]
    out = out.rename(columns={name: name.replace("y", "out", 1) for name in values})
    with_first = of_texts[of_texts["first"] == "in"]
    return with_first[[*KEY, "relative_depth", *values]].merge(out, on=KEY, validate="1:1")


def matters(rows: pd.DataFrame) -> pd.Series:
    """Where the two intervals do not overlap."""
    return (rows["out_low"] > rows["y_high"]) | (rows["out_high"] < rows["y_low"])


def sentences(profiles: pd.DataFrame, n: int) -> list[str]:
    """A sentence a corpus and family on the centred entropy of n tokens, which is moved the most.

    None where every interval of it with the first token overlaps that without.
    """
    rows = both(profiles)
    rows = rows[
        (rows["metric"] == "entropy") & (rows["convention"] == "centred") & (rows["n"] == n)
    ]
    lines = []
    for (corpus, family), group in rows.groupby(["corpus", "family"], sort=False):
        moved = group[matters(group)]
        if not len(moved):
            continue
        most = moved.loc[np.abs(moved["out"] - moved["y"]).idxmax()]
        models = group["model"].nunique()
        lines.append(
            f"{family} on {corpus}: the first token decides the centred entropy of "
            f"{moved['model'].nunique()} of {models} models at some layer. Most at layer "
            f"{most['layer']} of {most['model']}: {number(most['y'])} nats with it, "
            f"{number(most['out'])} without (n = {n})."
        )
    return lines
