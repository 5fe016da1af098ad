"""Models from a hub on loopback, by its real client: what is fetched, refused, or found offline."""

import json
import os
from pathlib import Path

import pytest
from server import git_sha1
from tiny import safetensors
from whole import NEEDED, assert_whole, downloaded, sha256

from infogeo.files.errors import InfogeoError
from infogeo.sources.model_directory import validate_directory


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


def lay_out(client, files, folder="models--org--model", commit="c0ffee" * 6 + "c0de", large=()):
    """A cache as other clients fill it: refs, blobs under their hashes, and links to them."""
    root = client.home / "hub" / folder
    for name, content in files.items():
        blob = root / "blobs" / (sha256(content) if name in large else git_sha1(content))
        link = root / "snapshots" / commit / name
        for path in (blob, link, root / "refs/main"):
            path.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(content)
        link.symlink_to(os.path.relpath(blob, link.parent))
    (root / "refs/main").write_text(commit)
    return root, commit


def test_offline_a_cache_that_another_client_filled_serves(hub, client, files):
    offline = {"HF_HUB_OFFLINE": "1"}
    _, commit = lay_out(client, files, large=["model.safetensors"])
    assert_whole(client.model("org/model", **offline), files, commit)
    assert "8 files, of which 0 have no hash there" in client.said
    assert_whole(client.model("org/model", commit, **offline), files, commit)
    assert hub.requests == []


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_offline_the_blobs_of_another_client_are_checked_by_their_names(client, files, name):
    root, commit = lay_out(client, files, large=["model.safetensors"])
    blob = (root / "snapshots" / commit / name).resolve()
    blob.write_bytes(blob.read_bytes()[:-1] + b" ")
    assert f"{name} is not what" in client.model("org/model", HF_HUB_OFFLINE="1")["error"]


def test_offline_files_of_another_client_without_hashes_are_counted(client, files):
    root, commit = lay_out(client, files)
    link = root / "snapshots" / commit / "config.json"
    link.unlink()
    link.write_bytes(files["config.json"])
    assert_whole(client.model("org/model", HF_HUB_OFFLINE="1"), files, commit)
    assert "8 files, of which 1 have no hash there" in client.said


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_offline_a_part_that_another_client_did_not_fetch_is_told(client, files, name):
    del files[name]
    lay_out(client, files)
    error = client.model("org/model", HF_HUB_OFFLINE="1")["error"]
    assert "HF_HUB_OFFLINE is set, and not all of it is in the cache" in error


def test_offline_a_data_set_that_another_client_fetched_serves(client):
    files = {f"en/train-0000{i}-of-00002.jsonl": b'{"text": "%d"}' % i for i in range(2)}
    root, commit = lay_out(client, files, "datasets--org--texts")
    offline = {"HF_HUB_OFFLINE": "1"}
    assert_whole(client.dataset("org/texts", "", "en/*", **offline), files, commit, set(files))
    assert "not all of it is in the" in client.dataset("org/texts", "", "fr/*", **offline)["error"]
    (root / "snapshots" / commit / "en/train-00000-of-00002.jsonl").unlink()
    assert "not all of it is in the" in client.dataset("org/texts", "", "en/*", **offline)["error"]


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
    files["config.json"] = b'{"model_type": "own"}'
    files[name] = b'{"auto_map": {"AutoModelForCausalLM": "modeling_own.Model"}}'
    commit = hub.repo("org/model").commit(files)
    error = client.model("org/model")["error"]
    assert f"{name} (auto_map) would run Python code" in error
    assert f"/{sha256(files['model.safetensors'])}" not in downloaded(hub)
    found = client.model("org/model", "", True)
    assert_whole(found, files, commit, NEEDED | {"modeling_own.py"})


def test_a_model_that_cannot_be_measured_is_refused_before_weights_are_fetched(hub, client, files):
    files["config.json"] = b'{"model_type": "t5"}'
    files["tokenizer.json"] = b'{"model": {"type": "WordLevel", "vocab": {}, "unk_token": "a"}}'
    hub.repo("org/model").commit(files)
    error = client.model("org/model", "", False, "encoder")["error"]
    assert "T5Config is an encoder–decoder" in error
    files["tokenizer.json"] = b'{"pre_tokenizer": {"type": "FancySplit"}}'
    hub.repo("org/model").commit(files)
    assert "pre_tokenizer FancySplit" in client.model("org/model", "", False, "causal")["error"]
    assert f"/{sha256(files['model.safetensors'])}" not in downloaded(hub)


def test_gguf_files_alone_are_refused_before_any_download(hub, client, files):
    hub.repo("org/model").commit({"m-Q4_K_M.gguf": b"GGUF", "README.md": files["README.md"]})
    assert "a GGUF file holds weights as llama.cpp" in client.model("org/model")["error"]
    assert downloaded(hub) == []


def test_quantised_weights_are_refused_before_they_are_fetched(hub, client, files):
    files["config.json"] = b'{"quantization_config": {}}'
    hub.repo("org/model").commit(files)
    assert "the weights are quantised" in client.model("org/model")["error"]
    assert f"/{sha256(files['model.safetensors'])}" not in downloaded(hub)


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
