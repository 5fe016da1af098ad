"""Scaling laws on arrays: exponents, their intervals, functional forms, predictions.

Everything is fitted to ln y. A design X (points, columns) has ln N as its column 0, whose
coefficient is the exponent; the other columns are intercepts.
"""

import warnings
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import statsmodels.api as sm
from scipy import optimize, special, stats

from infogeo.inference.resampling import percentiles

MIN_FORM_POINTS = 7  # below, AICc decides nothing
STEEPEST = 3.0  # |b| of the shifted power law
FORMS = ("power", "constant", "logarithm", "width_law", "shifted")


class Slope(NamedTuple):
    """An exponent with its 95 % interval."""

    exponent: float
    low: float
    high: float
    p_falls: float  # one-sided t test of "the exponent is not negative"
    problem: str = ""


def nowhere(problem: str = "") -> Slope:
    """A slope that could not be estimated, and why."""
    return Slope(np.nan, np.nan, np.nan, np.nan, problem)


def why_not(x, y) -> str:
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


# ---------------------------------------------------------------- least squares and intervals


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
    Q, R = np.linalg.qr(X)
    solve = Q @ np.linalg.inv(R).T  # (points, columns): coefficients = Y @ solve
    residuals = Y - (Y @ Q) @ Q.T
    sigma = np.sqrt((residuals**2).sum(-1) / (n - p))
    return Y @ solve[:, 0], sigma * np.linalg.norm(solve[:, 0]), residuals, (Q**2).sum(-1)


class Robust(NamedTuple):
    """A design's part of the robust interval; see `robust_design`."""

    solve: np.ndarray  # (points,): exponent = y @ solve
    maker: np.ndarray  # (points, points): residuals = y @ maker
    pull: np.ndarray  # (points,): solve / sqrt(1 − leverage)
    df: float


def robust_design(X) -> Robust | None:
    """What the robust interval needs of a design, so that many curves can share it.

    HC2 standard errors (unbiased where the noise is equal, and nearly so where it differs from
    point to point) with the degrees of freedom of Bell & McCaffrey (2002), after Imbens & Kolesár
    (2016).

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
    maker = np.eye(len(X)) - hat
    spectrum = np.linalg.eigvalsh((maker * pull).T @ (maker * pull))
    return Robust(inverse[0], maker, pull, spectrum.sum() ** 2 / (spectrum**2).sum())


def robust_t(known: Robust, Y):
    """Exponents, HC2 standard errors and half widths of the 95 % intervals of many curves.

    Parameters
    ----------
    known : Robust
    Y : (..., points) array

    Returns
    -------
    exponent, error, half : (...) arrays

    Notes
    -----
    Verified against statsmodels' HC2_se and, for the degrees of freedom, the definition.
    """
    error = np.sqrt(((known.pull * (Y @ known.maker)) ** 2).sum(-1))
    return Y @ known.solve, error, special.stdtrit(known.df, 0.975) * error


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
    problem = why_not(X[:, 0], y)
    if not problem and len(y) <= X.shape[1]:
        problem = f"{len(y)} points for {X.shape[1]} coefficients"
    known = None if problem else robust_design(X)
    if not problem and known is None:
        problem = "one point alone decides the exponent"
    if problem:
        return nowhere(problem)
    exponent, error, _ = robust_t(known, y)
    parts = [(error, known.df)]
    if shifts is not None:
        slopes, errors, _ = robust_t(known, shifts)
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


@lru_cache(maxsize=32)
def _residual_draws(points: int, draws: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, points, (draws, points))


def bootstrap_t(x, y, *, draws: int, seed: int) -> tuple[float, float]:
    """95 % interval of the exponent by the residual bootstrap-t, N fixed, texts left out.

    For comparison only: like the t interval it takes the noise of all points as equal.

    Notes
    -----
    Residuals are divided by sqrt(1 − leverage), centred, and drawn with replacement (Davison &
    Hinkley 1997, algorithm 6.1), and the slope's t statistic is resampled. NaN where most draws
    have no spread.

    Verified against: an unvectorised loop in the tests.
    """
    X = design(x)
    exponent, error, residuals, leverage = least_squares(X, y)
    if leverage.max() > 1 - 1e-9:
        return np.nan, np.nan
    adjusted = residuals / np.sqrt(1 - leverage)
    adjusted = adjusted - adjusted.mean()
    sampled = adjusted[_residual_draws(len(y), draws, seed)]  # (draws, points)
    slopes, errors, _, _ = least_squares(X, sampled)
    with np.errstate(divide="ignore", invalid="ignore"):
        roots = slopes / errors
    roots = roots[np.isfinite(roots)]  # a residual drawn n times has no spread
    if len(roots) < draws / 2:
        return np.nan, np.nan
    low, high = percentiles(roots)
    return exponent - high * error, exponent - low * error


def ols(x, y) -> dict:
    """ln y on ln N by statsmodels OLS: exponent, t interval, p, R² and a 95 % band for the line.

    Returns
    -------
    dict
        exponent, standard_error, t_low, t_high, p_value (two-sided), r_squared, log_prefactor
        (ln y at N = 1), residual_sd, and arrays fitted, band_low, band_high (points,), in ln y.

    Notes
    -----
    Verified against scipy.stats.linregress and closed forms.
    """
    result = sm.OLS(y, design(x)).fit()
    low, high = result.conf_int()[0]
    band = result.get_prediction().conf_int()  # of the mean, not of a new point
    return {
        "exponent": result.params[0],
        "standard_error": result.bse[0],
        "t_low": low,
        "t_high": high,
        "p_value": result.pvalues[0],
        "r_squared": result.rsquared,
        "log_prefactor": result.params[1],
        "residual_sd": np.sqrt(result.mse_resid),
        "fitted": result.fittedvalues,
        "band_low": band[:, 0],
        "band_high": band[:, 1],
    }


def bca(x, y, *, draws: int, seed: int) -> tuple[float, float]:
    """95 % interval of the exponent by BCa over resampled points (Efron 1987).

    For comparison only: it covers too little at 5–10 points. NaN where it is not defined.

    Notes
    -----
    Verified against scipy.stats.bootstrap(method="BCa") with the same draws.
    """
    chosen = _residual_draws(len(x), draws, seed)
    xs, ys = x[chosen], y[chosen]
    xs = xs - xs.mean(-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        slopes = (xs * ys).sum(-1) / (xs**2).sum(-1)
    slopes = slopes[np.isfinite(slopes)]  # a draw of one point n times has no slope
    exponent = least_squares(design(x), y)[0]
    bias = stats.norm.ppf(((slopes < exponent).mean() + (slopes <= exponent).mean()) / 2)
    jackknife = leave_one_out(x, y)
    gap = jackknife.mean() - jackknife
    spread = (gap**2).sum()
    if not (spread > 0 and np.isfinite(bias)):
        return np.nan, np.nan
    acceleration = (gap**3).sum() / (6 * spread**1.5)
    tails = bias + stats.norm.ppf([0.025, 0.975])
    levels = stats.norm.cdf(bias + tails / (1 - acceleration * tails))
    low, high = np.quantile(slopes, levels)
    return low, high


def huber(x, y, tuning: float = 1.345) -> float:
    """The exponent by Huber's M-estimator; NaN where it does not converge.

    Iteratively reweighted least squares, the scale (median absolute residual / 0.6745) updated
    in each step; 95 % efficient for normal noise.

    Notes
    -----
    Verified against statsmodels RLM(M=HuberT()).
    """
    X = design(x)
    coefficients = np.linalg.lstsq(X, y, rcond=None)[0]
    for _ in range(200):
        residuals = y - X @ coefficients
        scale = np.median(np.abs(residuals)) / special.ndtri(0.75)
        if scale < 1e-14:  # more than half of the points lie exactly on a line
            return float(coefficients[0])
        weights = np.minimum(1, tuning * scale / np.maximum(np.abs(residuals), 1e-300))
        root = np.sqrt(weights)
        new = np.linalg.lstsq(X * root[:, None], y * root, rcond=None)[0]
        done = np.abs(new - coefficients).max() < 1e-10 * max(1.0, np.abs(new).max())
        coefficients = new
        if done:
            return float(coefficients[0])
    return np.nan


def leave_one_out(x, y) -> np.ndarray:
    """The exponent without each of the points in turn, (points,).

    Notes
    -----
    Closed form b − (XᵀX)⁻¹x_i e_i/(1 − h_i); verified against refits.
    """
    X = design(x)
    exponent, _, residuals, leverage = least_squares(X, y)
    pull = (np.linalg.inv(X.T @ X) @ X.T)[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        return exponent - pull * residuals / (1 - leverage)


def held_out(x, y) -> dict:
    """Predict the largest N from the others, with a 95 % prediction interval (t).

    Returns
    -------
    dict
        predicted, low, high (values of y, not ln y), error (relative: measured/predicted − 1).
        All NaN where fewer than 3 points remain.
    """
    last = int(np.argmax(x))
    rest = np.arange(len(x)) != last
    if rest.sum() < 3 or np.ptp(x[rest]) == 0:
        return dict.fromkeys(("predicted", "low", "high", "error"), np.nan)
    result = sm.OLS(y[rest], design(x[rest])).fit()
    new = result.get_prediction(design(x[[last]]))
    low, high = new.conf_int(obs=True)[0]
    predicted = new.predicted_mean[0]
    return {
        "predicted": np.exp(predicted),
        "low": np.exp(low),
        "high": np.exp(high),
        "error": np.expm1(y[last] - predicted),
    }


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


def joint(x, z, y) -> dict:
    """ln y ~ ln N + ln d: both exponents and the variance inflation 1/(1 − r²). Decides nothing.

    Returns
    -------
    dict
        n_exponent, width_exponent, inflation. NaN where the two cannot be told apart.
    """
    if len(x) < 4 or np.ptp(z) == 0:
        return dict.fromkeys(("n_exponent", "width_exponent", "inflation"), np.nan)
    r = np.corrcoef(x, z)[0, 1]
    if 1 - r**2 < 1e-12:
        return {"n_exponent": np.nan, "width_exponent": np.nan, "inflation": np.inf}
    params = sm.OLS(y, np.column_stack([x, z, np.ones_like(x)])).fit().params
    return {"n_exponent": params[0], "width_exponent": params[1], "inflation": 1 / (1 - r**2)}


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


def benjamini_hochberg(p) -> np.ndarray:
    """q values (false discovery rate, Benjamini & Hochberg 1995); NaN stays NaN.

    Notes
    -----
    Verified against scipy.stats.false_discovery_control.
    """
    p = np.asarray(p, float)
    q = np.full(p.shape, np.nan)
    finite = np.isfinite(p)
    if finite.any():
        q[finite] = stats.false_discovery_control(p[finite])
    return q


# ---------------------------------------------------------------- functional forms


def aicc(rss, points: int, k: int):
    """Corrected Akaike criterion of a Gaussian fit; k counts σ. NaN where points − k − 1 < 1.

    −2 ln L + 2k + 2k(k + 1)/(n − k − 1), −2 ln L = n ln(2π rss/n) + n (Hurvich & Tsai 1989).
    Residuals below 1e-12 count as 1e-12: beyond that they are rounding.
    """
    if points - k - 1 < 1:
        return np.full(np.shape(rss), np.nan)[()]
    rss = np.maximum(rss, points * 1e-24)
    likelihood = points * np.log(2 * np.pi * rss / points) + points
    return likelihood + 2 * k + 2 * k * (k + 1) / (points - k - 1)


def fit_logarithm(z, Y):
    """Fit ln y = ln A + ln(1 + c z), z = ln N less its mean, to many curves at once.

    A is a mean for given c, so only c is searched: a grid over all c for which the logarithm
    exists, then Newton steps with halving.

    Parameters
    ----------
    z : (points,) array
    Y : (curves, points) array
        ln y.

    Returns
    -------
    c, rss : (curves,) arrays

    Notes
    -----
    Verified against scipy.optimize from many random starts.
    """
    low, high = -1 / z.max(), -1 / z.min()

    def centred(c):  # (..., points)
        g = np.log1p(c[..., None] * z)
        return g - g.mean(-1, keepdims=True)

    Y = Y - Y.mean(-1, keepdims=True)
    share = (1 + np.tanh(np.linspace(-6, 6, 49))) / 2  # dense near the ends, where ln diverges
    grid = low + (high - low) * share
    G = centred(grid)  # (grid, points)
    c = grid[((G**2).sum(-1) - 2 * Y @ G.T).argmin(-1)]  # (curves,)
    residual = Y - centred(c)
    rss = (residual**2).sum(-1)
    damping = np.ones(len(Y))
    for _ in range(60):
        gradient = z / (1 + c[:, None] * z)
        gradient = gradient - gradient.mean(-1, keepdims=True)
        step = damping * (residual * gradient).sum(-1) / (gradient**2).sum(-1)
        new = np.clip(c + step, grid[0], grid[-1])
        left = Y - centred(new)
        improved = (left**2).sum(-1) < rss * (1 - 1e-14)
        c = np.where(improved, new, c)
        residual = np.where(improved[:, None], left, residual)
        rss = (residual**2).sum(-1)
        damping = np.where(improved, np.minimum(1, 3 * damping), damping / 4)
        if (damping < 1e-3).all():
            break
    return c, rss


def fit_shifted(z, y) -> tuple[np.ndarray, float]:
    """Fit the shifted power law c + a N^−b to ln y; z = ln N less its mean.

    Written as ln y = ln S + ln(1 + q h_b(z)), h_b(z) = (1 − exp(−bz))/b: smooth through b = 0,
    where it is the logarithm; q = −b is the power law; |b| ≤ 3, beyond which one point alone
    bends. S is a mean for given (b, q). A grid over the whole domain picks three starts for
    scipy's leastsq (Levenberg–Marquardt).

    Returns
    -------
    parameters : (3,) array
        S, q, b.
    rss : float

    Notes
    -----
    Verified against scipy.optimize.least_squares from many random starts.
    """
    level = y.mean()
    y = y - level

    def curve(b, t):
        """ln(1 + q h) and q for arrays b and t: q is expit(t) of the way through its domain."""
        b = np.where(np.abs(b) < 1e-6, 1e-6, b)[..., None]
        h = -np.expm1(-b * z) / b  # (..., points)
        low, high = -1 / h[..., -1:], -1 / h[..., :1]  # h rises with z
        q = low + (high - low) * special.expit(t)[..., None]
        return np.log1p(q * h), q[..., 0]

    def residual(p):  # b within ±STEEPEST, t within ±30
        g, _ = curve(STEEPEST * np.tanh(p[0]), 30 * np.tanh(p[1]))
        return y - (g - g.mean())

    order = np.argsort(z)
    z, y = z[order], y[order]
    bs, ts = np.linspace(-2.95, 2.85, 30), np.linspace(-12, 12, 41)
    G, _ = curve(bs[:, None], ts[None, :])  # (b, t, points)
    G = G - G.mean(-1, keepdims=True)
    misfit = ((y - G) ** 2).sum(-1)
    best, cost = None, np.inf
    for row in np.argsort(misfit.min(-1))[[0, 3, 8]]:  # three different b
        start = np.arctanh([bs[row] / STEEPEST, ts[misfit[row].argmin()] / 30])
        with warnings.catch_warnings():  # where b runs to its bound there is no minimum inside
            warnings.simplefilter("ignore", RuntimeWarning)
            found = optimize.leastsq(residual, start, maxfev=300)[0]
        if (now := (residual(found) ** 2).sum()) < cost:
            best, cost = found, now
    b = STEEPEST * np.tanh(best[0])
    g, q = curve(b, 30 * np.tanh(best[1]))
    return np.array([np.exp(level - g.mean()), q, b]), cost


def forms(x, y, log_width_law=None) -> dict:
    """AICc of the functional forms, all fitted to ln y by least squares.

    Parameters
    ----------
    x, y : (points,) arrays
        ln N and ln y.
    log_width_law : (points,) array, optional
        ln y_w(d); the form is A·y_w(d).

    Returns
    -------
    dict
        aicc_{form} for power, constant, logarithm, width_law, shifted (NaN: not available),
        best_form ("" below 7 points), log_a, log_b of ln(a + b ln N), and shifted_c, shifted_a,
        shifted_b of c + a N^−b.
    """
    n = len(y)
    z = x - x.mean()
    rss = {
        "power": (least_squares(design(x), y)[2] ** 2).sum(),
        "constant": ((y - y.mean()) ** 2).sum(),
    }
    out = {}
    c, log_rss = fit_logarithm(z, y[None])
    rss["logarithm"] = log_rss[0]
    level = np.exp(y.mean() - np.log1p(c[0] * z).mean())
    out["log_a"], out["log_b"] = level * (1 - c[0] * x.mean()), level * c[0]
    if log_width_law is not None and np.isfinite(log_width_law).all():
        gap = y - log_width_law
        rss["width_law"] = ((gap - gap.mean()) ** 2).sum()
    if n - 4 - 1 >= 1:
        (scale, q, b), rss["shifted"] = fit_shifted(z, y)
        out["shifted_b"] = b
        out["shifted_a"] = -scale * q / b * np.exp(b * x.mean())
        out["shifted_c"] = scale * (1 + q / b)
    else:
        out |= dict.fromkeys(("shifted_c", "shifted_a", "shifted_b"), np.nan)
    k = {"power": 3, "constant": 2, "logarithm": 3, "width_law": 2, "shifted": 4}
    for form in FORMS:
        out[f"aicc_{form}"] = float(aicc(rss[form], n, k[form])) if form in rss else np.nan
    known = {form: out[f"aicc_{form}"] for form in FORMS if np.isfinite(out[f"aicc_{form}"])}
    out["best_form"] = min(known, key=known.get) if n >= MIN_FORM_POINTS and known else ""
    return out
