import filecmp
import os
import shutil
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import pytest

from infogeo.files.errors import InfogeoError
from infogeo.states import layout
from infogeo.states import store as store_module
from infogeo.states.layout import STORED, to_float32, to_stored
from infogeo.states.store import open_store
from infogeo.states.store_writer import create_store

LENGTHS = [7, 1, 30, 12, 25]
ROWS = sum(LENGTHS)
WIDTHS = {"0": 6, "1": 10, "final": 6}


def tokens():
    return {
        "token_ids": np.arange(ROWS),
        "special_mask": np.arange(ROWS) % 7 == 0,
        "token_end_byte": np.arange(ROWS) * 3,
        "nll": np.linspace(0, 9, ROWS),
        "predictive_entropy": np.full(ROWS, np.nan),
    }


def states(seed=0):
    rng = np.random.default_rng(seed)
    return {layer: rng.standard_normal((ROWS, d)).astype("f4") for layer, d in WIDTHS.items()}


def described(dtype="float32", texts=range(5)):
    return {
        "attrs": {"fingerprint": "abc", "model": "m", "commit": None, "seed": 3},
        "doc_ids": [f"dé-{text}" for text in texts],
        "sources": [f"module {text}" for text in texts],
        "labels": [""] * len(texts),
        "lengths": [LENGTHS[text] for text in texts],
        "widths": WIDTHS,
        "dtype": dtype,
        "post_norm": ["final"],
    }


ATTENTION = (
    [0, 2],
    [np.full((4, 7), 0.5, "f4"), np.arange(120, dtype="f4").reshape(4, 30)],
    [np.full(7, 0.25, "f4"), np.arange(30, dtype="f4")],
)


def save(path, dtype="float32", hidden=None):
    with create_store(path, **described(dtype)) as writer:
        writer.write_tokens(0, **tokens())
        for layer, values in (hidden or states()).items():
            writer.write_hidden(layer, 0, values)
        writer.write_attention(*ATTENTION)
    return path


@pytest.fixture
def small_chunks(monkeypatch):
    """Chunks of five rows (of six float32) and blocks of some twenty."""
    monkeypatch.setattr(layout, "CHUNK_BYTES", 5 * 6 * 4)
    monkeypatch.setattr(store_module, "BLOCK_BYTES", 20 * 6 * 4)


@pytest.mark.parametrize("dtype", STORED)
def test_what_is_read_is_what_was_written(tmp_path, small_chunks, dtype):
    hidden = states()
    with open_store(save(tmp_path / "a.h5", dtype), "abc") as store:
        store.verify()
        assert store.layers == list(WIDTHS)
        assert store.widths == WIDTHS
        assert store.post_norm == {"0": False, "1": False, "final": True}
        assert store.doc_ids == described()["doc_ids"]
        assert store.sources == described()["sources"]
        assert store.labels == described()["labels"]
        assert store.lengths.tolist() == LENGTHS
        assert store.attrs["commit"] == ""
        assert store.attrs["seed"] == 3
        for name, values in tokens().items():
            np.testing.assert_array_equal(
                getattr(store, name)(), values.astype(layout.TOKEN_ARRAYS[name])
            )
        seen = []
        for text, layer, Z in store.states():
            seen.append((layer, text))
            expected = hidden[layer][store.offsets[text] : store.offsets[text + 1]]
            assert Z.dtype == np.float32
            np.testing.assert_array_equal(Z, to_float32(to_stored(expected, dtype)))
            np.testing.assert_array_equal(Z, store.read(text, layer))
        assert seen == [(layer, text) for layer in WIDTHS for text in range(len(LENGTHS))]
        assert {layer for _, layer, _ in store.states(["1"])} == {"1"}


@pytest.mark.parametrize("kept", [[0, 2, 3], [4], []])
def test_a_reduced_store_gives_the_texts_that_it_keeps_and_no_others(tmp_path, small_chunks, kept):
    hidden, offsets = states(), np.concatenate([[0], np.cumsum(LENGTHS)])
    with create_store(
        tmp_path / "a.h5", **described(), state_lengths={t: LENGTHS[t] for t in kept}
    ) as writer:
        writer.write_tokens(0, **tokens())
        for layer, values in hidden.items():
            parts = [values[offsets[text] : offsets[text + 1]] for text in kept]
            writer.write_hidden(layer, 0, np.concatenate([values[:0], *parts]))
    with open_store(tmp_path / "a.h5") as store:
        store.verify()
        assert store.reduced and store.lengths.tolist() == LENGTHS
        assert [(text, layer) for text, layer, _ in store.states(["1"])] == [(t, "1") for t in kept]
        for text in range(len(LENGTHS)):
            if text in kept:
                expected = hidden["1"][offsets[text] : offsets[text + 1]]
                np.testing.assert_array_equal(store.read(text, "1"), expected)
                continue
            with pytest.raises(InfogeoError, match=rf"text 'dé-{text}'.*keep_hidden_states"):
                store.read(text, "1")
        with pytest.raises(InfogeoError, match=r"no layer '7'.*keep_hidden_states"):
            store.read_stored("7", 0, 1)


def test_a_reduced_store_without_its_rows_is_damaged(tmp_path, small_chunks):
    with create_store(tmp_path / "a.h5", **described(), state_lengths={2: LENGTHS[2]}) as writer:
        writer.write_tokens(0, **tokens())
    with (
        open_store(tmp_path / "a.h5") as store,
        pytest.raises(InfogeoError, match="0 of 6 chunks exist"),
    ):
        store.verify()


def test_attention_rows_are_read_by_text(tmp_path):
    with open_store(save(tmp_path / "a.h5")) as store:
        assert store.attention_texts == [0, 2]
        for text, last_row, rollout in zip(*ATTENTION, strict=True):
            np.testing.assert_array_equal(store.attention_last_row(text), last_row)
            np.testing.assert_array_equal(store.rollout_row(text), rollout)
        with pytest.raises(InfogeoError, match="no attention rows of text 1"):
            store.rollout_row(1)


def test_the_same_content_gives_the_same_bytes(tmp_path):
    save(tmp_path / "a.h5")
    time.sleep(1.1)  # HDF5 keeps times in seconds
    save(tmp_path / "b.h5")
    assert filecmp.cmp(tmp_path / "a.h5", tmp_path / "b.h5", shallow=False)


def test_bfloat16_is_rounded_to_nearest_even_as_pytorch_does():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2**32, 100_000, dtype=np.uint64).astype("<u4")
    values = np.concatenate(
        [bits.view("<f4"), np.float32([np.inf, -np.inf, np.nan, 0, -0.0, 3e38])]
    )
    expected = torch.from_numpy(values).to(torch.bfloat16)
    ours = torch.from_numpy(to_stored(values, "bfloat16").copy()).view(torch.bfloat16)
    nan = expected.isnan()
    assert torch.equal(ours.isnan(), nan)
    assert torch.equal(ours[~nan], expected[~nan])
    np.testing.assert_array_equal(
        to_float32(to_stored(values, "bfloat16"))[~nan.numpy()], expected[~nan].float().numpy()
    )


def test_any_hdf5_reader_converts_bfloat16(tmp_path):
    hidden = states()
    with h5py.File(save(tmp_path / "a.h5", "bfloat16"), "r") as file:
        plain = np.empty((ROWS, WIDTHS["1"]), "f4")
        file["hidden/1"].read_direct(plain)
    np.testing.assert_array_equal(plain, to_float32(to_stored(hidden["1"], "bfloat16")))


def test_float16_overflow_names_model_layer_and_text(tmp_path):
    hidden = states()
    hidden["1"][sum(LENGTHS[:3]) + 4, 2] = 7e4
    with pytest.raises(InfogeoError, match=r"model 'm', layer 1, text 'dé-3'.*bfloat16"):
        save(tmp_path / "a.h5", "float16", hidden)
    with (
        pytest.raises(InfogeoError, match=r"layer 1, text 'dé-3'"),
        create_store(
            tmp_path / "b.h5", **described("float16"), state_lengths={1: 1, 3: 12}
        ) as writer,
    ):
        writer.write_hidden("1", 0, np.concatenate([np.zeros((1, 10)), np.full((12, 10), 1e5)]))


@pytest.mark.parametrize("cuts", [[0, 5], [0, 1, 3, 5], [0, 1, 2, 3, 4, 5]])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_shards_copied_together_equal_the_whole_byte_for_byte(tmp_path, small_chunks, dtype, cuts):
    hidden, arrays = states(), tokens()
    offsets = np.concatenate([[0], np.cumsum(LENGTHS)])
    with create_store(tmp_path / "whole.h5", **described(dtype)) as writer:
        for first, last in pairwise(cuts):
            rows = slice(offsets[first], offsets[last])
            path = tmp_path / f"shard-{first}.h5"
            with create_store(
                path,
                **described(dtype, range(first, last)),
                first_row=int(rows.start),
                total_rows=ROWS,
            ) as shard:
                shard.write_tokens(0, **{name: values[rows] for name, values in arrays.items()})
                for layer, values in hidden.items():
                    shard.write_hidden(layer, 0, values[rows])
            with open_store(path, "abc") as shard:
                shard.verify()
                np.testing.assert_array_equal(
                    shard.read(last - first - 1, "1"),
                    to_float32(to_stored(hidden["1"][offsets[last - 1] : offsets[last]], dtype)),
                )
                writer.copy_rows(shard)
    with open_store(tmp_path / "whole.h5") as store:
        store.verify()
        for layer, values in hidden.items():
            np.testing.assert_array_equal(
                to_float32(store.read_stored(layer, 0, ROWS)), to_float32(to_stored(values, dtype))
            )
        np.testing.assert_array_equal(store.nll(), arrays["nll"].astype("f4"))


def test_a_missing_file_says_so(tmp_path):
    with pytest.raises(InfogeoError, match="no such file"), open_store(tmp_path / "a.h5"):
        pass


def test_a_truncated_file_is_refused(tmp_path):
    path = save(tmp_path / "a.h5")
    path.write_bytes(path.read_bytes()[:-64])
    with pytest.raises(InfogeoError, match="not a whole hidden-state store"), open_store(path):
        pass


def test_foreign_files_are_refused(tmp_path):
    path = tmp_path / "a.h5"
    path.write_text("text")
    with pytest.raises(InfogeoError, match="not a whole hidden-state store"), open_store(path):
        pass
    with h5py.File(path, "w") as file:
        file["x"] = 1
    with pytest.raises(InfogeoError, match="not a hidden-state store"), open_store(path):
        pass


def test_a_store_of_another_format_version_is_refused(tmp_path):
    path = save(tmp_path / "a.h5")
    with h5py.File(path, "r+") as file:
        file.attrs["format_version"] = 99
    with pytest.raises(InfogeoError, match="format 99"), open_store(path):
        pass


def test_a_store_without_its_tables_is_refused(tmp_path):
    path = save(tmp_path / "a.h5")
    with h5py.File(path, "r+") as file:
        del file["documents"]
    with pytest.raises(InfogeoError, match="list of texts or layers is damaged"), open_store(path):
        pass


def test_another_fingerprint_is_refused_with_the_remedy(tmp_path):
    path = save(tmp_path / "a.h5")
    with pytest.raises(InfogeoError, match=f"snakemake -R {path}"), open_store(path, "other"):
        pass


def test_a_flipped_bit_is_found_by_reading_and_by_verifying(tmp_path):
    hidden = states()
    hidden["1"][20, 3] = 12345.678
    path = save(tmp_path / "a.h5", hidden=hidden)
    content = path.read_bytes()
    place = content.index(np.float32(12345.678).tobytes())
    path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    with open_store(path) as store:
        store.read(0, "0")
        with pytest.raises(InfogeoError, match="hidden/1 is damaged"):
            store.read(2, "1")
        with pytest.raises(InfogeoError, match="hidden/1 is damaged"):
            store.verify()


def test_a_chunk_that_was_never_written_is_noticed(tmp_path, small_chunks):
    path = tmp_path / "a.h5"
    with create_store(path, **described()) as writer:
        writer.write_tokens(0, **tokens())
        for layer, values in states().items():
            writer.write_hidden(layer, 0, values[: -5 if layer == "1" else None])
    with (
        open_store(path) as store,
        pytest.raises(InfogeoError, match=r"hidden/1 .*chunks exist"),
    ):
        store.verify(hidden=False)


def test_an_unknown_layer_names_those_there_are(tmp_path):
    with (
        open_store(save(tmp_path / "a.h5")) as store,
        pytest.raises(InfogeoError, match="no layer '7'; it holds 0, 1, final"),
    ):
        store.read(0, "7")


def test_two_readers_and_a_read_only_file_need_no_lock(tmp_path):
    path = save(tmp_path / "a.h5")
    path.chmod(0o444)
    with open_store(path) as one, open_store(path) as two:
        np.testing.assert_array_equal(one.read(0, "0"), two.read(0, "0"))


@pytest.mark.parametrize("free", [1 << 20, 200_000, 1 << 16, 1 << 13, 1 << 12, 0])
def test_a_full_disk_has_a_clear_error(tmp_path, free):
    # A disk of 1 MiB, most of it taken, in a mount namespace of our own, which needs no rights.
    small = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    small += ['mount -t tmpfs -o size=1m tmpfs "$1" && cd "$1" && "$2" -c "$3"', "sh", tmp_path]
    if shutil.which("unshare") is None or subprocess.run([*small, "true", ""]).returncode:
        pytest.skip("no small disk can be made here")
    code = f"""if True:
        import os
        import numpy as np
        from pathlib import Path
        from infogeo.files.artefacts import replacing
        from infogeo.files.errors import InfogeoError
        from infogeo.states.store_writer import create_store
        Path("other").write_bytes(bytes({(1 << 20) - free}))
        try:
            with replacing("a.h5") as temporary, create_store(
                temporary, attrs={{}}, doc_ids=["a"], sources=[""], labels=[""], lengths=[50_000],
                widths=dict.fromkeys(map(str, range(30)), 100), dtype="float32",
            ) as writer:
                for layer in range(30):
                    writer.write_hidden(str(layer), 0, np.zeros((50_000, 100), "f4"))
        except InfogeoError as error:
            print(error, os.listdir())
    """
    run = subprocess.run(
        [*small, sys.executable, code],
        env=os.environ | {"PYTHONPATH": str(Path(store_module.__file__).parents[2])},
        capture_output=True,
        text=True,
    )
    assert (run.returncode, run.stderr) == (0, "")  # HDF5 is left in order: no crash at exit
    assert "no space left" in run.stdout
    assert run.stdout.rstrip().endswith("['other']")


def test_the_store_needs_no_torch():
    code = "import sys; import infogeo.states.store; sys.exit('torch' in sys.modules)"
    root = Path(store_module.__file__).parents[2]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_store_of_bfloat16_says_which_readers_give_other_numbers(tmp_path, dtype):
    with create_store(tmp_path / "a.h5", **described(dtype)):
        pass
    with h5py.File(tmp_path / "a.h5", locking=False) as file:
        assert ("half precision" in file.attrs.get("how_to_read", "")) == (dtype == "bfloat16")
