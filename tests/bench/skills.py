"""Time and memory of simulating texts, beside the literal vectorised way.

    python tests/bench/skills.py [texts]        (10,000,000 where left out)

One thread; each way in a process of its own, whose peak memory it is. The literal way names every
skill with numpy's `zipf`, all texts at once, and counts what each model comprehends. Nothing is
printed before the two agree with the exact law: every entropy and share of texts not understood
within five standard errors.
"""

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{library}_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).parents[2] / "workflow_scripts"))

import numpy as np
import pandas as pd

from infogeo.theory import skills

N = np.unique(np.geomspace(1, 1e9, 37).round())  # four models a decade
ALPHA, SHARES = 0.5, (1.0, 0.5)
TRUE, BACKGROUND = np.array([0.6, 0.3, 0.1]), np.array([0.2, 0.3, 0.5])


def ours(texts: int, m: int, share: float) -> pd.DataFrame:
    """As the workflow does it."""
    return skills.simulate(
        N, texts=texts, alpha=ALPHA, true=TRUE, background=BACKGROUND, skills_per_text=m,
        share=share, seed=1,
    )  # fmt: skip


def literal(texts: int, m: int, share: float) -> pd.DataFrame:
    """Skills by name, model by model."""
    rng = np.random.default_rng(1)
    drawn = rng.zipf(1 + ALPHA, (texts, m))
    X = rng.choice(len(TRUE), texts, p=TRUE)
    rows = []
    for n in N:
        understood = (drawn <= n).sum(axis=1) >= share * m
        lengths = -np.log(np.where(understood, TRUE[X], BACKGROUND[X]))
        half = 1.96 * lengths.std(ddof=1) / np.sqrt(texts)
        mean = lengths.mean()
        rows.append((1 - understood.mean(), mean, mean - half, mean + half))
    columns = ["not_understood", "entropy", "entropy_low", "entropy_high"]
    return pd.DataFrame(rows, columns=columns)


def check(table: pd.DataFrame, texts: int, m: int, share: float) -> float:
    """The largest distance from the exact law, in standard errors; stops beyond five."""
    dark = skills.not_understood(N, ALPHA, m, share)
    exact = skills.entropy(TRUE) + skills.divergence(TRUE, BACKGROUND) * dark
    error = (table["entropy_high"] - table["entropy_low"]) / (2 * 1.96)
    common = dark * texts >= 20  # fewer texts than that are not normal
    apart = np.append(
        np.abs(table["entropy"] - exact) / error,
        np.abs(table["not_understood"] - dark)[common] / np.sqrt(dark * (1 - dark) / texts)[common],
    )
    assert apart.max() < 5, apart
    return apart.max()


def measure(name: str, texts: int, m: int, share: float) -> None:
    """One way, in this process; prints what it took as JSON."""
    start, cpu = time.perf_counter(), time.process_time()
    table = {"ours": ours, "literal": literal}[name](texts, m, share)
    took = time.perf_counter() - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10  # MiB
    print(json.dumps([*took, peak, check(table, texts, m, share)]))


def bench(texts: int) -> None:
    """Print the table."""
    print(f"{texts:,} texts, {len(N)} models of 1 to 1e9 skills, alpha = {ALPHA}")
    print(f"{'skills per text':>15}{'share':>7}{'':>10}{'s':>8}{'CPU s':>8}{'peak MiB':>10}"
          f"{'worst, standard errors':>24}")  # fmt: skip
    for m in (1, 4):
        for share in SHARES if m > 1 else (1.0,):
            for name in ("ours", "literal"):
                arguments = [sys.executable, __file__, name, str(texts), str(m), str(share)]
                found = subprocess.run(arguments, check=True, capture_output=True, text=True)
                wall, cpu, peak, worst = json.loads(found.stdout)
                print(f"{m:15}{share:7}{name:>10}{wall:8.1f}{cpu:8.1f}{peak:10,.0f}{worst:24.1f}",
                      flush=True)  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1:2] in (["ours"], ["literal"]):
        measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
    else:
        bench(int(sys.argv[1]) if len(sys.argv) > 1 else 10**7)
