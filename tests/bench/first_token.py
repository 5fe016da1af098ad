"""What spectra without the first token cost compute_spectra: beside an older build.

Usage: python tests/bench/first_token.py OLDER [rounds]

OLDER is a checkout of the build of 9ae2ea4, which has spectra of all tokens alone. Both take the
spectra of random states at widths of the built-in example and of a model of real size, in turn,
each time in a process of its own with one thread. Processor seconds: of the functions, whose loops
are warm, and of the process with its imports. Medians of the rounds.
"""

import os
import statistics
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
LENGTHS = [32, 128]
CASES = [(32, 400, 5), (64, 400, 5), (128, 400, 5), (576, 60, 10)]  # width, texts, layers


def child(build: str, width: int, count: int, layers: int) -> None:
    """Take the spectra of so many layers; print the seconds."""
    rng = np.random.default_rng(0)
    states = rng.standard_normal((count, LENGTHS[-1], width)) * np.arange(1, width + 1) ** -0.5
    states = (states + 0.3 * rng.standard_normal(width)).astype(np.float32)
    if build == "older":
        module, name = import_module("infogeo.spectra"), "compute"
    else:
        module, name = import_module("infogeo.geometry.corpus_spectra"), "spectra_of_layer"

    def take(some: int) -> None:
        names = [f"t{text}" for text in range(some)]
        documents = module.Documents.of(names, names, [LENGTHS[-1]] * some, LENGTHS)
        getattr(module, name)(lambda: ((i, "0", states[i]) for i in range(some)), documents)

    take(8)
    start = time.process_time()
    for _ in range(layers):
        take(count)
    print(time.process_time() - start)


def run(build: str, checkout: Path, *case: int) -> tuple[float, float]:
    """Seconds of the functions and of the process."""
    environment = os.environ | {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
    environment["PYTHONPATH"] = str(checkout / "workflow_scripts")
    before = os.times()
    command = [sys.executable, __file__, "child", build, *map(str, case)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    after = os.times()
    return float(done.stdout), sum(after[2:4]) - sum(before[2:4])


def main(older: Path, rounds: int) -> None:
    print(f"{'width':>6}{'texts':>7}{'layers':>8}{'functions: older':>18}{'this':>8}{'ratio':>7}"
          f"{'process: older':>18}{'this':>8}{'ratio':>7}")  # fmt: skip
    for case in CASES:
        seconds = {"older": [], "this": []}
        for _ in range(rounds):
            for build, checkout in (("older", older), ("this", ROOT)):
                seconds[build].append(run(build, checkout, *case))
        cells = ""
        for place, width in ((0, 18), (1, 18)):
            one, other = (statistics.median(pair[place] for pair in seconds[build])
                          for build in ("older", "this"))  # fmt: skip
            cells += f"{one:{width}.2f}{other:8.2f}{other / one:7.2f}"
        print(f"{case[0]:6}{case[1]:7}{case[2]:8}{cells}", flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "child":
        child(sys.argv[2], *map(int, sys.argv[3:]))
    else:
        main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 3)
