"""Coverage of every stated 95 % interval on simulated laws.

    python tests/bench/coverage.py [laws per row, default 1000]

Each row simulates laws ln y = a − 0.05 ln N + noise, N from 12 thousand to 800 thousand evenly
in the logarithm, and counts how often an interval holds the truth: the exponent, or for
`prediction` the value of the largest model, which was held out. Monte-Carlo error at 1000 laws:
± 1.4 points. `width` is the median width of the bootstrap-t interval over that of the t interval.
"""

import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "workflow_scripts"))

from infogeo import resampling, scaling, verdicts

EXPONENT, DRAWS = -0.05, 999


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
    """One value per model: t, bootstrap-t, robust, BCa and prediction intervals."""
    head = f"{'points':>6} {'noise':32}{'t':>7}{'boot-t':>8}{'robust':>8}{'BCa':>7}"
    print(f"{head}{'predict':>9}{'width':>7}")
    for points in (5, 8, 10):
        x = np.log(np.geomspace(12e3, 800e3, points))
        rng = np.random.default_rng(points)
        for name, noise in noises(points, laws, rng).items():
            hits = np.zeros((laws, 5))
            widths = np.zeros(laws)
            for i, y in enumerate(EXPONENT * x + 0.02 * noise):
                fit = scaling.ols(x, y)
                boot = scaling.bootstrap_t(scaling.design(x), y, draws=DRAWS, seed=i)
                held = scaling.held_out(x, y)
                hits[i] = (
                    holds((fit["t_low"], fit["t_high"])),
                    holds(boot),
                    holds(scaling.robust(x, y)),
                    holds(scaling.bca(x, y, draws=DRAWS, seed=i)),
                    holds((held["low"], held["high"]), np.exp(y[-1])),
                )
                widths[i] = (boot[1] - boot[0]) / (fit["t_high"] - fit["t_low"])
            t, boot_t, robust, bca, predicted = 100 * hits.mean(0)
            print(
                f"{points:6} {name:32}{t:7.1f}{boot_t:8.1f}{robust:8.1f}{bca:7.1f}{predicted:9.1f}"
                f"{np.median(widths):7.2f}",
                flush=True,
            )


def fixed_widths(laws: int) -> None:
    """The depth exponent of ln y ~ ln N + C(d) on grids of width × depth."""
    print(f"\n{'grid':>6} {'noise':32}{'interval':>15}{'covers':>8}")
    for wide, deep in ((2, 2), (2, 3), (3, 2), (3, 3)):
        widths = np.repeat(2.0 ** np.arange(5, 5 + wide), deep)
        x = np.log(12 * widths**2 * np.tile(2.0 ** np.arange(deep), wide))
        rng = np.random.default_rng(wide * deep)
        for name in ("normal", "heavy-tailed (t, 3 df)"):
            noise = noises(len(x), laws, rng)[name]
            found = [
                scaling.fixed_width(x, y, widths, draws=DRAWS, seed=i)
                for i, y in enumerate(EXPONENT * x - 0.1 * np.log(widths) + 0.02 * noise)
            ]
            rate = 100 * np.mean([holds((slope.low, slope.high)) for slope in found])
            grid = f"{wide}×{deep}"
            print(f"{grid:>6} {name:32}{found[0].interval:>15}{rate:8.1f}", flush=True)


def crossed_texts(laws: int) -> None:
    """Means over texts that are common to the models, and whose slopes differ by cluster.

    The truth is the exponent of the population of texts. The residuals of the points show only
    the models' own noise; the texts' common pull on the slope has to come from resampling.
    """
    print(f"\n{'points':>6} {'noise of the points is':32}{'t':>7}{'boot-t':>8}{'+ texts':>9}")
    clusters, per_cluster = 60, 4
    labels = np.repeat(np.arange(clusters), per_cluster)
    for points in (5, 8, 10):
        x = np.log(np.geomspace(12e3, 800e3, points))
        z = x - x.mean()
        rng = np.random.default_rng(points)
        for name, own, pull, text in (
            ("models only", 0.02, 0.0, 0.0),
            ("models and texts", 0.01, 0.05, 0.3),
            ("mostly texts", 0.002, 0.1, 0.3),
            ("texts, their slopes alike", 0.0, 0.0, 0.3),
        ):
            hits = np.zeros((laws, 3))
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
                fit = scaling.ols(x, y)
                X = scaling.design(x)
                hits[i] = (
                    holds((fit["t_low"], fit["t_high"])),
                    holds(scaling.bootstrap_t(X, y, draws=DRAWS, seed=i)),
                    holds(scaling.bootstrap_t(X, y, draws=DRAWS, seed=i, shifts=shifts)),
                )
            t, plain, crossed = 100 * hits.mean(0)
            print(f"{points:6} {name:32}{t:7.1f}{plain:8.1f}{crossed:9.1f}", flush=True)


def falls_verdicts(laws: int) -> None:
    """The verdict on "falls with N" of a metric divided by ln d, on a 3 × 3 grid, scatter 0.5 %."""
    print(f"\n{'truth':34}{'supported':>10}{'width artefact':>16}{'inconclusive':>14}")
    widths = np.repeat(2.0 ** np.arange(5, 8), 3)
    x = np.log(12 * widths**2 * np.tile(2.0 ** np.arange(3), 3))
    X, width_law = scaling.design(x), -np.log(np.log(widths))
    fall = scaling.least_squares(X, width_law)[0]
    rng = np.random.default_rng(0)
    for name, truth in (
        ("width law alone", width_law),
        ("half of the fall is genuine", width_law + fall * x),
        ("falls through width alone, faster", 2 * width_law),
        ("N alone, as steep as width law", fall * x),
        ("constant", 0 * x),
    ):
        counts = dict.fromkeys(("supported", "width artefact", "inconclusive"), 0)
        for i in range(laws):
            y = truth + 0.005 * rng.standard_normal(len(x))
            draw = {"draws": DRAWS, "seed": i}
            controls = {
                "width": scaling.slope(X, y - width_law, **draw),
                "depth": scaling.fixed_width(x, y, widths, **draw),
            }
            counts[verdicts.falls(scaling.slope(X, y, **draw), controls)] += 1
        shares = [100 * count / laws for count in counts.values()]
        print(f"{name:34}{shares[0]:10.1f}{shares[1]:16.1f}{shares[2]:14.1f}", flush=True)


def form_verdicts(laws: int) -> None:
    """The verdict on the power-law form: N over two or four decades."""
    head = f"\n{'points':>6} {'decades':>7} {'exponent':>9} {'scatter':>8} {'truth':12}"
    print(f"{head}{'supported':>10}{'not supported':>15}{'inconclusive':>14}")
    rng = np.random.default_rng(0)
    for points, decades, exponent, scatter in (
        (7, 2, -0.05, 0.01),
        (9, 2, -0.05, 0.01),
        (9, 2, -0.3, 0.01),
        (9, 4, -0.05, 0.01),
        (9, 4, -0.3, 0.01),
        (20, 4, -0.1, 0.01),
    ):
        x = np.linspace(0, decades * np.log(10), points) + np.log(12e3)
        line = exponent * (x - x.mean())
        c, _ = scaling.fit_logarithm(x - x.mean(), line[None])
        for name, truth in (
            ("power", line),
            ("logarithm", np.log1p(c[0] * (x - x.mean()))),
            ("constant", 0 * x),
        ):
            counts = dict.fromkeys(("supported", "not supported", "inconclusive"), 0)
            for noise in rng.standard_normal((laws, points)):
                y = truth + scatter * noise
                rss = {
                    "power": (scaling.least_squares(scaling.design(x), y)[2] ** 2).sum(),
                    "constant": ((y - y.mean()) ** 2).sum(),
                    "logarithm": scaling.fit_logarithm(x - x.mean(), y[None])[1][0],
                }
                k = {"power": 3, "constant": 2, "logarithm": 3}
                fits = {f"aicc_{f}": scaling.aicc(rss[f], points, k[f]) for f in rss}
                counts[verdicts.power_law_form(fits, points)] += 1
            shares = [100 * count / laws for count in counts.values()]
            print(
                f"{points:6} {decades:7} {exponent:9} {scatter:8} {name:12}"
                f"{shares[0]:10.1f}{shares[1]:15.1f}{shares[2]:14.1f}",
                flush=True,
            )


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    start = time.perf_counter()
    print(f"{count} laws per row, {DRAWS} bootstrap draws; coverage in percent\n")
    independent_points(count)
    fixed_widths(count)
    crossed_texts(count)
    falls_verdicts(count)
    form_verdicts(count)
    print(f"\n{time.perf_counter() - start:.0f} s")
