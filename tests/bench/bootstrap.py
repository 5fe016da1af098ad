"""Draws per second of the residual bootstrap-t beside one statsmodels fit per draw.

    python tests/bench/bootstrap.py [draws]        (9999 where left out)

One law of ten models, one thread, processor time. Both ways resample the same residuals and must
give the same interval to 1e-9 before any time counts. The floor is what no bootstrap can do
without: drawing the residuals and one matrix product for all slopes. Medians (of one call where it
takes more than five seconds).
"""

import os
import sys
from pathlib import Path

for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{library}_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).parents[2] / "workflow_scripts"))

import numpy as np
import statsmodels.api as sm
import timing

from infogeo.inference import other_estimates, regression, resampling

POINTS, SEED = 10, 0


def by_statsmodels(X, y, draws: int) -> tuple[float, float]:
    """The interval from one fit per draw."""
    fit = sm.OLS(y, X).fit()
    leverage = fit.get_influence().hat_matrix_diag
    adjusted = fit.resid / np.sqrt(1 - leverage)
    adjusted = adjusted - adjusted.mean()
    roots = []
    for sample in adjusted[other_estimates._residual_draws(len(y), draws, SEED)]:
        drawn = sm.OLS(sample, X).fit()
        roots.append(drawn.params[0] / drawn.bse[0])
    roots = np.array(roots)
    low, high = resampling.percentiles(roots[np.isfinite(roots)])
    return fit.params[0] - high * fit.bse[0], fit.params[0] - low * fit.bse[0]


def floor(X, y, draws: int):
    """Draws of residuals and all of their slopes."""
    return y[other_estimates._residual_draws(len(y), draws, SEED)] @ np.linalg.pinv(X)[0]


def main(draws: int) -> None:
    rng = np.random.default_rng(SEED)
    x = np.linspace(np.log(1e7), np.log(1e10), POINTS)
    X = regression.design(x)
    y = 1 - 0.07 * x + rng.normal(0, 0.02, POINTS)
    ours = other_estimates.bootstrap_t(x, y, draws=draws, seed=SEED)
    first, theirs = timing.once(lambda: by_statsmodels(X, y, draws))
    assert np.allclose(ours, theirs, rtol=0, atol=1e-9), (ours, theirs)
    common = timing.median(lambda: by_statsmodels(X, y, draws), first)
    time_ours = timing.median(lambda: other_estimates.bootstrap_t(x, y, draws=draws, seed=SEED))
    least = timing.median(lambda: floor(X, y, draws))
    print(f"{POINTS} models, {draws:,} draws; intervals equal to 1e-9")
    print(f"{'':34}{'draws/s':>12}{'÷ ours':>9}")
    for what, took in (
        ("ours", time_ours),
        ("one statsmodels fit per draw", common),
        ("floor: residuals and slopes", least),
    ):
        print(f"{what:34}{draws / took:12,.0f}{time_ours / took:9.3g}")
    print(f"{'ours ÷ floor, in time':34}{time_ours / least:12.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9999)
