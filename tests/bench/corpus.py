"""Time of the spectra of a corpus, beside an older build and the floor.

    python tests/bench/corpus.py [OLD …]

OLD is a checkout of another commit. Each build takes the corpus scopes of T tokens of width d in
both conventions at n = 32 and 128. Processor time of one thread without imports, builds in turn,
medians of three rounds. 9ae2ea4 and before take them with the first tokens alone: half as many
d × d matrices, so that the time for one matrix stands beside the total. The floor is the products
(dsyrk) of every row that a matrix has to itself, and the eigenvalues. The first token of each text
has 148 times the median norm.
"""

import importlib
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{library}_NUM_THREADS"] = "1"

import numpy as np

WIDTH, TOKENS, N, ROUNDS = 2048, 100_000, (32, 128), 3
POOL = 64  # texts that come again and again


def states(texts: int, d: int) -> np.ndarray:
    """Float32 states (texts, n, d): a common mean, a steep spectrum, first tokens of huge norm."""
    rng = np.random.default_rng(d)
    Z = rng.standard_normal((texts, max(N), d), dtype=np.float32)
    Z *= np.arange(1, d + 1, dtype=np.float32) ** -0.8
    Z += 0.2 * rng.standard_normal(d, dtype=np.float32)
    sink = rng.standard_normal(d, dtype=np.float32)
    median = np.median(np.linalg.norm(Z[0], axis=1))
    Z[:, 0] += 148 * median / np.linalg.norm(sink) * sink
    return Z


def build(checkout: str) -> None:
    """Print seconds of a build, and its d × d matrices."""
    sys.path.insert(0, f"{checkout}/workflow_scripts")
    try:
        from infogeo.geometry import corpus_spectra as corpus
    except ModuleNotFoundError:  # 9ae2ea4 and before
        corpus = importlib.import_module("infogeo.spectra")
    Z, texts = states(POOL, WIDTH), TOKENS // max(N)
    counts = dict.fromkeys(N, texts)
    start = time.process_time()
    sums, spectra = corpus.Sums(counts, WIDTH), {}

    def stream(*receivers):
        def work(_, stack):
            for receiver in receivers:
                receiver.add(stack)

        stacks = corpus.Stacks(WIDTH, work)
        for text in range(texts):
            stacks.add(text, Z[text % POOL], max(N))
        stacks.flush()

    unit = corpus.CorpusSpectra(counts, WIDTH)
    stream(sums, unit)
    spectra = {("unit", *key): value for key, value in unit.spectra().items()}
    del unit
    centred = corpus.CorpusSpectra(counts, WIDTH, sums.centres(counts))
    stream(centred)
    spectra |= {("centred", *key): value for key, value in centred.spectra().items()}
    seconds = time.process_time() - start
    matrices = sum(value.eigenvalues.shape[-1] == WIDTH for value in spectra.values())
    print(json.dumps({"seconds": seconds, "matrices": matrices}))


def floor() -> float:
    """Seconds of what no way around is known: products, and eigenvalues."""
    from scipy.linalg.blas import dsyrk

    rows = states(POOL, WIDTH).reshape(-1, WIDTH)[:4096].astype(float)

    def seconds(function):
        times = []
        for _ in range(ROUNDS):
            start = time.process_time()
            function()
            times.append(time.process_time() - start)
        return statistics.median(times)

    one = seconds(lambda: dsyrk(1.0, rows.T)) / len(rows)
    K = rows[: 2 * WIDTH].T @ rows[: 2 * WIDTH]
    texts = TOKENS // max(N)
    unit, centred = max(N), sum(2 * n - 1 for n in N)
    return one * texts * (unit + centred) + 4 * len(N) * seconds(lambda: np.linalg.eigvalsh(K))


def main(checkouts: list[str]) -> None:
    ours = str(Path(__file__).parents[2])
    said = {checkout: [] for checkout in (ours, *checkouts)}
    for _ in range(ROUNDS):
        for checkout, found in said.items():
            command = [sys.executable, __file__, "--build", checkout]
            found.append(json.loads(subprocess.check_output(command, text=True)))
    medians = {
        checkout: statistics.median(one["seconds"] for one in found)
        for checkout, found in said.items()
    }
    print(f"d = {WIDTH}, T = {TOKENS:,}, n = {N}, CPU seconds")
    print(f"{'':12}{'matrices':>10}{'all':>10}{'of one':>10}{'ours ÷':>10}{'of one':>10}")
    of_ours = medians[ours] / said[ours][0]["matrices"]
    for checkout, seconds in medians.items():
        name = "ours" if checkout == ours else "older"
        matrices = said[checkout][0]["matrices"]
        print(
            f"{name:12}{matrices:10}{seconds:10.2f}{seconds / matrices:10.2f}"
            f"{medians[ours] / seconds:10.2f}{of_ours * matrices / seconds:10.2f}"
        )
    least = floor()
    print(f"{'floor':12}{4 * len(N):10}{least:10.2f}{'':10}{medians[ours] / least:10.2f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--build"]:
        build(sys.argv[2])
    else:
        main(sys.argv[1:])
