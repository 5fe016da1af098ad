"""What a failing hub does to a download by its real client, and that a rerun completes it."""

import os
import re
from pathlib import Path

import pytest
from tiny import safetensors
from whole import NEEDED, assert_whole, downloaded, sha256


def test_a_connection_cut_in_mid_file_goes_on_where_it_broke(hub, client, files):
    files["model.safetensors"] = safetensors({"wte.weight": 3_000_000})
    commit = hub.repo("org/model").commit(files)
    hub.fail("GET", sha256(files["model.safetensors"]), cut=11_000_000)
    assert_whole(client.model("org/model"), files, commit)
    ranges = [h.get("range") for name, *_, h in hub.requests if name == "storage"]
    assert ranges == [None, "bytes=10485760-"]  # the client writes pieces of 10 MiB


def test_a_fetch_that_was_killed_goes_on_with_the_files_it_had(hub, client, files):
    commit = hub.repo("org/model").commit(files)
    hub.fail("GET", sha256(files["model.safetensors"]), stall=20)
    process = client.start("fetch_model", "org/model", HF_HUB_DOWNLOAD_TIMEOUT="30")
    while not any(name == "storage" for name, *_ in hub.requests):
        assert process.is_alive()
    process.kill()
    process.join()
    assert_whole(client.model("org/model"), files, commit)
    assert len(downloaded(hub)) == len(NEEDED) + 1


def test_parts_that_a_killed_fetch_left_long_ago_are_removed(hub, client, files):
    hub.repo("org/model").commit(files)
    blobs = client.home / "hub/models--org--model/blobs"
    blobs.mkdir(parents=True)
    old, fresh = blobs / "a.1.incomplete", blobs / "b.2.incomplete"
    for file in (old, fresh):
        file.touch()
    os.utime(old, (0, 0))
    client.model("org/model")
    assert (old.exists(), fresh.exists()) == (False, True)


def test_damaged_bytes_are_removed_and_fetched_anew(hub, client, files):
    commit = hub.repo("org/model").commit(files)
    hub.fail("GET", sha256(files["model.safetensors"]), damage=True)
    error = client.model("org/model")["error"]
    assert "model.safetensors is not what the hub lists" in error
    assert not list(client.home.rglob("model.safetensors"))
    assert_whole(client.model("org/model"), files, commit)


def test_small_files_are_checked_too(hub, client, files):
    commit = hub.repo("org/model").commit(files)
    hub.fail("GET", "resolve/.*/config.json", damage=True)
    assert "config.json is not what the hub lists" in client.model("org/model")["error"]
    assert_whole(client.model("org/model"), files, commit)


def test_a_disk_that_is_too_small_is_told_before_the_download(hub, client, files):
    commit = hub.repo("org/model").commit(files)
    hub.repo("org/model").listed_sizes = {"model.safetensors": 10**18}
    error = client.model("org/model")["error"]
    assert "1,000,000,000.0 GB are still to be downloaded, but" in error
    assert "set HF_HOME to a larger disk" in error
    assert f"/{sha256(files['model.safetensors'])}" not in downloaded(hub)
    client.home = client.home / "2"  # the list in the cache is that of the commit
    client.env["HF_HOME"] = str(client.home)
    hub.repo("org/model").listed_sizes = {}
    assert_whole(client.model("org/model"), files, commit)


@pytest.mark.parametrize("truncated", [False, True])
def test_files_that_were_damaged_in_the_cache_are_noticed(hub, client, files, truncated):
    commit = hub.repo("org/model").commit(files)
    weights = Path(client.model("org/model")["folder"], "model.safetensors")
    data = weights.read_bytes()
    weights.resolve().write_bytes(data[:-1] + b"" if truncated else data[:-1] + b"!")
    assert "model.safetensors is not what" in client.model("org/model")["error"]
    assert_whole(client.model("org/model"), files, commit)


PLACES = {
    "api": ("GET", "/api/models/org/model$"),
    "head": ("HEAD", "config.json"),
    "storage": ("GET", "^/[0-9a-f]{64}$"),
}
PASSING = {
    "500": {"status": 500},
    "429": {"status": 429, "headers": {"Retry-After": "1"}},
    "stalled": {"stall": 1.5},
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("what", PASSING)
def test_a_passing_failure_is_waited_out(hub, client, files, place, what):
    commit = hub.repo("org/model").commit(files)
    hub.fail(*PLACES[place], **PASSING[what], skip=place == "api")  # of the api: the second request
    assert_whole(client.model("org/model"), files, commit)
    assert not any(fault.times for fault in hub.faults)


@pytest.mark.parametrize("header", [("Retry-After", "2"), ("RateLimit", '"api";r=0;t=1')])
def test_the_wait_that_a_busy_hub_asks_for_is_kept(hub, client, files, header):
    commit = hub.repo("org/model").commit(files)
    hub.fail(*PLACES["api"], status=429, headers=dict([header]))  # else it would be 1 s
    assert_whole(client.model("org/model"), files, commit)
    api = [i for i, (_, _, path, _) in enumerate(hub.requests) if path == "/api/models/org/model"]
    assert hub.times[api[1]] - hub.times[api[0]] >= 2


def test_a_long_download_says_how_far_it_is(hub, client, files):
    files["model.safetensors"] = safetensors({"wte.weight": 3_000_000})
    hub.repo("org/model").commit(files)
    hub.fail("GET", sha256(files["model.safetensors"]), cut=11_000_000)  # then a pause of 1 s
    client.model("org/model", beat=0.5)
    assert re.search(r"org/model@\w+: 10,485,760/12,000,\d+ bytes \(87%\).* to go", client.said)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ({"status": 500}, "the hub answers with status 500"),
        ({"status": 429, "headers": {"Retry-After": "0"}}, "too many requests (429)"),
        ({"stall": 3}, "no answer (ReadTimeout). Is there network here, and HF_ENDPOINT right?"),
    ],
    ids=["500", "429", "stalled"],
)
def test_a_lasting_failure_is_told_and_a_rerun_completes(hub, client, files, what, message):
    commit = hub.repo("org/model").commit(files)
    hub.fail("GET", "/api/models/org/model$", times=99, **what)
    assert message in client.model("org/model", tries=1)["error"]
    hub.faults.clear()
    assert_whole(client.model("org/model"), files, commit)


def test_a_hub_that_is_not_there_is_told(hub, client, files):
    commit = hub.repo("org/model").commit(files)
    error = client.model("org/model", tries=1, HF_ENDPOINT="http://127.0.0.1:9")["error"]
    assert "http://127.0.0.1:9/org/model: no answer (ConnectError)" in error
    assert_whole(client.model("org/model"), files, commit)
