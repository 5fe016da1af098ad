"""Time of the debiased CKA of all pairs of layers beside the way of one pair after another.

    python tests/bench/similarity.py [texts [layers [width]]]

One thread, processor time; ours and the rivals alternate, and the medians of the rounds are
printed. The rivals take one pair after another. `pair by pair` is the published code of Kornblith
et al. 2019 called for each: both Grams, both centred (`gram_linear`, `cka` and
`center_gram(unbiased=True)`). `HSIC anew` is how libraries write it after Song et al. 2012: both
Grams, and three times the traces; some of its pairs are timed and scaled up to all (marked ~).
Values are asserted equal to 1e-10. The floor is the Grams alone, one a layer. Memory is what a
call holds at most beyond the representations.
"""

import os
import statistics
import sys
import tracemalloc
from itertools import combinations
from pathlib import Path

for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{library}_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).parents[2] / "workflow_scripts"))

import numpy as np
import timing

from infogeo.geometry.similarity import MEASURES, compare
from infogeo.geometry.similarity_inference import interval, permuted

ROUNDS = 3
PERMUTATIONS = 20
TRACED = 6  # pairs of the rival that takes three products of Grams for each


def layers_of(count: int, texts: int, width: int) -> list[np.ndarray]:
    """Float64 layers (texts, width) of a stream that each layer adds to, with a common mean."""
    rng = np.random.default_rng(0)
    stream = rng.standard_normal((texts, width)) * np.arange(1, width + 1) ** -0.5
    layers = []
    for _ in range(count):
        stream = stream + 0.3 * rng.standard_normal((texts, width)) * stream.std()
        layers.append(stream + 0.3 * rng.standard_normal(width))
    return layers


def unbiased(gram) -> np.ndarray:
    """A Gram, centred without bias."""
    n = len(gram)
    np.fill_diagonal(gram, 0)
    means = gram.sum(axis=0) / (n - 2)
    means -= means.sum() / (2 * (n - 1))
    gram -= means[:, None]
    gram -= means[None, :]
    np.fill_diagonal(gram, 0)
    return gram


def pair_by_pair(layers) -> np.ndarray:
    """CKA of all pairs, each from its two matrices of rows."""
    values = np.eye(len(layers))
    for a, b in combinations(range(len(layers)), 2):
        X, Y = layers[a], layers[b]
        K, L = unbiased(X @ X.T), unbiased(Y @ Y.T)
        norms = np.linalg.norm(K) * np.linalg.norm(L)
        values[a, b] = values[b, a] = K.ravel().dot(L.ravel()) / norms
    return values


def hsic_1(K, L) -> float:
    """Unbiased HSIC of two Grams without their diagonals."""
    n, ones = len(K), np.ones(len(K))
    middle = (ones @ K @ ones) * (ones @ L @ ones) / ((n - 1) * (n - 2))
    return (np.trace(K @ L) + middle - 2 / (n - 2) * ones @ K @ L @ ones) / (n * (n - 3))


def hsic_anew(layers) -> dict:
    """CKA of some pairs, each from its two matrices of rows."""
    values = {}
    for a, b in list(combinations(range(len(layers)), 2))[:TRACED]:
        K, L = layers[a] @ layers[a].T, layers[b] @ layers[b].T
        np.fill_diagonal(K, 0)
        np.fill_diagonal(L, 0)
        values[a, b] = hsic_1(K, L) / np.sqrt(hsic_1(K, K) * hsic_1(L, L))
    return values


def peak_memory(function) -> float:
    """Largest memory in MB that a call holds beyond what was there before."""
    tracemalloc.start()
    function()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


def main(texts: int = 1000, count: int = 30, width: int = 1024) -> None:
    """Print the table."""
    layers = layers_of(count, texts, width)
    functions = {
        "ours": lambda: compare(layers).values,
        "pair by pair": lambda: pair_by_pair(layers),
        "floor: the Grams": lambda: [Z @ Z.T for Z in layers],
    }
    times, values = {name: [] for name in functions}, {}
    for _ in range(ROUNDS):
        for name, function in functions.items():
            elapsed, values[name] = timing.once(function)
            times[name].append(elapsed)
    worst = abs(values["ours"] - values["pair by pair"]).max()
    assert worst < 1e-10, worst
    print(f"CKA of {count * (count - 1) // 2} pairs of {count} layers, {texts} texts, d = {width}")
    print(f"{'':36}{'s':>9}{'÷ ours':>9}{'MB':>9}")
    ours = statistics.median(times["ours"])
    for name, seconds in times.items():
        memory = peak_memory(functions[name])
        median = statistics.median(seconds)
        print(f"{name:36}{median:9.3f}{median / ours:9.1f}{memory:9.0f}")
    seconds, traced = timing.once(lambda: hsic_anew(layers))
    worst = max([worst, *(abs(values["ours"][pair] - value) for pair, value in traced.items())])
    assert worst < 1e-10, worst
    seconds *= count * (count - 1) / 2 / len(traced)
    print(f"{'~ HSIC anew':36}{seconds:9.3f}{seconds / ours:9.1f}")
    print(f"largest difference of a value: {worst:.0e}")
    sources = np.arange(texts) // 2
    for measure in MEASURES:
        of_all, compared = timing.once(
            lambda m=measure: compare(layers, m, sources=sources, keep=True)
        )
        jackknife, _ = timing.once(lambda c=compared: interval(c))
        null, _ = timing.once(lambda c=compared: permuted(c, permutations=PERMUTATIONS, seed=0))
        print(
            f"{measure}, matrices kept: all pairs {of_all:.2f} s, jackknife over {texts // 2} "
            f"sources {jackknife:.2f} s, {PERMUTATIONS} permutations {null:.2f} s",
            flush=True,
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
