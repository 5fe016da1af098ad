"""Verdicts on scaling laws, and how often they would be wrong. Rules: docs/verdicts.md."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from infogeo.inference import forms, regression
from infogeo.inference.regression import Slope

FORM_MARGIN = 5.0  # AICc difference that counts: below, wrong too often, see docs/verdicts.md
SIMULATIONS = 1000  # simulated laws per assumed truth


def falls(raw: Slope, controls: dict[str, Slope]) -> str:
    """The verdict on "falls with N".

    Parameters
    ----------
    raw : Slope
        Of ln y on ln N.
    controls : dict of Slope
        The applicable ones of: width, random, untrained, reading (excess exponents), depth (fixed
        width).

    Returns
    -------
    str
        "supported", "width artefact", "inconclusive", or "not available".
    """
    if not np.isfinite(raw.high):
        return "not available"
    if all(slope.high < 0 for slope in (raw, *controls.values())):  # NaN < 0 is false
        return "supported"
    width = controls.get("width")
    falls_with_depth = "depth" in controls and controls["depth"].high < 0
    if width is not None and raw.high < 0 and width.low > raw.exponent / 2 and not falls_with_depth:
        return "width artefact"
    return "inconclusive"


def power_law_form(fits: dict, points: int) -> str:
    """The verdict on the power-law form, against constant and logarithm.

    Parameters
    ----------
    fits : dict
        From `forms.fit_forms`.
    points : int

    Returns
    -------
    str
        "supported", "not supported" or "inconclusive".
    """
    power = fits["aicc_power"]
    rival = min(fits["aicc_constant"], fits["aicc_logarithm"])
    if points < forms.MIN_FORM_POINTS or not np.isfinite(power - rival):
        return "inconclusive"
    if power <= rival - FORM_MARGIN:
        return "supported"
    return "not supported" if rival <= power - FORM_MARGIN else "inconclusive"


def false_rates(x, y, nulls: dict, widths, seed: int) -> dict:
    """How often "falls with N" would be judged wrongly at this law's own N, d and scatter.

    Normal noise, and the headline interval as it is where no texts are resampled.

    Parameters
    ----------
    x, y : (points,) arrays
        ln N, ln y.
    nulls : dict of (points,) arrays
        ln of the controls that apply: width, random, untrained, reading.
    widths : (points,) array
    seed : int
        Of the noise.

    Returns
    -------
    dict
        falls_false_supported: the highest rate of "supported" over the truths "y is constant",
        "y is that control", "y depends on d alone". falls_false_artefact: the rate of "width
        artefact" where exactly half of the fall is genuine; NaN where the width law does not
        fall. rises_false: the rate of an exponent above 0 where y is constant.

    Notes
    -----
    Verified against intervals of each simulated law.
    """
    everywhere, zero = np.ones(len(x), bool), np.zeros(len(x))
    X = regression.design(x)
    tests = {"raw": (X, zero, everywhere)}  # design, ln of what y is divided by, which points
    tests |= {name: (X, null, everywhere) for name, null in nulls.items()}
    truths = {name: (null, _scatter(X, y - null)) for name, (_, null, _) in tests.items()}
    keep, of_width, levels = _widths(widths)
    if levels >= 2 and keep.sum() > levels + 1:
        tests["depth"] = (regression.design(x[keep], widths[keep]), zero, keep)
        means = (np.bincount(of_width, y) / np.bincount(of_width))[of_width]
        truths["depth"] = means, _scatter(tests["depth"][0], y[keep])
    fall = regression.least_squares(X, nulls["width"])[0] if "width" in nulls else 0.0
    if fall < -1e-9:  # the same fall once more, and genuine
        truths["half"] = nulls["width"] + fall * x, _scatter(X, y - nulls["width"])
    curves, scatter = (np.array(part) for part in zip(*truths.values(), strict=True))

    bounds = {
        name: _intervals(_noise_in(D, some, seed), (curves - null)[:, some], scatter)
        for name, (D, null, some) in tests.items()
    }
    supported = np.all([high < 0 for _, _, high in bounds.values()], axis=0)
    rates = supported.mean(-1)[: len(tests)]  # (truths,)
    out = {
        "falls_false_supported": float(rates.max()),
        "falls_false_artefact": np.nan,
        "rises_false": float((bounds["raw"][1][0] > 0).mean()),
    }
    if "half" in truths:
        raw, _, raw_high = (bound[-1] for bound in bounds["raw"])
        artefact = (raw_high < 0) & (bounds["width"][1][-1] > raw / 2) & ~supported[-1]
        if "depth" in bounds:
            artefact &= bounds["depth"][2][-1] >= 0
        out["falls_false_artefact"] = float(artefact.mean())
    return out


@regression.once_per_content
def _widths(widths):
    """Which points are of a width with others, the number of each one's width, and how many widths
    have such points."""
    keep = regression.repeated(widths)
    return keep, np.unique(widths, return_inverse=True)[1], len(np.unique(widths[keep]))


@lru_cache(maxsize=16)
def _noise(points: int, seed: int) -> list[np.ndarray]:
    """Normal noise of the laws that are simulated for each verdict, (simulations, points) each."""
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((count, points)) for count in (SIMULATIONS, SIMULATIONS // 4)]


def _scatter(X, y) -> float:
    residuals = regression.least_squares(X, y)[2]
    return float(np.sqrt((residuals**2).sum() / (X.shape[0] - X.shape[1])))


class Noise(NamedTuple):
    """Simulated noise of standard deviation 1 as a test sees it; see `regression.robust_t`."""

    robust: regression.Robust
    exponents: np.ndarray  # (simulations,)
    pulled: np.ndarray  # (simulations, points): residuals, each times its pull
    squares: np.ndarray  # (simulations,): of the standard errors


@regression.once_per_content
def _noise_in(X, some, seed) -> Noise | None:
    """The noise at some of the points, whose design is X; None where there is no interval."""
    robust = regression.robust_design(X)
    if robust is None:
        return None
    noise = _noise(len(some), int(seed))[0][:, some]
    pulled = robust.pull * (noise @ robust.residual_maker)
    return Noise(robust, noise @ robust.solve, pulled, (pulled**2).sum(-1))


def _intervals(noise: Noise | None, curves, scatter):
    """Exponents and ends of 95 % intervals, (truths, simulations), of curves (truths, points) with
    noise of the standard deviations scatter (truths,).

    Exponents and residuals are sums of those of the curve and of the noise.
    """
    if noise is None:
        nothing = np.full((len(curves), SIMULATIONS), np.nan)
        return nothing, nothing, nothing
    robust, sd = noise.robust, scatter[:, None]
    pulled = robust.pull * (curves @ robust.residual_maker)
    square = (pulled**2).sum(-1, keepdims=True) + 2 * sd * (pulled @ noise.pulled.T)
    half = robust.t * np.sqrt(np.maximum(square + sd**2 * noise.squares, 0))
    exponent = (curves @ robust.solve)[:, None] + sd * noise.exponents
    return exponent, exponent - half, exponent + half


def form_rates(x, y, fits: dict, seed: int) -> dict:
    """Rates of the form verdicts at this law's own N and scatter.

    Parameters
    ----------
    x, y : (points,) arrays
        ln N, ln y.
    fits : dict
        From `forms.fit_forms`.
    seed : int
        Of the noise.

    Returns
    -------
    dict
        form_false_supported: the higher rate where the fitted constant or the fitted logarithm
        is the truth; form_power: where the fitted power law is; form_false_rejected: the rate of
        "not supported" there. Normal noise; NaN below 7 points.
    """
    n = len(x)
    if n < forms.MIN_FORM_POINTS:
        return dict.fromkeys(("form_false_supported", "form_false_rejected", "form_power"), np.nan)
    z, X = x - x.mean(), regression.design(x)
    logarithm = np.log(np.maximum(fits["log_a"] + fits["log_b"] * x, 1e-300))
    truths = (  # curve, number of its parameters
        (y - regression.least_squares(X, y)[2], 2),
        (logarithm, 2),
        (np.full(n, y.mean()), 1),
    )
    noise = _noise(n, seed)[1]
    Y = np.concatenate(
        [line + np.sqrt(((y - line) ** 2).sum() / (n - k)) * noise for line, k in truths]
    )  # (3 × simulations, points)
    power = forms.aicc((regression.least_squares(X, Y)[2] ** 2).sum(-1), n, 3)
    constant = forms.aicc(((Y - Y.mean(-1, keepdims=True)) ** 2).sum(-1), n, 2)
    log = forms.aicc(forms.fit_logarithm(z, Y)[1], n, 3)
    rival = np.minimum(constant, log)
    supported, rejected = (
        verdict.reshape(3, -1).mean(-1)  # a rate per truth
        for verdict in (power <= rival - FORM_MARGIN, rival <= power - FORM_MARGIN)
    )
    return {
        "form_false_supported": float(supported[1:].max()),
        "form_false_rejected": float(rejected[0]),
        "form_power": float(supported[0]),
    }
