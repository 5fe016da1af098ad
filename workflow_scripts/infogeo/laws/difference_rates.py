"""How often a difference of two models is found where there is none."""

import numpy as np

from infogeo.inference import resampling

PAIRS = 2000  # simulated: a rate of 5 % is known to within a point


def rate_without_difference(weights, sources, seed: int) -> float:
    """The rate at which the 95 % interval of a difference leaves out 0 where it is 0.

    Normal differences of texts, half of whose variance is of their sources, with as many texts of
    as many sources, and with the same resamples of these. It is the highest rate of any verdict but
    "inconclusive" on two models that do not differ: the other intervals of the rule can only take
    such verdicts away.

    Parameters
    ----------
    weights : (draws, texts) array
        Resamples; see `resampling.text_weights`.
    sources : (texts,) array
    seed : int

    Returns
    -------
    float
        0 … 1.

    Notes
    -----
    Verified against intervals of differences that are drawn text by text.
    """
    _, first, texts = np.unique(sources, return_index=True, return_counts=True)
    rng = np.random.default_rng(seed)
    of_sources, of_texts = rng.standard_normal((2, len(texts), PAIRS))
    means = of_sources + of_texts / np.sqrt(texts)[:, None]
    low, high = resampling.percentiles((weights[:, first] * texts) @ means)
    return float(np.mean((low > 0) | (high < 0)))
