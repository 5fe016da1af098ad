"""Weights from the hub that do not stay, with `launch: {placement: slurm}` on a private SLURM."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from cluster import missing
from conftest import SNAKEMAKE, SOON

sys.path.append(str(Path(__file__).parents[1] / "hub"))
from server import Hub
from test_hub_removed_workflow import Checkpoints

pytestmark = pytest.mark.skipif(
    bool(missing()), reason=f"SLURM is not installed here: no {', '.join(missing())}"
)


@pytest.mark.long
def test_weights_are_on_the_disk_one_after_another_and_then_gone(cluster, tmp_path, tiny_model_dir):
    hub, folder = Hub(), tmp_path / "checkout"
    checkpoints = Checkpoints(folder).make_for(hub, tiny_model_dir("gpt2"))
    checkpoints.path("slurm").symlink_to("profiles/slurm")
    config = checkpoints.path("config/config.yaml")
    config.write_text(config.read_text() + "launch: {placement: slurm, workers: 1}\n")
    of_hub = {"HF_ENDPOINT": hub.url(), "HF_HOME": str(folder / "hf"), "no_proxy": "127.0.0.1"}
    most, ended = [], threading.Event()

    def watch():
        while not ended.wait(0.05):
            most.append(len(checkpoints.on_disk()))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    run = subprocess.run(
        [*SNAKEMAKE, "--profile", "slurm", *SOON, *checkpoints.states("a")],
        cwd=folder, env=cluster.environment | of_hub, capture_output=True, text=True, check=False,
    )  # fmt: skip
    ended.set()
    watcher.join()
    hub.close()
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-6000:]
    assert "SLURM: submitted" in run.stdout + run.stderr
    assert max(most) == 1 and checkpoints.downloads() == [1, 1, 1]
    assert checkpoints.on_disk() == []
