"""Which rows enter the intrinsic dimension of a corpus."""

import numpy as np
import pandas as pd
import pytest

from infogeo.files.errors import InfogeoError
from infogeo.geometry.dimension import measure
from infogeo.geometry.dimension_rows import RowChoice, Rows, layer_table

LENGTHS = np.random.default_rng(0).integers(3, 13, 60)
SETTINGS = {"most": 4, "draws": 19, "seed": 0}


def states(width=6):
    rng = np.random.default_rng(1)
    return [rng.standard_normal((length, width)).astype(np.float32) for length in LENGTHS]


ALL = range(len(LENGTHS))


def collected(choice, texts=ALL):
    rows, every = Rows(choice), states()
    for text in texts:
        rows.add(text, every[text])
    return rows.joined()


def test_every_scope_has_the_texts_that_are_long_enough():
    choice = RowChoice(LENGTHS, [4, 8], 10**6, seed=0)
    rows, every = collected(choice), states()
    for n in (4, 8):
        texts = np.flatnonzero(n <= LENGTHS)
        np.testing.assert_array_equal(choice.texts["last", "in", n], texts)
        np.testing.assert_array_equal(rows["last", "in", n], [every[t][n - 1] for t in texts])
        means = [every[t][:n].astype(float).mean(axis=0) for t in texts]
        np.testing.assert_allclose(rows["means", "in", n], means, rtol=1e-14)
    np.testing.assert_array_equal(
        rows["tokens", "in", 8],
        np.concatenate([every[t][:8] for t in np.flatnonzero(LENGTHS >= 8)]),
    )
    assert ("tokens", "in", 4) not in rows


def test_the_first_token_of_every_text_is_left_out_of_means_and_tokens():
    choice = RowChoice(LENGTHS, [4, 8], 200, seed=0)
    rows, every = collected(choice), states()
    texts = np.flatnonzero(LENGTHS >= 4)
    means = [every[t][1:4].astype(float).mean(axis=0) for t in texts]
    np.testing.assert_allclose(rows["means", "out", 4], means, rtol=1e-14)
    firsts = np.array([state[0] for state in every])
    is_first = (rows["tokens", "in", 8][:, None] == firsts).all(-1).any(1)
    assert 0 < is_first.sum() < 200
    np.testing.assert_array_equal(rows["tokens", "out", 8], rows["tokens", "in", 8][~is_first])
    assert len(choice.texts["tokens", "out", 8]) == (~is_first).sum()
    assert ("last", "out", 8) not in rows


def test_a_sample_is_seeded_and_as_large_as_asked():
    choice, same, other = (RowChoice(LENGTHS, [4, 8], 20, seed) for seed in (0, 0, 1))
    rows = collected(choice)
    lengths = {key[:2]: len(part) for key, part in rows.items()}
    assert lengths.pop(("tokens", "out")) < 20
    assert set(lengths.values()) == {20}
    for key, part in collected(same).items():
        np.testing.assert_array_equal(part, rows[key])
    assert any((part != rows[key]).any() for key, part in collected(other).items())
    every = np.concatenate([state[:8] for state in states() if len(state) >= 8])
    assert (every[:, None] == rows["tokens", "in", 8]).all(-1).any(0).all()


def test_rows_of_parts_of_the_texts_join_to_those_of_all():
    choice = RowChoice(LENGTHS, [4, 8], 20, seed=0)
    parts = [collected(choice, texts) for texts in (range(25), range(25, 26), range(26, 60))]
    for key, rows in collected(choice).items():
        joined = np.concatenate([part[key] for part in parts if len(part[key])])
        np.testing.assert_array_equal(joined, rows)


def test_a_table_has_the_estimates_of_every_scope_with_the_sources_of_its_texts():
    choice = RowChoice(LENGTHS, [4, 8], 40, seed=0)
    rows, sources = collected(choice), np.array([f"s{text // 2}" for text in range(60)])
    table = layer_table("3", rows, choice, sources, **SETTINGS)
    assert set(table["layer"]) == {"3"}
    tokens = table[(table["scope"] == "tokens") & (table["first"] == "in")]
    tokens = tokens.drop(columns=["layer", "scope", "first", "n"])
    expected = measure(
        rows["tokens", "in", 8], sources[choice.texts["tokens", "in", 8]], **SETTINGS
    )
    pd.testing.assert_frame_equal(tokens.reset_index(drop=True), pd.DataFrame(expected))
    assert np.isfinite(tokens["value"]).all()


def test_where_no_text_is_long_enough_the_table_says_that_there_are_no_rows():
    choice = RowChoice(LENGTHS, [4, 100], 40, seed=0)
    table = layer_table("0", collected(choice), choice, np.arange(60), **SETTINGS)
    of_long = table[table["n"] == 100]
    assert set(of_long["reason"]) == {"0 distinct rows of 0: at least 20 are needed"}
    assert of_long["value"].isna().all()


def test_states_that_are_not_finite_are_refused():
    rows = Rows(RowChoice([4] * 30, [4], 10, seed=0))
    with pytest.raises(InfogeoError, match="text 7: token 2"):
        rows.add(7, np.where(np.arange(4)[:, None] == 2, np.nan, np.ones((4, 3))))


def test_texts_of_an_encoder_count_at_their_own_length_alone():
    choice = RowChoice(LENGTHS, [4, 8], 10**6, seed=0, nested=False)
    np.testing.assert_array_equal(choice.texts["last", "in", 4], np.flatnonzero(LENGTHS == 4))
    assert set(LENGTHS[choice.texts["tokens", "in", 8]]) == {8}
