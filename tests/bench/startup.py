"""How long Snakemake takes before the first job: a dry run, and a run with nothing to do.

python tests/bench/startup.py [models ...] [checkpoints] [checkout ...]     (default 10 100)

Beside this checkout others are measured, such as one of an older build. Each number of models meets
four corpora. `checkpoints`: 154 steps of each of ten sizes on two corpora, a dry run of this build.
Seconds of wall clock and of CPU, and the largest resident memory, of `snakemake -n` on a fresh
checkout and of `snakemake` where everything is there. The floor is Snakemake alone, on as many jobs
of bare rules, with one input and one output each: in a dry run, and with nothing to do.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = ("Snakefile", "rules", "workflow_scripts", "profiles", "envs", "config")
CORPORA = ("docstrings", "second", "third", "fourth")
WIDTHS, DEPTHS = (32, 64, 128), (1, 2, 4)
SIZES, STEPS = 10, [0, *(2**power for power in range(10)), *range(1000, 144_000, 1000)]


def checkout(folder: Path, models: int, root: Path = ROOT) -> Path:
    """A copy of a checkout whose tables have so many models of a ladder and four corpora."""
    shapes = [(width, depth) for width in WIDTHS for depth in DEPTHS]
    rows = []
    for model in range(models):
        (width, depth), seed = shapes[model % len(shapes)], model // len(shapes)
        rows.append({"slug": f"m{model}", "family": f"family{model % 20}", "source": "ladder",
                     "where": f"small/w{width}-d{depth}-s{seed}", "dtype": "float32"})  # fmt: skip
    copy(folder, root, rows, CORPORA)
    config = folder / "config/config.yaml"
    seeds = list(range(max(3, models // len(shapes) + 1)))
    config.write_text(config.read_text().replace("seeds: [0, 1, 2]", f"seeds: {seeds}"))
    return folder


def checkout_of_checkpoints(folder: Path) -> Path:
    """A copy of this checkout whose tables have every step of runs of each size and two corpora."""
    steps = ",".join(map(str, STEPS))
    rows = [
        {"slug": f"m{size}", "family": "runs", "source": "hub", "where": f"someone/m{size}",
         "revision": "step{step}", "dtype": "float32", "steps": steps}
        for size in range(SIZES)
    ]  # fmt: skip
    return copy(folder, ROOT, rows, CORPORA[:2])


def copy(folder: Path, root: Path, models: list[dict], corpora) -> Path:
    """A copy of a checkout with these rows of models and so named corpora."""
    folder.mkdir()
    for name in SOURCES:
        copy_one = shutil.copytree if (root / name).is_dir() else shutil.copy2
        copy_one(root / name, folder / name)
    table = folder / "config/models.tsv"
    columns = table.read_text().splitlines()[0].split("\t")
    columns += [column for column in models[0] if column not in columns]
    rows = ["\t".join(row.get(column, "") for column in columns) for row in models]
    table.write_text("\n".join(["\t".join(columns), *rows]) + "\n")
    table = folder / "config/corpora.tsv"
    header, first, *_ = table.read_text().splitlines()
    rest = first.partition("\t")[2]
    table.write_text("\n".join([header, *(f"{corpus}\t{rest}" for corpus in corpora)]) + "\n")
    return folder


BARE = """
jobs = range({jobs})
rule all:
    input: [f"results/{{kind}}/{{job}}" for kind in "abcdefgh" for job in jobs]
rule a:
    output: "results/a/{{job}}"
    script: "bare.py"
for name in "bcdefgh":
    rule:
        name: name
        input: "results/a/{{job}}"
        output: f"results/{{name}}/{{{{job}}}}"
        script: "bare.py"
"""
# As in the profiles, which a bare workflow has not.
RERUNS = ("--rerun-triggers", "mtime", "params", "input", "software-env")
# Snakemake with a scheduler that runs nothing: each job has its outputs, all of one age, and its
# record. (--touch takes longer at 37,068 jobs than all else here: it starts them in turn.)
FINISH = """
import os
from snakemake.cli import main
from snakemake.scheduling.job_scheduler import JobScheduler

def finish(self):
    dag = self.workflow.dag
    async def record():
        jobs = list(dag.needrun_jobs())
        for path in (path for job in jobs for path in job.output):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as file:
                file.write("{}")
            os.utime(path, (1e9, 1e9))
        for job in jobs:
            await self.workflow.persistence.finished(job)
    self.workflow.async_run(record())
    return True

JobScheduler.schedule = finish
main()
"""


def bare(folder: Path, jobs: int) -> Path:
    """A workflow of about so many jobs whose rules say next to nothing."""
    folder.mkdir()
    (folder / "Snakefile").write_text(BARE.format(jobs=jobs // 8))
    (folder / "bare.py").touch()
    return folder


def snakemake(
    folder: Path, *arguments: str, program=("-m", "snakemake")
) -> tuple[str, float, float, float]:
    """What it printed, seconds of wall clock and of CPU, and its largest memory in MB."""
    begin = time.monotonic()
    command = [sys.executable, *program, "--cores", "1", *arguments]
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - begin
        output.seek(0)
        text = output.read()
    assert status == 0, text[-3000:]
    return text, wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000


def main(sizes: list[int], checkpoints: bool, roots: list[Path]) -> None:
    print(f"{'models':>6} {'jobs':>6} {'what':<14} {'wall s':>7} {'CPU s':>7} {'MB':>6}")
    for models in sizes:
        for root in [ROOT, *roots]:
            if root != ROOT:
                print(f"of {root.name}:")
            with tempfile.TemporaryDirectory() as folder:
                made = checkout(Path(folder, "ours"), models, root)
                measure_dry_run(made, models)
                measure_nothing_to_do(made, models)
    if checkpoints:
        with tempfile.TemporaryDirectory() as folder:
            made = checkout_of_checkpoints(Path(folder, "ours"))
            measure_dry_run(made, SIZES * len(STEPS))


def measure_dry_run(made: Path, models: int) -> None:
    """A dry run of a checkout, and its floor."""
    text, *cost = snakemake(made, "-n")
    jobs = next(line.split()[1] for line in text.splitlines() if line.startswith("total "))
    report(models, jobs, "dry run", cost)
    _, *cost = snakemake(bare(made.parent / "bare", int(jobs)), "-n")
    report("", jobs, "floor of that", cost)


def measure_nothing_to_do(made: Path, models: int) -> None:
    """A run of a checkout in which everything is there, and its floor, after a dry run."""
    for folder, of, what in (
        (made, models, "nothing to do"),
        (made.parent / "bare", "", "floor of that"),
    ):
        snakemake(folder, *RERUNS, "--quiet", "all", program=("-c", FINISH))
        text, *cost = snakemake(folder, *RERUNS)
        assert "Nothing to be done" in text
        report(of, 0, what, cost)


def report(models, jobs, what, cost) -> None:
    wall, cpu, memory = cost
    print(f"{models:>6} {jobs:>6} {what:<14} {wall:>7.1f} {cpu:>7.1f} {memory:>6.0f}", flush=True)


if __name__ == "__main__":
    given = sys.argv[1:]
    sizes = [int(word) for word in given if word.isdigit()]
    roots = [Path(word) for word in given if not word.isdigit() and word != "checkpoints"]
    main(sizes or [10, 100], "checkpoints" in given, roots)
