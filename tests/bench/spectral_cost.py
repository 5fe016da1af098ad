"""What the spectral measures beyond entropies and coding rates add to the time of compute_entropy.

Usage: OMP_NUM_THREADS=1 python tests/bench/spectral_cost.py SPECTRA [rounds]

SPECTRA is a file of results/spectra. Processor time, runs in turn: *off* has the entropies and
coding rates of the conventions unit and centred; *features* also RankMe, α-ReQ, stable rank and
shares of rows without scaling, which is the default; *orders* also Rényi and Schatten at three
orders. All write their table, as the job does.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")
ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow_scripts")]

import numpy as np

from infogeo.files.artefacts import write_table
from infogeo.files.parts import in_parts
from infogeo.geometry import entropy
from infogeo.geometry.metrics import RAW_CONVENTIONS
from infogeo.geometry.spectra import LayerSpectra
from infogeo.geometry.spectra_file import SpectraFile

EPS2, LAMBDAS, ORDERS = [0.01, 0.1, 0.5, 1.0], [0.1, 1.0], [0.5, 3.0, 4.0]


class WithoutRaw:
    """A file of spectra without those of rows that are not scaled."""

    def __init__(self, spectra: SpectraFile):
        self.documents, self.tokens, self.spectra = spectra.documents, spectra.tokens, spectra

    def __iter__(self):
        for layer in self.spectra:
            scaled = {
                key: value for key, value in layer.spectra.items() if key[1] not in RAW_CONVENTIONS
            }
            yield LayerSpectra(layer.layer, layer.width, scaled, layer.norms)


def run(spectra, orders, path) -> tuple[float, int]:
    """Processor seconds of one table, and its rows."""
    start = time.process_time()
    parts = list(entropy.entropies(spectra, EPS2, LAMBDAS, orders))
    write_table(in_parts(iter(parts)), path, "bench")
    return time.process_time() - start, sum(map(len, parts))


def main(path: str, rounds: int) -> None:
    spectra = SpectraFile(path)
    cases = {
        "off": (WithoutRaw(spectra), []), "features": (spectra, []), "orders": (spectra, ORDERS)
    }  # fmt: skip
    seconds = {name: [] for name in cases}
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            for name, (source, orders) in cases.items():
                elapsed, rows[name] = run(source, orders, Path(folder) / "table.parquet")
                seconds[name].append(elapsed)
    for name, times in seconds.items():
        ratios = np.array(times) / seconds["off"]
        print(
            f"{name:10}{np.median(times):8.2f} s {rows[name]:9,} rows, ÷ off in each round: "
            f"median {np.median(ratios):.3f}, {ratios.min():.3f} to {ratios.max():.3f}"
        )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 7)
