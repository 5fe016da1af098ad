"""Exponents and their headline intervals against planted laws and statsmodels."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from made_laws import law
from scipy import stats

from infogeo.inference import other_estimates, regression


def test_a_planted_power_law_is_recovered_exactly():
    x, y = law(noise=0.0)
    fit = other_estimates.ols(x, y)
    assert fit["exponent"] == pytest.approx(-0.07, rel=1e-10)
    assert fit["log_prefactor"] == pytest.approx(0.5, rel=1e-8)
    assert regression.slope(regression.design(x), y).exponent == pytest.approx(-0.07)


def test_many_right_hand_sides_at_once_equal_statsmodels_one_by_one():
    rng = np.random.default_rng(3)
    X = regression.design(rng.normal(size=12), np.repeat([1, 2, 3], 4))
    Y = rng.normal(size=(5, 12))
    exponent, error, residuals, leverage = regression.least_squares(X, Y)
    for i, y in enumerate(Y):
        reference = sm.OLS(y, X).fit()
        assert exponent[i] == pytest.approx(reference.params[0], rel=1e-11)
        assert error[i] == pytest.approx(reference.bse[0], rel=1e-11)
        np.testing.assert_allclose(residuals[i], reference.resid, atol=1e-13)
    np.testing.assert_allclose(leverage, reference.get_influence().hat_matrix_diag, atol=1e-13)


def hc2(X, y):
    """HC2 variance of the slope (column 0) and Bell and McCaffrey's degrees of freedom."""
    fit = sm.OLS(y, X).fit()
    leverage = fit.get_influence().hat_matrix_diag
    pull = (np.linalg.inv(X.T @ X) @ X.T)[0]
    # E and variance of the HC2 estimate for equal normal noise, by its definition as a form in it
    maker = np.eye(len(y)) - X @ np.linalg.inv(X.T @ X) @ X.T
    form = sum(
        pull[i] ** 2 / (1 - leverage[i]) * np.outer(maker[i], maker[i]) for i in range(len(y))
    )  # residual_i = maker[i] @ noise
    return fit.HC2_se[0] ** 2, np.trace(form) ** 2 / np.trace(form @ form)


@pytest.mark.parametrize("groups", [None, np.repeat([1, 2, 3], 3)])
def test_the_headline_interval_is_hc2_with_bell_mccaffrey_degrees_of_freedom(groups):
    x, y = law()
    X = regression.design(x, groups)
    variance, df = hc2(X, y)
    exponent = sm.OLS(y, X).fit().params[0]
    half = stats.t.ppf(0.975, df) * np.sqrt(variance)
    found = regression.slope(X, y)
    assert found[:3] == pytest.approx((exponent, exponent - half, exponent + half), rel=1e-8)
    assert found.p_falls == pytest.approx(stats.t.cdf(exponent / np.sqrt(variance), df), rel=1e-8)


def test_with_texts_the_variance_that_residuals_do_not_show_is_added():
    x, y = law()
    X = regression.design(x)
    rng = np.random.default_rng(1)
    shifts = rng.normal(0, 0.02, (199, 1)) * (x - x.mean()) + rng.normal(0, 0.005, (199, 9))
    variance, df = hc2(X, y)
    slopes = [stats.linregress(x, shift).slope for shift in shifts]
    common = np.var(slopes, ddof=1) - np.mean([hc2(X, shift)[0] for shift in shifts])

    def half(level):
        return np.hypot(stats.t.ppf(level, df) * np.sqrt(variance),
                        stats.t.ppf(level, 40) * np.sqrt(common))  # fmt: skip

    found = regression.slope(X, y, shifts, 40)
    assert (found.high - found.low) / 2 == pytest.approx(half(0.975), rel=1e-8)
    assert half(1 - found.p_falls) == pytest.approx(-found.exponent, rel=1e-6)


def test_one_point_that_alone_decides_the_exponent_gives_none():
    x = np.array([1.0, 1.0, 1.0, 2.0])
    found = regression.slope(regression.design(x), np.array([1.0, 1.1, 0.9, 3.0]))
    assert "one point alone" in found.problem and np.isnan(found.high)


def test_texts_that_pull_on_the_slope_widen_the_interval():
    x, y = law()
    tilt = np.random.default_rng(0).normal(0, 0.05, (999, 1)) * (x - x.mean())
    alone, crossed = (regression.slope(regression.design(x), y, shifts) for shifts in (None, tilt))
    assert crossed.high - crossed.low > 4 * (alone.high - alone.low)


def test_texts_that_move_all_models_alike_leave_the_interval():
    x, y = law()
    level = np.random.default_rng(0).normal(0, 0.5, (999, 1)) * np.ones(9)
    alone, crossed = (regression.slope(regression.design(x), y, shifts) for shifts in (None, level))
    assert crossed[:4] == pytest.approx(alone[:4], rel=1e-9)


@pytest.mark.parametrize(
    ("x", "y", "reason"),
    [
        ([1, 2], [1, 2], "2 points"),
        ([1, 2, 3], [1, np.nan, 3], "finite"),
        ([1, 2, 3], [1, -np.inf, 3], "finite"),
        ([1, 2, 3], [5, 5, 5], "same value"),
        ([2, 2, 2], [1, 2, 3], "same N"),
    ],
)
def test_what_cannot_be_fitted_is_nan_and_says_why(x, y, reason):
    x, y = np.array(x, float), np.array(y, float)
    found = regression.slope(regression.design(x), y)
    assert reason in found.problem
    assert np.isnan([found.exponent, found.low, found.high, found.p_falls]).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_resample_of_the_texts_without_a_value_leaves_no_interval(value):
    x, y = law()
    shifts = 0.1 * np.random.default_rng(0).normal(size=(99, 1)) * x
    shifts[7, 2] = value
    made = regression.slope(regression.design(x), y, shifts, 20)
    assert np.isnan([made.low, made.high, made.p_falls]).all()
    assert "not every resample of the texts" in made.problem


def grid():
    widths = np.repeat([32, 64, 128], 3)
    x = np.log(12.0 * widths**2 * np.tile([1, 2, 4], 3))
    return x, widths


def test_depth_exponent_equals_a_formula_and_ignores_width():
    x, widths = grid()
    y = -0.03 * x + 5 * np.log(widths) + 0.01 * np.random.default_rng(0).standard_normal(9)
    found = regression.fixed_width(x, y, widths)
    reference = smf.ols("y ~ x + C(d)", pd.DataFrame({"x": x, "y": y, "d": widths})).fit()
    assert found.exponent == pytest.approx(reference.params["x"], rel=1e-9)
    assert found.low < -0.03 < found.high


def test_widths_with_one_depth_say_nothing_about_depth():
    x, widths = grid()
    y = -0.03 * x + 0.01 * np.random.default_rng(0).standard_normal(9)
    shifts = 0.01 * np.random.default_rng(1).standard_normal((99, 11))
    alone = regression.fixed_width(x, y, widths, shifts[:, :9])
    more = regression.fixed_width(
        np.append(x, [9.0, 15.0]), np.append(y, [3.0, -7.0]), np.append(widths, [16, 256]),
        shifts,
    )  # fmt: skip
    assert more == pytest.approx(alone)


def test_fewer_than_two_widths_with_two_depths_have_no_depth_exponent():
    x, _ = grid()
    widths = np.array([1, 2, 3, 4, 5, 6, 7, 8, 8])
    assert regression.fixed_width(x, x**2, widths) is None


def test_common_slope_equals_ancova():
    rng = np.random.default_rng(0)
    x = rng.uniform(10, 15, 14)
    groups = np.repeat(["a", "b"], 7)
    y = np.where(groups == "a", -0.05, -0.09) * x + (groups == "b") + 0.02 * rng.normal(size=14)
    frame = pd.DataFrame({"x": x, "y": y, "g": groups})
    common, own = smf.ols("y ~ C(g) + x", frame).fit(), smf.ols("y ~ C(g) * x", frame).fit()
    test = sm.stats.anova_lm(common, own).iloc[1]
    found = regression.common_slope(x, y, groups)
    assert found["exponent"] == pytest.approx(common.params["x"], rel=1e-9)
    assert (found["low"], found["high"]) == pytest.approx(tuple(common.conf_int().loc["x"]))
    assert found["f"] == pytest.approx(test["F"], rel=1e-7)
    assert found["p"] == pytest.approx(test["Pr(>F)"], rel=1e-7)


def test_arrays_of_the_same_content_are_computed_with_once():
    seen = []

    @regression.once_per_content
    def total(a, b):
        seen.append((a.dtype, a.shape))
        return a.sum() + int(b)

    assert [total(np.arange(6.0), 1) for _ in range(3)] == [16, 16, 16]
    assert len(seen) == 1
    assert total(np.arange(6.0), 2) == 17
    assert total(np.arange(6.0).reshape(2, 3), 1) == total(np.arange(6), 1) == 16
    assert len(seen) == 4
    assert total(np.arange(12.0)[::2], 0) == 30  # no bytes beside those that are seen


def test_nobody_writes_into_what_others_are_given_too():
    X = regression.design(np.arange(5.0))
    for part in (*regression._orthogonal(X), regression.robust_design(X).pull):
        if np.ndim(part):
            with pytest.raises(ValueError, match="read-only"):
                part[0] = 0
