"""Time of the information gain of every token, beside the two direct ways to compute it.

    python tests/bench/context.py

One λ at n = 256, d = 768, float64, one thread, processor time, medians (of one call where it takes
more than five seconds). The rivals solve every position anew: scikit-learn's
Ridge on the earlier tokens, and log det(I + ZᵀZ/λ) of d × d matrices, one for each prefix. Before
any time counts, every gain is asserted equal to 1e-10. Goals: 100 and 1000 times faster.
"""

import os
import sys
from pathlib import Path

for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{library}_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).parents[2] / "workflow_scripts"))

import numpy as np
import timing

from infogeo.geometry.information_gain import gains, ridge_optimum
from infogeo.geometry.rows import unit_norm

N, D, LAM = 256, 768, 0.1
TOLERANCE = 1e-10  # nats


def states(n: int, d: int) -> np.ndarray:
    """Float32 rows with a common mean and a steep spectrum, as hidden states have."""
    rng = np.random.default_rng(n)
    Z = rng.standard_normal((n, d)) * np.arange(1, d + 1) ** -0.5
    return (Z + 0.3 * rng.standard_normal(d)).astype(np.float32)


def by_ridge(Z: np.ndarray) -> np.ndarray:
    """Gain of every token by scikit-learn. (n,)"""
    rows = unit_norm(Z)
    rho = [ridge_optimum(rows[i], rows[:i], LAM) for i in range(len(rows))]
    return np.log1p(np.array(rho) / LAM)


def by_slogdet(Z: np.ndarray) -> np.ndarray:
    """Gain of every token by one d × d determinant for each prefix. (n,)"""
    rows = unit_norm(Z)
    identity = np.eye(rows.shape[1])
    logdet = [
        np.linalg.slogdet(identity + rows[:i].T @ rows[:i] / LAM)[1] for i in range(len(rows) + 1)
    ]
    return np.diff(logdet)


def floor(rows: np.ndarray) -> np.ndarray:
    """What every way through the n × n Gram needs: one product and one Cholesky factor."""
    return np.linalg.cholesky(np.eye(len(rows)) + rows @ rows.T / LAM)


def main() -> None:
    """Print the table."""
    Z = states(N, D)
    ours = gains(Z, [LAM])[0][0]
    seconds = timing.median(lambda: gains(Z, [LAM]))
    rows = unit_norm(Z)
    least = timing.median(lambda: floor(rows))
    found = {}
    for name, rival, goal in (
        ("scikit-learn Ridge per position", by_ridge, 100),
        ("d × d slogdet per position", by_slogdet, 1000),
    ):
        first, values = timing.once(lambda rival=rival: rival(Z))
        difference = np.abs(values - ours).max()
        assert difference < TOLERANCE, (name, difference)
        elapsed = timing.median(lambda rival=rival: rival(Z), first)
        found[name] = elapsed, goal, difference
    print(f"n = {N}, d = {D}, one λ")
    print(f"{'':34}{'ms per text':>13}{'÷ ours':>9}{'goal':>7}{'largest difference':>21}")
    for name, (elapsed, goal, difference) in found.items():
        ratio = f"{elapsed / seconds:9,.0f}"
        print(f"{name:34}{1e3 * elapsed:13,.1f}{ratio}{goal:7,}{difference:16.0e} nats")
    print(f"{'ours':34}{1e3 * seconds:13.2f}")
    print(f"{'floor: Gram matrix, Cholesky':34}{1e3 * least:13.2f}{least / seconds:9.2f}")
    print(f"{'ours ÷ floor':34}{seconds / least:13.2f}")


if __name__ == "__main__":
    main()
