"""Benjamini and Hochberg's q values."""

import numpy as np

from infogeo.inference import multiple_tests


def test_q_values_by_hand_and_missing_ones_stay_missing():
    # p·m/rank = 0.04, 0.04, 0.0533, 0.8; made monotone from the largest down.
    found = multiple_tests.benjamini_hochberg([0.02, np.nan, 0.01, 0.8, 0.04])
    np.testing.assert_allclose(found, [0.04, np.nan, 0.04, 0.8, 0.16 / 3])
