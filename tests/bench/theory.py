"""Coverage of the intervals that the theory is set beside data with.

    python tests/bench/theory.py [simulated tables per row, default 1000]

Known exponents fitted by `inference.regression.robust_t` (`known_exponents.recovery` with more
noises and ranges of n), profile intervals of the shifted power law, and the Zipf exponent of
simulated tokens.
95 % is nominal; the Monte-Carlo error is ± 0.7 points at 1000 tables.
"""

import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "workflow_scripts"))

from infogeo.theory import known_exponents, shifted_power, zipf


def coverage_of_known_exponents(laws: int) -> None:
    """Where in n a finite curve is a power law, as far as so much noise can tell."""
    print(f"{'noise':>6} {'n from':>7}{'coverage of the known exponent, %':>36}", end="")
    print(f"{'of the curve’s':>16}{'curve / known':>15}")
    known_exponents.POINTS = (10,)
    for noise in (0.01, 0.05, 0.2):
        for low in (1.0, 3.0, 10.0, 30.0, 100.0):
            known_exponents.NOISE, known_exponents.REACHES = noise, ((low, 1e4 * low),)
            table = known_exponents.recovery(laws=laws, seed=0)
            ratio = (table["exponent_curve"] / table["exponent_true"]).min()
            held = (100 * table["coverage"]).agg(["min", "mean", "max"])
            span = f"{held['min']:.1f} … {held['max']:.1f}, mean {held['mean']:.1f}"
            curve = 100 * table["coverage_curve"].mean()
            print(f"{noise:6g} {low:7g}{span:>36}{curve:16.1f}{ratio:15.4f}", flush=True)


def profiles(laws: int) -> None:
    """b and c of c + 2 N^−b at the geometric middle of N, from 1e4 to 1e9."""
    print(f"\n{'points':>6} {'c':>5} {'b':>5} {'noise':>6}", end="")
    print(f"{'b, %':>8}{'c, %':>8}{'no upper end, %':>17}{'median width of b':>19}")
    for points in (5, 7, 9):
        z = np.linspace(-0.5, 0.5, points) * np.log(1e5)
        for c, b, noise in (
            (1.7, 0.3, 0.01), (1.7, 0.3, 0.05), (3.0, 1.0, 0.02), (0.0, 0.1, 0.01),
            (3.0, 0.05, 0.01),
        ):  # fmt: skip
            rng = np.random.default_rng(points)
            held, width = np.zeros((laws, 3)), np.zeros(laws)
            for i in range(laws):
                y = np.log(c + 2 * np.exp(-b * z)) + noise * rng.standard_normal(points)
                fit = shifted_power.fit(z + 16, y)
                held[i] = (
                    fit.low <= b <= fit.high,
                    fit.limit_low <= c <= fit.limit_high,
                    np.isinf(fit.high),
                )
                width[i] = fit.high - fit.low
            shares = 100 * held.mean(0)
            print(
                f"{points:6} {c:5g} {b:5g} {noise:6g}{shares[0]:8.1f}{shares[1]:8.1f}"
                f"{shares[2]:17.1f}{np.median(width):19.3f}",
                flush=True,
            )


def tokens(laws: int) -> None:
    """100 sources of 400 tokens of 20,000 types; bursty: each source has weights of its own."""
    print(f"\n{'s':>5} {'sources':>9}{'coverage, %':>13}{'bias':>9}{'sd':>8}{'ranks':>7}")
    for bursty in (False, True):
        for s in (0.8, 1.0, 1.3):
            p = np.arange(1, 20_001.0) ** -s
            p /= p.sum()
            found = []
            for seed in range(laws):
                rng = np.random.default_rng([seed, 1])
                ids = [
                    rng.choice(len(p), 400, p=q / q.sum())
                    for q in (rng.gamma(400 * p) if bursty else p for _ in range(100))
                ]
                found.append(zipf.exponent(
                    np.concatenate(ids), np.arange(101) * 400, [str(i) for i in range(100)],
                    [""] * 100, np.zeros(40_000, bool), draws=199, seed=seed,
                ))  # fmt: skip
            held = 100 * np.mean([z.low <= s <= z.high for z in found])
            values = np.array([z.exponent for z in found])
            kind = "bursty" if bursty else "alike"
            ranks = np.mean([z.ranks for z in found])
            print(f"{s:5g} {kind:>9}{held:13.1f}{values.mean() - s:+9.4f}{values.std():8.4f}"
                  f"{ranks:7.0f}", flush=True)  # fmt: skip


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    start = time.perf_counter()
    coverage_of_known_exponents(count)
    profiles(max(count // 2, 1))
    tokens(max(count // 5, 1))
    print(f"\n{time.perf_counter() - start:.0f} s")
