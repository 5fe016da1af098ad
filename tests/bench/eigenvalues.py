"""Eigenvalues and factors of stacks of small matrices: side by side, and one by one by LAPACK.

    python tests/bench/eigenvalues.py [count]        (256 where left out)

Gram matrices of as many rows of twice as many coordinates, one thread, processor time. All ways
must give the same eigenvalues to 1e-13 of the largest before any time counts. The floor is what
no reduction to a tridiagonal matrix can do without: its 4/3 n³ operations, at the speed of a
product of large matrices. The Cholesky factors are those of the information gain of texts at seven
λ, whose pivots must be equal to 1e-9; their floor is n³/3 operations. Medians.
"""

import os
import sys
from pathlib import Path

for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{library}_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).parents[2] / "workflow_scripts"))

import numpy as np
import timing
import torch

from infogeo.geometry.eigenvalues import LARGEST, side_by_side
from infogeo.geometry.information_gain import pivots
from infogeo.geometry.rows import unit_norm

ORDERS, LARGE = (16, 32, 64, 128, 256, LARGEST), 2048
LAMBDAS, MANY = (0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 2.0), 10**6  # so many texts are worth the loops


def grams(count: int, n: int) -> np.ndarray:
    rows = np.random.default_rng(n).standard_normal((count, n, 2 * n))
    return rows @ rows.swapaxes(1, 2) / n


def main(count: int) -> None:
    torch.set_num_threads(1)
    large = np.random.default_rng(0).standard_normal((LARGE, LARGE))
    speed = 2 * LARGE**3 / timing.median(lambda: large @ large)
    print(f"{'us a matrix':>11}{'ours':>10}{'numpy':>10}{'torch':>10}{'floor':>10}"
          f"{'numpy / ours':>14}{'ours / floor':>14}")  # fmt: skip
    for n in ORDERS:
        matrices = grams(max(32, min(count, count * 64**2 // n**2)), n)
        tensors = torch.from_numpy(matrices)
        ways = {
            "ours": lambda matrices=matrices: side_by_side(matrices),
            "numpy": lambda matrices=matrices: np.linalg.eigvalsh(matrices),
            "torch": lambda tensors=tensors: torch.linalg.eigvalsh(tensors).numpy(),
        }
        expected = ways["numpy"]()
        for name, way in ways.items():
            off = np.abs(way() - expected).max() / expected.max()
            assert off < 1e-13, f"{name} is off by {off:.1e} at order {n}"
        seconds = {name: timing.median(way) / len(matrices) for name, way in ways.items()}
        floor = 4 / 3 * n**3 / speed
        shown = [*seconds.values(), floor]
        print(f"{n:>11}" + "".join(f"{1e6 * value:>10.1f}" for value in shown)
              + f"{seconds['numpy'] / seconds['ours']:>14.1f}"
              + f"{seconds['ours'] / floor:>14.1f}")  # fmt: skip
    factors(speed)


def factors(speed: float) -> None:
    """The same of Cholesky factors; the Gram matrices, which both ways make, count."""
    print(f"\n{'us a factor':>11}{'ours':>10}{'LAPACK':>10}{'floor':>10}{'LAPACK / ours':>14}")
    for n in ORDERS:
        rows = unit_norm(np.random.default_rng(n).standard_normal((16, n, 64)))
        ways = {"ours": lambda rows=rows: pivots(rows, LAMBDAS, MANY),
                "LAPACK": lambda rows=rows: pivots(rows, LAMBDAS)}  # fmt: skip
        off = np.abs(ways["ours"]() / ways["LAPACK"]() - 1).max()
        assert off < 1e-9, f"pivots differ by {off:.1e} at order {n}"
        count = len(rows) * len(LAMBDAS)
        ours, lapack = (timing.median(way) / count for way in ways.values())
        shown = [ours, lapack, n**3 / 3 / speed]
        print(f"{n:>11}" + "".join(f"{1e6 * value:>10.1f}" for value in shown)
              + f"{lapack / ours:>14.1f}")  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 256)
