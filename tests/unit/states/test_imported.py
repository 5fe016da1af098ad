"""States of another engine: into a store, out of one, and what cannot be imported."""

import json
from types import SimpleNamespace

import h5py
import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file
from tiny import save_store

import compute_entropy
import compute_spectra
import describe_states
import import_states
from infogeo.door.command import main as command
from infogeo.files.artefacts import write_table
from infogeo.files.errors import InfogeoError
from infogeo.sources import cards, foreign
from infogeo.states.foreign import form_of
from infogeo.states.layout import to_stored
from infogeo.states.store import open_store

LAYERS, WIDTH = ["0", "1", "final"], 6
LENGTHS = [9, 5, 7]
ROWS = sum(LENGTHS)
MODEL = {"params_total": 1000, "params_non_embedding": 800, "width": WIDTH, "layers": 1}
rng = np.random.default_rng(0)
TOKENS = {
    "token_ids": rng.integers(0, 50, ROWS), "token_end_byte": np.arange(1, ROWS + 1),
    "nll": rng.random(ROWS).astype("f4"), "predictive_entropy": rng.random(ROWS).astype("f4"),
    "special_mask": np.zeros(ROWS, bool),
}  # fmt: skip
HIDDEN = {layer: rng.standard_normal((ROWS, WIDTH)).astype("f4") for layer in LAYERS}
CORPUS = pd.DataFrame({
    "doc_id": ["a", "b", "c", "d"], "text": ["…"] * 4, "label": ["x", "y", "x", "y"],
    "source": ["s", "t", "s", "u"],
})  # fmt: skip


@pytest.fixture
def results(tmp_path):
    write_table(CORPUS, tmp_path / "corpora/docs.parquet", "corpus")
    return tmp_path


def describe(where, **changed):
    """A states.json in the folder of the corpus `docs`."""
    content = {"model": MODEL, "dtype": "float32"} | changed
    (where / "docs").mkdir(parents=True, exist_ok=True)
    (where / "docs/states.json").write_text(json.dumps(content))


def imported(results, where, dtype="float32", n=(4, 8)):
    """The store that both rules of a row of source states make."""
    shared = {"model": "m", "where": str(where), "revision": "", "fingerprint": "f"}
    card, store = results / "models/m/model.json", results / "hidden_states/docs/m.h5"
    params = SimpleNamespace(**shared, dtype=dtype, corpora=["docs"])
    describe_states.main(SimpleNamespace(), params, [card])
    files = SimpleNamespace(model=card, corpus=results / "corpora/docs.parquet")
    params = SimpleNamespace(**shared, corpus="docs", n=list(n), expected=["f", "corpus"])
    import_states.main(files, params, [store])
    return store


def save_texts(where, **changed):
    """A safetensors file of three texts one after another."""
    arrays = HIDDEN | TOKENS | {"lengths": np.array(LENGTHS)} | changed
    (where / "docs").mkdir(parents=True, exist_ok=True)
    arrays = {name: values for name, values in arrays.items() if values is not None}
    save_file(arrays, where / "docs/states.safetensors")


def tables(store, folder):
    """The bytes of the spectra and entropies of a store, as the rules make them."""
    folder.mkdir()
    spectra = folder / "spectra.h5"
    names = ("entropy", "crossed", "shuffled")
    output = SimpleNamespace(**{name: folder / name for name in names})
    params = SimpleNamespace(
        n=[4, 8], threads=1, model="m", fingerprint="f", eps2=[0.5], lambdas=[0.1], orders=[],
        expected=[None],
    )  # fmt: skip
    compute_spectra.main([store], params, [spectra])
    params.expected = [None, None, "", "", ""]
    compute_entropy.main(SimpleNamespace(spectra=spectra, twins=[], shuffled=[]), params, output)
    return spectra.read_bytes(), output.entropy.read_bytes(), pd.read_parquet(output.crossed)


@pytest.mark.parametrize(("kind", "dtype"), [("npy", "float32"), ("safetensors", "bfloat16")])
def test_a_store_that_is_exported_and_imported_gives_the_same_tables_byte_for_byte(
    results, kind, dtype, capsys
):
    store = results / "hidden_states/docs/original.h5"
    store.parent.mkdir(parents=True)
    save_store(
        store, attrs={"fingerprint": "f", "model": "m"}, doc_ids=["a", "b", "c"],
        sources=["s", "t", "s"], labels=["x", "y", "x"], lengths=[8, 5, 7], dtype=dtype,
        post_norm=["final"], hidden={layer: rows[1:] for layer, rows in HIDDEN.items()},
        tokens={name: values[1:] for name, values in TOKENS.items()},
    )  # fmt: skip
    card = results / "models/original/model.json"
    card.parent.mkdir(parents=True)
    extra = {"final_width": WIDTH, "tokenizer_sha256": "t", "train_tokens": None}
    card.write_text(json.dumps(MODEL | extra | {"fingerprint": "f"}))
    folder = results / "given/docs"
    command(["export", str(store), str(folder), "--format", kind])
    for path in (store, folder):  # the names of the texts are in states.json
        command(["measure", str(path), "--out", str(results / f"{path.name}.parquet")])
    measured = [pd.read_parquet(results / f"{path.name}.parquet") for path in (store, folder)]
    pd.testing.assert_frame_equal(*measured)
    back = imported(results, results / "given", dtype)
    with open_store(store) as one, open_store(back) as other:
        assert other.dtype == dtype
        assert other.post_norm == one.post_norm
        assert (other.sources, other.labels) == (one.sources, one.labels)
    *one, _ = tables(store, results / "one")
    *other, crossed = tables(back, results / "other")
    assert one == other
    assert len(crossed) == 0
    assert "draw" in crossed
    assert cards.read(results / "models/m/model.json")["tokenizer_sha256"] == "t"


def test_exported_arrays_are_those_of_the_store(tmp_path, monkeypatch):
    store = tmp_path / "hidden_states/docs/m.h5"
    store.parent.mkdir(parents=True)
    save_store(store, attrs={"fingerprint": "f"}, doc_ids=["a"], sources=[""], labels=[""],
               lengths=[ROWS], dtype="float16", hidden=HIDDEN, tokens=TOKENS)  # fmt: skip
    (tmp_path / "models/m").mkdir(parents=True)
    facts = {"final_width": WIDTH, "tokenizer_sha256": "t", "train_tokens": 5}
    (tmp_path / "models/m/model.json").write_text(json.dumps(MODEL | facts))
    monkeypatch.chdir(store.parent)
    command(["export", store.name, str(tmp_path / "out")])
    arrays = load_file(tmp_path / "out/states.safetensors")
    assert np.array_equal(arrays["final"], to_stored(HIDDEN["final"], "float16"))
    assert np.array_equal(arrays["nll"], TOKENS["nll"])
    command(["export", str(store), str(tmp_path / "npy"), "--format", "npy"])
    mapped = np.load(tmp_path / "npy/0.npy", mmap_mode="r")
    assert np.array_equal(mapped, to_stored(HIDDEN["0"], "float16"))


def test_texts_are_matched_to_the_corpus_cut_and_left_out_where_they_are_short(results):
    describe(results / "given", doc_ids=["c", "b", "a"])
    save_texts(results / "given", lengths=np.array([9, 3, 9]))
    with open_store(imported(results, results / "given")) as store:
        assert store.doc_ids == ["a", "c"]
        assert store.lengths.tolist() == [8, 8]
        assert np.array_equal(store.read(0, "1"), HIDDEN["1"][12:20])
        assert np.array_equal(store.read(1, "final"), HIDDEN["final"][:8])
        assert store.attrs["texts_left_out"] == 2
        assert store.attrs["params_total"] == 1000


def test_without_likelihoods_there_are_none_and_the_tables_of_states_are_whole(results):
    describe(results / "given", doc_ids=["a", "b", "c"])
    save_texts(results / "given", nll=None)
    store = imported(results, results / "given")
    with open_store(store) as opened:
        assert np.isnan(opened.nll()).all()
        assert np.isnan(opened.predictive_entropy()).all()
    tables(store, results / "made")
    made = pd.read_parquet(results / "made/entropy")
    assert set(made["layer"]) == set(LAYERS)  # no row without a layer: no conditional entropy


BAD = HIDDEN["1"].copy()
BAD[10, 2] = np.inf


@pytest.mark.parametrize(
    ("described", "arrays", "message"),
    [
        ({}, {"1": BAD}, "text 'b', layer 1: token 1, coordinate 2 is inf"),
        ({}, {"1": HIDDEN["1"][:20]}, "layers differ in their tokens"),
        ({}, {"token_ids": TOKENS["token_ids"][:20]}, r"token_ids has shape \(20,\)"),
        ({}, {"token_ids": None}, "text 'a': no array token_ids"),
        ({}, {"7": HIDDEN["1"]}, "layer '7': layers are named '0' … '1'"),
        ({}, {"1": HIDDEN["1"][:, :5]}, "layer 1: width 5, but states.json says 6"),
        ({"doc_ids": ["a", "b", "z"]}, {}, "1 of 3 texts are not in the corpus, such as 'z'"),
        ({"doc_ids": ["a", "b"]}, {}, "2 doc_ids for 3 texts"),
        ({"doc_ids": ["a", "b", "b"]}, {}, "come twice, such as 'b'"),
    ],
)
def test_states_that_do_not_fit_are_named_and_nothing_is_written(
    results, described, arrays, message
):
    describe(results / "given", **{"doc_ids": ["a", "b", "c"]} | described)
    save_texts(results / "given", **arrays)
    with pytest.raises(InfogeoError, match=message):
        imported(results, results / "given")
    assert list(results.glob("hidden_states/docs/*")) == []


def test_no_text_long_enough_is_said_with_the_longest(results):
    describe(results / "given", doc_ids=["a", "b", "c"])
    save_texts(results / "given")
    with pytest.raises(InfogeoError, match=r"no text has 20 tokens .* the longest has 9"):
        imported(results, results / "given", n=(20, 30))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"dtype": "int8"}, "dtype: 'int8' must be one of float32"),
        ({"axes": "width"}, "axes: 'width'"),
        ({"layer": {}}, "layer: unknown; keys are model"),
        ({"files": "a"}, "files: 'a' must be a list"),
        ({"files": ["*.bin"]}, r"files: \['\*.bin'\] match no file"),
        ({"model": {"width": 3}}, "model.params_total: None must be a whole number"),
        ({"model": MODEL | {"depth": 3}}, "model.depth: 3 is not understood"),
        ({"model": 3}, "model: needed, with params_total"),
        ({"model": MODEL | {"params_non_embedding": 10**9}}, "000 is more than params_total, 1000"),
        ({"layers": {"0": 5}}, "layers.0: 5 must be an array"),
        ({"layers": {"0": ["hs"]}}, r"layers.0: \['hs'\] must be"),
        ({"layers": {"0": ["hs", True]}}, r"layers.0: \['hs', True\] must be"),
        ({"layers": {"0": ["hs", -1]}}, "place of at least 0"),
        ({"files": [5]}, "files: 5 must be a text"),
        ({"files": ["/x"]}, "files: '/x' must be a name or pattern in the folder"),
        ({"files": [""]}, "files: '' must be a name"),
        ({"arrays": {"nll": 3}}, "arrays: 3 must be a text"),
        ({"doc_ids": [5]}, "doc_ids: 5 must be a text"),
        ({"post_norm": [[]]}, r"post_norm: \[\] must be a text"),
    ],
)
def test_a_description_is_refused_with_all_that_is_wrong_in_it(tmp_path, content, message):
    describe(tmp_path, **content)
    with pytest.raises(InfogeoError, match=message) as error:
        foreign.read(tmp_path, "docs")
    assert "docs" in str(error.value)


def test_a_name_of_an_array_that_nothing_reads_is_refused(tmp_path):
    save_texts(tmp_path)
    describe(tmp_path, arrays={"token_idz": "ids"})
    described = foreign.read(tmp_path, "docs")
    with pytest.raises(InfogeoError, match=r"states\.json: arrays: token_idz .* token_ids"):
        form_of(described)


def test_a_folder_among_the_files_is_no_file_of_arrays(tmp_path):
    save_texts(tmp_path)
    describe(tmp_path)
    described = foreign.read(tmp_path, "docs")
    before = described.paths()
    (tmp_path / "docs/checkpoints").mkdir()
    assert described.paths() == before


def test_descriptions_of_one_model_must_agree_and_have_the_dtype_of_the_row(tmp_path):
    save_texts(tmp_path)
    describe(tmp_path)
    (tmp_path / "more").mkdir()
    (tmp_path / "more/a.npy").touch()
    (tmp_path / "more/states.json").write_text(json.dumps({"model": MODEL, "dtype": "float16"}))
    with pytest.raises(InfogeoError, match="model and dtype differ"):
        foreign.of_model(tmp_path, ["docs", "more"])
    with pytest.raises(InfogeoError, match="the models table says bfloat16"):
        foreign.check_dtype(foreign.read(tmp_path, "docs"), "bfloat16")
    with pytest.raises(InfogeoError, match=r"other/states\.json: no such file"):
        foreign.read(tmp_path, "other")


def test_an_imported_store_is_read_like_any_other(results):
    describe(results / "given", doc_ids=["a", "b", "c"])
    save_texts(results / "given")
    with h5py.File(imported(results, results / "given")) as file:
        assert file.attrs["format"] == "infogeo hidden states"
        assert file.attrs["attention_problem"].startswith("no attention: states of another engine")
