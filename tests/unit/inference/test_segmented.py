"""Lines with kinks: planted ones come back, the fit is the least, the noise is as large as said."""

from itertools import product

import numpy as np
import pytest

from infogeo.inference import segmented
from infogeo.inference.regression import t_quantile
from infogeo.inference.segmented import SegmentedLine

X = np.array([0, 1, 2, 3.5, 4, 5, 6, 7, 8.2, 9, 10, 11])


def line(kinks, slopes):
    knots = [X[0], *kinks, X[-1]]
    nodes = np.concatenate([[0], np.cumsum(np.array(slopes) * np.diff(knots))])
    return np.interp(X, knots, nodes), nodes


@pytest.mark.parametrize(
    ("kinks", "slopes"),
    [((), (-0.3,)), ((4.4,), (-0.3, 0.3)), ((3.7, 7.6), (-0.3, 0.4, -0.2)),
     ((2.6, 5.3, 8.4), (-1.0, 1.0, -1.0, 1.0))],
)  # fmt: skip
def test_a_line_without_noise_comes_back_with_its_kinks_between_the_places(kinks, slopes):
    y, nodes = line(kinks, slopes)
    model = SegmentedLine(X)
    assert model.numbers(y[None]) == [len(kinks)]
    fitted = model.fit(y[None], len(kinks))
    np.testing.assert_allclose(fitted.kinks[0], kinks, atol=1e-4)
    np.testing.assert_allclose(fitted.nodes[0], nodes, atol=1e-4)
    np.testing.assert_allclose(model.lines(fitted)[0], y, atol=1e-4)


def test_no_pair_of_kinks_of_a_fine_grid_fits_better():
    y = line((3.7, 7.6), (-0.3, 0.4, -0.2))[0] + 0.1 * np.random.default_rng(0).standard_normal(12)
    fitted = SegmentedLine(X).fit(y[None], 2)
    least = np.inf
    for a, b in product(np.linspace(2, 8.2, 63), repeat=2):
        if b - a > 1:
            basis = np.column_stack([np.ones(12), X, np.maximum(X - a, 0), np.maximum(X - b, 0)])
            least = min(least, np.linalg.lstsq(basis, y)[1][0])
    assert fitted.squares[0] <= least * 1.001
    residuals = y - SegmentedLine(X).lines(fitted)[0]
    assert (residuals**2).sum() == pytest.approx(fitted.squares[0])


def test_many_curves_at_once_are_each_fitted_as_alone():
    Y = np.random.default_rng(1).standard_normal((segmented.BLOCK + 3, 12))
    model = SegmentedLine(X)
    for kinks in range(model.most + 1):
        together = model.fit(Y, kinks)
        alone = model.fit(Y[-1:], kinks)
        np.testing.assert_allclose(together.nodes[-1], alone.nodes[0])
    assert (model.numbers(Y)[-2:] == np.concatenate([model.numbers(y[None]) for y in Y[-2:]])).all()


def test_few_places_allow_few_kinks():
    assert [SegmentedLine(np.arange(n)).most for n in (5, 6, 8, 11)] == [0, 1, 2, 3]


def test_a_constant_has_no_kink():
    assert SegmentedLine(X).numbers(np.full((1, 12), 3.0)) == [0]


def test_noise_leaves_as_much_beside_a_line_as_was_left_but_for_student_s_t():
    rng = np.random.default_rng(2)
    y = line((4.4,), (-0.3, 0.3))[0] + 0.1 * rng.standard_normal(12)
    model = SegmentedLine(X)
    fitted = model.fit(y[None], 1)
    noise = model.noise(fitted, 4000, rng)
    basis = np.column_stack([np.ones(12), X, np.maximum(X - fitted.kinks[0], 0),
                             fitted.kinks[0, 0] < X])  # fmt: skip
    left = noise - noise @ basis @ np.linalg.pinv(basis)
    widened = (left**2).sum(1).mean() / fitted.squares[0]
    # Neighbours correlate, so that degrees of freedom are fewer than 12 − 4.
    assert (t_quantile(8) / 1.96) ** 2 < widened < (t_quantile(3) / 1.96) ** 2
    assert np.corrcoef(noise[:, 5], noise[:, 6])[0, 1] == pytest.approx(segmented.ALIKE, abs=0.05)


def test_the_last_digit_of_a_kink_moves_no_noise_where_a_segment_has_one_place():
    model = SegmentedLine(X)
    drawn = []
    for rounding in (0.0, 1e-14, -1e-14, 1e-13):
        kinks = np.array([[4.2, 5.3 + rounding]])  # of the places 4, 5, 6
        fitted = segmented.Kinked(kinks, np.zeros((1, 4)), np.ones(1))
        drawn.append(model.noise(fitted, 3, np.random.default_rng(0)))
    np.testing.assert_allclose(drawn, [drawn[0]] * 4, rtol=1e-9)
