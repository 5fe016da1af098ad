"""Functional forms against planted ones, and the best of many starts."""

import numpy as np
import pytest
import statsmodels.api as sm
from made_laws import law
from scipy import optimize

from infogeo.inference import forms


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
