"""Weights of models on a hub are compared by what it lists, before anything is downloaded."""

import json

import pytest
from tiny import safetensors
from whole import downloaded

from infogeo.files.errors import InfogeoError
from infogeo.sources import distinct

SHARDS = [f"model-0000{i}-of-00002.safetensors" for i in (1, 2)]


def row(slug: str, revision: str, weights: dict, same_as: str = "") -> dict:
    return {"slug": slug, "source": "hub", "where": "org/model", "revision": revision,
            "same_as": same_as, "weights": weights}  # fmt: skip


@pytest.fixture
def steps(hub, files):
    """Branches of a model: two of weights of their own, and one that serves another's bytes."""
    repo = hub.repo("org/model")
    del files["model.safetensors"]
    weights = {"step1": (1, 2), "step2": (3, 4), "step9": (3, 4), "step8": (5, 4)}
    for step, (a, b) in weights.items():
        shards = (safetensors({f"w{number}": 3000}) for number in (a, b))
        repo.commit(files | dict(zip(SHARDS, shards, strict=True)), step)
    return list(weights)


def test_a_branch_that_serves_another_branch_s_bytes_is_named_before_a_download(hub, client, steps):
    listed = client.weights([(step, "org/model", step) for step in steps])["listed"]
    assert [list(weights) for weights in listed] == [SHARDS] * 4
    assert downloaded(hub) == []
    rows = [row(step, step, weights) for step, weights in zip(steps, listed, strict=True)]
    with pytest.raises(InfogeoError) as error:
        distinct.require(rows)
    lines = str(error.value).splitlines()
    assert len(lines) == 3
    # A branch that is another one, and a shard of it in a third.
    assert lines[1].startswith(f"  - step2, step9: the same {SHARDS[0]} (SHA-256 ")
    assert lines[2].startswith(f"  - step2, step9, step8: the same {SHARDS[1]} (SHA-256 ")
    assert lines[2].endswith("1 of 2 files")
    rows[2]["same_as"] = rows[3]["same_as"] = "step2"
    distinct.require(rows)


def test_all_revisions_that_are_not_there_are_named_at_once(hub, client, steps):
    rows = [("a", "org/model", "step1"), ("b", "org/model", "step3"), ("c", "org/model", "step4"),
            ("d", "org/none", "x"), ("e", "org/none", "y")]  # fmt: skip
    error = client.weights(rows)["error"]
    assert error.startswith("models of source hub: 3 problems")
    for slug, revision in (("b", "step3"), ("c", "step4")):
        assert f"- {slug}: {hub.url()}/org/model: no revision '{revision}'" in error
    assert "- d: " in error and "- e: " not in error  # the repository itself is not there
    assert downloaded(hub) == []


def test_what_is_downloaded_already_is_not_asked_for_again(hub, client, tmp_path):
    card = tmp_path / "model.json"
    facts = {"bytes": 1, "sha256": "aa"}
    card.write_text(json.dumps({"files": {"model.safetensors": facts, "config.json": facts}}))
    listed = client.weights([("a", "org/model", "main")], {"a": card})["listed"]
    assert listed == [{"model.safetensors": "aa"}]
    assert hub.requests == []
