"""The workflow on a model and a corpus that come from the hub on loopback."""

import json
import subprocess
from pathlib import Path

import h5py
import pytest
from server import Hub
from tiny import sentences
from workflow.conftest import Checkout

MODELS = """\
slug\tfamily\tsource\twhere\trevision\tdtype\tparams
m\ttiny\thub\torg/model\tv1\tfloat32\t49824
"""
CORPORA = """\
slug\tsource\twhere\tfiles\ttext_column\ttexts
c\thub\torg/texts\tdata/*.jsonl\ttext\t12
"""
MODEL = "results/models/m/model.json"
STATES = "results/hidden_states/c/m.h5"


class HubCheckout(Checkout):
    """A checkout whose tables name a hub, which it reaches through the environment alone."""

    def make_for(self, hub: Hub, model: Path) -> "HubCheckout":
        self.make()
        self.hub = hub
        self.path("config/models.tsv").write_text(MODELS)
        self.path("config/corpora.tsv").write_text(CORPORA)
        files = {path.name: path.read_bytes() for path in model.iterdir()}
        hub.repo("org/model").commit(files, "v1")
        lines = "".join(json.dumps({"text": text}) + "\n" for text in sentences(40, low=30))
        hub.repo("org/texts", "dataset").commit({"data/a.jsonl": lines.encode()})
        for repo in hub.repos.values():
            repo.gated = True
        return self

    def run(self, *arguments: str) -> subprocess.CompletedProcess:
        run = self.snakemake(*arguments)
        assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-4000:]
        return run

    def card(self) -> dict:
        return json.loads(self.path(MODEL).read_text())


@pytest.fixture(scope="module")
def measured(tmp_path_factory, tiny_model_dir):
    """A checkout that was dry-run, refused for want of a token, and then run to its end."""
    hub = Hub()
    folder = tmp_path_factory.mktemp("hub") / "checkout"
    checkout = HubCheckout(folder).make_for(hub, tiny_model_dir("gpt2"))
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HF_HUB_CACHE", "HF_HUB_OFFLINE", "HUGGINGFACE_HUB_CACHE", "HF_TOKEN"):
            patch.delenv(name, raising=False)
        patch.setenv("no_proxy", "127.0.0.1")
        patch.setenv("HF_ENDPOINT", hub.url())
        patch.setenv("HF_HOME", str(folder / "hf"))
        checkout.jobs = checkout.planned(STATES)
        checkout.requests_of_dry_run = list(hub.requests)
        checkout.refused = checkout.snakemake(MODEL)
        patch.setenv("HF_TOKEN", "hf_right")
        checkout.run(STATES)
        yield checkout
    hub.close()


def test_a_dry_run_asks_no_network(measured):
    expected = {"download_model m", "download_corpus", "fetch_corpus", "dump_hidden_states m"}
    assert measured.jobs == expected
    assert measured.requests_of_dry_run == []


def test_a_refused_download_says_why_without_noise(measured):
    run = measured.refused
    assert run.returncode != 0
    assert f"{measured.hub.url()}/org/model: gated: its licence must be accepted" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_model_and_a_corpus_of_the_hub_are_measured(measured):
    hub, card = measured.hub, measured.card()
    with h5py.File(measured.path(STATES)) as store:
        assert (store.attrs["commit"], store.attrs["revision"]) == (card["commit"], "v1")
        assert len(store["documents/doc_id"]) == 12
    assert card["commit"] in hub.repo("org/model").commits
    assert (card["revision"], card["source"], card["where"]) == ("v1", "hub", "org/model")
    assert Path(card["directory"]).is_relative_to(measured.path("hf"))
    assert set(card["files"]) == {
        "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"
    }  # fmt: skip
    listing = json.loads(measured.path("results/corpora/c.files.json").read_text())
    assert listing["commit"] == hub.repo("org/texts", "dataset").refs["main"]


def test_the_token_is_in_no_file_of_the_run(measured):
    assert any(h.get("authorization") == "Bearer hf_right" for *_, h in measured.hub.requests)
    for file in measured.folder.rglob("*"):
        assert not file.is_file() or b"hf_right" not in file.read_bytes(), file


def test_equal_weights_of_another_row_stop_the_run_before_a_download(measured):
    table = measured.path("config/models.tsv")
    before = table.read_text()
    table.write_text(before + "copy\ttiny\thub\torg/copy\t\tfloat32\t49824\n")
    copied = measured.hub.repo("org/model")
    measured.hub.repo("org/copy").commit(copied.commits[measured.card()["commit"]])
    card = "results/models/copy/model.json"
    assert measured.planned(STATES, card) == {"download_model copy"}
    seen = len(measured.hub.requests)
    run = measured.snakemake(card)
    assert run.returncode != 0
    assert "copy, m: the same model.safetensors" in run.stdout + run.stderr
    asked = [path for _, _, path, _ in measured.hub.requests[seen:]]
    assert asked and not any("resolve" in path for path in asked), asked
    table.write_text(before)


def test_a_moved_revision_changes_nothing_until_it_is_fetched_anew(measured):
    repo, before = measured.hub.repo("org/model"), measured.card()["commit"]
    after = repo.commit(repo.commits[before] | {"README.md": b"new"}, "v1")
    assert measured.planned(STATES) == set()
    run = measured.run(MODEL, "-R", MODEL)
    assert f"org/model: v1 is now commit {after}; it was {before}" in run.stdout + run.stderr
    assert measured.card()["commit"] == after


def test_without_network_the_cache_serves(measured, monkeypatch):
    card = measured.card()
    measured.path(MODEL).unlink()
    measured.path("results/corpora/c.files.json").unlink()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    seen = len(measured.hub.requests)
    measured.run(MODEL, "results/corpora/c.parquet")
    assert measured.card() == card
    assert len(measured.hub.requests) == seen
