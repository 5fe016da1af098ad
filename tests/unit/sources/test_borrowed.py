"""Which weights are on the disk, and which give way, without a hub: tests/hub downloads them."""

import errno
import fcntl
import json
import os
import threading
import time

import pytest

from infogeo.files.errors import InfogeoError
from infogeo.sources import borrowed


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of models of one repository, each in a snapshot of its own; a download is quick."""
    folder = tmp_path / "hub/models--o--m"
    (folder / "blobs").mkdir(parents=True)

    def fetch(shelf, card):
        blob = folder / "blobs" / card["files"]["model.safetensors"]["sha256"]
        blob.write_text("weights")
        link = folder / "snapshots" / card["commit"] / "model.safetensors"
        link.unlink(missing_ok=True)
        link.symlink_to(blob)

    monkeypatch.setattr(borrowed.Shelf, "fetch", fetch)
    return folder


@pytest.fixture
def read(cache, tmp_path):
    """A function that lets a job read the weights of a model, and gives those there meanwhile."""

    def reading(slug, output="", at_once=1, commit=""):
        snapshot = cache / "snapshots" / (commit or slug)
        snapshot.mkdir(parents=True, exist_ok=True)
        files = {"model.safetensors": {"bytes": 7, "sha256": f"sha-{snapshot.name}"}}
        card = {"slug": slug, "commit": snapshot.name, "directory": str(snapshot), "files": files}
        path = tmp_path / f"{slug}.json"
        path.write_text(json.dumps(card))
        with borrowed.weights(path, output, at_once=at_once, scratch=tmp_path / "scratch"):
            return there(cache)

    return reading


def there(cache) -> set[str]:
    return {path.parent.name for path in cache.glob("snapshots/*/*")}


@pytest.fixture
def begin(tmp_path):
    def beginning(readers, **more):
        borrowed.begin(readers, scratch=tmp_path / "scratch", **more)

    return beginning


def test_weights_that_stay_are_left_alone(read, tmp_path):
    read("a", at_once=0)
    assert not (tmp_path / "scratch").exists()


def test_what_all_have_read_gives_way_first(read, begin, cache):
    begin({"a": ["later"], "b": ["now"], "c": ["now"]})
    read("a", "another job", at_once=2)
    read("b", "now", at_once=2)
    assert read("c", "now", at_once=2) == {"a", "c"}
    borrowed.end(cache.parents[1] / "scratch")
    assert there(cache) == {"a"}  # its job has failed, or was not reached


def test_what_a_job_will_read_gives_way_only_after_a_while(read, begin, monkeypatch, capsys):
    monkeypatch.setattr(borrowed, "WAIT_SECONDS", 0.3)
    begin({"a": ["later"], "b": ["now"]})
    read("a", "another job")
    since = time.monotonic()
    assert read("b", "now") == {"b"}
    assert time.monotonic() - since > 0.3
    assert "b: waits until weights of others are read" in capsys.readouterr().out


def test_what_is_read_never_gives_way(read, begin, cache, tmp_path, monkeypatch):
    monkeypatch.setattr(borrowed, "WAIT_SECONDS", 0)
    begin({"a": ["x"], "b": ["y"]})
    read("a", "x")
    shelf = borrowed.Shelf(tmp_path / "scratch")
    with borrowed._lock(shelf.folder / "a.reading", fcntl.LOCK_SH):
        borrowed.end(tmp_path / "scratch")
        assert there(cache) == {"a"}
        card = json.loads((tmp_path / "a.json").read_text()) | {"slug": "b", "directory": "b"}
        assert not shelf._has_place(card, at_once=1, patient=False)
    assert shelf._has_place(card, at_once=1, patient=False) and there(cache) == set()


def test_a_run_removes_at_its_start_what_none_of_its_jobs_will_read(read, begin, cache):
    begin({"a": ["x"], "b": ["x"], "c": ["x"]})
    for slug in "abc":
        read(slug, "another job", at_once=3)
    begin({"b": ["x"]}, staying={"c"})
    assert there(cache) == {"b", "c"}
    begin({})  # c stays for good: it is in no note any more
    assert there(cache) == {"c"}


def test_weights_of_an_earlier_revision_are_removed(read, begin, cache):
    begin({"a": ["x"]})
    read("a", "another job", commit="old")
    assert read("a", "x", commit="new") == {"new"}
    assert [blob.name for blob in cache.glob("blobs/*")] == ["sha-new"]


def test_bytes_to_which_another_snapshot_links_stay(read, begin, cache, tmp_path):
    begin({"a": ["x"]})
    read("a", "x")
    other = cache / "snapshots/other/model.safetensors"
    other.parent.mkdir()
    other.symlink_to(cache / "blobs/sha-a")
    borrowed.end(tmp_path / "scratch")
    assert there(cache) == {"other"} and other.read_text() == "weights"


def test_a_disk_without_locks_is_named_with_the_remedy(read, monkeypatch):
    def flock(file, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(InfogeoError, match=r"lock: this disk knows no locks .*keep_weights"):
        read("a")


def test_files_are_open_as_nfs_asks_for_each_kind_of_lock(read, begin, monkeypatch):
    flock = fcntl.flock

    def of_nfs(file, how):
        needed = os.O_WRONLY if how & fcntl.LOCK_EX else os.O_RDONLY
        if fcntl.fcntl(file, fcntl.F_GETFL) & os.O_ACCMODE not in (needed, os.O_RDWR):
            raise OSError(errno.EBADF, "Bad file descriptor")
        return flock(file, how)

    monkeypatch.setattr(fcntl, "flock", of_nfs)
    begin({"a": ["x"]})
    assert read("a", "x") == {"a"}


FETCH = borrowed.Shelf.fetch


def test_a_job_finds_its_weights_while_the_note_on_others_is_removed(read, begin, cache, tmp_path):
    begin({"a": ["x", "y"]})
    read("a", "x")
    shelf = borrowed.Shelf(tmp_path / "scratch")
    record = json.loads((shelf.folder / "a.record").read_text())
    (shelf.folder / "a.record").write_text(json.dumps(record | {"whole": True}))
    (shelf.folder / "b.record").symlink_to("removed after it was listed")
    FETCH(shelf, json.loads((tmp_path / "a.json").read_text()))
    assert there(cache) == {"a"}


def test_a_job_says_that_another_one_downloads_its_weights(tmp_path, capsys):
    shelf, said = borrowed.Shelf(tmp_path), ""
    with borrowed._lock(shelf.folder / "a.fetching", fcntl.LOCK_EX):
        other = threading.Thread(
            target=lambda: shelf._locked_by_one("a.fetching", "a: waits").close()
        )
        other.start()
        while "a: waits" not in said:
            said += capsys.readouterr().out
            time.sleep(0.01)
        assert other.is_alive()
    other.join(10)
    assert not other.is_alive()
