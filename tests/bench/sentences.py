"""Time of the Jensen–Shannon divergences of 200 texts beside d × d eigendecompositions.

    python tests/bench/sentences.py

One thread, processor time, medians (of one call where it takes more than five seconds). Before
anything is timed, the divergences of the first texts are asserted equal to the d × d definition to
1e-9 nats. The d × d way would take very long: its pairs among these texts, and the entropy of each
text, are timed and scaled up to all (marked ~). The floor is what no dual form can do without: one
product of rows per pair, in blocks, and eigvalsh of the same 2n × 2n matrices.
"""

import os
import sys
import tracemalloc
from itertools import combinations
from pathlib import Path

for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{library}_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).parents[2] / "workflow_scripts"))

import numpy as np
import timing

from infogeo.geometry.metrics import CONVENTIONS
from infogeo.sentences.distances import bures, covariance_distances, jensen_shannon

TEXTS, WIDTH = 200, 768
CASES = (64, 32)  # tokens
CHECKED = 9  # texts whose 36 pairs take the d × d way
BLOCK = 40  # texts of the products and matrices of the floor


def states(n: int) -> np.ndarray:
    """Float32 texts (TEXTS, n, WIDTH) with a common mean and a steep spectrum, as models have."""
    rng = np.random.default_rng(n)
    Z = rng.standard_normal((TEXTS, n, WIDTH)) * np.arange(1, WIDTH + 1) ** -0.5
    return (Z + 0.3 * rng.standard_normal(WIDTH)).astype(np.float32)


def scaled(Z, convention: str) -> np.ndarray:
    """Rows of texts (…, n, d) whose covariance has trace 1, float64."""
    Z = Z.astype(np.float64)
    if convention == "centred":
        Z -= Z.mean(axis=1, keepdims=True)
    return Z / np.linalg.norm(Z, axis=2, keepdims=True) / np.sqrt(Z.shape[1])


def entropy(matrix) -> float:
    """−Σ λ ln λ."""
    eigenvalues = np.linalg.eigvalsh(matrix)
    eigenvalues = eigenvalues[eigenvalues > 0]
    return -(eigenvalues * np.log(eigenvalues)).sum()


def direct(Z, convention: str):
    """JS of the pairs of the first texts by d × d matrices, and seconds that all would take."""
    rows = scaled(Z[:CHECKED], convention)
    forming, rhos = timing.once(lambda: [text.T @ text for text in rows])
    of_texts, alone = timing.once(lambda: [entropy(rho) for rho in rhos])
    pairs = list(combinations(range(CHECKED), 2))
    of_pairs, mixed = timing.once(lambda: [entropy((rhos[i] + rhos[j]) / 2) for i, j in pairs])
    found = {
        pair: s - (alone[pair[0]] + alone[pair[1]]) / 2
        for pair, s in zip(pairs, mixed, strict=True)
    }
    all_pairs = TEXTS * (TEXTS - 1) / 2
    return found, of_pairs * all_pairs / len(pairs) + (forming + of_texts) * TEXTS / CHECKED


def floor(Z, convention: str) -> tuple[float, float]:
    """Seconds of the products, and of the eigenvalues, of all pairs, from those of some."""
    n, pairs = Z.shape[1], TEXTS * (TEXTS - 1) / 2
    rows = scaled(Z[: 2 * BLOCK], convention)
    left, right = rows[:BLOCK].reshape(-1, WIDTH), rows[BLOCK:].reshape(-1, WIDTH)
    products = timing.median(lambda: left @ right.T)
    both = np.concatenate([rows[:BLOCK], rows[BLOCK:]], axis=1)  # (BLOCK, 2n, d)
    matrices = both @ both.swapaxes(1, 2) / 2
    of_pairs = timing.median(lambda: np.linalg.eigvalsh(matrices))
    own = np.ascontiguousarray(matrices[:, :n, :n])
    of_texts = timing.median(lambda: np.linalg.eigvalsh(own))
    return products * pairs / BLOCK**2, of_pairs * pairs / BLOCK + of_texts * TEXTS / BLOCK


def with_and_without(Z) -> float:
    """Time of what the study takes with the first tokens and without, over that with them."""
    within = {(convention, "in"): ("js", "bures") for convention in CONVENTIONS}
    both = within | {(convention, "out"): ("js",) for convention in CONVENTIONS}
    texts = Z[:BLOCK]
    return timing.median(lambda: covariance_distances(texts, both)) / timing.median(
        lambda: covariance_distances(texts, within)
    )


def peak_memory(function) -> float:
    """Largest memory in MB that a call holds beyond what stood before."""
    tracemalloc.start()
    function()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


def bench(n: int) -> None:
    """Print the table of one number of tokens."""
    Z, pairs = states(n), TEXTS * (TEXTS - 1) / 2
    print(f"\n{TEXTS} texts, n = {n}, d = {WIDTH}: {pairs:,.0f} pairs")
    print(f"{'':36}{'s':>9}{'pairs/s':>11}{'÷ ours':>9}")
    for convention in CONVENTIONS:
        first, ours = timing.once(lambda c=convention: jensen_shannon(Z, c))
        elapsed = timing.median(lambda c=convention: jensen_shannon(Z, c), first)
        expected, by_definition = direct(Z, convention)
        worst = max(abs(ours[pair] - value) for pair, value in expected.items())
        assert worst < 1e-9, (n, convention, worst)
        products, eigenvalues = floor(Z, convention)
        rows = {
            f"{convention}: ours, equal to {worst:.0e} nats": elapsed,
            "  ~ d × d eigvalsh": by_definition,
            "  ~ floor: products + 2n × 2n eigvalsh": products + eigenvalues,
            "  ~   of which products": products,
        }
        for name, seconds in rows.items():
            print(f"{name:36}{seconds:9.2f}{pairs / seconds:11,.0f}{seconds / elapsed:9.2f}")
        print(f"{'  ours ÷ floor':36}{elapsed / (products + eigenvalues):9.2f}", flush=True)
    elapsed, _ = timing.once(lambda: bures(Z, "centred"))
    print(f"{'Bures distances, centred':36}{elapsed:9.2f}{pairs / elapsed:11,.0f}")
    print(f"{'  all, first tokens in and out ÷ in':36}{with_and_without(Z):9.2f}")
    memory = peak_memory(lambda: jensen_shannon(Z, "centred"))
    print(f"peak memory of the divergences: {memory:.0f} MB (states: {Z.nbytes / 2**20:.0f} MB)")


if __name__ == "__main__":
    for case in CASES:
        bench(case)
