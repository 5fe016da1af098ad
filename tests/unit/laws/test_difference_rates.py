"""How often a difference is found where there is none."""

import numpy as np
import pytest

from infogeo.inference import resampling
from infogeo.laws import difference_rates
from infogeo.laws.difference_rates import rate_without_difference


def sources_of(sizes) -> np.ndarray:
    return np.repeat(np.arange(len(sizes)), sizes).astype(str)


def rate(sizes, seed=0) -> float:
    sources = sources_of(sizes)
    return rate_without_difference(resampling.text_weights(sources, draws=399, seed=1), sources,
                                   seed)  # fmt: skip


@pytest.mark.parametrize("sizes", [[1] * 20, [3] * 30, [*[1] * 18, 40, 40]])
def test_it_is_the_rate_of_intervals_of_differences_drawn_text_by_text(sizes):
    sources, rng = sources_of(sizes), np.random.default_rng(7)
    weights = resampling.text_weights(sources, draws=399, seed=1)
    of_sources = rng.standard_normal((len(sizes), 2000))
    differences = np.repeat(of_sources, sizes, axis=0) + rng.standard_normal((len(sources), 2000))
    low, high = resampling.percentiles(weights @ differences)
    # Two draws of 2,000 at a rate of at most 0.4: four standard errors.
    assert rate(sizes) == pytest.approx(np.mean((low > 0) | (high < 0)), abs=0.06)


def test_a_few_sources_with_most_of_the_texts_are_worth_less_than_as_many_alike():
    alike, apart = rate([2] * 20), rate([*[1] * 18, 40, 40])
    assert 0.04 < alike < 0.10 and apart > 1.4 * alike
    assert 0.03 < rate([2] * 200) < 0.07
    assert rate([2] * 20) == alike  # seeded
    assert difference_rates.PAIRS >= 1000
