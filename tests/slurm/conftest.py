"""Private SLURM clusters, and a tiny checkout that computes on them."""

import json
import random
import signal
import subprocess
import sys

import pytest
from cluster import Cluster
from workflow.conftest import ROOT, Checkout

# Fewer models and draws than the local tests: here a job costs seconds before it begins.
MODELS = ("w16-d1", "w32-d1")
# How soon the head asks for a job's state; the profile's 20 s would be spent at every level.
SOON = ("--slurm-init-seconds-before-status-checks", "3")


class SlurmCheckout(Checkout):
    """A checkout whose snakemake runs on a private cluster."""

    cluster: Cluster | None = None

    def copy(self, folder):
        copied = SlurmCheckout(super().copy(folder).folder)
        copied.cluster = self.cluster
        return copied

    def command(self, *arguments: str, profile=("--profile", "slurm")) -> list[str]:
        return [sys.executable, "-m", "snakemake", *profile, *SOON, *arguments]

    def slurm(self, *arguments: str, **options) -> subprocess.CompletedProcess:
        """Run snakemake with the profile to its end."""
        return subprocess.run(
            self.command(*arguments, **options),
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
def slow(fresh, tmp_path_factory):
    """A checkout whose dumps have many shards; all is there but those dumps.

    `dumps` maps each model to the bytes that an undisturbed local dump has left.
    """
    checkout = fresh.copy(tmp_path_factory.mktemp("slow") / "checkout")
    draw, texts = random.Random(0), checkout.path("texts.jsonl")
    with texts.open("a") as file:
        for line in texts.read_text().splitlines():
            words = json.loads(line)["text"].split()
            for _ in range(40):  # other texts of the same words: a corpus has no text twice
                draw.shuffle(words)
                file.write(json.dumps({"text": " ".join(words), "kind": "sea"}) + "\n")
    checkout.edit("config/corpora.tsv", "\t24\t", "\t2000\t")
    checkout.edit("config/config.yaml", "shard_tokens: 512", "shard_tokens: 256")
    run = checkout.snakemake("hidden_states")
    assert run.returncode == 0, run.stderr[-6000:]
    checkout.dumps = {}
    for path in checkout.path("results/hidden_states/stories").iterdir():
        checkout.dumps[path.stem] = path.read_bytes()
        path.unlink()
    return checkout
