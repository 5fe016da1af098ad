"""Mean and last state of texts, from states that stream by."""

import numpy as np
import pytest

from infogeo.files.errors import InfogeoError
from infogeo.geometry.text_rows import KINDS, Rows, TextRows, load, rows_of_layers, sample, save

RNG = np.random.default_rng(0)
TEXTS = [RNG.standard_normal((tokens, 3)).astype(np.float32) for tokens in (5, 2, 6)]


def states():
    for layer in ("0", "final"):
        for text, Z in enumerate(TEXTS):
            yield text, layer, Z if layer == "0" else 2 * Z[:, :2]


def test_rows_are_the_mean_and_last_state_of_the_first_tokens():
    layers = dict(rows_of_layers(states(), [0, 2], 4))
    assert list(layers) == ["0", "final"]
    assert [rows.shape for rows in layers["final"].values()] == [(2, 2)] * len(KINDS)
    first = TEXTS[2][:4].astype(np.float64)
    expected = {
        Rows("means", "in"): first.mean(0),
        Rows("means", "out"): first[1:].mean(0),
        Rows("last", ""): first[3],
    }
    for kind, row in expected.items():
        np.testing.assert_allclose(layers["0"][kind][1], row, rtol=1e-12)


def test_a_lacking_text_and_a_state_that_is_not_finite_are_refused():
    with pytest.raises(InfogeoError, match="states of 2 of 3 texts came"):
        list(rows_of_layers(states(), [0, 2, 7], 4))
    broken = [(0, "1", np.full((4, 2), np.nan))]
    with pytest.raises(InfogeoError, match="text 0, layer 1"):
        list(rows_of_layers(broken, [0], 4))


def test_rows_come_back_from_a_file_that_knows_what_it_was_made_from(tmp_path):
    (layer, rows), _ = rows_of_layers(states(), [0, 2], 4)
    save(tmp_path / "rows.h5", TextRows(["a", "é"], ["s", ""], layer, 4, rows), "made")
    again = load(tmp_path / "rows.h5", "made")
    assert again[:4] == (["a", "é"], ["s", ""], "0", 4)
    for kind in KINDS:
        np.testing.assert_array_equal(again.rows[kind], rows[kind])
    with pytest.raises(InfogeoError):
        load(tmp_path / "rows.h5", "of other settings")


def test_samples_of_different_texts_share_all_that_both_could_have():
    names = [f"text {i}" for i in range(300)]
    lengths = np.random.default_rng(0).integers(1, 9, 300)
    shorter, longer = (set(sample(names, lengths, n, 40, seed=1)) for n in (3, 4))
    assert len(shorter) == len(longer) == 40
    assert {text for text in shorter if lengths[text] >= 4} <= longer
    assert list(sample(names, lengths, 3, 300, seed=1)) == np.flatnonzero(lengths >= 3).tolist()
    assert shorter != set(sample(names, lengths, 3, 40, seed=2))


def test_texts_of_an_encoder_are_those_of_exactly_n_tokens():
    # Each occurs once for each n.
    chosen = sample(["a", "a", "b", "b"], [2, 4, 2, 5], 2, 9, nested=False)
    assert chosen.tolist() == [0, 2]
