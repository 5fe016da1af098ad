"""Many tests at once: q values."""

import numpy as np


def benjamini_hochberg(p) -> np.ndarray:
    """q values (false discovery rate, Benjamini & Hochberg 1995); NaN stays NaN.

    Notes
    -----
    Verified against scipy.stats.false_discovery_control.
    """
    from scipy import stats  # here, since most jobs that import this test nothing, and it is slow

    p = np.asarray(p, float)
    q = np.full(p.shape, np.nan)
    finite = np.isfinite(p)
    if finite.any():
        q[finite] = stats.false_discovery_control(p[finite])
    return q
