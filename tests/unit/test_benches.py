"""Benches that are over in seconds stop where what they time differs from its rival.

Of those that take longer, and of tests that need a cluster, a hub or a whole run, the names are
checked: what they use of the library exists.
"""

import ast
import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

TESTS = Path(__file__).parents[1]
BENCH = TESTS / "bench"
RARELY_RUN = [
    path
    for folder in ("bench", "hub", "slurm", "workflow")
    for path in TESTS.glob(f"{folder}/*.py")
]


def test_rates_of_a_short_try_replace_no_others(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(BENCH)
    import rates

    monkeypatch.setattr(rates, "RATES", tmp_path / "rates.csv")
    rates.RATES.write_text(",".join(rates.COLUMNS) + "\nfalls,supported,no,0.04,300,a.py\n")
    for program, simulations in (("a.py", 20), ("a.py", 400), ("b.py", 20)):
        rates.record(program, [("falls", "supported", "no", 0.5, simulations)])
    lines = rates.RATES.read_text().splitlines()[1:]
    assert lines == ["falls,supported,no,0.5,400,a.py", "falls,supported,no,0.5,20,b.py"]


@pytest.mark.parametrize("bench", ["bootstrap.py 99", "store.py 2", "similarity.py 60"])
def test_what_a_bench_times_equals_its_rival(bench):
    program, size = bench.split()
    run = subprocess.run(
        [sys.executable, BENCH / program, size], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert "floor" in run.stdout


def imported(tree) -> dict:
    """Bound name -> what a file imports from the library; None where that does not exist."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("infogeo"):
            for alias in node.names:
                try:
                    module = importlib.import_module(f"{node.module}.{alias.name}")
                except ModuleNotFoundError:
                    module = getattr(importlib.import_module(node.module), alias.name, None)
                names[alias.asname or alias.name] = module
    return names


@pytest.mark.parametrize("path", RARELY_RUN, ids=lambda path: path.relative_to(TESTS).as_posix())
def test_names_of_the_library_that_a_rarely_run_file_uses_exist(path):
    tree = ast.parse(path.read_text())
    names = imported(tree)
    missing = [name for name, value in names.items() if value is None]
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owner = names.get(node.value.id)
            if isinstance(owner, ModuleType) and not hasattr(owner, node.attr):
                missing.append(f"{node.value.id}.{node.attr}, line {node.lineno}")
    assert missing == []


def test_files_of_the_project_that_a_rarely_run_test_edits_exist():
    root = TESTS.parent
    edited = {
        node.value
        for path in RARELY_RUN
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value.startswith(("workflow_scripts/", "rules/"))
        and node.value.endswith((".py", ".smk"))
    }
    assert edited
    assert [name for name in sorted(edited) if not (root / name).exists()] == []
