"""Repetition: distances to the last occurrence, random vectors per type, and the control."""

import numpy as np
import pytest

from infogeo.geometry.gain_tables import relation_table
from infogeo.geometry.information_gain import gains
from infogeo.geometry.layer_gains import FullTexts, LayerGains
from infogeo.geometry.repetition import TypeGains, since_last


def test_since_last_counts_back_to_the_same_token_of_the_text():
    tokens = np.array([[5, 5, 7, 5, 9, 7], [1, 2, 3, 4, 5, 1]])
    assert since_last(tokens).tolist() == [[6, 1, 6, 2, 6, 3], [6, 6, 6, 6, 6, 5]]


def test_since_last_is_that_of_a_loop():
    tokens = np.random.default_rng(0).integers(0, 12, (20, 40))
    for row, found in zip(tokens, since_last(tokens), strict=True):
        last = {}
        for place, token in enumerate(row.tolist()):
            assert found[place] == place - last.get(token, place - 40)
            last[token] = place


def test_gains_of_types_are_those_of_one_vector_a_type():
    tokens = np.array([[3, 4, 3, 3, 8], [1, 1, 1, 2, 1]])
    types = TypeGains(tokens, seed=2)
    gain = types.of(16, [0.1, 1.0])
    assert gain.shape == (2, 2, 5)
    assert types.of(16, [0.1, 1.0]) is gain
    # A first occurrence of unit vectors in R^16 gains more than a second, and a third still less.
    assert gain[0, 0, 2] < gain[0, 0, 1]
    assert gain[0, 0, 3] < gain[0, 0, 2]
    rows = np.ones((3, 16))
    expected, _ = gains(rows, [0.1])
    np.testing.assert_allclose(gain[0, 1, :3], expected[0], rtol=1e-12)


def test_each_text_has_random_vectors_of_its_own():
    gain = TypeGains(np.tile([3, 4, 5], (2, 1)), seed=2).of(16, [0.1])[0]
    assert not np.isclose(gain[0, 1:], gain[1, 1:]).any()


@pytest.fixture
def repeated():
    """Texts whose gain and surprisal both hang on repetition, and on nothing else."""
    rng = np.random.default_rng(0)
    texts, n = 60, 40
    tokens = rng.integers(0, 25, texts * n)
    full = FullTexts.of([f"t{i}" for i in range(texts)], [f"s{i}" for i in range(texts)],
                        np.arange(texts + 1) * n, tokens, n)  # fmt: skip
    since = since_last(full.tokens)
    gain = np.log(since) + 0.1 * rng.standard_normal(since.shape)
    surprisal = np.log(since[:, 1:]) + 0.1 * rng.standard_normal((texts, n - 1))
    layer = LayerGains("final", 64, [("lambda=0.1", 0.1)], gain[None], gain[None], gain)
    return layer, full, {"surprisal": surprisal}


def test_a_relation_that_is_repetition_alone_is_gone_when_repetition_is_held_fixed(repeated):
    layer, full, scores = repeated
    row = relation_table([layer], full, scores, types=TypeGains(full.tokens, 0)).iloc[0]
    assert row["spearman"] > 0.8
    assert row["with_repetition"] > 0.8
    assert abs(row["partial_spearman"]) < 0.1
    # Random vectors for each type know of repetition alone, and go with surprisal as well.
    assert row["types_spearman"] > 0.5
    assert abs(row["types_partial"]) < 0.2
