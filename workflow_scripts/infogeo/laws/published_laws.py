"""Published values through the fits, controls and verdicts of what is measured here."""

import numpy as np
import pandas as pd

from infogeo.geometry.metrics import CONDITIONAL, all_tokens, depth_of
from infogeo.inference import regression
from infogeo.laws.columns import KEY, tidy
from infogeo.laws.law import Curve, judge

AXIS = "nominal"  # N as published: not counted from weights


def width_law(metric: str, widths) -> np.ndarray:
    """ln of the width law at each point, up to a constant: what the metric's divisor does to it.

    Notes
    -----
    Without spectra, what the rank of a narrow model takes from its entropy is not in it.
    """
    if metric == "entropy_over_ln_d":
        return -np.log(np.log(widths))
    return np.zeros(len(widths))


def published_laws(rows: list[dict], *, draws: int, seed: int) -> pd.DataFrame:
    """One law per table, corpus, family and metric.

    Parameters
    ----------
    rows : list of dict
        From `infogeo.sources.published.read`.
    draws, seed : int
        As for `infogeo.laws.law.judge`.

    Returns
    -------
    pandas.DataFrame
        The columns of laws.parquet, and `table`, whose rows they come from. Texts were not
        published: none are counted or resampled.

    Notes
    -----
    Verified against the exponents that the source's tables give by statsmodels, to the last
    printed digit.
    """
    laws = []
    frame = pd.DataFrame(rows, columns=["table", "corpus", "family", "metric", "model", "N", "d",
                                        "value"])  # fmt: skip
    keys = ["table", "corpus", "family", "metric"]
    for key, group in frame.groupby(keys, sort=False):
        group = group.sort_values("N", kind="stable")
        x, y = np.log(group["N"].to_numpy(float)), np.log(group["value"].to_numpy(float))
        widths, metric = group["d"].to_numpy(), key[-1]
        missing = np.full(len(y), np.nan), None
        nulls = {"untrained": missing}
        if metric not in CONDITIONAL:
            nulls = {"width": (width_law(metric, widths), None), "random": missing} | nulls
        reason = regression.reason_no_fit(x, y)
        curve = Curve(x, y, widths, group["model"].tolist(), nulls)
        judged, _, problems = judge(curve, reason, draws=draws, seed=seed)
        about = dict(zip(keys, key, strict=True)) | {
            "scope": "text", "depth": depth_of(metric, "final"), "convention": "",
            "first": all_tokens(metric), "n": 0, "axis": AXIS, "headline": True,
            "points": len(y), "models": len(y),
            "problems": "; ".join(filter(None, [reason, *problems])),
        }  # fmt: skip
        laws.append(about | judged)
    tables = [row["table"] for row in laws]
    return tidy(pd.DataFrame(laws, columns=None if laws else KEY)).assign(table=tables)
