"""Coverage of every stated 95 % interval on simulated laws.

    python tests/bench/intervals.py [laws per row, default 2000]

Each row simulates laws ln y = a − 0.05 ln N + noise, N as in real families of 5, 8 and 10 models,
and counts how often an interval holds the truth: the exponent, or for `predict` the value of the
largest model, which was held out. All intervals of a row are of the same draws. Monte-Carlo error
at 2000 laws: ± 1 point. `width` is the median width of the headline over that of the t interval.
"""

import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "workflow_scripts"))

from families import CEREBRAS, OPT, PYTHIA, shapes

from infogeo.inference import other_estimates, regression, resampling

EXPONENT, DRAWS = -0.05, 999
TABLES = [shapes(dict(list(CEREBRAS.items())[:5]))[0], shapes(OPT)[0], shapes(PYTHIA)[0]]


def noises(points: int, laws: int, rng) -> dict[str, np.ndarray]:
    """Noise (laws, points) of unit size, ascending in N."""
    normal = rng.standard_normal((laws, points))
    return {
        "normal": normal,
        "heavy-tailed (t, 3 df)": rng.standard_t(3, (laws, points)),
        "skewed (exponential)": rng.exponential(size=(laws, points)) - 1,
        "heteroscedastic, small N 3×": normal * np.linspace(3, 1, points),
        "heteroscedastic, both ends 3×": normal * (1 + 2 * np.abs(np.linspace(-1, 1, points))),
    }


def holds(ends, truth=EXPONENT) -> bool:
    return ends[0] <= truth <= ends[1]


def independent_points(laws: int) -> None:
    """One value per model: t, bootstrap-t, BCa, headline and prediction intervals."""
    head = f"{'models':>6} {'noise':32}{'t':>7}{'boot-t':>8}{'BCa':>7}{'headline':>10}"
    print(f"{head}{'predict':>9}{'width':>7}")
    for x in TABLES:
        X, rng = regression.design(x), np.random.default_rng(len(x))
        for name, noise in noises(len(x), laws, rng).items():
            hits = np.zeros((laws, 5))
            widths = np.zeros(laws)
            for i, y in enumerate(EXPONENT * x + 0.02 * noise):
                fit = other_estimates.ols(x, y)
                headline = regression.slope(X, y)
                held = other_estimates.held_out(x, y)
                hits[i] = (
                    holds((fit["t_low"], fit["t_high"])),
                    holds(other_estimates.bootstrap_t(x, y, draws=DRAWS, seed=i)),
                    holds(other_estimates.bca(x, y, draws=DRAWS, seed=i)),
                    holds((headline.low, headline.high)),
                    holds((held["low"], held["high"]), np.exp(y[-1])),
                )
                widths[i] = (headline.high - headline.low) / (fit["t_high"] - fit["t_low"])
            t, boot_t, bca, headline, predicted = 100 * hits.mean(0)
            print(
                f"{len(x):6} {name:32}{t:7.1f}{boot_t:8.1f}{bca:7.1f}{headline:10.1f}"
                f"{predicted:9.1f}{np.median(widths):7.2f}",
                flush=True,
            )


def fixed_widths(laws: int) -> None:
    """The depth exponent of ln y ~ ln N + C(d) on grids of width × depth."""
    print(f"\n{'grid':>6} {'noise':32}{'covers':>8}")
    for wide, deep in ((2, 2), (2, 3), (3, 2), (3, 3)):
        widths = np.repeat(2.0 ** np.arange(5, 5 + wide), deep)
        x = np.log(12 * widths**2 * np.tile(2.0 ** np.arange(deep), wide))
        rng = np.random.default_rng(wide * deep)
        for name in ("normal", "heavy-tailed (t, 3 df)", "heteroscedastic, both ends 3×"):
            noise = noises(len(x), laws, rng)[name]
            found = [
                regression.fixed_width(x, y, widths)
                for y in EXPONENT * x - 0.1 * np.log(widths) + 0.02 * noise
            ]
            rate = 100 * np.mean([holds((slope.low, slope.high)) for slope in found])
            grid = f"{wide}×{deep}"
            print(f"{grid:>6} {name:32}{rate:8.1f}", flush=True)


def crossed_texts(laws: int) -> None:
    """Means over texts that are common to the models, and whose slopes differ by cluster.

    The truth is the exponent of the population of texts. The residuals of the points show only
    the models' own noise; the texts' common pull on the slope has to come from resampling.
    """
    head = f"\n{'points':>6} {'noise of the points is':32}{'t':>7}{'boot-t':>8}"
    print(f"{head}{'robust t':>10}{'headline':>10}")
    clusters, per_cluster = 60, 4
    labels = np.repeat(np.arange(clusters), per_cluster)
    for x in TABLES:
        points, z = len(x), (x - x.mean()) / np.ptp(x) * np.log(60)  # tilts of a size for all
        ends = 1 + 2 * np.abs(np.linspace(-1, 1, points))
        rng = np.random.default_rng(points)
        for name, own, pull, text in (
            ("models only", 0.02, 0.0, 0.0),
            ("models and texts", 0.01, 0.05, 0.3),
            ("mostly texts", 0.002, 0.1, 0.3),
            ("texts, their slopes alike", 0.0, 0.0, 0.3),
            ("models, both ends 3×, and texts", 0.01 * ends, 0.05, 0.3),
        ):
            hits = np.zeros((laws, 4))
            for i in range(laws):
                level, tilt = rng.standard_normal((2, clusters, 1)) * [[[0.3]], [[pull]]]
                values = (
                    1
                    + (level + tilt * z)[labels]
                    + text * rng.standard_normal((len(labels), points))
                )  # (texts, points), mean 1 in the population
                values = (
                    values.T * np.exp(EXPONENT * x + own * rng.standard_normal(points))[:, None]
                )
                y = np.log(values.mean(-1))
                weights = resampling.text_weights(labels, draws=DRAWS, seed=i)
                shifts = np.log(weights @ values.T) - y
                fit = other_estimates.ols(x, y)
                X = regression.design(x)
                hits[i] = (
                    holds((fit["t_low"], fit["t_high"])),
                    holds(other_estimates.bootstrap_t(x, y, draws=DRAWS, seed=i)),
                    holds(regression.slope(X, y)[1:3]),
                    holds(regression.slope(X, y, shifts, clusters - 1)[1:3]),
                )
            t, plain, robust, crossed = 100 * hits.mean(0)
            print(
                f"{points:6} {name:32}{t:7.1f}{plain:8.1f}{robust:10.1f}{crossed:10.1f}", flush=True
            )


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    start = time.perf_counter()
    print(f"{count} laws per row, {DRAWS} bootstrap draws; coverage in percent\n")
    independent_points(count)
    fixed_widths(count)
    crossed_texts(count)
    print(f"\n{time.perf_counter() - start:.0f} s")
