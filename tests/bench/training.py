"""Training of the default's ladder by an older build and by this one, beside its matrix products.

    python tests/bench/training.py OLD [steps] [shapes]     (default 200 32x1,64x2,128x4)

OLD is a checkout of the older build. A job is a process of its own on one thread: start, training
with the default's settings on random words, description of the model. The builds alternate; printed
are medians of three, in seconds of CPU and of wall clock, and the ratios. The floor is the matrix
products of as many steps alone, by the library that this build asks. Held-out losses of the builds
must agree to 1e-3 nats per token.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml

ROOT = Path(__file__).parents[2]
ROUNDS = 3
# Starts under either build: one package, or the flat modules of earlier ones.
JOB = """
import json, sys
settings = json.loads(sys.argv[1])
try:
    from infogeo.sources import ladder, models
except ImportError:
    from infogeo import ladder, models
trained = ladder.train(fingerprint="bench", **settings)
models.describe(settings["folder"], "bench", "ladder", "bench", "bench")
print(trained["heldout_nll"])
"""


def prepare(folder: Path, settings: dict, tokens: int) -> int:
    """Write the ladder's data, of random words; return the size of its vocabulary."""
    sys.path.insert(0, str(ROOT / "workflow_scripts"))
    from infogeo.sources import ladder_data

    rng = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = ["".join(rng.choice(letters, rng.integers(2, 9))) for _ in range(3000)]
    ranks = rng.zipf(1.3, (2000, 200)) % len(words)
    texts = [" ".join(words[i] for i in row) for row in ranks]
    prepared = ladder_data.prepare(
        texts[50:],
        texts[:50],
        folder,
        vocabulary=settings["vocabulary"],
        context=settings["context"],
        tokens=tokens,
        seed=0,
        fingerprint="bench",
    )
    return prepared["vocabulary"]


def job(build: Path, settings: dict) -> tuple[float, float, float]:
    """Seconds of CPU and of wall clock of a training, and its held-out nats per token."""
    with tempfile.TemporaryDirectory() as folder:
        of_job = settings | {"folder": f"{folder}/model", "scratch": f"{folder}/scratch"}
        env = os.environ | {"PYTHONPATH": str(build / "workflow_scripts"), "OMP_NUM_THREADS": "1"}
        begin, before = time.monotonic(), os.times()
        run = subprocess.run(
            [sys.executable, "-c", JOB, json.dumps(of_job)],
            capture_output=True,
            text=True,
            check=True,
            env=env,
        )
        wall, after = time.monotonic() - begin, os.times()
    cpu = after.children_user + after.children_system
    cpu -= before.children_user + before.children_system
    return cpu, wall, float(run.stdout.splitlines()[-1])


def products(width, depth, vocabulary, batch, context, head_width, steps) -> float:
    """CPU seconds of the matrix products of so many steps, forward and both ways back."""
    import torch

    from infogeo.sources.products import product

    torch.set_num_threads(1)
    n, heads = batch * context, batch * width // head_width
    layers = [(3 * width, width), (width, width), (4 * width, width), (width, 4 * width)]
    arrays = [
        (torch.randn(n, inner), torch.randn(outer, inner), torch.randn(n, outer))
        for outer, inner in [*layers * depth, (vocabulary, width)]
    ]
    q, p = torch.randn(heads, head_width, context), torch.randn(heads, context, context)
    begin = time.process_time()
    for _ in range(steps):
        for x, weights, y in arrays:
            product(x, weights.T)
            product(y, weights)
            product(y.T, x)
        for _ in range(depth):
            for _ in range(2):  # queries × keys and its like in the gradients
                torch.bmm(q.transpose(1, 2), q, out=p)
            for _ in range(2):  # values × shares, and three gradients
                torch.bmm(q, p)
                torch.bmm(q, p.transpose(1, 2))
    return time.process_time() - begin


def main(old: str, steps: str = "200", shapes: str = "32x1,64x2,128x4") -> None:
    settings = yaml.safe_load((ROOT / "config/config.yaml").read_text())["ladders"]["small"]
    batch, context = settings["batch"], settings["context"]
    tokens = int(steps) * batch * context
    recipe = {name: settings[name] for name in ("beta2", "init_std", "head_width", "batch")}
    print(f"{'':<8}{'CPU s':>8}{'':>8}{'':>8}{'':>8}{'wall s':>8}")
    print(
        f"{'shape':<8}{'old':>8}{'new':>8}{'ratio':>8}{'floor':>8}{'old':>8}{'new':>8}{'ratio':>8}"
    )
    with tempfile.TemporaryDirectory() as data:
        vocabulary = prepare(Path(data), settings, tokens)
        for shape in shapes.split(","):
            width, depth = map(int, shape.split("x"))
            of_shape = recipe | {"prepared": data, "width": width, "depth": depth, "seed": 0}
            of_shape |= {"tokens": tokens, "peak": settings["learning_rate"]}
            rounds = [
                (
                    job(Path(old), of_shape),
                    job(ROOT, of_shape),
                    products(
                        width, depth, vocabulary, batch, context, recipe["head_width"], int(steps)
                    ),
                )
                for _ in range(ROUNDS)
            ]
            before, after, floors = zip(*rounds, strict=True)
            assert abs(before[0][2] - after[0][2]) < 1e-3, (before[0][2], after[0][2])
            (cpu, wall, _), (own_cpu, own_wall, _) = (
                [statistics.median(values) for values in zip(*jobs, strict=True)]
                for jobs in (before, after)
            )
            print(
                f"w{width}-d{depth:<4}{cpu:>8.1f}{own_cpu:>8.1f}{own_cpu / cpu:>8.2f}"
                f"{statistics.median(floors):>8.1f}"
                f"{wall:>8.1f}{own_wall:>8.1f}{own_wall / wall:>8.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main(*sys.argv[1:])
