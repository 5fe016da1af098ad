"""Which function of N a curve follows: power law, constant, logarithm and others, by their AICc.

All are fitted to ln y by least squares.
"""

import warnings

import numpy as np
from scipy import optimize, special

from infogeo.inference.regression import design, least_squares, once_per_content

MIN_FORM_POINTS = 7  # below, AICc decides nothing
STEEPEST = 3.0  # |b| of the shifted power law
GRID_B, GRID_T = np.linspace(-2.95, 2.85, 30), np.linspace(-12, 12, 41)  # of its starts
TINY = 1e-14  # relative change of a sum of squares that counts
FORMS = ("power", "constant", "logarithm", "width_law", "shifted")


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
    best = grid[((G**2).sum(-1) - 2 * Y @ G.T).argmin(-1)]  # (curves,)
    at, c, residual = np.arange(len(Y)), best.copy(), Y - centred(best)  # of unfinished curves
    rss = (residual**2).sum(-1)
    best_rss, damping = rss.copy(), np.ones(len(Y))
    for _ in range(60):
        gradient = z / (1 + c[:, None] * z)
        gradient = gradient - gradient.mean(-1, keepdims=True)
        slope, square = (residual * gradient).sum(-1), (gradient**2).sum(-1)
        step = damping * slope / square
        going = (damping >= 1e-3) & (2 * step * slope > TINY * rss)  # what a step may gain
        if not going.any():
            break
        at, c, rss, residual, damping, step = (
            part[going] for part in (at, c, rss, residual, damping, step)
        )
        new = np.clip(c + step, grid[0], grid[-1])
        left = Y[at] - centred(new)
        now = (left**2).sum(-1)
        improved = now < rss * (1 - TINY)
        c, rss = np.where(improved, new, c), np.where(improved, now, rss)
        residual[improved] = left[improved]
        damping = np.where(improved, np.minimum(1, 3 * damping), damping / 4)
        best[at], best_rss[at] = c, rss
    return best, best_rss


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
    order = np.argsort(z)
    level, z = y.mean(), z[order]
    y = y[order] - level

    def residual(p):  # b within ±STEEPEST, t within ±30
        g, _ = _shifted(z, STEEPEST * np.tanh(p[0]), 30 * np.tanh(p[1]))
        return y - (g - g.sum() / len(g))

    misfit = ((y - _shifted_grid(z)) ** 2).sum(-1)  # (b, t)
    best, cost = None, np.inf
    with warnings.catch_warnings():  # where b runs to its bound there is no minimum inside
        warnings.simplefilter("ignore", RuntimeWarning)
        for row in np.argsort(misfit.min(-1))[[0, 3, 8]]:  # three different b
            start = np.arctanh([GRID_B[row] / STEEPEST, GRID_T[misfit[row].argmin()] / 30])
            solution = optimize.leastsq(residual, start, maxfev=300)[0]
            if (now := (residual(solution) ** 2).sum()) < cost:
                best, cost = solution, now
    b = STEEPEST * np.tanh(best[0])
    g, q = _shifted(z, b, 30 * np.tanh(best[1]))
    return np.array([np.exp(level - g.mean()), q[0], b]), cost


def _shifted(z, b, t):
    """ln(1 + q h) (..., points) and q (..., 1), which is expit(t) of the way through its domain.

    b, t: numbers, or arrays (..., 1); z ascending.
    """
    if np.ndim(b) == 0 and abs(b) < 1e-6:
        b = 1e-6
    h = -np.expm1(-b * z) / b
    low, high = -1 / h[..., -1:], -1 / h[..., :1]  # h rises with z
    q = low + (high - low) * special.expit(t)
    return np.log1p(q * h), q


@once_per_content
def _shifted_grid(z):
    """The curves less their means on GRID_B × GRID_T, (b, t, points)."""
    G, _ = _shifted(z, GRID_B[:, None, None], GRID_T[:, None])
    return G - G.mean(-1, keepdims=True)


def fit_forms(x, y, log_width_law=None) -> dict:
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
