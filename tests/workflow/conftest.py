"""One tiny run of the real workflow, which the tests of this folder share and copy."""

import json
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import warm

ROOT = Path(__file__).parents[2]
SOURCES = (
    "Snakefile",
    "rules",
    "workflow_scripts",
    "profiles",
    "envs",
    "config/schemas",
    "config/published",
)

CONFIG = """
seed: 7
models: config/models.tsv
corpora: config/corpora.tsv
ladders:
  tiny: {corpus: stories, vocabulary: 300, context: 32, batch: 4, tokens: 8192,
         head_width: 8, widths: [16, 32], depths: [1, 2], seeds: [0]}
states: {attention_texts: 12, batch_tokens: 1024, shard_tokens: 512}
spectra: {n: [8, 24]}
entropy: {eps2: [0.1, 0.5]}
context: {lambdas: [0.1], k: [1, 2, 4], shares: [0.25, 0.5], rotations: 2, random_draws: 3,
          ablation_draws: 2, view_texts: 2}
sentences: {texts_per_label: 4, n: 8, depths: [final], neighbours: 2, permutations: 19,
            umap_neighbours: 3}
similarity: {neighbours: 3, permutations: 19}
theory: {texts: 5000, laws: 20}
controls: {untrained_draws: 2, random_draws: 4}
scaling: {depths: ['0', '1', final], axes: [non_embedding], draws: 99}
headline: {n: 24, eps2: 0.5}
"""

MODELS = """\
slug\tfamily\tsource\twhere\trevision\tdtype\tparams\ttrust_remote_code
w16-d1\ttiny\tladder\ttiny/w16-d1-s0\t\tfloat32\t\t
w16-d2\ttiny\tladder\ttiny/w16-d2-s0\t\tfloat32\t\t
w32-d1\ttiny\tladder\ttiny/w32-d1-s0\t\tfloat32\t\t
w32-d2\ttiny\tladder\ttiny/w32-d2-s0\t\tfloat32\t\t
"""

CORPORA = """\
slug\tsource\twhere\ttext_column\tlabel_column\ttexts\tmin_characters\ttrain_share
stories\tlocal\ttexts.jsonl\ttext\tkind\t24\t100\t0.8
"""


def write_texts(path: Path) -> None:
    """A few hundred small texts of three kinds, the same every time."""
    draw = random.Random(0)
    words = {
        "sea": "the ship sails over deep green water while gulls cry above cold waves".split(),
        "city": "a tram rings past bright windows and people hurry along the wet street".split(),
        "wood": "old trees stand silent where moss grows and a small brown owl waits".split(),
    }
    with path.open("w", encoding="utf-8") as file:
        for _ in range(300):
            kind = draw.choice(sorted(words))
            text = " ".join(draw.choice(words[kind]) for _ in range(draw.randint(40, 60)))
            file.write(json.dumps({"text": text, "kind": kind}) + "\n")


# What Snakemake would hand to the script of every job, were all to run.
RECORD_JOBS = """
import json, sys
from pathlib import Path
from snakemake.api import SnakemakeApi
from snakemake.settings.types import ConfigSettings, DAGSettings, OutputSettings, ResourceSettings
files = {"configfiles": [Path("config/config.yaml")], "config": json.loads(sys.argv[1])}
with SnakemakeApi(OutputSettings()) as api:
    workflow = api.workflow(resource_settings=ResourceSettings(cores=1),
                            config_settings=ConfigSettings(**files), snakefile=Path("Snakefile"))
    workflow.dag(DAGSettings(targets={"all", "plan"}, forceall=True)).printrulegraph()
    jobs = [
        {"rule": job.rule.name, "threads": job.threads, "wildcards": dict(job.wildcards.items()),
         "params": dict(job.params.items()), "resources": dict(job.resources.items()),
         "input": list(job.input), "input_names": dict(job.input.items()),
         "output": list(job.output), "output_names": dict(job.output.items())}
        for job in workflow._workflow.dag.jobs if job.rule.script
    ]
print()
print(json.dumps(jobs, default=str))
"""


class Checkout:
    """A copy of the project with the tiny configuration, in which snakemake can be run."""

    def __init__(self, folder: Path):
        self.folder = folder

    def make(self) -> "Checkout":
        """Fill the folder."""
        self.folder.mkdir()
        for name in SOURCES:
            source, target = ROOT / name, self.folder / name
            if source.is_dir():
                ignore = shutil.ignore_patterns("__pycache__")
                shutil.copytree(source, target, ignore=ignore)
            else:
                shutil.copy2(source, target)
        (self.folder / "config/config.yaml").write_text(CONFIG)
        (self.folder / "config/models.tsv").write_text(MODELS)
        (self.folder / "config/corpora.tsv").write_text(CORPORA)
        write_texts(self.folder / "texts.jsonl")
        return self

    def copy(self, folder: Path) -> "Checkout":
        """The same elsewhere, time stamps kept."""
        subprocess.run(["cp", "-a", str(self.folder), str(folder)], check=True)
        return Checkout(folder)

    def path(self, name: str) -> Path:
        return self.folder / name

    def edit(self, name: str, old: str, new: str) -> None:
        text = self.path(name).read_text()
        assert text.count(old) >= 1, f"{old!r} is not in {name}"
        self.path(name).write_text(text.replace(old, new, 1))

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess:
        # Jobs keep the byte code of the library of this folder, which each of them imports.
        kept = {name: os.environ[name] for name in os.environ if name != "PYTHONDONTWRITEBYTECODE"}
        return warm.snakemake(self.folder, "--cores", "2", *arguments, **kept)

    def jobs(self, **config) -> list[dict]:
        """What every job would be given, were all to run."""
        command = [sys.executable, "-c", RECORD_JOBS, json.dumps(config)]
        run = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr
        return json.loads(run.stdout.splitlines()[-1])

    def planned(self, *arguments: str) -> set[str]:
        """The jobs that a dry run announces, as 'rule' or 'rule model' or 'rule corpus'."""
        run = self.snakemake("--dry-run", *arguments)
        assert run.returncode == 0, run.stdout + run.stderr
        jobs = set()
        blocks = re.split(r"\n(?=(?:local)?rule \w+:)", run.stdout)
        for block in blocks[1:]:
            rule = re.match(r"(?:local)?rule (\w+):", block)[1]
            model = re.search(r"wildcards:.*\bmodel=([^\s,]+)", block)
            jobs.add(f"{rule} {model[1]}" if model else rule)
        return jobs - {"all"}


@pytest.fixture
def unrun(tmp_path) -> Checkout:
    """A checkout in which nothing has run."""
    return Checkout(tmp_path / "unrun").make()


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Checkout:
    """A checkout in which the workflow has run to its end."""
    checkout = Checkout(tmp_path_factory.mktemp("finished") / "checkout").make()
    run = checkout.snakemake()
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-6000:]
    return checkout


@pytest.fixture
def checkout(finished, tmp_path) -> Checkout:
    """A copy of the finished checkout, for one test to edit."""
    return finished.copy(tmp_path / "checkout")
