"""The rules of docs/verdicts.md, and the rates at which they err."""

import numpy as np
import pytest

from infogeo.inference import forms, other_estimates, regression
from infogeo.inference.regression import Slope, no_slope
from infogeo.laws import verdicts


def slope(low, high):
    return Slope((low + high) / 2, low, high, 0.01)


FALL = slope(-0.08, -0.06)  # raw exponent −0.07


@pytest.mark.parametrize(
    ("raw", "controls", "verdict"),
    [
        (FALL, {}, "supported"),
        (FALL, {"width": slope(-0.06, -0.01), "depth": slope(-0.05, -0.001)}, "supported"),
        # One control that is not beaten is enough.
        (FALL, {"width": slope(-0.06, -0.01), "random": slope(-0.05, 0.001)}, "inconclusive"),
        (FALL, {"width": slope(-0.06, -0.01), "depth": slope(-0.05, 0.001)}, "inconclusive"),
        # One that applies but was not measured as well.
        (FALL, {"width": slope(-0.06, -0.01), "untrained": no_slope("no twins")}, "inconclusive"),
        # At most half of the fall is in excess: −low < 0.035.
        (FALL, {"width": slope(-0.034, 0.01)}, "width artefact"),
        (FALL, {"width": slope(-0.036, 0.01)}, "inconclusive"),
        (FALL, {"width": slope(0.01, 0.02)}, "width artefact"),
        # A fall through depth at fixed width is no artefact of width.
        (FALL, {"width": slope(0.01, 0.02), "depth": slope(-0.05, -0.001)}, "inconclusive"),
        (FALL, {"width": slope(0.01, 0.02), "depth": slope(-0.05, 0.001)}, "width artefact"),
        # What does not fall cannot be an artefact of falling.
        (slope(-0.08, 0.01), {"width": slope(0.01, 0.02)}, "inconclusive"),
        (slope(0.01, 0.02), {"width": slope(0.01, 0.02)}, "inconclusive"),
        (slope(0.01, 0.02), {"width": slope(-0.06, -0.01)}, "inconclusive"),
        (FALL, {"width": no_slope("broken")}, "inconclusive"),
        (no_slope("2 points"), {}, "not available"),
    ],
)
def test_falls_with_n(raw, controls, verdict):
    assert verdicts.falls(raw, controls) == verdict


@pytest.mark.parametrize(
    ("power", "constant", "logarithm", "points", "verdict"),
    [
        (-50, -40, -45, 9, "supported"),
        (-50, -40, -45.1, 9, "inconclusive"),
        (-50, -45, -40, 9, "supported"),
        (-45, -40, -50, 9, "not supported"),
        (-40, -45, -41, 9, "not supported"),
        (-50, -20, -20, 6, "inconclusive"),
        (np.nan, -20, -20, 9, "inconclusive"),
    ],
)
def test_power_law_form(power, constant, logarithm, points, verdict):
    fits = {"aicc_power": power, "aicc_constant": constant, "aicc_logarithm": logarithm}
    assert verdicts.power_law_form(fits, points) == verdict


def grid():
    widths = np.repeat([32, 64, 128], 3)
    return np.log(12.0 * widths**2 * np.tile([1, 2, 4], 3)), widths


def test_false_rates_equal_a_simulation_of_the_whole_procedure():
    x, widths = grid()
    rng = np.random.default_rng(0)
    nulls = {"width": -0.1 * np.log(widths), "untrained": -0.01 * x}
    y = nulls["width"] + 0.004 * rng.standard_normal(9)
    found = verdicts.false_rates(x, y, nulls, widths, 1)

    # Worst case by hand: y is the twins' curve, and every other test is passed easily.
    scatter = other_estimates.ols(x, y - nulls["untrained"])["residual_sd"]
    hits = []
    for seed in range(120):
        Y = nulls["untrained"] + scatter * np.random.default_rng(seed).standard_normal(9)
        X = regression.design(x)
        slopes = [regression.slope(X, Y - null).high for null in (0, *nulls.values())]
        depth = regression.fixed_width(x, Y, widths)
        hits.append(max(*slopes, depth.high) < 0)
    assert found["falls_false_supported"] >= np.mean(hits) - 0.03
    assert found["falls_false_supported"] < 0.05
    assert found["falls_false_artefact"] < 0.05


def test_false_rates_equal_those_of_intervals_of_each_simulated_law():
    x, widths = grid()
    nulls = {"width": -0.1 * np.log(widths), "random": -0.08 * np.log(widths) + 0.001 * widths}
    y = 1.5 * nulls["width"] - 0.01 * x + 0.01 * np.random.default_rng(3).standard_normal(9)
    X, D = regression.design(x), regression.design(x, widths)
    noise = np.random.default_rng(4).standard_normal((verdicts.SIMULATIONS, 9))

    def scatter(design, values):
        residuals = regression.least_squares(design, values)[2]
        return np.sqrt((residuals**2).sum() / (9 - design.shape[1]))

    tests = {"raw": (X, 0 * x), "depth": (D, 0 * x)} | {k: (X, null) for k, null in nulls.items()}
    fall = regression.least_squares(X, nulls["width"])[0]
    truths = {name: null + scatter(X, y - null) * noise for name, (_, null) in tests.items()}
    truths["depth"] = y.reshape(3, 3).mean(1).repeat(3) + scatter(D, y) * noise
    truths["half"] = nulls["width"] + fall * x + scatter(X, y - nulls["width"]) * noise
    judged = {}
    for truth, Y in truths.items():
        for name, (design, null) in tests.items():
            exponent, _, half = regression.robust_t(regression.robust_design(design), Y - null)
            judged[truth, name] = exponent, exponent - half, exponent + half
    supported = {t: np.all([judged[t, name][2] < 0 for name in tests], axis=0) for t in truths}
    raw, width = judged["half", "raw"], judged["half", "width"]
    artefact = (raw[2] < 0) & (width[1] > raw[0] / 2) & ~supported["half"]
    artefact &= judged["half", "depth"][2] >= 0

    found = verdicts.false_rates(x, y, nulls, widths, 4)
    assert found == {
        "falls_false_supported": max(supported[name].mean() for name in tests),
        "falls_false_artefact": artefact.mean(),
        "rises_false": (judged["raw", "raw"][1] > 0).mean(),
    }
    assert all(rate > 0 for rate in found.values())


def test_a_metric_without_controls_has_the_level_of_its_test():
    x, _ = grid()
    y = -0.05 * x + 0.01 * np.random.default_rng(0).standard_normal(9)
    found = verdicts.false_rates(x, y, {}, np.arange(9), 0)
    assert found["falls_false_supported"] == pytest.approx(0.025, abs=0.015)
    assert np.isnan(found["falls_false_artefact"])  # no width law, no artefact


def test_form_rates_tell_an_easy_case_from_a_hopeless_one():
    x = np.linspace(10, 20, 9)
    noise = np.random.default_rng(0).standard_normal(9)

    def rates(exponent, scatter):
        y = exponent * x + scatter * noise
        return verdicts.form_rates(x, y, forms.fit_forms(x, y), 0)

    easy, hopeless = rates(-0.3, 0.001), rates(-0.01, 0.05)
    assert easy["form_power"] > 0.95
    assert easy["form_false_supported"] < 0.05
    assert hopeless["form_power"] < 0.1
    assert np.isnan(rates_of_few())


def rates_of_few():
    x = np.linspace(10, 20, 6)
    return verdicts.form_rates(x, -0.3 * x, forms.fit_forms(x, -0.3 * x + 0.01 * x**2), 0)[
        "form_power"
    ]
