"""The workflow on checkpoints of a hub whose weights do not stay, killed and undisturbed."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest
from server import Hub
from test_hub_workflow import HubCheckout
from tiny import sentences
from whole import sha256

STEPS = (0, 1, 2)
MODELS = """\
slug\tfamily\tsource\twhere\trevision\tdtype\tparams\tsteps\tstudies\tkeep_weights
m\ttiny\thub\torg/model\tstep{step}\tfloat32\t49824\t0,1,2\tentropy\tfalse
"""
LARGE = 100_000  # bytes: weights, and nothing else


class Checkpoints(HubCheckout):
    """A checkout of three steps of a model on the hub, and two corpora."""

    def make_for(self, hub: Hub, model) -> "Checkpoints":
        import torch
        from safetensors.torch import load, save

        self.make()
        self.hub, self.weights, repo = hub, {}, hub.repo("org/model")
        files = {path.name: path.read_bytes() for path in model.iterdir()}
        for step in STEPS:
            tensors = load(files["model.safetensors"])
            tensors["transformer.wte.weight"] += step * torch.ones(1) / 10
            self.weights[step] = save(tensors, {"format": "pt"})
            repo.commit(files | {"model.safetensors": self.weights[step]}, f"step{step}")
        self.path("config/models.tsv").write_text(MODELS)
        self.path("config/corpora.tsv").write_text("slug\tsource\twhere\ttexts\n" + "".join(
            f"{corpus}\tlocal\t{corpus}.jsonl\t12\n" for corpus in "ab"
        ))  # fmt: skip
        for seed, corpus in enumerate("ab"):
            lines = (json.dumps({"text": text}) for text in sentences(40, seed, low=30))
            self.path(f"{corpus}.jsonl").write_text("\n".join(lines))
        self.path("config/config.yaml").write_text(
            self.path("config/config.yaml").read_text() + "checkpoints_at_once: 1\n"
        )
        return self

    def states(self, corpora="ab", steps=STEPS) -> list[str]:
        return [f"results/hidden_states/{c}/m@{step}.h5" for c in corpora for step in steps]

    def downloads(self) -> list[int]:
        """How often the weights of each step were asked for, whole."""
        paths = [
            path for server, method, path, headers in self.hub.requests
            if server == "storage" and method == "GET" and "range" not in headers
        ]  # fmt: skip
        return [paths.count(f"/{sha256(data)}") for data in self.weights.values()]

    def on_disk(self) -> list[str]:
        """Large files in the cache, begun ones too."""
        large = []
        for path in self.path("hf").glob("hub/*/blobs/*"):
            try:
                large += [path.name] if path.stat().st_size > LARGE else []
            except FileNotFoundError:
                continue
        return large


@pytest.fixture
def checkpoints(tmp_path, tiny_model_dir, monkeypatch):
    """A checkout that has its own hub, in which nothing has run."""
    hub, folder = Hub(), tmp_path / "checkout"
    for name in ("HF_HUB_CACHE", "HF_HUB_OFFLINE", "HUGGINGFACE_HUB_CACHE", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("HF_ENDPOINT", hub.url())
    monkeypatch.setenv("HF_HOME", str(folder / "hf"))
    yield Checkpoints(folder).make_for(hub, tiny_model_dir("gpt2"))
    hub.close()


@pytest.mark.long
def test_weights_are_on_the_disk_one_after_another_and_then_gone(checkpoints):
    scheduler = ("--executor", "cluster-generic", "--cluster-generic-submit-cmd", "false")
    run = checkpoints.snakemake(*checkpoints.states("a"), "--jobs", "1", *scheduler)
    assert run.returncode != 0 and "For other schedulers set keep_weights to true" in run.stderr
    assert checkpoints.downloads() == [0, 0, 0]
    most, ended = [], threading.Event()

    def watch():
        while not ended.wait(0.01):
            most.append(len(checkpoints.on_disk()))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    checkpoints.run(*checkpoints.states("a"), "results/tables/weights.csv")
    ended.set()
    watcher.join()
    assert max(most) == 1 and checkpoints.downloads() == [1, 1, 1]
    assert checkpoints.on_disk() == [] and not checkpoints.path("scratch").exists()
    # Nothing reruns; another corpus needs the weights once more, and only its own jobs run.
    targets = checkpoints.states("a")
    assert checkpoints.planned(*targets) == set()
    assert checkpoints.planned(*targets, *checkpoints.states("b", [1])) == {
        "dump_hidden_states m@1", "fetch_corpus"
    }  # fmt: skip
    twins = "results/context/a/m@2.untrained_gain.parquet"
    checkpoints.run(*checkpoints.states("b", [1]), twins)
    assert checkpoints.downloads() == [1, 2, 1] and checkpoints.on_disk() == []


@pytest.mark.long
def test_a_run_that_is_killed_again_and_again_downloads_no_weights_twice(checkpoints):
    rng, targets, most, kills = random.Random(0), checkpoints.states(), 0, 0

    def watch(run, seconds=None, anything=False):
        """Until the run has ended, so many seconds are over, or anything is on the disk."""
        nonlocal most
        end = time.monotonic() + seconds if seconds is not None else float("inf")
        while run.poll() is None and time.monotonic() < end:
            there = len(checkpoints.on_disk())
            most = max(most, there)
            if anything and there:
                return
            time.sleep(0.02)

    for _ in range(6):
        run = start(checkpoints, targets)
        watch(run, anything=True)
        watch(run, seconds=rng.uniform(0, 12))
        if run.poll() is not None:
            break
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        kills += 1
        assert checkpoints.snakemake("--unlock").returncode == 0
    run = start(checkpoints, targets)
    watch(run)
    assert run.returncode == 0, checkpoints.path("log").read_text()[-4000:]
    assert kills >= 2 and most == 1
    # A file under way when the run is killed is begun anew; these take milliseconds.
    assert checkpoints.downloads() == [1, 1, 1]
    assert checkpoints.on_disk() == [] and checkpoints.planned(*targets) == set()


def start(checkpoints, targets) -> subprocess.Popen:
    """The workflow in a group of processes of its own, which can be killed together."""
    with checkpoints.path("log").open("w") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "snakemake", "--cores", "2", *targets],
            cwd=checkpoints.folder, start_new_session=True, stdout=log, stderr=log,
        )  # fmt: skip
