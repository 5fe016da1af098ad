"""Data sets from a hub on loopback: files chosen by pattern, read without being held in memory."""

import gzip
import hashlib
import json

import pandas as pd
import pytest

from infogeo.files.errors import InfogeoError
from infogeo.sources import corpora, text_files


def texts(count: int, kind: str) -> list[dict]:
    return [{"body": f"{kind} number {i} " * 9, "kind": kind} for i in range(count)]


def parquet(rows: list[dict], path) -> bytes:
    pd.DataFrame(rows).to_parquet(path, row_group_size=7)
    return path.read_bytes()


def lines(rows: list[dict]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


@pytest.fixture
def files(tmp_path):
    """Four files of texts, two of them large ones, and others."""
    return {
        "en/train-0.parquet": parquet(texts(50, "a"), tmp_path / "0.parquet"),
        "en/train-1.parquet": parquet(texts(20, "b"), tmp_path / "1.parquet"),
        "fr/train-0.parquet": parquet(texts(5, "c"), tmp_path / "2.parquet"),
        "chat/test.jsonl.gz": gzip.compress(lines(texts(30, "d"))),
        "odd/test.jsonl": lines([*texts(2, "e"), {"body": " ", "kind": "e"}]),
        "README.md": b"# Texts",
    }


def fetched(client, listing, revision="", pattern="en/*.parquet", **more):
    """A corpus by the two steps of the workflow."""
    found = client.dataset("org/texts", revision, pattern)
    assert "error" not in found, found
    content = {"directory": found["folder"], "files": found["facts"], "fingerprint": "f"}
    listing.write_text(json.dumps(content))
    settings = {"texts": 0, "min_characters": 0, "train_share": 0.0, "seed": 0} | more
    return corpora.fetch(
        source="hub", where="org/texts", text_column="body", label_column="kind",
        listing=listing, expected="f", **settings,
    )  # fmt: skip


def test_the_files_that_match_are_one_corpus(hub, client, files, tmp_path):
    commit = hub.repo("org/texts", "dataset").commit(files)
    evaluation, train, summary = fetched(client, tmp_path / "l.json")
    assert evaluation["text"].tolist() == [r["body"] for r in texts(50, "a") + texts(20, "b")]
    assert evaluation["label"].tolist() == ["a"] * 50 + ["b"] * 20
    assert evaluation["doc_id"].iloc[[0, 49, 50]].tolist() == [
        "en/train-0.parquet:1", "en/train-0.parquet:50", "en/train-1.parquet:1"
    ]  # fmt: skip
    assert len(train) == 0 and summary.startswith("70 texts found")
    got = {path.split("/resolve/")[1] for _, m, path, _ in hub.requests if m == "HEAD"}
    assert got == {f"{commit}/en/train-0.parquet", f"{commit}/en/train-1.parquet"}


@pytest.mark.parametrize(
    ("pattern", "count"), [("*.jsonl.gz", 30), ("odd/*.jsonl", 2), ("*/t*-0.parquet", 55)]
)
def test_every_kind_of_file_is_read(hub, client, files, tmp_path, pattern, count):
    hub.repo("org/texts", "dataset").commit(files, "v1")
    evaluation, *_ = fetched(client, tmp_path / "l.json", "v1", pattern)
    assert len(evaluation) == count  # an empty text is left out


def test_the_sample_is_that_of_a_local_file(hub, client, files, tmp_path):
    """What is drawn depends on texts and seed alone, not on files or the way they came."""
    hub.repo("org/texts", "dataset").commit(files)
    few = {"texts": 10, "min_characters": 20, "train_share": 0.5, "seed": 123}
    evaluation, train, _ = fetched(client, tmp_path / "l.json", pattern="en/*", **few)
    path = tmp_path / "all.jsonl"
    path.write_bytes(lines((texts(50, "a") + texts(20, "b"))[::-1]))
    local, local_train, _ = corpora.fetch("local", str(path), text_column="body", **few)
    assert set(evaluation["text"]) == set(local["text"]) and len(local) == 10
    assert set(train["text"]) == set(local_train["text"])


def test_a_pattern_that_matches_nothing_names_what_is_there(hub, client, files):
    hub.repo("org/texts", "dataset").commit(files)
    error = client.dataset("org/texts", "", "de/*.parquet")["error"]
    assert f"{hub.url()}/datasets/org/texts: no file matches `files` = 'de/*.parquet'" in error
    assert "There are 6, such as README.md, chat/test.jsonl.gz" in error


def test_offline_a_data_set_must_be_there_whole(hub, client, files, tmp_path):
    hub.repo("org/texts", "dataset").commit(files)
    hub.fail("GET", hashlib.sha256(files["en/train-1.parquet"]).hexdigest(), damage=True)
    offline = {"HF_HUB_OFFLINE": "1"}
    assert "en/train-1.parquet is not what" in client.dataset("org/texts", "", "en/*")["error"]
    assert "not all of it is in the" in client.dataset("org/texts", "", "en/*", **offline)["error"]
    online = client.dataset("org/texts", "", "en/*")
    assert client.dataset("org/texts", "", "en/*", **offline) == online
    assert "not all of it is in the" in client.dataset("org/texts", "", "fr/*", **offline)["error"]


def test_a_gated_data_set_names_its_page(hub, client, files):
    hub.repo("org/texts", "dataset").commit(files)
    hub.repo("org/texts", "dataset").gated = True
    error = client.dataset("org/texts", "", "en/*")["error"]
    assert f"{hub.url()}/datasets/org/texts: gated" in error


def test_files_that_are_gone_from_the_cache_are_told(hub, client, files, tmp_path):
    hub.repo("org/texts", "dataset").commit(files)
    fetched(client, tmp_path / "l.json")
    content = json.loads((tmp_path / "l.json").read_text())
    content["directory"] = str(tmp_path / "cleaned")
    (tmp_path / "l.json").write_text(json.dumps(content))
    with pytest.raises(InfogeoError, match=r"train-0.parquet: gone .* snakemake -R .*l\.json"):
        list(text_files.downloaded(tmp_path / "l.json", "body"))
