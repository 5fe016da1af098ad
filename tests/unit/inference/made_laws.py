"""Power laws with known exponents."""

import numpy as np


def law(points=9, exponent=-0.07, noise=0.02, seed=0):
    """x = ln N and y = ln of a noisy power law."""
    rng = np.random.default_rng(seed)
    x = np.log(np.geomspace(1e4, 1e6, points) * rng.uniform(0.8, 1.2, points))
    return x, 0.5 + exponent * x + noise * rng.standard_normal(points)
