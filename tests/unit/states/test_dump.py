import filecmp
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import DEPTH, HEADS, WIDTH

from infogeo.files.artefacts import read_table
from infogeo.files.errors import InfogeoError
from infogeo.geometry.depths import layer_names
from infogeo.jobs.job_array import Claim, TakenOver
from infogeo.states import batches, loading, shards, work
from infogeo.states import dump as dump_module
from infogeo.states.attention import attention_rows
from infogeo.states.dump import dump
from infogeo.states.model import LanguageModel
from infogeo.states.store import open_store
from infogeo.states.store_writer import StoreWriter
from infogeo.states.tokens import encode, load_tokenizer

SETTINGS = {
    "n": [16, 24],
    "layers": "all",
    "attention_texts": 9,
    "batch_tokens": 100,
    "shard_tokens": 150,
    "dtype": "float32",
    "trust_remote_code": False,
    "seed": 7,
    "fingerprint": "states-fingerprint",
    "expected": ["model-fingerprint", "corpus-fingerprint"],
}


@pytest.fixture
def run(tmp_path, tiny_model_dir, tiny_corpus):
    """A function that dumps the tiny corpus under a name of tmp_path, with changed settings."""

    def call(name="out.h5", architecture="gpt_neox", directory=None, **changed):
        card = (directory or tiny_model_dir(architecture)) / "model.json"
        output = tmp_path / name
        scratch = changed.pop("scratch", tmp_path / "scratch")
        corpus = changed.pop("corpus", tiny_corpus)
        dump(card, corpus, output, **SETTINGS | {"scratch": scratch} | changed)
        return output

    return call


def no_more_than(shards: int, monkeypatch):
    """Let the work stop, as if killed, once so many shards are there."""
    genuine = dump_module._write_shard
    written = []

    def limited(*arguments):
        if len(written) == shards:
            raise KeyboardInterrupt
        genuine(*arguments)
        written.append(arguments[1].index)

    monkeypatch.setattr(dump_module, "_write_shard", limited)
    return written


def test_the_store_holds_what_the_model_gives_for_each_text(run, tiny_model_dir, tiny_corpus):
    directory = tiny_model_dir("gpt_neox")
    model = loading.load_model(directory, dtype="float32", name="m")
    corpus = read_table(tiny_corpus)
    encoded = encode(load_tokenizer(directory), corpus["text"], 24, 16, "spectra.n")
    assert 0 < len(encoded) < len(corpus)
    with open_store(run(), "states-fingerprint") as store:
        store.verify()
        assert store.doc_ids == corpus["doc_id"].iloc[encoded.corpus_rows].tolist()
        assert store.sources == corpus["source"].iloc[encoded.corpus_rows].tolist()
        assert store.labels == corpus["label"].iloc[encoded.corpus_rows].tolist()
        assert store.layers == layer_names(DEPTH)
        assert [layer for layer in store.layers if store.post_norm[layer]] == ["final"]
        assert store.widths == dict.fromkeys(store.layers, WIDTH)
        np.testing.assert_array_equal(store.offsets, encoded.offsets)
        np.testing.assert_array_equal(store.token_ids(), encoded.token_ids)
        np.testing.assert_array_equal(store.special_mask(), encoded.special_mask)
        np.testing.assert_array_equal(store.token_end_byte(), encoded.token_end_byte)
        whole = np.flatnonzero(encoded.lengths == 24).tolist()
        assert len(store.attention_texts) == 9  # of 9 wanted, in several shards
        assert set(store.attention_texts) <= set(whole)
        assert min(store.attention_texts) < whole[3] and max(store.attention_texts) > whole[-4]
        for text in range(len(encoded)):
            rows = batches.Rows(model, store.layers, [encoded.lengths[text]], ["?"])
            rows.run([encoded.text(text)], 1)
            span = slice(*encoded.offsets[text : text + 2])
            np.testing.assert_allclose(store.nll()[span], rows.nll, rtol=1e-5)
            np.testing.assert_allclose(
                store.predictive_entropy()[span], rows.predictive_entropy, rtol=1e-5
            )
            for layer in store.layers:
                apart = np.linalg.norm(store.read(text, layer) - rows.hidden[layer].numpy(), axis=1)
                assert (apart <= 1e-5 * np.linalg.norm(rows.hidden[layer], axis=1)).all()
        for text in store.attention_texts:
            last_row, rollout = attention_rows(model, encoded.text(text))
            assert last_row.shape == (HEADS, encoded.lengths[text])
            np.testing.assert_array_equal(store.attention_last_row(text), last_row)
            np.testing.assert_array_equal(store.rollout_row(text), rollout)
        expected = {
            "fingerprint": "states-fingerprint", "model": "gpt_neox", "dtype": "float32",
            "seed": 7, "batches_split": 0, "texts_left_out": len(corpus) - len(encoded),
        }  # fmt: skip
        assert {name: store.attrs[name] for name in expected} == expected


def test_a_file_of_the_model_that_is_gone_is_named_before_anything_runs(
    run, tiny_model_dir, tmp_path
):
    directory = shutil.copytree(tiny_model_dir("gpt_neox"), tmp_path / "gone")
    card = json.loads((directory / "model.json").read_text())
    card["files"] = {"more.safetensors": {"bytes": 1, "sha256": ""}}
    (directory / "model.json").write_text(json.dumps(card))
    with pytest.raises(InfogeoError, match=r"more\.safetensors: gone or changed"):
        run(directory=directory)
    assert not (tmp_path / "scratch").exists()


@pytest.mark.parametrize("when", ["during the work", "at its end"])
def test_work_that_another_process_has_claimed_is_left_to_it(run, tmp_path, monkeypatch, when):
    def spread(function, tasks, *, folder, waiting, **_):
        for task in tasks:
            function(task)
        Claim(folder.parent)  # as the run after one that was killed
        if when == "during the work":
            waiting()
            pytest.fail("the first process went on")

    monkeypatch.setattr(work.launch, "spread", spread)
    with pytest.raises(TakenOver):
        run()
    assert list((tmp_path / "scratch").rglob("shard-*.h5"))  # the other one needs them


def test_an_assembly_that_fails_ends_the_passes_and_is_the_error(run, monkeypatch, tmp_path):
    def fail(*_):
        raise InfogeoError("no space left for the results")

    genuine, written = dump_module._write_shard, []

    def slow(task, passed):
        genuine(task, passed)
        written.append(passed.index)
        deadline = time.monotonic() + 5
        while len(written) == 1 and time.monotonic() < deadline:  # the assembly has it, and fails
            if list((tmp_path / "scratch").rglob(work.ABANDONED)):
                break
            time.sleep(0.01)

    monkeypatch.setattr(StoreWriter, "copy_rows", fail)
    monkeypatch.setattr(dump_module, "_write_shard", slow)
    with pytest.raises(InfogeoError, match="no space left for the results"):
        run()
    assert len(written) <= 3  # another one was under way
    monkeypatch.undo()
    with open_store(run()) as store:  # what was finished is used
        store.verify()


def test_a_damaged_shard_is_mended_by_the_same_command(run, monkeypatch, tmp_path):
    no_more_than(2, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        run()
    path = next((tmp_path / "scratch").rglob("shard-*.h5"))
    path.write_bytes(path.read_bytes()[:-100])
    with (
        pytest.raises(InfogeoError, match=r"shard-0.*Give the same command again") as caught,
        shards.open_shard(path, None),
    ):
        pass
    assert "snakemake -R" not in str(caught.value)  # no rule makes a shard


def test_shards_that_no_worker_has_made_are_an_error_and_no_endless_wait(run, monkeypatch):
    monkeypatch.setattr(work.launch, "spread", lambda *_, **__: [])
    monkeypatch.setattr(work, "LATE_SECONDS", 0.1)
    with pytest.raises(InfogeoError, match=r"\d+ of the shards do not exist"):
        run()


def test_nothing_is_left_beside_the_store(run, tmp_path):
    output = run()
    assert [path.name for path in tmp_path.iterdir()] == [output.name]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_is_stored_bit_by_bit(run, tiny_model_dir, dtype):
    model = loading.load_model(tiny_model_dir("llama"), dtype=dtype, name="m")
    with open_store(run(architecture="llama", dtype=dtype)) as store:
        ids = store.token_ids()[store.offsets[3] : store.offsets[4]]
        whole = batches.Rows(model, store.layers, [len(ids)], ["?"])
        whole.run([ids], 1)
        for layer in store.layers:
            stored, alone = store.read(3, layer), whole.hidden[layer].float().numpy()
            # A batch may round otherwise, but by no more than half precision does.
            np.testing.assert_allclose(stored, alone, rtol=0.05, atol=0.05)
            back = torch.from_numpy(stored.copy()).to(model.dtype).float().numpy()
            np.testing.assert_array_equal(back, stored)


def test_states_are_stored_in_float32_on_request_and_are_the_same_numbers(run):
    half = run("half.h5", architecture="llama", dtype="bfloat16", shard_tokens=10**5)
    whole = run(
        "whole.h5",
        architecture="llama",
        dtype="bfloat16",
        shard_tokens=10**5,
        states_dtype="float32",
    )
    with open_store(half) as one, open_store(whole) as other:
        assert (one.dtype, other.dtype) == ("bfloat16", "float32")
        for layer in one.layers:
            np.testing.assert_array_equal(one.read(2, layer), other.read(2, layer))
        np.testing.assert_array_equal(one.nll(), other.nll())


def test_room_is_asked_for_in_the_dtype_in_which_states_are_stored(run, monkeypatch):
    needs = []
    monkeypatch.setattr(dump_module, "require_disk", lambda wanted, what: needs.append(wanted))
    run("half.h5", dtype="bfloat16", shard_tokens=150)
    run("whole.h5", dtype="bfloat16", shard_tokens=150, states_dtype="float32")
    half, whole = ([size for _, size in wanted] for wanted in needs)
    assert whole == [2 * size for size in half]


def test_a_resumed_dump_equals_an_undisturbed_one_and_redoes_no_shard(run, monkeypatch):
    undisturbed = run("a.h5")
    with monkeypatch.context() as patched:
        first = no_more_than(2, patched)
        with pytest.raises(KeyboardInterrupt):
            run("b.h5")
    with monkeypatch.context() as patched:
        second = no_more_than(10**6, patched)
        resumed = run("b.h5")
    assert first == [0, 1]
    assert second[0] == 2
    assert filecmp.cmp(undisturbed, resumed, shallow=False)


def test_damaged_and_foreign_shards_are_made_again(run, monkeypatch, tmp_path):
    undisturbed = run("a.h5")
    with monkeypatch.context() as patched:
        no_more_than(4, patched)
        with pytest.raises(KeyboardInterrupt):
            run("b.h5")
    left = sorted((tmp_path / "scratch").rglob("shard-*.h5"))
    assert len(left) == 4
    left[0].write_bytes(left[0].read_bytes()[:-100])
    content = bytearray(left[1].read_bytes())
    content[len(content) // 2] ^= 1
    left[1].write_bytes(content)
    left[2].write_text("not a shard")
    with monkeypatch.context() as patched:
        second = no_more_than(10**6, patched)
        resumed = run("b.h5")
    assert second[:4] == [0, 1, 2, 4]
    assert filecmp.cmp(undisturbed, resumed, shallow=False)


def test_shards_of_other_settings_are_not_used(run, monkeypatch):
    with monkeypatch.context() as patched:
        no_more_than(2, patched)
        with pytest.raises(KeyboardInterrupt):
            run("a.h5")
    with monkeypatch.context() as patched:
        written = no_more_than(10**6, patched)
        run("b.h5", batch_tokens=50)
    assert written[0] == 0


def test_placements_and_numbers_of_workers_give_the_same_bytes(run):
    alone = run("a.h5")
    spread = run("b.h5", placement="local", workers=2, threads=2)
    assert filecmp.cmp(alone, spread, shallow=False)


def test_weights_that_cannot_be_loaded_are_named(run, tmp_path, tiny_model_dir):
    broken = tmp_path / "broken"
    shutil.copytree(tiny_model_dir("gpt_neox"), broken)
    card = json.loads((broken / "model.json").read_text())
    (broken / "model.json").write_text(json.dumps(card | {"directory": str(broken)}))
    (broken / "model.safetensors").write_bytes(b"short")
    with pytest.raises(InfogeoError, match="broken: the model cannot be loaded"):
        run(directory=broken)


def test_shards_are_bounded_in_bytes_too(run, monkeypatch):
    whole = run("a.h5")
    monkeypatch.setattr(shards, "SHARD_BYTES", 60 * WIDTH * 4 * (DEPTH + 2))
    written = no_more_than(10**6, monkeypatch)
    with open_store(run("b.h5")) as store, open_store(whole) as expected:
        assert len(written) >= store.offsets[-1] // 60
        np.testing.assert_allclose(store.nll(), expected.nll(), rtol=1e-5)


def test_chosen_layers_alone_are_stored(run):
    with open_store(run(layers=["0", "0.5", "final"])) as store:
        assert store.layers == ["0", "1", "final"]  # half way between 1 and 2: the earlier


def test_a_layer_out_of_range_is_refused_before_work(run):
    with pytest.raises(InfogeoError, match=r"states\.layers.*'12'"):
        run(layers=["12"])


def test_inputs_of_another_fingerprint_are_refused(run):
    with pytest.raises(InfogeoError, match=r"model\.json.*snakemake -R"):
        run(expected=["other", "corpus-fingerprint"])
    with pytest.raises(InfogeoError, match=r"tiny\.parquet.*snakemake -R"):
        run(expected=["model-fingerprint", "other"])


def test_a_disk_too_small_is_noticed_before_the_work(run, monkeypatch):
    free = shutil.disk_usage("/")._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: free)
    with pytest.raises(InfogeoError, match=r"only 1e-06 GB are free"):
        run()


@pytest.mark.parametrize("part", ["hidden/1", "token_ids"])
def test_a_store_damaged_in_assembly_never_takes_its_name(run, monkeypatch, tmp_path, part):
    genuine = StoreWriter.write_tokens

    def damaging(self, row, **arrays):
        genuine(self, row, **arrays)
        if self.path.name.startswith(".out.h5") and row:
            # What the shard before has left there.
            dataset = self.file[part]
            mask, raw = dataset.id.read_direct_chunk((0,) * dataset.ndim)
            dataset.id.write_direct_chunk((0,) * dataset.ndim, bytes([raw[0] ^ 1]) + raw[1:], mask)

    monkeypatch.setattr(StoreWriter, "write_tokens", damaging)
    with pytest.raises(InfogeoError, match="is damaged"):
        run()
    assert not (tmp_path / "out.h5").exists()
    assert list((tmp_path / "scratch").rglob("shard-*.h5"))  # what was finished is kept


def test_leftovers_of_a_killed_assembly_are_removed(run, tmp_path):
    (tmp_path / ".out.h5.123.partial").write_text("half")
    run()
    assert not (tmp_path / ".out.h5.123.partial").exists()


def test_halved_batches_are_noted_in_the_store(run, monkeypatch):
    genuine = LanguageModel.run

    def cramped(self, texts, *told):
        if len(texts) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return genuine(self, texts, *told)

    monkeypatch.setattr(LanguageModel, "run", cramped)
    with open_store(run()) as store:
        assert store.attrs["batches_split"] > 0


def test_a_dump_killed_at_random_moments_makes_the_same_file():
    # A few kills; tests/bench/kill_dump.py does as many as one likes.
    program = Path(__file__).parents[2] / "bench" / "kill_dump.py"
    ended = subprocess.run([sys.executable, program, "3"], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "3 kills" in ended.stdout
