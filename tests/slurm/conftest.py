"""Private SLURM clusters, and a tiny checkout that computes on them."""

import json
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import warm
from cluster import Cluster
from harness import TARGETS, Head
from workflow.conftest import ROOT, Checkout

# Fewer models and draws than the local tests: here a job costs seconds before it begins.
MODELS = ("w16-d1", "w32-d1")
# It asks for the state of a job each second; the profile's 20 s would be spent at every level.
SNAKEMAKE = (sys.executable, str(Path(__file__).with_name("soon.py")))
SOON = ("--max-status-checks-per-second", "1")


class SlurmCheckout(Checkout):
    """A checkout whose snakemake runs on a private cluster."""

    cluster: Cluster | None = None

    def copy(self, folder):
        copied = SlurmCheckout(super().copy(folder).folder)
        copied.cluster = self.cluster
        return copied

    def command(self, *arguments: str, profile=("--profile", "slurm")) -> list[str]:
        return [*SNAKEMAKE, *profile, *SOON, *arguments]

    def slurm(self, *arguments: str, **options) -> subprocess.CompletedProcess:
        """Run snakemake with the profile to its end."""
        command = self.command(*arguments, **options)
        if "--dry-run" in arguments:
            return warm.snakemake(
                self.folder, *command[len(SNAKEMAKE) :], **self.cluster.environment
            )
        return subprocess.run(
            command,
            cwd=self.folder, env=self.cluster.environment, capture_output=True, text=True,
            check=False,
        )  # fmt: skip


@pytest.fixture(scope="session")
def cluster():
    """A private SLURM with accounting."""
    # A session that is told to end stops its daemons, too.
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("SIGTERM", 143))
    with Cluster() as started:
        yield started


@pytest.fixture(scope="session")
def fresh(tmp_path_factory) -> Checkout:
    """The tiny checkout with fewer models, nothing computed yet."""
    made = SlurmCheckout(tmp_path_factory.mktemp("fresh") / "checkout").make()
    made.path("slurm").symlink_to((ROOT / "slurm").readlink())
    table = made.path("config/models.tsv")
    header, *rows = table.read_text().splitlines(keepends=True)
    table.write_text(header + "".join(row for row in rows if row.split("\t")[0] in MODELS))
    return made


@pytest.fixture(scope="session")
def begun(cluster, fresh, tmp_path_factory):
    """The tiny run on a SLURM of its own, and its tables on this machine; neither waited for."""
    folder = tmp_path_factory.mktemp("begun")
    on_slurm, local = fresh.copy(folder / "slurm"), fresh.copy(folder / "local")
    with Cluster() as on_slurm.cluster, Head(on_slurm, *TARGETS) as on_slurm.head:
        command = [sys.executable, "-m", "snakemake", "--cores", "1", "tables"]
        with local.path("run.log").open("w") as log:
            process = subprocess.Popen(command, cwd=local.folder, stdout=log, stderr=log)
        local.process = process
        yield on_slurm, local
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def finished(begun):
    """The tiny run on SLURM at its end; `ids` are its jobs."""
    checkout, _ = begun
    checkout.head.wait()
    checkout.ids = checkout.head.ids()
    return checkout


@pytest.fixture(scope="session")
def local(begun):
    """The tables of the tiny run on this machine."""
    _, checkout = begun
    assert checkout.process.wait(600) == 0, checkout.path("run.log").read_text()[-6000:]
    return checkout


@pytest.fixture(scope="session", autouse=True)
def _begin_early(request):
    """Runs that some test waits for begin before the first test."""
    if any("begun" in item.fixturenames for item in request.session.items):
        request.getfixturevalue("begun")


@pytest.fixture(scope="session")
def slow(fresh, tmp_path_factory):
    """A checkout whose dumps have many shards, 1.2 s each at least; all is there but those dumps.

    `dumps` maps each model to the bytes that an undisturbed local dump has left.
    """
    checkout = fresh.copy(tmp_path_factory.mktemp("slow") / "checkout")
    draw, texts = random.Random(0), checkout.path("texts.jsonl")
    with texts.open("a") as file:
        for line in texts.read_text().splitlines():
            words = json.loads(line)["text"].split()
            for _ in range(8):  # other texts of the same words: a corpus has no text twice
                draw.shuffle(words)
                file.write(json.dumps({"text": " ".join(words), "kind": "sea"}) + "\n")
    checkout.edit("config/corpora.tsv", "\t24\t", "\t300\t")
    checkout.edit("config/config.yaml", "shard_tokens: 512", "shard_tokens: 256")
    run = checkout.snakemake("hidden_states")
    assert run.returncode == 0, run.stderr[-6000:]
    checkout.dumps = {}
    for path in checkout.path("results/hidden_states/stories").iterdir():
        checkout.dumps[path.stem] = path.read_bytes()
        path.unlink()
    # It changes no number, so that the fingerprints stay.
    update = "        now = time.monotonic()\n"
    checkout.edit(
        "workflow_scripts/infogeo/jobs/progress.py", update, f"        time.sleep(1.2)\n{update}"
    )
    return checkout
