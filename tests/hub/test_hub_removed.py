"""Weights that do not stay (keep_weights false): described unread, downloaded once, removed."""

import json
import time
from pathlib import Path

import pytest
from tiny import safetensors
from whole import sha256

from infogeo.sources import borrowed
from infogeo.sources.tensor_files import read_header

STEPS = ("step1", "step2", "step3")


def gets_of(hub, data: bytes) -> int:
    """How often the bytes of a large file were asked for, whole."""
    return sum(
        method == "GET" and path == f"/{sha256(data)}" and "range" not in headers
        for server, method, path, headers in hub.requests
        if server == "storage"
    )


@pytest.fixture
def steps(hub, client, files, tmp_path):
    """Cards of three steps of a model, whose weights were not downloaded; and their weights."""
    repo, cards = hub.repo("org/model"), {}
    for place, step in enumerate(STEPS):
        data = safetensors({f"w{place}": 30_000})
        commit = repo.commit(files | {"model.safetensors": data}, step)
        folder = client.model("org/model", step, stand_in=tmp_path / f"stand-in-{step}")["folder"]
        card = {
            "slug": step, "where": "org/model", "revision": step, "commit": commit,
            "directory": folder, "fingerprint": "", "files": {
                "config.json": {"bytes": len(files["config.json"]), "sha256": ""},
                "model.safetensors": {"bytes": len(data), "sha256": sha256(data)},
            },
        }  # fmt: skip
        path = tmp_path / f"{step}.json"
        path.write_text(json.dumps(card))
        cards[step] = path, data, Path(folder)
    return cards


def on_disk(client) -> set[int]:
    """Sizes of the large files in the cache, parts of files among them."""
    blobs = Path(client.home).glob("hub/*/blobs/*")
    return {path.stat().st_size for path in blobs if path.stat().st_size > 50_000}


def test_a_model_is_described_from_the_header_of_its_weights(hub, client, files, tmp_path):
    header = {"w": 10, **{f"a long name of a tensor, number {i}": 1 for i in range(1500)}}
    files["model.safetensors"] = safetensors(header | {"wte.weight": 400_000})
    hub.repo("org/model").commit(files)
    stand_in = tmp_path / "stand-in"
    found = client.model("org/model", stand_in=stand_in)
    assert found["facts"]["model.safetensors"] == {
        "bytes": len(files["model.safetensors"]), "sha256": sha256(files["model.safetensors"])
    }  # fmt: skip
    (tmp_path / "whole.safetensors").write_bytes(files["model.safetensors"])
    tensors = read_header(stand_in / "model.safetensors")
    of_whole = read_header(tmp_path / "whole.safetensors")
    assert {name: tensor[1:] for name, tensor in tensors.items()} == {
        name: tensor[1:] for name, tensor in of_whole.items()
    }
    assert {"config.json", "tokenizer.json"} <= {path.name for path in stand_in.iterdir()}
    assert gets_of(hub, files["model.safetensors"]) == 0 and on_disk(client) == set()
    assert (stand_in / "model.safetensors").stat().st_blocks * 512 < 400_000


def test_weights_are_downloaded_by_the_first_that_reads_them_and_removed_after_the_last(
    hub, client, steps, tmp_path
):
    card, data, folder = steps["step1"]
    borrowed.begin({"step1": ["a", "b"]}, scratch=tmp_path / "scratch")
    for output in ("a", "b"):
        assert client.borrow(card, 1, tmp_path / "scratch", output) == {}
        assert "reads model.safetensors" in client.said
        assert (folder / "model.safetensors").read_bytes() == data
    assert gets_of(hub, data) == 1
    borrowed.end(tmp_path / "scratch")
    assert not (folder / "model.safetensors").is_symlink() and on_disk(client) == set()
    assert (folder / "config.json").exists() and not (tmp_path / "scratch").exists()


def test_never_more_weights_are_there_than_are_allowed(hub, client, steps, tmp_path):
    scratch = tmp_path / "scratch"
    borrowed.begin({step: [step] for step in STEPS}, scratch=scratch)
    (scratch / "hold-step1").touch()
    first = client.start("borrow", steps["step1"][0], 1, scratch, "step1")
    while not on_disk(client):
        time.sleep(0.05)
    second = client.start("borrow", steps["step2"][0], 1, scratch, "step2")
    time.sleep(1.5)
    assert gets_of(hub, steps["step2"][1]) == 0 and second.is_alive()
    (scratch / "hold-step1").unlink()
    second.join(30)
    assert first.exitcode == second.exitcode == 0
    assert not (steps["step1"][2] / "model.safetensors").is_symlink()
    assert (steps["step2"][2] / "model.safetensors").read_bytes() == steps["step2"][1]
    assert len(on_disk(client)) == 1


def test_a_killed_download_goes_on_and_whole_files_are_not_downloaded_again(
    hub, client, files, tmp_path
):
    shards = {f"model-0000{i}-of-00002.safetensors": safetensors({f"w{i}": 40_000}) for i in (1, 2)}
    index = {"weight_map": {f"w{i}": name for i, name in enumerate(shards, start=1)}}
    del files["model.safetensors"]
    files |= shards | {"model.safetensors.index.json": json.dumps(index).encode()}
    commit = hub.repo("org/model").commit(files)
    found = client.model("org/model", stand_in=tmp_path / "stand-in")
    card = tmp_path / "card.json"
    card.write_text(json.dumps({
        "slug": "m", "where": "org/model", "revision": "", "commit": commit, "fingerprint": "",
        "directory": found["folder"], "files": found["facts"],
    }))  # fmt: skip
    one, two = shards.values()
    hub.fail("GET", sha256(two), cut=100_000, stall=0, times=1)
    hub.fail("GET", sha256(two), stall=60, times=4)
    borrowed.begin({"m": ["a"]}, scratch=tmp_path / "scratch")
    process = client.start("borrow", card, 1, tmp_path / "scratch", "a")
    while not gets_of(hub, two):
        time.sleep(0.02)
    time.sleep(0.3)
    process.kill()
    process.join()
    hub.faults.clear()
    borrowed.begin({"m": ["a"]}, scratch=tmp_path / "scratch")
    assert client.borrow(card, 1, tmp_path / "scratch", "a") == {}
    assert gets_of(hub, one) == 1
    for name, data in shards.items():
        assert Path(found["folder"], name).read_bytes() == data
    borrowed.end(tmp_path / "scratch")
    assert on_disk(client) == set()


def test_weights_that_were_there_before_are_not_removed(hub, client, files, steps, tmp_path):
    card, data, folder = steps["step1"]
    client.model("org/model", "step1")
    borrowed.begin({"step1": ["a"]}, scratch=tmp_path / "scratch")
    assert client.borrow(card, 1, tmp_path / "scratch", "a") == {}
    borrowed.end(tmp_path / "scratch")
    assert (folder / "model.safetensors").read_bytes() == data
    assert gets_of(hub, data) == 1
