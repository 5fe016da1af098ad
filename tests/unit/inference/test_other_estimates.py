"""Estimates beside the headline against statsmodels, scipy and published values."""

import numpy as np
import pytest
import statsmodels.api as sm
from made_laws import law
from scipy import stats

from infogeo.inference import other_estimates

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
    assert fit["log_prefactor"] == pytest.approx(reference.intercept, rel=1e-9)
    assert fit["r_squared"] == pytest.approx(reference.rvalue**2, rel=1e-9)
    line = reference.intercept + reference.slope * x
    np.testing.assert_allclose(fit["fitted"], line, rtol=1e-11)
    assert fit["residual_sd"] == pytest.approx(np.sqrt(((y - line) ** 2).sum() / 7), rel=1e-9)
    z = x - x.mean()
    width = stats.t.ppf(0.975, 7) * fit["residual_sd"] * np.sqrt(1 / 9 + z**2 / (z**2).sum())
    for half_width in (fit["fitted"] - fit["band_low"], fit["band_high"] - fit["fitted"]):
        np.testing.assert_allclose(half_width, width, rtol=1e-9)


def test_the_joint_fit_equals_a_solver_of_least_squares():
    x, y = law(points=9)
    z = np.log(np.repeat([32, 64, 128], 3))
    reference, *_ = np.linalg.lstsq(np.column_stack([np.ones(9), x, z]), y)
    found = other_estimates.joint(x, z, y)
    assert (found["n_exponent"], found["width_exponent"]) == pytest.approx(
        tuple(reference[1:]), rel=1e-9
    )


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
