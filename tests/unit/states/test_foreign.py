"""States in files of other engines: every format, every layout, and what does not fit together."""

import json

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file

from infogeo.files.errors import InfogeoError
from infogeo.states import array_files
from infogeo.states.foreign import Form, texts_in, texts_of_file
from infogeo.states.layout import file_type, to_float32, to_stored

rng = np.random.default_rng(0)
Z = rng.standard_normal((3, 5, 4)).astype(np.float32)  # texts, tokens, width
BITS = to_stored(Z.reshape(-1, 4), "bfloat16").reshape(Z.shape)
IDS = np.arange(15, dtype=np.int64).reshape(3, 5)


def save_bfloat16(path, **tensors):
    """A safetensors file of uint16 arrays as BF16, and others as int64."""
    header, data, end = {}, b"", 0
    for name, values in tensors.items():
        kind = "BF16" if values.dtype == np.uint16 else "I64"
        start, end = end, end + values.nbytes
        header[name] = {"dtype": kind, "shape": values.shape, "data_offsets": [start, end]}
        data += values.tobytes()
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def save_hdf5(path, values, kind):
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("model/final", values.shape, dtype=file_type(kind))
        if kind != "bfloat16":
            dataset[:] = values
            return
        space = h5py.h5s.create_simple(values.shape)
        dataset.id.write(space, space, np.ascontiguousarray(values), mtype=dataset.id.get_type())


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("suffix", ["safetensors", "npz", "npy", "h5", "parquet"])
def test_numbers_of_each_format_and_type_are_read_as_they_are(tmp_path, suffix, kind):
    path, values = tmp_path / f"final.{suffix}", Z[0].astype(kind)
    if suffix == "safetensors":
        save_file({"final": values}, path)
    elif suffix == "npz":
        np.savez(path, final=values)
    elif suffix == "npy":
        np.save(path, values)
    elif suffix == "h5":
        with h5py.File(path, "w") as file:
            file["final"] = values
    else:
        rows = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), 4)
        pq.write_table(pa.table({"final": rows, "token_ids": IDS[0]}), path)
    (text,) = texts_of_file(path)
    states = np.asarray(text.layers["final"])
    assert states.dtype == kind
    assert np.array_equal(states, values)


def test_bfloat16_is_read_exactly_without_a_library_that_knows_it(tmp_path):
    save_bfloat16(tmp_path / "a.safetensors", final=BITS[0])
    save_hdf5(tmp_path / "a.h5", BITS[0], "bfloat16")
    for path, name in (("a.safetensors", "final"), ("a.h5", "model/final")):
        (text,) = texts_of_file(tmp_path / path)
        assert np.array_equal(np.asarray(text.layers[name]), to_float32(BITS[0]))


def test_a_batch_is_a_text_a_row_without_what_its_mask_leaves_out(tmp_path):
    mask = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [0, 1, 1, 1, 1]])
    arrays = {"0": Z, "1": Z + 1, "token_ids": IDS, "attention_mask": mask}
    np.savez(tmp_path / "a.npz", **arrays, doc_ids=np.array(["x", "y", "z"]))
    texts = texts_of_file(tmp_path / "a.npz")
    assert [text.doc_id for text in texts] == ["x", "y", "z"]
    assert [text.length for text in texts] == [5, 3, 4]
    assert np.array_equal(texts[1].layers["1"], Z[1, :3] + 1)
    assert np.array_equal(texts[2].tokens["token_ids"], IDS[2, 1:])


@pytest.mark.parametrize("ends", [{"lengths": np.array([2, 3])}, {"offsets": np.array([0, 2, 5])}])
def test_texts_one_after_another_are_taken_apart(tmp_path, ends):
    save_file({"final": Z[0], "token_ids": IDS[0], **ends}, tmp_path / "a.safetensors")
    first, second = texts_of_file(tmp_path / "a.safetensors")
    assert np.array_equal(first.layers["final"], Z[0, :2])
    assert np.array_equal(second.layers["final"], Z[0, 2:])
    assert np.array_equal(second.tokens["token_ids"], IDS[0, 2:])


def test_vllm_writes_a_file_a_request_with_layers_stacked_after_the_tokens(tmp_path):
    for name, text in (("b", 1), ("a", 0)):
        stacked = np.stack([BITS[text], BITS[2]], axis=1)  # tokens, layers, width
        save_bfloat16(tmp_path / f"{name}.safetensors", hidden_states=stacked, token_ids=IDS[text])
    texts = texts_in(tmp_path)
    assert [text.doc_id for text in texts] == ["a", "b"]
    assert list(texts[0].layers) == ["0", "1"]
    assert np.array_equal(np.asarray(texts[1].layers["0"]), to_float32(BITS[1]))
    assert np.array_equal(texts[1].tokens["token_ids"], IDS[1])
    named = texts_in(tmp_path, Form(layers={"24": ["hidden_states", 1]}))
    assert np.array_equal(np.asarray(named[0].layers["24"]), to_float32(BITS[2]))


@pytest.mark.parametrize(("axes", "axis"), [("token layer width", 1), ("layer token width", 0)])
def test_stacked_layers_may_come_before_or_after_the_tokens(tmp_path, axes, axis):
    np.savez(tmp_path / "a.npz", hs=np.stack([Z[0], Z[1]], axis=axis), lengths=[2, 3])
    form = Form(layers={"0": ["hs", 0], "9": ["hs", 1]}, axes=axes)
    _, text = texts_of_file(tmp_path / "a.npz", form)
    assert text.layers["9"].shape == (3, 4)
    assert np.array_equal(np.asarray(text.layers["9"]), Z[1, 2:])


def test_answers_of_llama_cpp_and_sglang_are_texts_of_one_layer(tmp_path):
    answers = [{"index": 0, "embedding": Z[0].tolist()}, {"index": 1, "embedding": Z[1].tolist()}]
    (tmp_path / "llama.json").write_text(json.dumps(answers))
    prompt, generated = Z[0, :4].tolist(), Z[0, 4].tolist()
    answer = {"text": "…", "meta_info": {"hidden_states": [prompt, generated]}}
    (tmp_path / "sglang.json").write_text(json.dumps(answer))
    first, second = texts_of_file(tmp_path / "llama.json")
    assert np.array_equal(second.layers["final"], Z[1])
    assert first.doc_id != second.doc_id
    (text,) = texts_of_file(tmp_path / "sglang.json")
    assert np.array_equal(text.layers["final"], Z[0])


@pytest.mark.parametrize("form", [lambda answer: answer, lambda answer: [answer]])
def test_answers_of_several_requests_that_all_have_index_0_are_all_read(tmp_path, form):
    answers = [form({"index": 0, "embedding": text.tolist()}) for text in Z]
    (tmp_path / "llama.json").write_text(json.dumps(answers))
    texts = texts_of_file(tmp_path / "llama.json")
    assert [text.doc_id for text in texts] == ["0", "1", "2"]
    for text, expected in zip(texts, Z, strict=True):
        assert np.array_equal(text.layers["final"], expected)


def test_answers_are_named_by_an_index_that_tells_them_apart(tmp_path):
    answers = [{"index": i, "embedding": Z[i].tolist()} for i in (2, 0)]
    (tmp_path / "llama.json").write_text(json.dumps(answers))
    texts = {text.doc_id: text.layers["final"] for text in texts_of_file(tmp_path / "llama.json")}
    assert np.array_equal(texts["2"], Z[2])
    assert np.array_equal(texts["0"], Z[0])


def test_a_file_of_one_answer_is_a_text_of_the_name_of_the_file(tmp_path):
    for name in ("a", "b"):
        answer = [{"index": 0, "embedding": Z[0].tolist()}]
        (tmp_path / f"{name}.json").write_text(json.dumps(answer))
    assert [text.doc_id for text in texts_in(tmp_path)] == ["a", "b"]


@pytest.mark.parametrize("kept", [50, 200])
def test_a_cut_npz_is_refused_by_name(tmp_path, kept):
    path = tmp_path / "a.npz"
    np.savez(path, final=Z[0])
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InfogeoError, match=r"a\.npz: not a whole \.npz file"):
        texts_of_file(path)


@pytest.mark.parametrize(
    ("arrays", "form", "message"),
    [
        ({"ids": IDS}, Form(), "no array of floats"),
        ({"0": Z[0], "1": Z[0, :4]}, Form(), "layers differ in their tokens"),
        ({"0": Z[0], "1": Z}, Form(), "some layers are matrices and others batches"),
        ({"0": Z[0], "token_ids": IDS[0, :4]}, Form(), r"token_ids has shape \(4,\)"),
        ({"0": Z, "attention_mask": np.ones((3, 4))}, Form(), "attention_mask has shape"),
        ({"0": Z[0], "lengths": [2, 2]}, Form(), "end at 4, but the states are of 5 tokens"),
        ({"0": Z[0], "offsets": [0, 4, 2, 5]}, Form(), "Correct offsets or lengths"),
        ({"0": Z[0], "offsets": np.zeros(0, int)}, Form(), "Correct offsets or lengths"),
        ({"0": Z[0], "attention_mask": [1, 1, 1, 1, 0]}, Form(), "attention_mask leaves tokens"),
        ({"0": Z, "doc_ids": ["a"]}, Form(), "1 doc_ids for 3 texts"),
        ({"0": Z[0]}, Form(layers={"final": "1"}), "no array '1' for layer final"),
        ({"0": Z[0]}, Form(arrays={"nll": "loss"}), "no array 'loss', which states.json names"),
        ({"hs": Z}, Form(layers={"7": ["hs", 7]}), "layer 7 is number 7"),
        ({"hs": IDS}, Form(layers={"7": "hs"}), "type int64"),
        ({"0": Z[0].astype(complex)}, Form(), "names no numbers"),
    ],
)
def test_arrays_that_do_not_fit_together_are_refused_by_name(tmp_path, arrays, form, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(InfogeoError, match=message) as error:
        texts_of_file(tmp_path / "a.npz", form)
    assert "a.npz" in str(error.value)


@pytest.mark.parametrize("suffix", [s for s in array_files.READERS if s != ".hdf5"])
def test_a_damaged_file_is_refused_by_name(tmp_path, suffix):
    (tmp_path / f"a{suffix}").write_bytes(b"[1, 2" * 30)
    with pytest.raises(InfogeoError, match=r"a\.\w+: .*(whole|anew)"):
        texts_of_file(tmp_path / f"a{suffix}")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"embedding": [0.5, 0.5]}, "pooling none"),
        ({"choices": []}, "pooling none"),
        (5, "pooling none"),
        ([1, 2], "answer 0 has no state"),
        ({"meta_info": {"hidden_states": [5]}}, "pooling none"),
        ({"meta_info": None}, "pooling none"),
    ],
)
def test_answers_without_a_state_a_token_are_refused(tmp_path, answer, message):
    (tmp_path / "a.json").write_text(json.dumps(answer))
    with pytest.raises(InfogeoError, match=message) as error:
        texts_of_file(tmp_path / "a.json")
    assert "not a whole" not in str(error.value)


def test_files_that_are_not_there_or_of_no_known_kind_are_refused(tmp_path):
    with pytest.raises(InfogeoError, match="no such file"):
        texts_in(tmp_path / "a.npz")
    (tmp_path / "a.pt").touch()
    with pytest.raises(InfogeoError, match="by the end of the name"):
        texts_in(tmp_path / "a.pt")
    with pytest.raises(InfogeoError, match="no file of arrays"):
        texts_in(tmp_path)


def test_two_texts_of_one_name_are_refused(tmp_path):
    for name in ("a.npz", "b.npz"):
        np.savez(tmp_path / name, final=Z)
    with pytest.raises(InfogeoError, match="3 names of texts come twice, such as '0'"):
        texts_in(tmp_path)
