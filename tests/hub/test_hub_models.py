"""Models from a hub on loopback, by its real client: what is fetched, what every failure says."""

import hashlib
import json
import re
from pathlib import Path

import pytest
from server import git_sha1
from tiny import safetensors

from infogeo.errors import InfogeoError
from infogeo.models import validate_directory

NEEDED = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def assert_whole(found: dict, files: dict, commit: str, names=NEEDED) -> None:
    """The call gave exactly these files, and they are those of the repository."""
    assert found.get("commit") == commit, found
    assert found["facts"] == {
        name: {"bytes": len(files[name]), "sha256": sha256(files[name])} for name in names
    }
    for name in names:
        assert Path(found["folder"], name).read_bytes() == files[name]


def downloaded(hub) -> list[str]:
    """Paths of the files that were asked for with GET, storage included, in order."""
    return [
        path
        for _, method, path, _ in hub.requests
        if method == "GET" and not path.startswith("/api/")
    ]


# ---------------------------------------------------------------- what is fetched
def test_only_what_running_the_model_takes_is_fetched_and_once(hub, client, files):
    commit = hub.repo("org/model").commit(files)
    found = client.model("org/model")
    assert_whole(found, files, commit)
    assert str(client.home) in found["folder"]
    assert len(downloaded(hub)) == len(NEEDED)
    validate_directory(found["folder"])
    again = client.model("org/model")
    assert again == found
    assert len(downloaded(hub)) == len(NEEDED)


def test_the_shards_of_the_index_are_fetched_and_no_others(hub, client, files):
    del files["model.safetensors"]
    shards = {f"model-0000{i}-of-00002.safetensors": safetensors({f"w{i}": 999}) for i in (1, 2)}
    index = {"weight_map": {f"w{i}": name for i, name in enumerate(shards, start=1)}}
    files |= shards | {
        "consolidated.safetensors": safetensors({"w": 999}),
        "model.safetensors.index.json": json.dumps(index).encode(),
    }
    commit = hub.repo("org/model").commit(files)
    names = NEEDED - {"model.safetensors"} | {"model.safetensors.index.json", *shards}
    assert_whole(client.model("org/model"), files, commit, names)
    validate_directory(client.model("org/model")["folder"])


def test_an_index_that_lists_absent_shards_is_refused(hub, client, files):
    del files["model.safetensors"]
    files["model.safetensors.index.json"] = b'{"weight_map": {"w": "gone.safetensors"}}'
    hub.repo("org/model").commit(files)
    assert "1 are not in the repository (gone.safetensors)" in client.model("org/model")["error"]


@pytest.mark.parametrize("revision", ["main", "v1", "refs/pr/1", "commit"])
def test_every_kind_of_revision_is_resolved_to_its_commit(hub, client, files, revision):
    repo = hub.repo("org/model")
    for ref in ("main", "v1", "refs/pr/1"):
        repo.commit(files | {"config.json": json.dumps({"n_embd": 4, "ref": ref}).encode()}, ref)
    commit = repo.refs.get(revision, repo.refs["v1"])
    found = client.model("org/model", commit if revision == "commit" else revision)
    assert_whole(found, repo.commits[commit], commit)


def test_a_revision_that_moved_says_so(hub, client, files):
    before = hub.repo("org/model").commit(files)
    client.model("org/model")
    client.model("org/model")
    assert "is now commit" not in client.said
    files["config.json"] = b'{"n_embd": 8}'
    after = hub.repo("org/model").commit(files)
    assert_whole(client.model("org/model"), files, after)
    assert f"main is now commit {after}; it was {before}" in client.said


# ---------------------------------------------------------------- connections
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
    hub.fail(*PLACES[place], **PASSING[what])
    assert_whole(client.model("org/model"), files, commit)
    assert not any(fault.times for fault in hub.faults)


def test_the_wait_that_a_busy_hub_asks_for_is_kept(hub, client, files):
    commit = hub.repo("org/model").commit(files)
    hub.fail(*PLACES["api"], status=429, headers={"Retry-After": "2"})  # else it would be 1 s
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


# ---------------------------------------------------------------- who may see what
def test_a_repository_that_is_not_there_is_told(hub, client, files):
    for env in ({}, {"HF_TOKEN": "hf_right"}):
        error = client.model("org/modle", **env)["error"]
        assert f"{hub.url()}/org/modle: no such repository, or it is private" in error
    commit = hub.repo("org/modle").commit(files)
    assert_whole(client.model("org/modle"), files, commit)


def test_a_revision_that_is_not_there_is_told(hub, client, files):
    commit = hub.repo("org/model").commit(files)
    assert "no revision 'step9'" in client.model("org/model", "step9")["error"]
    assert_whole(client.model("org/model"), files, commit)


def test_a_gated_model_names_its_licence_page_and_the_token_variable(hub, client, files):
    commit = hub.repo("org/model").commit(files)
    hub.repo("org/model").gated = True
    error = client.model("org/model")["error"]
    assert error.startswith(f"{hub.url()}/org/model: gated: its licence must be accepted")
    assert "HF_TOKEN is not set here" in error
    assert "HF_TOKEN is set here" in client.model("org/model", HF_TOKEN="hf_other")["error"]
    assert_whole(client.model("org/model", HF_TOKEN="hf_right"), files, commit)


def test_a_private_model_is_fetched_with_a_token(hub, client, files):
    commit = hub.repo("org/model").commit(files)
    hub.repo("org/model").private = True
    assert "set HF_TOKEN to a token that may read it" in client.model("org/model")["error"]
    assert_whole(client.model("org/model", HF_TOKEN="hf_right"), files, commit)


def test_access_denied_is_told(hub, client, files):
    commit = hub.repo("org/model").commit(files)
    hub.fail("HEAD", "config.json", times=99, status=403)
    assert "access denied (403). Set HF_TOKEN" in client.model("org/model")["error"]
    hub.faults.clear()
    assert_whole(client.model("org/model"), files, commit)


def test_the_token_goes_to_the_hub_alone_and_is_written_nowhere(hub, client, files):
    hub.repo("org/model").commit(files)
    hub.repo("org/model").gated = True
    token = {"HF_TOKEN": "hf_right"}
    client.model("org/model", **token)
    said = client.said
    hub.fail("HEAD", "config.json", times=99, status=403)
    client.home = client.home / "2"
    client.env["HF_HOME"] = str(client.home)
    client.model("org/model", **token)
    assert "hf_right" not in said + client.said
    for file in client.home.parent.rglob("*"):
        assert not file.is_file() or b"hf_right" not in file.read_bytes(), file
    shown = {(name, h.get("authorization")) for name, method, path, h in hub.requests}
    assert ("hub", "Bearer hf_right") in shown
    assert not any(name == "storage" and header for name, header in shown)


# ---------------------------------------------------------------- without network
@pytest.mark.parametrize("revision", ["", "v1"])
def test_offline_what_is_in_the_cache_serves(hub, client, files, revision):
    commit = hub.repo("org/model").commit(files, revision or "main")
    client.model("org/model", revision)
    hub.requests.clear()
    assert_whole(client.model("org/model", revision, HF_HUB_OFFLINE="1"), files, commit)
    assert hub.requests == []


def test_offline_hashes_are_checked_also_where_the_cache_has_no_links(hub, client, files):
    commit = hub.repo("org/model").commit(files)
    without = {"HF_HUB_DISABLE_SYMLINKS": "1"}
    weights = Path(client.model("org/model", **without)["folder"], "model.safetensors")
    assert not weights.is_symlink()
    offline = without | {"HF_HUB_OFFLINE": "1"}
    assert_whole(client.model("org/model", **offline), files, commit)
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    assert "model.safetensors is not what" in client.model("org/model", **offline)["error"]


def test_offline_without_the_files_is_told_and_a_fetch_mends_it(hub, client, files):
    commit = hub.repo("org/model").commit(files)
    offline = {"HF_HUB_OFFLINE": "1"}
    error = client.model("org/model", **offline)["error"]
    assert "HF_HUB_OFFLINE is set, and not all of it is in the cache" in error
    assert str(client.home) in error
    assert hub.requests == []
    found = client.model("org/model")
    Path(found["folder"], "tokenizer.json").unlink()
    assert "not all of it is in the cache" in client.model("org/model", **offline)["error"]
    client.model("org/model")
    assert_whole(client.model("org/model", **offline), files, commit)


# ---------------------------------------------------------------- what is refused
def test_pickles_alone_are_refused_before_any_download(hub, client, files):
    whole = dict(files)
    del files["model.safetensors"]
    hub.repo("org/model").commit(files)
    error = client.model("org/model")["error"]
    assert "only pickled weights (pytorch_model.bin)" in error
    assert "Choose a revision that has them" in error
    assert downloaded(hub) == []
    # A proposed conversion is named, and can be used.
    hub.repo("org/model").commit(files, "refs/pr/1")
    commit = hub.repo("org/model").commit(whole, "refs/pr/2")
    error = client.model("org/model")["error"]
    assert "set `revision` to refs/pr/2 once you have read" in error
    assert_whole(client.model("org/model", "refs/pr/2"), whole, commit)


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_code_of_its_own_is_refused_before_weights_are_fetched(hub, client, files, name):
    files[name] = b'{"auto_map": {"AutoModelForCausalLM": "modeling_own.Model"}}'
    commit = hub.repo("org/model").commit(files)
    error = client.model("org/model")["error"]
    assert f"{name} (auto_map) would run Python code" in error
    assert f"/{sha256(files['model.safetensors'])}" not in downloaded(hub)
    found = client.model("org/model", "", True)
    assert_whole(found, files, commit, NEEDED | {"modeling_own.py"})


@pytest.mark.parametrize("path", ["../../evil.json", "/etc/evil", "a\\..\\..\\evil", "C:\\evil"])
def test_a_path_that_climbs_out_is_refused(hub, client, files, path):
    hub.repo("org/model").commit(files | {path: b"evil"})
    error = client.model("org/model")["error"]
    assert f"lists {path!r}, a path that leads out of its own folder" in error
    assert downloaded(hub) == []
    assert not [file for file in client.home.parent.rglob("*") if "evil" in file.name]
    commit = hub.repo("org/model").commit(files)
    assert_whole(client.model("org/model"), files, commit)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("config.json", "no config.json"),
        ("tokenizer.json", "no tokenizer"),
        ("model.safetensors", "no weights"),
    ],
)
def test_a_repository_without_a_part_is_refused(hub, client, files, name, message):
    for gone in (name, "pytorch_model.bin"):
        del files[gone]
    hub.repo("org/model").commit(files)
    assert message in client.model("org/model")["error"]
    assert downloaded(hub) == []


# ---------------------------------------------------------------- the stand-in itself
def test_the_hash_of_small_files_is_that_of_git():
    # printf 'hello\n' | git hash-object --stdin
    assert git_sha1(b"hello\n") == "ce013625030ba8dba906f756967f9e9ca394464a"


def test_weights_of_these_tests_are_safetensors(tmp_path, files):
    for name in NEEDED:
        (tmp_path / name).write_bytes(files[name])
    validate_directory(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(files["model.safetensors"][:-1])
    with pytest.raises(InfogeoError, match="truncated"):
        validate_directory(tmp_path)
