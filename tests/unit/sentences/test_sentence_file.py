"""The file of sentences: whole, repeatable, and refused where it is not what is expected."""

import time

import h5py
import numpy as np
import pytest
from token_texts import by_layer, every_state, texts_of

from infogeo.files.errors import InfogeoError
from infogeo.sentences.file import Sentences, load, save
from infogeo.sentences.model_distances import measure


@pytest.fixture
def measured():
    texts = texts_of(n=5)
    return measure(texts, [by_layer(every_state())], {"0.5": "1", "final": "final"})


def assert_same(one: Sentences, other: Sentences):
    for name in ("doc_ids", "labels", "sources", "left_out", "n"):
        assert getattr(one, name) == getattr(other, name)
    for name in ("means", "distances", "layer_means"):
        left, right = getattr(one, name), getattr(other, name)
        assert set(left) == set(right)
        for key in left:
            np.testing.assert_array_equal(left[key], right[key])
            assert left[key].dtype == right[key].dtype


def test_what_is_saved_comes_back_and_repeats_byte_for_byte(measured, tmp_path):
    save(tmp_path / "a.h5", measured, "fingerprint")
    time.sleep(1.1)  # times in a file would be whole seconds
    save(tmp_path / "b.h5", measured, "fingerprint")
    assert_same(load(tmp_path / "a.h5", "fingerprint"), measured)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


def test_draws_of_twins_come_back_in_order(tmp_path):
    draws = [by_layer(every_state(seed)) for seed in range(11)]
    twins = measure(texts_of(), draws, {"1": "1"}, ["cosine"])
    save(tmp_path / "a.h5", twins, "fingerprint")
    found = load(tmp_path / "a.h5")
    assert_same(found, twins)
    assert list(found.means) == [(draw, "1") for draw in range(11)]


def test_labels_of_any_script_come_back(measured, tmp_path):
    names = ["a/b", "", "日本 <b>"]
    odd = Sentences(names, names, names, {}, 5, measured.means, measured.distances)
    save(tmp_path / "a.h5", odd, "fingerprint")
    assert_same(load(tmp_path / "a.h5"), odd)


def test_files_that_are_not_what_is_expected_are_refused(measured, tmp_path):
    path = tmp_path / "a.h5"
    with pytest.raises(InfogeoError, match=r"a\.h5: no such file"):
        load(path)
    save(path, measured, "one fingerprint")
    with pytest.raises(InfogeoError, match=r"one fingerpr.*snakemake -R"):
        load(path, "another")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InfogeoError, match=r"not a whole file of sentences .* snakemake -R"):
        load(path)
    damaged = bytearray(whole)
    place = whole.find(measured.distances[0, "final", "in", "js_unit"].tobytes())
    damaged[place + 10] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(InfogeoError, match=r"its content is damaged .* snakemake -R"):
        load(path)
    with h5py.File(path, "w") as file:
        file.attrs["format"] = "infogeo spectra"
    with pytest.raises(InfogeoError, match="but not a file of sentences"):
        load(path)


def test_nothing_is_left_of_a_file_that_could_not_be_written(measured, tmp_path):
    measured.means[0, "bad"] = object()
    with pytest.raises(TypeError):
        save(tmp_path / "a.h5", measured, "fingerprint")
    assert not list(tmp_path.iterdir())
