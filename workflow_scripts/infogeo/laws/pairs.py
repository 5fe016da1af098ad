"""Pairs of points of one width: what depth alone changes."""

from itertools import pairwise

import numpy as np

from infogeo.inference import resampling


def same_width(key: dict, points: dict, y, shifts) -> list[dict]:
    """Rows of `pairs`: neighbours in depth among the points of one width.

    Intervals come from resampling the texts alone: they say nothing of other seeds.

    Parameters
    ----------
    key : dict
        The law's.
    points : dict of lists
        models, N, width, layers of each point.
    y : (points,) array
        ln y.
    shifts : (draws, points) array or None
    """
    rows = []
    order = np.lexsort((points["N"], points["layers"], points["width"]))
    for low, high in pairwise(order):
        if points["width"][low] != points["width"][high]:
            continue
        ratio = y[high] - y[low]
        ends = (np.nan, np.nan)
        if shifts is not None:
            ends = ratio + resampling.percentiles(shifts[:, high] - shifts[:, low])
        row = key | {"width": points["width"][low]}
        for name in ("models", "layers", "N"):
            row |= {f"{name}_low": points[name][low], f"{name}_high": points[name][high]}
        span = np.log(points["N"][high] / points["N"][low])
        for end, value in zip(("", "_low", "_high"), (ratio, *ends), strict=True):
            row[f"ln_ratio{end}"] = value
            row[f"exponent{end}"] = value / span if span > 0 else np.nan
        rows.append(row)
    return rows
