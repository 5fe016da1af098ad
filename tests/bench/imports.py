"""What jobs spend on starting: seconds of each rule's imports, and their share of a finished run.

    python tests/bench/imports.py [results]

Each script's import statements are run in a process of their own, and the interpreter's own start
is in; the median of 3, processor time. Where a finished run lies in results/, the number of jobs
and their processor time come from its benchmark files, and the last line says how much of the
whole was start-up. Snakemake's own start of a script (about half a second) is not in.
"""

import ast
import csv
import resource
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "workflow_scripts"


def statements(script: Path) -> str:
    """The import statements at the top of a script, in a process that takes itself for a job."""
    found = [node for node in ast.parse(script.read_text()).body
             if isinstance(node, ast.Import | ast.ImportFrom)]  # fmt: skip
    return "\n".join(["snakemake = None", *map(ast.unparse, found)])


def seconds(code: str) -> float:
    """Processor time of a process that runs the code."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], cwd=SCRIPTS, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def finished(results: Path) -> dict[str, tuple[int, float]]:
    """Rule -> its jobs and their processor time, of a finished run."""
    found = {}
    for path in (results / "benchmarks").rglob("*.tsv"):
        rule = path.relative_to(results / "benchmarks").parts[0].removesuffix(".tsv")
        row = next(csv.DictReader(path.open(), delimiter="\t"))
        jobs, spent = found.get(rule, (0, 0.0))
        found[rule] = jobs + 1, spent + float(row["cpu_time"])
    return found


def main(results: Path) -> None:
    done = finished(results) if (results / "report.html").exists() else {}
    starts, spent = 0.0, 0.0
    print(f"{'rule':28}{'imports s':>10}" + (f"{'jobs':>6}{'CPU s':>8}" if done else ""))
    for script in sorted(SCRIPTS.glob("*.py")):
        jobs, took = done.get(script.stem, (0, 0.0))
        start = statistics.median(seconds(statements(script)) for _ in range(3))
        print(f"{script.stem:28}{start:10.2f}" + (f"{jobs:6}{took:8.1f}" if done else ""))
        starts, spent = starts + jobs * start, spent + took
    if spent:
        share = 1 - starts / spent
        print(f"start-up {starts:.0f} s of {spent:.0f} s CPU in jobs: {share:.0%} computed")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "results"))
