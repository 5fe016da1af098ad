"""Time and memory of `infogeo.measure` on a batch of texts, beside what people call.

    python tests/bench/measure.py 256 128 2048

Texts, tokens, width; float32. Wall-clock time on all processors, the ways alternating, the least of
each. Before anything is timed, entropies are asserted equal to 1e-9 relative. `d × d`: the
covariance of normalised rows and its eigenvalues, one convention, of a few texts and scaled up.
`Gram`: the matrix-based entropy as repitl defines it, from the eigenvalues of the Gram matrix that
is scaled to ones on its diagonal, one convention and one entropy, text by text. Ours: every metric
in both conventions. The floor is the n × n eigenvalue problems alone, texts side by side; beside it
stands what cannot be left out either, the Gram matrices in float64 of float32 states.
"""

import sys
import time
import tracemalloc
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "workflow_scripts"))

import numpy as np

import infogeo
from infogeo.door.measure import processors
from infogeo.geometry.spectra import text_spectra
from infogeo.jobs.threads import side_by_side

FEW = 2  # texts of the d × d way
ROUNDS = 5
STACK = 4  # texts in one call of LAPACK


def states(texts: int, n: int, d: int) -> np.ndarray:
    """Float32 rows with a common mean and a steep spectrum, as hidden states have."""
    rng = np.random.default_rng(0)
    Z = rng.standard_normal((texts, n, d), np.float32)
    Z *= np.arange(1, d + 1, dtype=np.float32) ** -0.5
    Z += 0.3 * rng.standard_normal(d, np.float32)
    return Z


def entropy(eigenvalues) -> float:
    eigenvalues = eigenvalues[eigenvalues > 0]
    return float(-(eigenvalues * np.log(eigenvalues)).sum())


def of_covariance(Z, centred: bool = False) -> float:
    """The entropy of the d × d covariance of normalised rows."""
    Z = Z.astype(np.float64)
    if centred:
        Z -= Z.mean(axis=0)
    Z /= np.linalg.norm(Z, axis=1, keepdims=True)
    return entropy(np.linalg.eigvalsh(Z.T @ Z / len(Z)))


def of_gram(Z) -> float:
    """The matrix-based entropy of order 1: K of ones on its diagonal, over n."""
    Z = Z.astype(np.float64)
    K = Z @ Z.T
    scale = np.sqrt(np.diagonal(K))
    return entropy(np.linalg.eigvalsh(K / scale[:, None] / scale / len(K)))


def side(work, Z) -> None:
    with side_by_side(processors()) as each:
        list(each(work, (Z[i : i + STACK] for i in range(0, len(Z), STACK))))


def gram(stack):
    rows = stack.astype(np.float64)
    return rows @ rows.swapaxes(1, 2)


def assert_equal(Z) -> float:
    """Largest relative difference of an entropy from that of each other way."""
    table = infogeo.measure(Z[:FEW])
    if "first" in table:
        table = table[table["first"] == "in"]
    table = table[table["metric"] == "entropy"].set_index(["convention", "doc_id"])["value"]
    worst = 0.0
    for text in range(FEW):
        for convention, other in (
            ("unit", of_covariance(Z[text])),
            ("centred", of_covariance(Z[text], centred=True)),
            ("unit", of_gram(Z[text])),
        ):
            worst = max(worst, abs(table[convention, str(text)] / other - 1))
    assert worst < 1e-9, worst
    return worst


def extra_memory(Z) -> float:
    """Most that `measure` holds beside its input, as a share of it."""
    tracemalloc.start()
    infogeo.measure(Z)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / Z.nbytes


def main(texts: int, n: int, d: int) -> None:
    Z = states(texts, n, d)
    worst = assert_equal(Z)
    problems = len(text_spectra(Z[0], [n]))
    K = np.stack([gram(Z[:1])[0] / d] * STACK)
    ways = {
        "d × d, one convention": (lambda: [of_covariance(text) for text in Z[:FEW]], texts / FEW),
        "Gram, one entropy": (lambda: [of_gram(text) for text in Z], 1),
        "measure, every metric": (lambda: infogeo.measure(Z), 1),
        "floor: eigenvalue problems": (
            lambda: side(lambda _: [np.linalg.eigvalsh(K) for _ in range(problems)], Z), 1,
        ),
        "beside it: Gram matrices": (lambda: side(gram, Z), 1),
    }  # fmt: skip
    least = dict.fromkeys(ways, np.inf)
    for _ in range(ROUNDS):
        for name, (work, times) in ways.items():
            start = time.perf_counter()
            work()
            least[name] = min(least[name], times * (time.perf_counter() - start))
    ours = least["measure, every metric"]
    print(f"{texts} texts, n = {n}, d = {d}, float32, {processors()} processors; "
          f"entropies equal to {worst:.0e} relative")  # fmt: skip
    print(f"{'':30}{'ms per text':>13}{'÷ ours':>10}")
    for name, seconds in least.items():
        print(f"{name:30}{1e3 * seconds / texts:13.2f}{seconds / ours:10.2f}")
    floor = least["floor: eigenvalue problems"]
    print(f"{'ours ÷ floor':30}{ours / floor:13.2f}   ({problems} problems a text)")
    both = floor + least["beside it: Gram matrices"]
    print(f"{'ours ÷ (floor + Gram)':30}{ours / both:13.2f}")
    print(f"{'memory beside the input':30}{extra_memory(Z):13.2f} × the input")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
