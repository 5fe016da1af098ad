"""The skills model as scaling laws: how many skills parameters, data and compute buy, whether the
fitting code finds the exponents that follow, and what the exponents of real models imply.

A model that comprehends the first n skills has H − H_∞ = Δ ζ(1+α, n+1)/ζ(1+α) ~ n^−α (see
`infogeo.theory.skills`). Each variant says how n grows with what is spent, x:

- `parameter_limited`: n = N^γ, x = N, in units of the parameters that comprehend one skill;
- `data_limited`: n = expected number of different skills in D samples, x = D;
- `compute_limited`: n = the smaller of the two at the best split of x = N D.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import optimize, special, stats

from infogeo.files.errors import InfogeoError
from infogeo.inference import forms, regression
from infogeo.theory import skills
from infogeo.theory.zipf import Zipf

VARIANTS = ("parameter_limited", "data_limited", "compute_limited")
HEAD = 1000  # skills that are summed one by one; the rest is an integral

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

EDGE = 25.0  # exp(−25) is nothing beside 1
MIN_POINTS = 5  # of a shifted power: three parameters and two degrees of freedom
SHARE = 0.95

NOT_FITTED = "not available: there is no NLL law: "
NO_LIKELIHOOD = "no model of the family has likelihoods"

COMPARISON_COLUMNS = ["corpus", "family", "quantity", "value", "low", "high", "problems"]


# ---------------------------------------------------------------- the laws


def seen(samples, alpha: float) -> np.ndarray:
    """Expected number of different skills in D samples, Σ_k (1 − (1 − p_k)^D).

    Parameters
    ----------
    samples : array of float (...)
        D ≥ 1.
    alpha : float
        p_k = k^−(1+α)/ζ(1+α).

    Returns
    -------
    (...) float64 array
        ~ Γ(α/(1+α)) (D/ζ(1+α))^(1/(1+α)) − ½.

    Notes
    -----
    The first 1000 terms are summed. Beyond, the sum is the integral from 1000.5 plus f′/24
    (Euler–Maclaurin at midpoints), and the integral, by parts, an incomplete beta function.

    Verified against direct sums and simulated samples.
    """
    D = np.asarray(samples, float)
    if not alpha > 0 or not (D >= 1).all():
        raise InfogeoError(
            f"skills seen: alpha = {alpha}, samples from {D.min()}. alpha must be above 0 and "
            "samples at least 1."
        )
    zeta, power = special.zeta(1 + alpha), 1 / (1 + alpha)
    p = np.arange(1, HEAD + 1.0) ** -(1 + alpha) / zeta
    with np.errstate(divide="ignore"):  # α so large that p_1 is 1
        head = -np.expm1(D[..., None] * np.log1p(-p)).sum(-1)
    edge = HEAD + 0.5
    q = edge ** -(1 + alpha) / zeta
    unseen = np.exp(D * np.log1p(-q))
    a = 1 - power
    integral = D * zeta**-power * special.beta(a, D) * special.betainc(a, D, q)
    slope = -D * unseen / (1 - q) * (1 + alpha) * q / edge
    return head + integral - edge * (1 - unseen) + slope / 24


def cost(variant: str, n, alpha: float, gamma: float) -> np.ndarray:
    """What must be spent to comprehend the first n skills: the inverse of n(x).

    Parameters
    ----------
    variant : {"parameter_limited", "data_limited", "compute_limited"}
    n : (points,) array
        At least 1.
    alpha, gamma : float
        gamma plays no part in `data_limited`.

    Returns
    -------
    (points,) float64 array
        N, D or N D. Compute is split best where parameters and data comprehend equally many: more
        of one costs some of the other, which then limits n.

    Raises
    ------
    InfogeoError
        Where there is no such variant, or a value is out of range.

    Notes
    -----
    Verified against a search over all splits.
    """
    n = np.asarray(n, float)
    if variant not in VARIANTS:
        raise InfogeoError(f"variant {variant!r}: there are {', '.join(VARIANTS)}.")
    if not (gamma > 0 and (n >= 1).all()):
        raise InfogeoError(
            f"{variant}: gamma = {gamma}, n from {n.min()}. gamma must be above 0, n at least 1."
        )
    parameters = n ** (1 / gamma)
    if variant == "parameter_limited":
        return parameters
    samples = np.array([_samples(value, alpha) for value in n])
    return samples if variant == "data_limited" else parameters * samples


def _samples(n: float, alpha: float) -> float:
    """The D in which n different skills are expected."""
    high = 1.0
    while seen(high, alpha) < n:
        high *= 4
    if high == 1:
        return 1.0
    found = optimize.brentq(
        lambda log: float(seen(np.exp(log), alpha)) - n, np.log(high / 4), np.log(high), xtol=1e-13
    )
    return float(np.exp(found))


def exponent(variant: str, alpha: float, gamma: float) -> float:
    """The exponent that the law tends to, H − H_∞ ~ x^exponent; negative.

    −αγ in parameters, −α/(1+α) in data and, with β = α/(1+α), −αγβ/(αγ + β) in compute.
    """
    in_parameters, in_data = alpha * gamma, alpha / (1 + alpha)
    return {
        "parameter_limited": -in_parameters,
        "data_limited": -in_data,
        "compute_limited": -in_parameters * in_data / (in_parameters + in_data),
    }[variant]


# ---------------------------------------------------------------- does the fitting code find them


def recovery(*, laws: int, seed: int) -> pd.DataFrame:
    """Known exponents fitted by `regression.robust_t`, as the exponents of real models are.

    Each simulated table has `points` models whose n is spaced evenly in ln n over a range, H by
    the skills model with H_∞ = 0 and Δ = 1 nat, times lognormal noise.

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


# ---------------------------------------------------------------- beside data


class Shifted(NamedTuple):
    """y = c + a N^−b with b in (0, 3], a ≥ 0, c ≥ 0, and 95 % profile intervals."""

    exponent: float  # b
    low: float
    high: float  # inf: no upper end was found up to b = 3
    limit: float  # c
    limit_low: float
    limit_high: float
    problem: str = ""


def shifted_power(x, y) -> Shifted:
    """Fit y = c + a N^−b to ln y and profile b and c.

    Parameters
    ----------
    x, y : (points,) arrays
        ln N and ln y.

    Returns
    -------
    Shifted
        The interval of b holds each b whose best curve has a residual sum of squares of at most
        (1 + F/(points − 3)) times the least, F the 95 % point of F(1, points − 3) (Bates & Watts
        1988, §6.1); likewise c. An end that the data do not give is 0 or inf. NaN with a
        `problem` below 5 points, or where y does not fall with N.

    Notes
    -----
    An entropy cannot be negative, so c ≥ 0; at c = 0 the curve is the power law, whose exponent is
    the least b that can fit well. (`forms.fit_shifted` lets c and b be negative, and so describes
    curves that the theory does not have.)

    Verified against scipy's curve_fit, against `forms.fit_shifted` where that lies in the same
    domain, and by the coverage of simulated laws (tests/bench/theory.py).
    """
    nothing = (np.nan,) * 6
    problem = regression.reason_no_fit(x, y)
    if not problem and len(y) < MIN_POINTS:
        problem = f"{len(y)} points: a shifted power law needs at least {MIN_POINTS}"
    if problem:
        return Shifted(*nothing, problem)
    x, y = np.asarray(x, float), np.asarray(y, float)
    curve = _Curve(x, y)
    grid = np.geomspace(1e-3, forms.STEEPEST, 40)
    rss = np.array([curve.at(b)[0] for b in grid])
    best = int(rss.argmin())
    constant = ((y - y.mean()) ** 2).sum()
    if rss[best] >= constant * (1 - 1e-12):
        return Shifted(*nothing, "y does not fall with N")

    at_bound = best == len(grid) - 1
    b = grid[-1]
    if not at_bound:
        between = grid[max(best - 1, 0)], grid[best + 1]
        b = optimize.minimize_scalar(
            lambda value: curve.at(value)[0], bounds=between, method="bounded",
            options={"xatol": 1e-10},
        ).x  # fmt: skip
    least, limit = curve.at(b)
    df = len(y) - 3
    most = least * (1 + stats.f.ppf(SHARE, 1, df) / df)

    def beyond(value):
        return curve.at(value)[0] - most

    place = int(np.searchsorted(grid, b))
    grid, rss = np.insert(grid, place, b), np.insert(rss, place, least)
    first, last = np.flatnonzero(rss <= most)[[0, -1]]
    low, high, notes = 0.0, np.inf, []
    if constant > most:
        low = _crossing(beyond, grid[first - 1] if first else 1e-9, grid[first])
    else:
        notes.append("a constant fits as well: no lower end of b above 0")
    if rss[-1] > most:
        high = _crossing(beyond, grid[last + 1], grid[last])
    else:
        notes.append(f"every b up to {forms.STEEPEST:g} fits: no upper end")
    if at_bound:
        notes.append(f"the best fit is at the bound b = {forms.STEEPEST:g}")
    ends = curve.limits(b, limit, most)
    value = np.nan if at_bound else float(b)
    return Shifted(value, low, high, limit, *ends, "; ".join(notes))


def _crossing(function, outside: float, inside: float) -> float:
    """Where a function that is positive outside and at most 0 inside is 0."""
    if function(inside) >= 0:  # an exact fit: nothing but the best value is inside
        return float(inside)
    return float(optimize.brentq(function, outside, inside, rtol=1e-8))


class _Curve:
    """Best curves through ln y for a given b, or a given c.

    c + a N^−b is written c (1 + exp(u − bz)), z = ln N less its mean: at small u a constant, at
    large u the power law c = 0, and for a given (b, u) the scale is a mean of ln y.
    """

    def __init__(self, x, y):
        self.z, self.y = x - x.mean(), y

    def power(self, b: float) -> float:
        """Residual sum of squares of the power law N^−b."""
        gap = self.y + b * self.z
        return float(((gap - gap.mean()) ** 2).sum())

    def at(self, b: float) -> tuple[float, float]:
        """(least residual sum of squares, its c) for this b."""

        low, high = b * self.z.min() - EDGE, b * self.z.max() + EDGE
        for _ in range(6):  # zoom in on u: 30 times narrower in each step
            u = np.linspace(low, high, 61)
            gap = self.y - np.logaddexp(0, u[:, None] - b * self.z)  # (u, points)
            level = gap.mean(-1)
            rss = ((gap - level[:, None]) ** 2).sum(-1)
            best = int(rss.argmin())
            low, high = u[max(best - 1, 0)], u[min(best + 1, 60)]
        power = self.power(b)
        if power <= rss[best]:
            return power, 0.0
        return float(rss[best]), float(np.exp(level[best]))

    def given_limit(self, c: float, b: float) -> float:
        """The least residual sum of squares for this c, searched from b on."""
        if c == 0:
            slope = regression.least_squares(regression.design(self.z), self.y)[0]
            return self.power(np.clip(-slope, 0, forms.STEEPEST))

        def residual(p):
            steepness = forms.STEEPEST * special.expit(p[1])  # b within its bounds
            return self.y - np.log(c) - np.logaddexp(0, p[0] - steepness * self.z)

        excess = np.maximum(np.exp(self.y) / c - 1, 1e-3).mean()
        starts = [
            (np.log(excess), special.logit(value / forms.STEEPEST))
            for value in (min(b, 0.999 * forms.STEEPEST), 1.0)
        ]
        found = [optimize.leastsq(residual, start, maxfev=400)[0] for start in starts]
        return min(float((residual(p) ** 2).sum()) for p in found)

    def limits(self, b: float, limit: float, most: float) -> tuple[float, float]:
        """The least and largest c whose best curve has a residual sum of at most `most`."""

        def beyond(c):
            return self.given_limit(c, b) - most

        top = np.exp(self.y.max() + 1.001 * np.sqrt(most / len(self.y)))  # above every point
        low = 0.0 if beyond(0.0) <= 0 else _crossing(beyond, 0.0, limit)
        return low, _crossing(beyond, top, limit)


def implied(points: pd.DataFrame, laws: pd.DataFrame, families, *, n: int, axis: str):
    """What the NLL law of each family implies: αγ, the b of NLL = c + a N^−b, and c = H_∞.

    α alone is not identified: any α goes with a γ.

    Parameters
    ----------
    points, laws : pandas.DataFrame
        results/scaling/points.parquet and laws.parquet.
    families : iterable of (corpus, family)
        Those to answer for, whether they have a law or not.
    n, axis
        The headline's tokens per text and N axis.

    Returns
    -------
    pandas.DataFrame
        corpus, family, n, points, and the fields of `Shifted`, a row for each of `families`. No fit
        where the law itself has none; `problem` then says why. The intervals hold the scatter of
        the models; what the choice of texts does to all models alike is not in them.
    """
    points, laws = (
        dict(list(_of_headline(table, n, axis).groupby(["corpus", "family"])))
        for table in (points, laws)
    )
    rows = []
    for key in families:
        fit = _implied_by(points.get(key), laws.get(key))
        about = dict(zip(("corpus", "family"), key, strict=True))
        count = len(points.get(key, ()))
        rows.append(about | {"n": n, "points": count} | fit._asdict())
    return pd.DataFrame(rows)


def _of_headline(table: pd.DataFrame, n: int, axis: str) -> pd.DataFrame:
    return table[(table["metric"] == "nll") & (table["n"] == n) & (table["axis"] == axis)]


def _implied_by(points, law) -> Shifted:
    """The fit of one family from its points and its law, None where it has none."""
    problem = NO_LIKELIHOOD if law is None else law["problems"].iloc[0]
    if points is None:
        return Shifted(*(np.nan,) * 6, NOT_FITTED + problem)
    x, y = np.log(points["N"].to_numpy(float)), np.log(points["y"].to_numpy(float))
    # As of models of one shape that are no replicates.
    if points["fitted"].isna().all() and not regression.reason_no_fit(x, y):
        return Shifted(*(np.nan,) * 6, NOT_FITTED + problem)
    return shifted_power(x, y)


def comparison(laws: pd.DataFrame, tokens: dict[tuple[str, str], Zipf]) -> pd.DataFrame:
    """The exponents of the NLL laws beside those of the corpus's own tokens.

    Parameters
    ----------
    laws : pandas.DataFrame
        From `implied`.
    tokens : dict
        (corpus, family) → `infogeo.theory.zipf.Zipf` of the corpus under the family's tokenizer.

    Returns
    -------
    pandas.DataFrame
        COMPARISON_COLUMNS, one row per corpus, family and quantity: alpha_gamma and limit (H_∞,
        nats per token) of the NLL law; zipf_exponent, zipf_head, zipf_tail of the tokens;
        alpha_tokens = s − 1, the α that the tokens would have as skills; gamma_needed =
        alpha_gamma/alpha_tokens. Its ends are quotients of the two intervals' opposite ends, so it
        covers at least as often as they do, the two being independent.
    """
    rows = []
    for law in laws.itertuples():
        zipf = tokens[law.corpus, law.family]
        alpha = tuple(value - 1 for value in zipf[:3])
        quantities = {
            "alpha_gamma": ((law.exponent, law.low, law.high), law.problem),
            "limit": ((law.limit, law.limit_low, law.limit_high), ""),
            "zipf_exponent": (zipf[:3], zipf.problem),
            "zipf_head": (zipf.head, ""),
            "zipf_tail": (zipf.tail, ""),
            "alpha_tokens": (alpha, ""),
            "gamma_needed": _quotient((law.exponent, law.low, law.high), alpha),
        }
        rows += [
            dict(zip(COMPARISON_COLUMNS, (law.corpus, law.family, name, *value, problem),
                     strict=True))
            for name, (value, problem) in quantities.items()
        ]  # fmt: skip
    return pd.DataFrame(rows, columns=COMPARISON_COLUMNS)


def _quotient(above, below) -> tuple[tuple, str]:
    """above/below of two estimates (value, low, high), and why it has none or no upper end."""
    value, low, high = below
    if np.isnan([above[1], value]).any():
        return (np.nan,) * 3, "not available: one of the two exponents is not"
    if value <= 0:
        return (np.nan,) * 3, "not defined: s − 1 is not above 0"
    if low <= 0:
        return (above[0] / value, above[1] / high, np.inf), "no upper end: s − 1 may be 0"
    return (above[0] / value, above[1] / high, above[2] / low), ""
