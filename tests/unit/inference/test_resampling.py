"""Resamples of clusters: a matrix of all, and the same in blocks."""

import numpy as np
import pytest

from infogeo.inference import resampling


@pytest.mark.parametrize("draws", [3, 15, 16, 199])
def test_blocks_are_the_sample_and_then_the_resamples_of_the_matrix(draws):
    blocks = list(resampling.weights_in_blocks(11, draws=draws, seed=5))
    assert max(map(len, blocks)) <= resampling.BLOCK
    rows = np.concatenate(blocks)
    np.testing.assert_array_equal(rows[0], np.full(11, 1 / 11))
    expected = resampling.text_weights(np.arange(11), draws=draws, seed=5)
    np.testing.assert_array_equal(rows[1:], expected)


def test_resamples_are_drawn_as_one_stream_whatever_the_block():
    counts = resampling.text_copies(np.arange(7), draws=50, seed=2)
    rng = np.random.default_rng([2, 7])
    np.testing.assert_array_equal(counts, rng.multinomial(7, np.full(7, 1 / 7), 50))


def test_texts_of_a_cluster_are_resampled_together():
    weights = resampling.text_weights(["a", "b", "a", "c"], draws=20, seed=0)
    np.testing.assert_array_equal(weights[:, 0], weights[:, 2])
    np.testing.assert_allclose(weights.sum(axis=1), 1)
