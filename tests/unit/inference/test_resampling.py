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


def test_text_resamples_take_whole_clusters_and_are_means():
    weights = resampling.text_weights(np.array(["a", "b", "a", "c", "b", "b"]), draws=200, seed=1)
    np.testing.assert_allclose(weights.sum(-1), 1)
    np.testing.assert_array_equal(weights[:, 0], weights[:, 2])
    np.testing.assert_array_equal(weights[:, 1], weights[:, 5])
    assert np.ptp(weights[:, 3]) > 0
    # Three clusters drawn with replacement: "c" is absent in about (2/3)³ of the draws.
    assert (weights[:, 3] == 0).mean() == pytest.approx(8 / 27, abs=0.1)
