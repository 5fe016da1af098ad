"""Private SLURM clusters, and a tiny checkout that computes on them."""

import signal
import subprocess
import sys

import pytest
from cluster import Cluster
from workflow.conftest import ROOT, Checkout

# Fewer models and draws than the local tests: here a job costs seconds before it begins.
MODELS = ("w16-d1", "w16-d2", "w32-d1")
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
