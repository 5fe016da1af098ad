"""How long Snakemake takes before the first job: a dry run, and a run with nothing to do.

python tests/bench/startup.py [models ...] [checkout ...]     (default 10 100)

Beside this checkout others are measured, such as one of an older build. Each number of models meets
four corpora. Seconds of wall clock and of CPU, and the largest resident memory, of `snakemake -n`
on a fresh checkout and of `snakemake` where everything is there. The floor is Snakemake alone:
`snakemake -n` on as many jobs of bare rules, with one input and one output each.
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


def checkout(folder: Path, models: int, root: Path = ROOT) -> Path:
    """A copy of a checkout whose tables have so many models and four corpora."""
    folder.mkdir()
    for name in SOURCES:
        copy = shutil.copytree if (root / name).is_dir() else shutil.copy2
        copy(root / name, folder / name)
    header, *_ = (folder / "config/models.tsv").read_text().splitlines()
    columns = header.split("\t")
    shapes = [(width, depth) for width in WIDTHS for depth in DEPTHS]
    rows = []
    for model in range(models):
        (width, depth), seed = shapes[model % len(shapes)], model // len(shapes)
        row = {"slug": f"m{model}", "family": f"family{model % 20}", "source": "ladder",
               "where": f"small/w{width}-d{depth}-s{seed}", "dtype": "float32"}  # fmt: skip
        rows.append("\t".join(row.get(column, "") for column in columns))
    (folder / "config/models.tsv").write_text("\n".join([header, *rows]) + "\n")
    header, first, *_ = (folder / "config/corpora.tsv").read_text().splitlines()
    rest = first.partition("\t")[2]
    rows = [f"{corpus}\t{rest}" for corpus in CORPORA]
    (folder / "config/corpora.tsv").write_text("\n".join([header, *rows]) + "\n")
    config = folder / "config/config.yaml"
    seeds = list(range(max(3, models // len(shapes) + 1)))
    config.write_text(config.read_text().replace("seeds: [0, 1, 2]", f"seeds: {seeds}"))
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


def main(sizes: list[int], roots: list[Path]) -> None:
    print(f"{'models':>6} {'jobs':>6} {'what':<14} {'wall s':>7} {'CPU s':>7} {'MB':>6}")
    for models in sizes:
        for root in [ROOT, *roots]:
            if root != ROOT:
                print(f"of {root.name}:")
            with tempfile.TemporaryDirectory() as folder:
                measure(Path(folder), models, root)


def measure(folder: Path, models: int, root: Path) -> None:
    """A dry run, its floor, and a run with nothing to do."""
    made = checkout(folder / "ours", models, root)
    text, *cost = snakemake(made, "-n")
    jobs = next(line.split()[1] for line in text.splitlines() if line.startswith("total "))
    report(models, jobs, "dry run", cost)
    _, *cost = snakemake(bare(folder / "bare", int(jobs)), "-n")
    report("", jobs, "floor of that", cost)
    snakemake(made, "--quiet", "all", program=("-c", FINISH))
    text, *cost = snakemake(made)
    assert "Nothing to be done" in text
    report(models, 0, "nothing to do", cost)


def report(models, jobs, what, cost) -> None:
    wall, cpu, memory = cost
    print(f"{models:>6} {jobs:>6} {what:<14} {wall:>7.1f} {cpu:>7.1f} {memory:>6.0f}", flush=True)


if __name__ == "__main__":
    sizes = [int(word) for word in sys.argv[1:] if word.isdigit()]
    main(sizes or [10, 100], [Path(word) for word in sys.argv[1:] if not word.isdigit()])
