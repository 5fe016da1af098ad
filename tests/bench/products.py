"""Products of float32 matrices by MKL, which PyTorch asks, and by oneDNN, which it has as well.

    OMP_NUM_THREADS=1 python tests/bench/products.py

Shapes are those of a ladder's training and of layers of width 576, on 1,024 tokens; one thread,
medians. Both are asserted equal to 1e-5 of the largest value before any time counts.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "workflow_scripts"))

import torch
from timing import median

from infogeo.sources import products

SHAPES = [
    (96, 32, 512), (128, 128, 2048), (128, 2048, 128), (512, 128, 512), (1024, 576, 1536),
]  # fmt: skip


def main() -> None:
    torch.set_num_threads(1)
    print(f"{'m × k × n':<20}{'MKL, GFLOP/s':>14}{'ours, GFLOP/s':>15}{'ratio of times':>16}")
    for m, k, n in SHAPES:
        a, b = torch.randn(m, k), torch.randn(k, n)
        expected = a @ b
        assert (products.product(a, b) - expected).abs().max() <= 1e-5 * expected.abs().max()
        by_mkl = median(lambda a=a, b=b: a @ b)
        ours = median(lambda a=a, b=b: products.product(a, b))
        rates = [2e-9 * m * k * n / seconds for seconds in (by_mkl, ours)]
        print(f"{f'{m} × {k} × {n}':<20}{rates[0]:14.0f}{rates[1]:15.0f}{ours / by_mkl:16.2f}")


if __name__ == "__main__":
    main()
