"""Coverage of the intervals of similarities, and rates of their tests, on made texts.

    python tests/bench/similarity_coverage.py [draws]

Two representations are linear maps of what a text and its source are about, with noise of their
own: so much of it that they are little, half or very similar. A text is drawn with its source:
sources have one text each, four each, or from one to twenty. What an interval should hold is the
mean over all draws, at the same number of texts. Beside the jackknife over sources stands what most
would do: the percentile bootstrap, which resamples whole sources and so holds texts twice. Below,
representations that have nothing in common, but texts of one source are alike in each: how often
p ≤ 0.05, of the null of sources and texts that exchange places, and of texts permuted freely.
"""

import os
import sys
from pathlib import Path

for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{library}_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).parents[2] / "workflow_scripts"))

import numpy as np

from infogeo.geometry.similarity import MEASURES, compare
from infogeo.geometry.similarity_inference import interval, permuted

TOPICS, WIDTHS, NEIGHBOURS = 10, (24, 40), 10
NOISE = {"low": 3.0, "middle": 1.2, "high": 0.3}
RESAMPLES = 99
PERMUTATIONS = 99
SIZES = {
    "100 texts, own sources": np.ones(100, int),
    "100 texts, 25 sources of 4": np.full(25, 4),
    "200 texts, 30 sources of 1–20": np.resize([1, 1, 2, 3, 5, 8, 20, 12, 10, 5], 30)[:30],
    "400 texts, own sources": np.ones(400, int),
}


def texts(sizes, rng, shared: float, noise: float):
    """Two representations of texts, and their sources.

    `shared`: how much of both is a map of the same topics; the rest are topics of their own.
    """
    sources = np.repeat(np.arange(len(sizes)), sizes)
    steep = np.arange(1, TOPICS + 1) ** -0.5

    def topics():
        of_sources = rng.standard_normal((len(sizes), TOPICS))
        own = rng.standard_normal((len(sources), TOPICS))
        heavy = np.sqrt(3 / rng.chisquare(5, len(sources)))[:, None]  # norms differ, as models' do
        return (0.8 * of_sources[sources] + own) * steep * heavy

    common = topics()
    maps = np.random.default_rng(7)  # the same two representations in every draw
    both = []
    for width in WIDTHS:
        about = common if shared else topics()
        mapped = about @ maps.standard_normal((TOPICS, width))
        scale = noise * np.sqrt(TOPICS) / 2
        both.append(mapped + scale * rng.standard_normal((len(sources), width)))
    return both, sources


def bootstrapped(both, sources, measure: str, rng):
    """Percentile interval over resamples of whole sources."""
    members = [np.flatnonzero(sources == source) for source in range(sources.max() + 1)]
    values = []
    for _ in range(RESAMPLES):
        drawn = rng.integers(0, len(members), len(members))
        rows = np.concatenate([members[source] for source in drawn])
        again = np.repeat(np.arange(len(drawn)), [len(members[source]) for source in drawn])
        chosen = compare([Z[rows] for Z in both], measure, sources=again, neighbours=NEIGHBOURS)
        values.append(chosen.values[0, 1])
    return np.quantile(values, [0.025, 0.975])


def coverage(sizes, noise: float, measure: str, draws: int) -> tuple[float, float, float, float]:
    """Mean value; share of our intervals that hold it, and their width; the bootstrap's share."""
    rng = np.random.default_rng(0)
    values, ends, rivals = [], [], []
    for draw in range(draws):
        both, sources = texts(sizes, rng, 1.0, noise)
        compared = compare(both, measure, sources=sources, neighbours=NEIGHBOURS, keep=True)
        low, high = interval(compared)
        values.append(compared.values[0, 1])
        ends.append((low[0, 1], high[0, 1]))
        if draw < draws // 5:
            rivals.append(bootstrapped(both, sources, measure, rng))
    target = np.mean(values)
    shares = [np.mean((low <= target) & (target <= high))
              for low, high in (np.transpose(ends), np.transpose(rivals))]  # fmt: skip
    return target, shares[0], np.mean(np.diff(ends)), shares[1]


def false_alarms(sizes, measure: str, draws: int) -> tuple[float, float]:
    """Shares of p ≤ 0.05 of representations with nothing in common, by both nulls."""
    rng = np.random.default_rng(1)
    alarms = []
    for draw in range(draws):
        both, sources = texts(sizes, rng, 0.0, 0.3)
        compared = compare(both, measure, sources=sources, neighbours=NEIGHBOURS, keep=True)
        free = type(compared)(compared.measure, compared.reasons, np.arange(len(sources)),
                              compared.inner, compared.matrices)  # fmt: skip
        nulls = [permuted(of, permutations=PERMUTATIONS, seed=draw) for of in (compared, free)]
        alarms.append([null.p[0, 1] <= 0.05 for null in nulls])
    return tuple(np.mean(alarms, axis=0))


def main(draws: int = 1000) -> None:
    """Print both tables."""
    print(f"95 % intervals, {draws} draws (bootstrap: {draws // 5} draws of {RESAMPLES} resamples)")
    print(f"{'':32}{'':12}{'similar':9}{'mean':>7}{'jackknife':>11}{'width':>8}{'bootstrap':>11}")
    for name, sizes in SIZES.items():
        of_case = draws if sizes.sum() < 300 else draws // 2
        for measure in MEASURES:
            for level, noise in NOISE.items():
                mean, share, width, rival = coverage(sizes, noise, measure, of_case)
                print(f"{name:32}{measure:12}{level:9}{mean:7.3f}{share:11.3f}{width:8.3f}"
                      f"{rival:11.3f}", flush=True)  # fmt: skip
    print(f"\np ≤ 0.05 of nothing in common, {draws} draws of {PERMUTATIONS} permutations")
    print(f"{'':32}{'':12}{'sources exchanged':>18}{'texts permuted':>16}")
    for name, sizes in list(SIZES.items())[:3]:
        for measure in MEASURES:
            exchanged, free = false_alarms(sizes, measure, draws)
            print(f"{name:32}{measure:12}{exchanged:18.3f}{free:16.3f}", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
