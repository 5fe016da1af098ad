"""Least squares of ln y on ln N: the exponent, and its interval where the noise is not equal.

A design X (points, columns) has ln N as its column 0, whose coefficient is the exponent; the other
columns are intercepts.
"""

from functools import lru_cache, wraps
from typing import NamedTuple

import numpy as np
from scipy import optimize, special, stats


class Slope(NamedTuple):
    """An exponent with its 95 % interval."""

    exponent: float
    low: float
    high: float
    p_falls: float  # one-sided t test of "the exponent is not negative"
    problem: str = ""


def once_per_content(function):
    """A decorator of functions of arrays: arrays of the same content are computed with once.

    Hundreds of laws share their N and widths. What is returned belongs to all callers, so that its
    arrays cannot be written.
    """

    @lru_cache(maxsize=64)
    def of_content(*arrays):
        given = (np.frombuffer(data, kind).reshape(shape) for data, kind, shape in arrays)
        made = function(*given)
        for part in made if isinstance(made, tuple) else (made,):
            if isinstance(part, np.ndarray):
                part.flags.writeable = False
        return made

    @wraps(function)
    def cached(*arrays):
        known = (np.asarray(array) for array in arrays)
        return of_content(*((array.tobytes(), array.dtype.str, array.shape) for array in known))

    return cached


def no_slope(problem: str = "") -> Slope:
    """A slope that could not be estimated, and why."""
    return Slope(np.nan, np.nan, np.nan, np.nan, problem)


def reason_no_fit(x, y) -> str:
    """The reason that y cannot be regressed on x, or ""."""
    if len(y) < 3:
        return f"{len(y)} point{'' if len(y) == 1 else 's'}: a law needs at least 3"
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return "not every point is finite"
    if np.ptp(x) == 0:
        return "all points have the same N"
    if np.ptp(y) == 0:
        return "all points have the same value"
    return ""


def design(x, groups=None) -> np.ndarray:
    """Columns ln N and one intercept, or one intercept per group.

    Parameters
    ----------
    x : (points,) array
        ln N.
    groups : (points,) array, optional
        Labels, such as widths or families.

    Returns
    -------
    (points, 1 + groups) float64 array
    """
    x = np.asarray(x, float)
    if groups is None:
        return np.column_stack([x, np.ones_like(x)])
    labels = np.unique(groups)
    return np.column_stack([x, np.asarray(groups)[:, None] == labels])


@lru_cache(maxsize=256)
def t_quantile(df: int) -> float:
    """97.5 % point of Student's t."""
    return float(stats.t.ppf(0.975, df))


def least_squares(X, Y):
    """Ordinary least squares of many right-hand sides at once.

    Parameters
    ----------
    X : (points, columns) array
    Y : (..., points) array

    Returns
    -------
    exponent : (...) array
        The coefficient of column 0.
    error : (...) array
        Its standard error.
    residuals : (..., points) array
    leverage : (points,) array

    Notes
    -----
    Verified against statsmodels OLS to 1e-12.
    """
    n, p = X.shape
    Q, solve, norm, leverage = _orthogonal(X)
    residuals = Y - (Y @ Q) @ Q.T
    sigma = np.sqrt((residuals**2).sum(-1) / (n - p))
    return Y @ solve[:, 0], sigma * norm, residuals, leverage


@once_per_content
def _orthogonal(X):
    """Q of X = QR; solve (points, columns): coefficients = Y @ solve; the norm of its column 0; the
    leverage."""
    Q, R = np.linalg.qr(X)
    solve = Q @ np.linalg.inv(R).T
    return Q, solve, np.linalg.norm(solve[:, 0]), (Q**2).sum(-1)


class Robust(NamedTuple):
    """A design's part of the robust interval; see `robust_design`."""

    solve: np.ndarray  # (points,): exponent = y @ solve
    residual_maker: np.ndarray  # (points, points): residuals = y @ residual_maker
    pull: np.ndarray  # (points,): solve / sqrt(1 − leverage)
    df: float
    t: float  # 97.5 % point of Student's t


@once_per_content
def robust_design(X) -> Robust | None:
    """What the robust interval needs of a design, so that many curves can share it.

    HC2 standard errors are unbiased where the noise is equal, and nearly so where it differs from
    point to point. Their degrees of freedom are those of Bell & McCaffrey (2002), after Imbens &
    Kolesár (2016).

    Parameters
    ----------
    X : (points, columns) array

    Returns
    -------
    Robust or None
        None where one point alone decides a coefficient (leverage 1), or no degrees of freedom
        are left.
    """
    inverse = np.linalg.pinv(X)  # (columns, points)
    hat = X @ inverse
    leverage = np.diag(hat)
    if len(X) <= X.shape[1] or leverage.max() > 1 - 1e-9:
        return None
    pull = inverse[0] / np.sqrt(1 - leverage)
    residual_maker = np.eye(len(X)) - hat
    spectrum = np.linalg.eigvalsh((residual_maker * pull).T @ (residual_maker * pull))
    df = spectrum.sum() ** 2 / (spectrum**2).sum()
    return Robust(inverse[0], residual_maker, pull, df, special.stdtrit(df, 0.975))


def robust_t(robust: Robust, Y):
    """Exponents, HC2 standard errors and half widths of the 95 % intervals of many curves.

    Parameters
    ----------
    robust : Robust
    Y : (..., points) array

    Returns
    -------
    exponent, error, half : (...) arrays

    Notes
    -----
    Verified against statsmodels' HC2_se and, for the degrees of freedom, the definition.
    """
    error = np.sqrt(((robust.pull * (Y @ robust.residual_maker)) ** 2).sum(-1))
    return Y @ robust.solve, error, robust.t * error


def slope(X, y, shifts=None, shifts_df=np.inf) -> Slope:
    """The exponent with the headline interval.

    Parameters
    ----------
    X : (points, columns) array
    y : (points,) array
        ln of the measured values.
    shifts : (draws, points) array, optional
        What resampling the texts does to y: one resample of text clusters per draw, the same
        for all points, because the texts are crossed with the models.
    shifts_df : float
        Degrees of freedom behind `shifts`: text clusters − 1.

    Notes
    -----
    Student's t on the HC2 variance of the residuals, which may differ from point to point. The
    residuals hold the texts' noise as far as it differs from point to point; the texts' common
    pull on the slope no residual shows, and it is added: the variance of the slope of `shifts`
    less what their own residuals say of it. The half widths of both parts, each with its own
    degrees of freedom, add up as squares: degrees of freedom joined after Satterthwaite follow
    whichever part looks larger, and cover 92 % where five models are noisy at both ends.

    Verified against: tests/bench/intervals.py (coverage), a loop over statsmodels in the tests.
    """
    problem = reason_no_fit(X[:, 0], y)
    if not problem and len(y) <= X.shape[1]:
        problem = f"{len(y)} points for {X.shape[1]} coefficients"
    robust = None if problem else robust_design(X)
    if not problem and robust is None:
        problem = "one point alone decides the exponent"
    if not problem and shifts is not None and not np.isfinite(shifts).all():
        problem = "not every resample of the texts has a value"
    if problem:
        return no_slope(problem)
    exponent, error, _ = robust_t(robust, y)
    parts = [(error, robust.df)]
    if shifts is not None:
        slopes, errors, _ = robust_t(robust, shifts)
        common = max(0.0, slopes.var(ddof=1) - (errors**2).mean())
        parts.append((np.sqrt(common), shifts_df))

    def half(level: float) -> float:
        return float(np.hypot.reduce([special.stdtrit(df, level) * se for se, df in parts]))

    reach = half(0.975)
    return Slope(
        float(exponent), float(exponent - reach), float(exponent + reach), _p_falls(exponent, half)
    )


def _p_falls(exponent: float, half) -> float:
    """One-sided p of "the exponent is not negative": the level at which its interval touches 0."""
    most = 1 - 1e-12
    if half(most) <= abs(exponent):
        level = most
    else:
        level = optimize.brentq(lambda q: half(q) - abs(exponent), 0.5, most, xtol=1e-13)
    return float(1 - level if exponent < 0 else level)


def repeated(groups) -> np.ndarray:
    """Which points belong to a group of at least two, (points,) bool."""
    _, inverse, counts = np.unique(groups, return_inverse=True, return_counts=True)
    return counts[inverse] > 1


def fixed_width(x, y, widths, shifts=None, shifts_df=np.inf) -> Slope | None:
    """The exponent of ln y ~ ln N + C(d): at fixed width N varies through depth.

    Widths with one point say nothing about it and are left out. None unless two widths have two
    points each. `shifts`, `shifts_df` as in `slope`.

    Notes
    -----
    Verified against statsmodels' formula `y ~ x + C(d)`.
    """
    keep = repeated(widths)
    if len(np.unique(widths[keep])) < 2:
        return None
    return slope(
        design(x[keep], widths[keep]),
        y[keep],
        None if shifts is None else shifts[:, keep],
        shifts_df,
    )


def common_slope(x, y, groups) -> dict:
    """One exponent for several families, and the F test of equal exponents (ANCOVA).

    Returns
    -------
    dict
        exponent, low, high (t interval), f, p. NaN where no degrees of freedom are left.

    Notes
    -----
    Verified against statsmodels' anova_lm of `y ~ C(g) + x` and `y ~ C(g) * x`.
    """
    labels = np.unique(groups)
    common = design(x, groups)
    own = np.column_stack([common[:, 1:], common[:, 1:] * np.asarray(x)[:, None]])
    df = len(y) - own.shape[1]
    if df < 1 or len(labels) < 2:
        return dict.fromkeys(("exponent", "low", "high", "f", "p"), np.nan)
    exponent, error, residuals, _ = least_squares(common, y)
    half = t_quantile(len(y) - common.shape[1]) * error
    apart = least_squares(own, y)[2]
    freed, left = (residuals**2).sum() - (apart**2).sum(), (apart**2).sum()
    f = freed / (len(labels) - 1) / (left / df) if left > 0 else np.nan
    return {
        "exponent": exponent,
        "low": exponent - half,
        "high": exponent + half,
        "f": f,
        "p": stats.f.sf(f, len(labels) - 1, df),
    }
