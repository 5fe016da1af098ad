"""Time of the spectra of one text, both conventions, beside what a d × d covariance costs.

    python tests/bench/spectra.py

One thread, processor time, medians (of one call where it takes more than five seconds). Before
anything is timed, every entropy of every variant is asserted equal to 1e-9 relative. The common way
in the field is `svd` of the d × d covariance, which returns the singular vectors unless told not
to; each such time is that of ONE convention, ours that of BOTH, and the last column (fair) divides
ours by two. The floor is the two symmetric eigenvalue problems alone.
"""

import os
import sys
from pathlib import Path

for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{library}_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).parents[2] / "workflow_scripts"))

import numpy as np
import timing

from infogeo.geometry import metrics
from infogeo.geometry.entropy import evaluate
from infogeo.geometry.spectra import text_spectra

CASES = ((256, 1024), (200, 4096))
EPS2, LAMBDAS = (0.01, 0.1, 0.5, 1.0), (0.01, 0.1, 1.0)


def states(n: int, d: int) -> np.ndarray:
    """Float32 rows with a common mean and a steep spectrum, as hidden states have."""
    rng = np.random.default_rng(n)
    Z = rng.standard_normal((n, d)) * np.arange(1, d + 1) ** -0.5
    return (Z + 0.3 * rng.standard_normal(d)).astype(np.float32)


def covariance(Z: np.ndarray, convention: str) -> np.ndarray:
    """The d × d covariance of normalised rows, float64."""
    Z = Z.astype(np.float64)
    if convention == "centred":
        Z -= Z.mean(axis=0)
    Z /= np.linalg.norm(Z, axis=1, keepdims=True)
    return Z.T @ Z / len(Z)


def assert_equal(n: int, d: int, ours, spectrum, convention: str, what: str) -> float:
    """Largest relative difference of any entropy; stops where it is beyond 1e-9."""
    worst = 0.0
    for metric in metrics.names(convention, EPS2, LAMBDAS):
        one = evaluate(metric, ours, d, n, convention)
        other = evaluate(metric, np.maximum(spectrum, 0), d, n, convention)
        worst = max(worst, abs(one - other) / abs(other))
        assert worst < 1e-9, (what, metric, convention, one, other)
    return worst


def bench(n: int, d: int) -> None:
    """Print the table of one size."""
    Z = states(n, d)
    ours = text_spectra(Z, [n])
    rivals = {
        "svd(covariance), as in the field": lambda C: np.linalg.svd(C)[1],
        "svd(covariance, compute_uv=False)": lambda C: np.linalg.svd(C, compute_uv=False),
        "eigvalsh(covariance)": np.linalg.eigvalsh,
    }
    rows, worst = [], 0.0
    for name, spectrum in rivals.items():
        first, found = timing.once(lambda f=spectrum: f(covariance(Z, "unit")))
        worst = max(worst, assert_equal(n, d, ours["unit", "in", n][0], found, "unit", name))
        rows.append((name, timing.median(lambda f=spectrum: f(covariance(Z, "unit")), first)))
    found = np.linalg.eigvalsh(covariance(Z, "centred"))
    worst = max(worst, assert_equal(n, d, ours["centred", "in", n][0], found, "centred", "centred"))

    K = covariance(Z.T, "unit")  # some n × n matrix of the same kind
    floor = 2 * timing.median(lambda: np.linalg.eigvalsh(K))
    rows64 = Z.astype(np.float64)
    gram = timing.median(lambda: rows64 @ rows64.T)
    time_ours = timing.median(lambda: text_spectra(Z, [n]))
    print(f"\nn = {n}, d = {d}: every entropy equal to {worst:.0e} relative")
    print(f"{'':38}{'ms per text':>13}{'÷ ours':>10}{'÷ ours, fair':>14}")
    for name, elapsed in rows:
        fair = 2 * elapsed / time_ours
        print(f"{name:38}{1e3 * elapsed:13,.1f}{elapsed / time_ours:10,.0f}{fair:14,.0f}")
    print(f"{'ours, both conventions':38}{1e3 * time_ours:13.2f}")
    print(f"{'floor: two eigvalsh of n × n':38}{1e3 * floor:13.2f}{floor / time_ours:10.2f}")
    print(f"{'beside it: one Gram matrix':38}{1e3 * gram:13.2f}{gram / time_ours:10.2f}")
    print(f"{'ours ÷ floor':38}{time_ours / floor:13.2f}")


if __name__ == "__main__":
    for case in CASES:
        bench(*case)
