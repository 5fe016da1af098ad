"""Benches that are over in seconds: they stop where what they time differs from its rival."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "bench"


@pytest.mark.parametrize("bench", ["bootstrap.py 99", "store.py 2"])
def test_what_a_bench_times_equals_its_rival(bench):
    program, size = bench.split()
    run = subprocess.run(
        [sys.executable, BENCH / program, size], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert "floor" in run.stdout
