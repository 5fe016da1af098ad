"""Estimators against planted laws, statsmodels, scipy and published values."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from scipy import optimize, stats

from infogeo.inference import (
    forms,
    multiple_tests,
    other_estimates,
    regression,
    resampling,
)

# Li et al. 2024 (arXiv 2410.10672), appendix tables: matrix entropy of the last hidden state over
# ln d on dolly-15k, four decimals. Columns: parameters in the model's name, width, H / ln d.
PYTHIA = np.array([
    (14e6, 128, 0.7732), (31e6, 256, 0.7155), (70e6, 512, 0.6707), (160e6, 768, 0.6243),
    (410e6, 1024, 0.576), (1e9, 2048, 0.5328), (1.4e9, 2048, 0.5309), (2.8e9, 2560, 0.5263),
    (6.9e9, 4096, 0.5003), (12e9, 5120, 0.4876),
]).T  # fmt: skip
CEREBRAS_WIDTHS = np.array([
    (111e6, 768), (256e6, 1088), (590e6, 1536), (1.3e9, 2048), (2.7e9, 2560), (6.7e9, 4096),
    (13e9, 5120),
]).T  # fmt: skip


def law(points=9, exponent=-0.07, noise=0.02, seed=0):
    """x = ln N and y = ln of a noisy power law."""
    rng = np.random.default_rng(seed)
    x = np.log(np.geomspace(1e4, 1e6, points) * rng.uniform(0.8, 1.2, points))
    return x, 0.5 + exponent * x + noise * rng.standard_normal(points)


# ---------------------------------------------------------------- exponents


def test_a_planted_power_law_is_recovered_exactly():
    x, y = law(noise=0.0)
    fit = other_estimates.ols(x, y)
    assert fit["exponent"] == pytest.approx(-0.07, rel=1e-10)
    assert fit["log_prefactor"] == pytest.approx(0.5, rel=1e-8)
    assert regression.slope(regression.design(x), y).exponent == pytest.approx(-0.07)


def test_ols_equals_linregress_and_its_band_the_closed_form():
    x, y = law()
    fit, reference = other_estimates.ols(x, y), stats.linregress(x, y)
    half = stats.t.ppf(0.975, 7) * reference.stderr
    assert fit["exponent"] == pytest.approx(reference.slope, rel=1e-11)
    assert fit["standard_error"] == pytest.approx(reference.stderr, rel=1e-9)
    assert fit["p_value"] == pytest.approx(reference.pvalue, rel=1e-9)
    assert (fit["t_low"], fit["t_high"]) == pytest.approx(
        (reference.slope - half, reference.slope + half), rel=1e-9
    )
    z = x - x.mean()
    width = stats.t.ppf(0.975, 7) * fit["residual_sd"] * np.sqrt(1 / 9 + z**2 / (z**2).sum())
    np.testing.assert_allclose(fit["fitted"] - fit["band_low"], width, rtol=1e-9)


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


@pytest.mark.parametrize(
    ("column", "exponent", "error"),
    [("H/ln d", "-0.0685", "0.0043"), ("1/ln d", "-0.0778", "0.0063"), ("H", "0.0093", "0.0040")],
)
def test_published_matrix_entropies_give_the_published_exponents(column, exponent, error):
    N, d, normalised = PYTHIA
    y = {"H/ln d": normalised, "1/ln d": 1 / np.log(d), "H": normalised * np.log(d)}[column]
    fit = other_estimates.ols(np.log(N), np.log(y))
    assert f"{fit['exponent']:.4f}" == exponent
    assert f"{fit['standard_error']:.4f}" == error


@pytest.mark.parametrize(
    ("N", "d", "inflation"),
    [(*PYTHIA[:2], 45), (*CEREBRAS_WIDTHS, 396)],
    ids=["pythia", "cerebras"],
)
def test_variance_inflation_of_published_widths(N, d, inflation):
    found = other_estimates.joint(np.log(N), np.log(d), np.log(d) ** 2)
    assert round(found["inflation"]) == inflation


def test_width_and_size_that_cannot_be_told_apart_have_no_joint_fit():
    x, y = law()
    found = other_estimates.joint(x, 2 * x + 1, y)
    assert np.isnan(found["n_exponent"])
    assert found["inflation"] == np.inf


# ---------------------------------------------------------------- intervals


def slow_bootstrap_t(x, y, draws, seed):
    """The definition, one draw after the other, with statsmodels."""
    X = sm.add_constant(x)
    fit = sm.OLS(y, X).fit()
    leverage = fit.get_influence().hat_matrix_diag
    adjusted = fit.resid / np.sqrt(1 - leverage)
    adjusted -= adjusted.mean()
    roots = []
    for rows in np.random.default_rng(seed).integers(0, len(x), (draws, len(x))):
        again = sm.OLS(fit.fittedvalues + adjusted[rows], X).fit()
        roots.append((again.params[1] - fit.params[1]) / again.bse[1])
    roots = np.sort(roots)
    return fit.params[1] - roots[194] * fit.bse[1], fit.params[1] - roots[4] * fit.bse[1]


def test_bootstrap_t_equals_an_independent_loop():
    x, y = law()
    found = other_estimates.bootstrap_t(x, y, draws=199, seed=5)
    assert found == pytest.approx(slow_bootstrap_t(x, y, 199, 5), rel=1e-8)


def test_three_points_have_no_bootstrap_interval_where_draws_lack_spread():
    assert np.isnan(
        other_estimates.bootstrap_t(np.array([1.0, 1.0, 2.0]), np.arange(3.0), draws=99, seed=0)
    ).all()


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


def test_text_resamples_take_whole_clusters_and_are_means():
    weights = resampling.text_weights(np.array(["a", "b", "a", "c", "b", "b"]), draws=200, seed=1)
    np.testing.assert_allclose(weights.sum(-1), 1)
    np.testing.assert_array_equal(weights[:, 0], weights[:, 2])
    np.testing.assert_array_equal(weights[:, 1], weights[:, 5])
    assert np.ptp(weights[:, 3]) > 0
    # Three clusters drawn with replacement: "c" is absent in about (2/3)³ of the draws.
    assert (weights[:, 3] == 0).mean() == pytest.approx(8 / 27, abs=0.1)


def test_bca_equals_scipy_with_the_same_draws():
    x, y = law(points=10)  # and no draw of these is the sample itself, which is a tie by rounding
    reference = stats.bootstrap(
        (x, y), lambda a, b: stats.linregress(a, b).slope, paired=True, vectorized=False,
        n_resamples=999, method="BCa", rng=np.random.default_rng(7),
    ).confidence_interval  # fmt: skip
    found = other_estimates.bca(x, y, draws=999, seed=7)
    assert found == pytest.approx((reference.low, reference.high), rel=1e-8)


def test_huber_equals_statsmodels_and_shrugs_off_an_outlier():
    x, y = law(points=10)
    y[3] += 1.0
    reference = sm.RLM(y, sm.add_constant(x), M=sm.robust.norms.HuberT()).fit(
        maxiter=500, tol=1e-12
    )
    assert other_estimates.huber(x, y) == pytest.approx(reference.params[1], abs=1e-7)
    assert (
        abs(other_estimates.huber(x, y) + 0.07)
        < abs(other_estimates.ols(x, y)["exponent"] + 0.07) / 5
    )


def test_leave_one_out_equals_refits():
    x, y = law()
    refits = [stats.linregress(np.delete(x, i), np.delete(y, i)).slope for i in range(9)]
    np.testing.assert_allclose(other_estimates.leave_one_out(x, y), refits, rtol=1e-9)


def test_the_largest_model_is_predicted_from_the_others_alone():
    x, y = law()
    order = np.random.default_rng(0).permutation(9)
    x, y = x[order], y[order]
    found = other_estimates.held_out(x, y)
    last = x.argmax()
    a, b = np.delete(x, last), np.delete(y, last)
    fit = stats.linregress(a, b)
    predicted = fit.intercept + fit.slope * x[last]
    sigma = np.sqrt(((b - fit.intercept - fit.slope * a) ** 2).sum() / 6)
    half = stats.t.ppf(0.975, 6) * sigma * np.sqrt(
        1 + 1 / 8 + (x[last] - a.mean()) ** 2 / ((a - a.mean()) ** 2).sum()
    )  # fmt: skip
    assert found["predicted"] == pytest.approx(np.exp(predicted), rel=1e-9)
    assert found["low"] == pytest.approx(np.exp(predicted - half), rel=1e-8)
    assert found["high"] == pytest.approx(np.exp(predicted + half), rel=1e-8)
    assert found["error"] == pytest.approx(np.exp(y[last] - predicted) - 1, rel=1e-8)


def test_three_points_hold_none_out():
    x, y = law(points=3)
    assert all(np.isnan(value) for value in other_estimates.held_out(x, y).values())


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


# ---------------------------------------------------------------- several groups


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


def test_q_values_by_hand_and_missing_ones_stay_missing():
    # p·m/rank = 0.04, 0.04, 0.0533, 0.8; made monotone from the largest down.
    found = multiple_tests.benjamini_hochberg([0.02, np.nan, 0.01, 0.8, 0.04])
    np.testing.assert_allclose(found, [0.04, np.nan, 0.04, 0.8, 0.16 / 3])


# ---------------------------------------------------------------- forms


def test_aicc_by_hand_counts_sigma():
    # n = 9, rss = 0.9, k = 3: 9 ln(2π 0.1) + 9 + 6 + 24/5
    assert forms.aicc(0.9, 9, 3) == pytest.approx(9 * np.log(0.2 * np.pi) + 9 + 6 + 4.8)
    x, y = law()
    aic = sm.OLS(y, sm.add_constant(x)).fit().aic  # which leaves σ out
    assert forms.fit_forms(x, y)["aicc_power"] == pytest.approx(aic + 2 + 24 / 5)


def test_aicc_is_not_available_with_too_few_points_and_decides_nothing_below_seven():
    x, y = law(points=6)
    found = forms.fit_forms(x, y)
    assert np.isfinite(found["aicc_shifted"])  # 6 − 4 − 1 = 1
    assert found["best_form"] == ""
    x, y = law(points=5)
    found = forms.fit_forms(x, y)
    assert np.isnan(found["aicc_shifted"])
    assert np.isfinite(found["aicc_power"])  # 5 − 3 − 1 = 1
    assert np.isnan(forms.fit_forms(*law(points=4))["aicc_power"])


@pytest.mark.parametrize("form", ["power", "constant", "logarithm", "width_law", "shifted"])
def test_the_form_that_was_planted_wins(form):
    x, _ = law(points=12)
    widths = np.array([32, 32, 64, 64, 96, 128, 128, 192, 256, 256, 384, 512])
    width_law = -np.log(np.log(widths))
    truth = {
        "power": -0.3 * x,
        "constant": 0 * x,
        "logarithm": np.log(8 - 0.45 * x),
        "width_law": width_law + 2,
        "shifted": np.log(2 + 3e3 * np.exp(-0.8 * x)),
    }[form]
    y = truth + 1e-4 * np.random.default_rng(0).standard_normal(12)
    found = forms.fit_forms(x, y, width_law)
    assert found["best_form"] == form
    if form == "logarithm":
        assert (found["log_a"], found["log_b"]) == pytest.approx((8, -0.45), rel=0.01)
    if form == "shifted":
        parameters = [found[f"shifted_{name}"] for name in "cab"]
        assert parameters == pytest.approx([2, 3e3, 0.8], rel=0.05)


def curves():
    """ln y of four shapes with noise from little to much."""
    rng = np.random.default_rng(1)
    for i in range(16):
        x = np.log(np.geomspace(1e4, 10 ** rng.uniform(5, 9), rng.integers(6, 12)))
        z = x - x.mean()
        shape = (
            -0.05 * x,
            np.log(1 + np.exp(-0.3 * z)),
            np.log(3 - 0.1 * z),
            np.log(2 + 0.5 * z**2),
        )
        yield z, shape[i % 4] + (1e-4, 0.003, 0.03, 0.2)[i // 4] * rng.standard_normal(len(x))


def best_of_random_starts(residual, starts):
    with np.errstate(all="ignore"):
        fits = [
            optimize.least_squares(residual, start, method="lm", max_nfev=400) for start in starts
        ]
    return min(2 * fit.cost for fit in fits)


def test_logarithm_fits_as_well_as_the_best_of_many_starts():
    rng = np.random.default_rng(2)
    for z, y in curves():

        def residual(p, z=z, y=y):
            low, high = -1 / z.max(), -1 / z.min()
            return y - p[1] - np.log1p((low + (high - low) / (1 + np.exp(-p[0]))) * z)

        starts = np.column_stack([4 * rng.standard_normal(12), np.full(12, y.mean())])
        _, rss = forms.fit_logarithm(z, y[None])
        assert rss[0] <= best_of_random_starts(residual, starts) * (1 + 1e-6)


def test_shifted_power_law_fits_as_well_as_the_best_of_many_starts():
    rng = np.random.default_rng(3)
    for z, y in curves():

        def residual(p, z=z, y=y):  # |b| ≤ 3
            b = 3 * np.tanh(p[0]) or 1e-9
            h = -np.expm1(-b * z) / b
            q = -1 / h.max() + (1 / h.max() - 1 / h.min()) / (1 + np.exp(-30 * np.tanh(p[1])))
            return y - p[2] - np.log1p(q * h)

        starts = np.column_stack([rng.standard_normal((12, 2)) * [0.7, 0.3], np.full(12, y.mean())])
        (scale, q, b), rss = forms.fit_shifted(z, y)
        assert rss <= best_of_random_starts(residual, starts) * (1 + 1e-4)
        refit = np.log(scale) + np.log1p(q * -np.expm1(-b * z) / b)
        assert ((y - refit) ** 2).sum() == pytest.approx(rss, rel=1e-6)
