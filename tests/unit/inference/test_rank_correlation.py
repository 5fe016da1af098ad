"""Partial rank correlations against scipy, explicit regressions and a loop of repeated rows."""

import numpy as np
import pytest
from scipy import stats

from infogeo.inference.rank_correlation import partial_spearman, spearman, within_levels

TEXTS, LENGTH = 12, 15
OF_TEXT = np.repeat(np.arange(TEXTS), LENGTH)
POSITION = np.tile(np.arange(LENGTH), TEXTS)
ONCE = np.ones((1, TEXTS), int)


def variables(seed=0, ties=False):
    """x (3, T), y (2, T), controls (2, T); the first control is the position."""
    rng = np.random.default_rng(seed)
    common = rng.standard_normal(TEXTS * LENGTH) + 0.1 * POSITION
    x = common + rng.standard_normal((3, len(common)))
    y = common + rng.standard_normal((2, len(common)))
    if ties:
        x, y = np.round(x), np.round(y)
    frequency = rng.zipf(1.5, len(common)).clip(0, 20)
    return x, y, np.array([POSITION, frequency])


def regressed(x, y, design):
    """Correlation of what a regression on the columns of a design leaves of two vectors."""
    left = [v - design @ np.linalg.lstsq(design, v, rcond=None)[0] for v in (x, y)]
    return np.corrcoef(left)[0, 1]


@pytest.mark.parametrize("ties", [False, True])
def test_without_controls_it_is_scipys_spearman(ties):
    x, y, _ = variables(ties=ties)
    found = partial_spearman(x, y, [], OF_TEXT, ONCE)[0]
    for i, one in enumerate(x):
        for j, other in enumerate(y):
            assert found[i, j] == pytest.approx(stats.spearmanr(one, other)[0], abs=1e-12)


@pytest.mark.parametrize("ties", [False, True])
def test_with_controls_it_is_the_correlation_of_residual_ranks(ties):
    x, y, controls = variables(ties=ties)
    found = partial_spearman(x, y, controls, OF_TEXT, ONCE)[0]
    ranks = stats.rankdata(controls, axis=1)
    design = np.column_stack([np.ones(len(POSITION)), *ranks])
    for i, one in enumerate(x):
        for j, other in enumerate(y):
            expected = regressed(stats.rankdata(one), stats.rankdata(other), design)
            assert found[i, j] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("ties", [False, True])
def test_a_factor_is_a_regression_on_one_dummy_per_level(ties):
    x, y, (position, frequency) = variables(ties=ties)
    found = within_levels(x, y, [frequency], position)
    dummies = position[:, None] == np.unique(position)
    # Ranks of the control enter as they are: the dummies take their level means as well.
    design = np.column_stack([dummies, stats.rankdata(frequency)])
    for i, one in enumerate(x):
        for j, other in enumerate(y):
            expected = regressed(stats.rankdata(one), stats.rankdata(other), design)
            assert found[i, j] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("draws", [6, 7, 9])  # seven are treated at once
@pytest.mark.parametrize("ties", [False, True])
def test_resamples_equal_repeated_rows(ties, draws):
    x, y, controls = variables(ties=ties)
    counts = np.random.default_rng(1).multinomial(TEXTS, np.full(TEXTS, 1 / TEXTS), draws)
    drawn = partial_spearman(x, y, controls, OF_TEXT, counts)
    for draw, count in enumerate(counts):
        rows = np.concatenate([np.tile(np.flatnonzero(t == OF_TEXT), count[t]) for t in range(12)])
        ranks = stats.rankdata(controls[:, rows], axis=1)
        design = np.column_stack([np.ones(len(rows)), *ranks])
        for i, one in enumerate(stats.rankdata(x[:, rows], axis=1)):
            for j, other in enumerate(stats.rankdata(y[:, rows], axis=1)):
                expected = regressed(one, other, design)
                assert drawn[draw, i, j] == pytest.approx(expected, abs=1e-12)


def test_a_relation_that_is_the_position_alone_vanishes_given_the_position():
    rng = np.random.default_rng(3)
    texts, length = 100, 40
    position = np.tile(np.arange(length), texts)
    x, y = np.exp(0.2 * position + rng.standard_normal((2, texts * length)))
    of_text = np.repeat(np.arange(texts), length)
    once = np.ones((1, texts), int)
    assert partial_spearman(x, y, [], of_text, once).item() > 0.7
    assert abs(within_levels(x, y, [0 * x], position).item()) < 0.05
    assert abs(partial_spearman(x, y, [position], of_text, once).item()) < 0.2
    y += x  # now there is a relation beside the position
    assert within_levels(x, y, [0 * x], position).item() > 0.5


def test_a_constant_variable_has_no_correlation():
    x, y, controls = variables()
    x[1] = 7.0
    found = partial_spearman(x, y, controls, OF_TEXT, ONCE)[0]
    assert np.isnan(found[1]).all()
    assert np.isfinite(found[[0, 2]]).all()
    found = within_levels(x, y, controls[1:], POSITION)
    assert np.isnan(found[1]).all()
    assert np.isfinite(found[[0, 2]]).all()


def test_a_variable_that_the_controls_explain_has_none():
    x, y, controls = variables()
    x[0] = POSITION**3
    assert np.isnan(partial_spearman(x, y, controls, OF_TEXT, ONCE)[0, 0]).all()


@pytest.mark.parametrize("extra", [np.zeros(TEXTS * LENGTH), 2.0 * POSITION], ids=["0", "twice"])
def test_a_control_that_says_nothing_new_changes_nothing(extra):
    x, y, controls = variables()
    found = partial_spearman(x, y, [*controls, extra], OF_TEXT, ONCE)
    expected = partial_spearman(x, y, controls, OF_TEXT, ONCE)
    np.testing.assert_allclose(found, expected, atol=1e-10)


def test_without_resamples_it_is_one_draw_and_scipy_s():
    rng = np.random.default_rng(5)
    x, y, z = rng.integers(0, 30, (3, 200)).astype(float)
    x += z
    y += z
    assert spearman(x, y).item() == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-14)
    once = partial_spearman(x, y, [z], np.zeros(200, int), np.ones((1, 1), int))[0]
    np.testing.assert_allclose(spearman(x, y, [z]), once, atol=1e-14)
