"""The built-in example by an older build and by this one, whole: processor time and wall clock.

    python tests/bench/default.py OLD [--same] [--runs 3] [--cores 2]

OLD is a checkout of the older build. Each run is a fresh copy of a build, run with this
interpreter to its end as its Makefile does; the two builds alternate. With --same this build
measures what the older one does: its models and studies, no checkpoints, no shuffled words.
Processor time counts all children. Medians, each ratio's range, and the tables' number.
"""

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = ("Snakefile", "rules", "workflow_scripts", "profiles", "envs", "config")
STUDIES = "gain,context,sentences"  # those of the older build, beside the entropies


def copy(build: Path, folder: Path) -> Path:
    """What a run of a build needs."""
    for name in SOURCES:
        taken = shutil.copytree if (build / name).is_dir() else shutil.copy2
        taken(build / name, folder / name)
    return folder


def as_before(folder: Path, old: Path) -> None:
    """Let a copy of this build measure what the older one does."""
    header, *rows = (old / "config/models.tsv").read_text().splitlines()
    lines = ["\t".join([header, "studies"])]
    lines += ["\t".join([*row.split("\t"), STUDIES]) for row in rows]
    (folder / "config/models.tsv").write_text("\n".join(lines) + "\n")
    config = folder / "config/config.yaml"
    text = config.read_text()
    for given, wanted in (("  checkpoints: 8", "  checkpoints: 0"),
                          ("  shuffled: true", "  shuffled: false")):  # fmt: skip
        assert given in text, f"config.yaml has no line {given!r}"
        text = text.replace(given, wanted)
    config.write_text(text)


def run(folder: Path, quiet: list[str], cores: int) -> tuple[float, float, int]:
    """Processor and wall-clock seconds of a run, and the number of tables it left."""
    megabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20
    command = [sys.executable, "-m", "snakemake", "--cores", str(cores), *quiet]
    command += ["--resources", f"mem_mb={int(0.75 * megabytes)}", "downloads=2"]
    environment = os.environ | {"PYTHONPATH": str(folder / "workflow_scripts")}
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent, wall, len(list((folder / "results/tables").glob("*.csv")))


def main(old: Path, same: bool, runs: int, cores: int) -> None:
    measured = {"older": [], "this": []}
    for _ in range(runs):
        for name, build, quiet in (("older", old, ["--quiet", "rules", "host"]),
                                   ("this", ROOT, ["--logger", "calm"])):  # fmt: skip
            with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
                folder = copy(build, Path(folder))
                if same and name == "this":
                    as_before(folder, old)
                measured[name].append(run(folder, quiet, cores))
            spent, wall, tables = measured[name][-1]
            print(f"{name:6}{spent:9.0f} s CPU{wall:9.0f} s{tables:5} tables", flush=True)
    for place, what in enumerate(("CPU", "wall")):
        pairs = zip(measured["older"], measured["this"], strict=True)
        ratios = [new[place] / before[place] for before, new in pairs]
        medians = [statistics.median(row[place] for row in rows) for rows in measured.values()]
        print(f"{what:5}{medians[0]:7.0f} s{medians[1]:7.0f} s   this ÷ older "
              f"{medians[1] / medians[0]:.2f} [{min(ratios):.2f}, {max(ratios):.2f}]")  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("old", type=Path)
    parser.add_argument("--same", action="store_true")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    given = parser.parse_args()
    main(given.old, given.same, given.runs, given.cores)
