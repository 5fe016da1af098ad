"""Mean and last state of texts, from states that stream by."""

import numpy as np
import pytest

from infogeo.files.errors import InfogeoError
from infogeo.geometry.dimension_rows import RowChoice
from infogeo.geometry.dimension_rows import Rows as DimensionRows
from infogeo.geometry.text_rows import (
    KINDS,
    Rows,
    TextRows,
    chosen,
    load,
    of_choice,
    rows_of_layers,
    sample,
    save,
)

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
    layers = [TextRows(["a", "é"], ["s", ""], name, 4, rows) for name in (layer, "final")]
    save(tmp_path / "rows.h5", layers, "made")
    both = load(tmp_path / "rows.h5", "made")
    assert list(both) == ["0", "final"] and both["final"].layer == "final"
    again = both["0"]
    assert again[:4] == (["a", "é"], ["s", ""], "0", 4)
    for kind in KINDS:
        np.testing.assert_array_equal(again.rows[kind], rows[kind])
    with pytest.raises(InfogeoError):
        load(tmp_path / "rows.h5", "of other settings")


def test_samples_of_different_texts_share_all_that_both_could_have():
    names = [f"text {i}" for i in range(300)]
    lengths = np.random.default_rng(0).integers(1, 9, 300)
    of_three, of_four = (np.flatnonzero(lengths >= n) for n in (3, 4))
    shorter, longer = (set(sample(names, texts, 40, seed=1)) for texts in (of_three, of_four))
    assert len(shorter) == len(longer) == 40
    assert {text for text in shorter if lengths[text] >= 4} <= longer
    assert list(sample(names, of_three, 300, seed=1)) == of_three.tolist()
    assert shorter != set(sample(names, of_three, 40, seed=2))


def test_texts_of_an_encoder_are_those_of_exactly_n_tokens():
    # Each occurs once for each n.
    choice = RowChoice([2, 4, 2, 5], [2], 9, seed=0, nested=False)
    assert of_choice(choice, 2).tolist() == [0, 2]


def test_rows_kept_for_the_dimension_are_the_same_rows():
    rng = np.random.default_rng(1)
    texts = [rng.standard_normal((tokens, 3)).astype(np.float32) for tokens in (5, 2, 6, 4, 7)]
    choice = RowChoice([len(Z) for Z in texts], [4], 3, seed=0)
    kept = DimensionRows(choice)
    for text, Z in enumerate(texts):
        kept.add(text, Z)
    candidates = of_choice(choice, 4)
    assert len(candidates) == 3 and 1 not in candidates
    ours = chosen(kept.joined(), choice, candidates[[0, 2]], 4)
    states = ((text, "1", Z) for text, Z in enumerate(texts))
    ((_, expected),) = rows_of_layers(states, candidates[[0, 2]], 4)
    for kind in KINDS:
        np.testing.assert_allclose(ours[kind], expected[kind], rtol=1e-12)
