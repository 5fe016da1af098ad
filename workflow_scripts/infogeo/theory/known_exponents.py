"""Whether the code that fits real laws finds the exponents that follow from the skills model."""

import numpy as np
import pandas as pd
from scipy import stats

from infogeo.inference import regression
from infogeo.theory import skills
from infogeo.theory.shifted_power import SHARE
from infogeo.theory.spending import VARIANTS, cost, exponent

# What the fitting code is tried on: (α, γ), how many models, and which n they comprehend.
LAWS = ((0.5, 0.5), (1.0, 0.8))
POINTS = (5, 8, 10)
REACHES = ((1.0, 1e4), (100.0, 1e6))
NOISE = 0.05  # standard deviation of ln H

# Where the simulated curve is fitted: enough skills, and few enough texts not understood that
# with m skills each their share is a power of n and not 1 − (1 − t)^m; but some.
FIT_FROM, FIT_SHARE, FIT_TEXTS = 10, 0.02, 100

LEMMA_ALPHAS = (0.25, 0.5, 1.0, 2.0)
LEMMA_REACHES = ((1, 100), (1, 10**9), (100, 10**9))


def recovery(*, laws: int, seed: int) -> pd.DataFrame:
    """Known exponents fitted by `regression.robust_t`, as the exponents of real models are.

    Each simulated table has `points` models whose n is spaced evenly in ln n over a range. H is
    that of the skills model with H_∞ = 0 and Δ = 1 nat, times lognormal noise.

    Parameters
    ----------
    laws : int
        Simulated tables per row.
    seed : int
        Of the noise.

    Returns
    -------
    pandas.DataFrame
        variant, alpha, gamma, n_low, n_high, points, noise (standard deviation of ln H);
        exponent_true, the one that the law tends to; exponent_curve, the slope without noise,
        which at finite n is another one; exponent_mean; coverage of exponent_true and
        coverage_curve of exponent_curve by the 95 % interval; coverage_error, the standard error
        of a coverage of 95 % from so many tables; width, the mean width of the interval.
    """
    rows = []
    for variant in VARIANTS:
        for alpha, gamma in LAWS:
            for low, high in REACHES:
                for points in POINTS:
                    n = np.geomspace(low, high, points)
                    x = np.log(cost(variant, n, alpha, gamma))
                    y = np.log(skills.conditional_entropy(n, alpha, 0.0, 1.0))
                    about = {
                        "variant": variant, "alpha": alpha, "gamma": gamma, "n_low": low,
                        "n_high": high, "points": points, "noise": NOISE,
                        "exponent_true": exponent(variant, alpha, gamma),
                    }  # fmt: skip
                    rng = np.random.default_rng([seed, len(rows)])
                    noise = NOISE * rng.standard_normal((laws, points))
                    rows.append(about | _recovered(x, y, noise, about))
    return pd.DataFrame(rows)


def _recovered(x, y, noise, about: dict) -> dict:
    """What the intervals of noisy copies (laws, points) of one curve hold."""
    known = regression.robust_design(regression.design(x))
    exponents, _, half = regression.robust_t(known, y + noise)
    low, high = exponents - half, exponents + half
    curve = float(y @ known.solve)

    def coverage(value):
        return float(((low <= value) & (value <= high)).mean())

    return {
        "exponent_curve": curve,
        "exponent_mean": float(exponents.mean()),
        "coverage": coverage(about["exponent_true"]),
        "coverage_curve": coverage(curve),
        "coverage_error": float(np.sqrt(SHARE * (1 - SHARE) / len(noise))),
        "width": float((high - low).mean()),
    }


def lemma() -> pd.DataFrame:
    """The exponent −α from the exact curve: ln(H − H_∞) on ln n, and on ln(n + ½).

    Returns
    -------
    pandas.DataFrame
        alpha, n_low, n_high, points (n evenly spaced in ln n, ten a decade, rounded), plain and
        shifted: the two slopes.
    """
    rows = []
    for alpha in LEMMA_ALPHAS:
        for low, high in LEMMA_REACHES:
            steps = round(10 * np.log10(high / low)) + 1
            n = np.unique(np.geomspace(low, high, steps).round())
            y = np.log(skills.tail(n, alpha))
            plain, shifted = (
                float(regression.least_squares(regression.design(np.log(m)), y)[0])
                for m in (n, n + 0.5)
            )
            rows.append({
                "alpha": alpha, "n_low": low, "n_high": high, "points": len(n),
                "plain": plain, "shifted": shifted,
            })  # fmt: skip
    return pd.DataFrame(rows)


def curve(simulated: pd.DataFrame, *, h1: float, delta: float) -> pd.DataFrame:
    """The simulated H(X|Y) with a power law H_∞ + a (n + ½)^b fitted to it, for the figure.

    Parameters
    ----------
    simulated : pandas.DataFrame
        From `skills.simulate`.
    h1, delta : float
        H_∞ and Δ, nats: H − H_∞ is Δ times the share of texts that is not understood.

    Returns
    -------
    pandas.DataFrame
        The columns of `simulated`; h1, delta; used: whether n is in the fit (at least 10, at most
        2 % of the texts not understood, and at least 100 of them); fitted, the power law's H in
        nats; exponent, exponent_low, exponent_high: b with its normal 95 % interval, NaN with fewer
        than 2 shares to fit.

    Notes
    -----
    All n share their texts, and a text that is not understood at n was not at any smaller n. So
    the increments of ln(share) are independent, with variances (share/share_next − 1)/(share ×
    texts), and b is their weighted least squares; the residuals of a line through the points would
    say too little about its error.

    Verified by the coverage of the known exponent over seeds, with one skill per text and three,
    all of them needed. Where a share of them is enough the curve bends longer, and b is that of the
    range that was fitted.
    """
    share, texts = simulated["not_understood"].to_numpy(), simulated["texts"].to_numpy()
    x = np.log(simulated["n"].to_numpy() + 0.5)
    used = (simulated["n"].to_numpy() >= FIT_FROM) & (share <= FIT_SHARE)
    used &= share * texts >= FIT_TEXTS
    b = error = level = np.nan
    if np.unique(share[used]).size >= 2:
        steps, y = np.diff(x[used]), np.log(share[used])
        rough = (y[-1] - y[0]) / steps.sum()  # b by the two ends, for the variances alone
        precision = (texts * share)[used][:-1] / np.expm1(-rough * steps)
        error = 1 / np.sqrt((precision * steps**2).sum())
        b = (precision * steps * np.diff(y)).sum() * error**2
        level = y[0] - b * x[used][0]  # the first point is the most certain one
    half = stats.norm.ppf((1 + SHARE) / 2) * error
    return simulated.assign(
        h1=h1, delta=delta, used=used, fitted=h1 + delta * np.exp(level + b * x),
        exponent=b, exponent_low=b - half, exponent_high=b + half,
    )  # fmt: skip
