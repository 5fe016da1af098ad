"""Time of TwoNN and GRIDE beside DADApy and scikit-dimension, and how often intervals cover.

    python tests/bench/dimension.py PYTHON [rows width]
    python tests/bench/dimension.py --coverage [simulations]

PYTHON is the interpreter of an environment with the peers, which want another NumPy:
`pip install dadapy==0.3.4 scikit-dimension==0.5.0`. They run there, on the same rows as ours here,
in turns, with as many threads as each takes; medians of three rounds, and of each round's ratios.
Before anything is timed all values are asserted equal: to 1e-10, and to 1e-7 where DADApy stops its
bisection there by default. Its two calls are timed on an object each, and on one object, where the
second finds the distances of the first.

With --coverage, intervals of simulated rows: how often the true dimension is in them, and how often
the mean of the estimates is, which leaves out the bias of the estimator (curvature, edges).
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

import numpy as np

MOST = 64
ROUNDS = 3


def rows_of(count: int, width: int) -> np.ndarray:
    """Float32 rows with a common mean and a steep spectrum, as hidden states have."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((count, width)) * np.arange(1, width + 1) ** -0.5
    return (rows @ np.linalg.qr(rng.standard_normal((width, width)))[0] + 1).astype(np.float32)


# ---------------------------------------------------------------- in the peers' environment
def peer(path: str) -> None:
    """Answer names of calls, a line each, with their seconds and values."""
    import skdim
    from dadapy import Data

    rows = np.load(path)
    doubles = rows.astype(np.float64)  # of float32 scikit-dimension takes distances in float32
    compiled = Data(rows[:200])
    compiled.return_id_scaling_gride(range_max=MOST)

    def apart():
        two_nn = Data(rows).compute_id_2NN()[0]
        return [two_nn, *Data(rows).return_id_scaling_gride(range_max=MOST)[0]]

    def together(**settings):
        data = Data(rows)
        two_nn = data.compute_id_2NN()[0]
        return [two_nn, *data.return_id_scaling_gride(range_max=MOST, **settings)[0]]

    calls = {
        "apart": apart,
        "together": together,
        "precise": lambda: together(eps=1e-13),
        "skdim": lambda: [skdim.id.TwoNN().fit(doubles).dimension_],
    }
    for name in sys.stdin:
        begin = time.perf_counter()
        values = calls[name.strip()]()
        print(json.dumps([time.perf_counter() - begin, list(map(float, values))]), flush=True)


# ---------------------------------------------------------------- here
def ours(rows: np.ndarray) -> list[float]:
    """TwoNN by the fit, and GRIDE at every scale."""
    from infogeo.geometry.dimension import gride, ranks_up_to, two_nn_fit
    from infogeo.geometry.neighbours import nearest_neighbours

    ranks = ranks_up_to(MOST)
    distances, _ = nearest_neighbours(rows, [1, *(2 * rank for rank in ranks)])
    ratios = np.log(distances[:, 1:] / distances[:, :-1])
    return [two_nn_fit(ratios[:, 0]), *(gride(ratios[:, i], rank) for i, rank in enumerate(ranks))]


def compare(python: str, count: int, width: int) -> None:
    """Print seconds of ours and of the peers, in turns."""
    rows = rows_of(count, width)
    with tempfile.NamedTemporaryFile(suffix=".npy") as file:
        np.save(file, rows)
        file.flush()
        child = subprocess.Popen(
            [python, "-W", "ignore", __file__, "--peer", file.name],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

        def ask(name: str):
            child.stdin.write(f"{name}\n")
            child.stdin.flush()
            return json.loads(child.stdout.readline())

        values = ours(rows)
        for name, tolerance in (("precise", 1e-10), ("together", 1e-7), ("apart", 1e-7)):
            np.testing.assert_allclose(values, ask(name)[1], rtol=tolerance)
        np.testing.assert_allclose(values[:1], ask("skdim")[1], rtol=1e-9)
        times = {name: [] for name in ("ours", "apart", "together", "skdim")}
        for _ in range(ROUNDS):
            begin = time.perf_counter()
            ours(rows)
            times["ours"].append(time.perf_counter() - begin)
            for name in ("apart", "together", "skdim"):
                times[name].append(ask(name)[0])
        child.stdin.close()
        child.wait()
    print(f"{count:,} × {width:,}: TwoNN {values[0]:.4f}, GRIDE {np.round(values[1:], 4).tolist()}")
    names = {
        "ours": "ours: TwoNN and GRIDE",
        "apart": "DADApy: both, an object each",
        "together": "DADApy: both of one object",
        "skdim": "scikit-dimension: TwoNN alone",
    }
    print(f"{'':32}{'seconds':>9}{'÷ ours':>9}")
    for name, seconds in times.items():
        ratios = [one / other for one, other in zip(seconds, times["ours"], strict=True)]
        print(f"{names[name]:32}{statistics.median(seconds):9.2f}{statistics.median(ratios):9.1f}")
    print("\nrows      peak MB beside the rows (64 wide); all distances would take")
    for many in (5_000, 10_000, 20_000):
        rows = rows_of(many, 64)
        tracemalloc.start()
        ours(rows)
        peak = tracemalloc.get_traced_memory()[1] / 1e6
        tracemalloc.stop()
        print(f"{many:6,}{peak:10.0f}{8 * many**2 / 1e6:46,.0f}")


# ---------------------------------------------------------------- coverage
def torus(rng, count, dim):
    """Uniform on a product of circles: no edges, curved in each."""
    angles = 2 * np.pi * rng.random((count, dim))
    return np.c_[np.cos(angles), np.sin(angles)]


def sphere(rng, count, dim):
    """Uniform on a sphere."""
    rows = rng.standard_normal((count, dim + 1))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def gaussian(rng, count, dim):
    """Flat, its density falling outwards."""
    return rng.standard_normal((count, dim))


def clusters(rng, count, dim):
    """Gaussian, five rows a source around a centre of its own."""
    centres = np.repeat(rng.standard_normal((count // 5, dim)), 5, axis=0)
    return centres + 0.5 * rng.standard_normal((count, dim))


CASES = (
    (torus, 500, 2), (torus, 500, 5), (sphere, 500, 5), (sphere, 2000, 5), (gaussian, 500, 10),
    (gaussian, 2000, 10), (clusters, 1000, 5),
)  # fmt: skip


def coverage(simulations: int) -> None:
    """Print how often 95 % intervals cover, for every estimator."""
    from infogeo.geometry.dimension import measure

    print(f"95 % intervals, {simulations} simulations each: mean estimate; share of intervals that")
    print("cover the true dimension; share that cover the mean estimate")
    head = ["fit", "TwoNN", *(f"GRIDE {2**power}" for power in range(2, 7))]
    print(f"{'':34}" + "".join(f"{name:>10}" for name in head))
    for make, count, dim in CASES:
        sources = np.arange(count) // (5 if make is clusters else 1)
        values = []
        for seed in range(simulations):
            rows = make(np.random.default_rng([seed, count, dim]), count, dim)
            lines = measure(rows, sources, most=MOST, draws=199, seed=seed)
            del lines[2]  # GRIDE at scale 2 is TwoNN
            values.append([[line[key] for line in lines] for key in ("value", "low", "high")])
        value, low, high = np.array(values).transpose(1, 0, 2)
        mean = value.mean(axis=0)
        true, own = (((low <= at) & (at <= high)).mean(axis=0) for at in (dim, mean))
        name = f"{make.__name__}, D = {dim}, N = {count:,}"
        for label, numbers, digits in (("mean", mean, 2), ("true", true, 3), ("own mean", own, 3)):
            print(f"{name:24}{label:>10}" + "".join(f"{x:10.{digits}f}" for x in numbers))
            name = ""


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2] / "workflow_scripts"))
    first, *rest = sys.argv[1:] or sys.exit(__doc__)
    if first == "--peer":
        peer(*rest)
    elif first == "--coverage":
        coverage(*map(int, rest or ["400"]))
    else:
        compare(first, *map(int, rest or ["10000", "1024"]))
