"""The shifted power law that an entropy can follow, c + a N^−b with c ≥ 0, and its intervals."""

from typing import NamedTuple

import numpy as np
from scipy import optimize, special, stats

from infogeo.inference import forms, regression

EDGE = 25.0  # exp(−25) is nothing beside 1
MIN_POINTS = 5  # of a shifted power: three parameters and two degrees of freedom
SHARE = 0.95  # coverage of an interval


class Shifted(NamedTuple):
    """y = c + a N^−b with b in (0, 3], a ≥ 0, c ≥ 0, and 95 % profile intervals."""

    exponent: float  # b
    low: float
    high: float  # inf: no upper end was found up to b = 3
    limit: float  # c
    limit_low: float
    limit_high: float
    problem: str = ""


def fit(x, y) -> Shifted:
    """Fit y = c + a N^−b to ln y and profile b and c.

    Parameters
    ----------
    x, y : (points,) arrays
        ln N and ln y.

    Returns
    -------
    Shifted
        The interval of b holds each b whose best curve has a residual sum of squares of at most (1
        + F/(points − 3)) times the least; likewise c. F is the 95 % point of F(1, points − 3)
        (Bates & Watts 1988, §6.1). An end that the data do not give is 0 or inf. NaN with a
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
    large u the power law c = 0. For a given (b, u) the scale is a mean of ln y.
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
        solutions = [optimize.leastsq(residual, start, maxfev=400)[0] for start in starts]
        return min(float((residual(p) ** 2).sum()) for p in solutions)

    def limits(self, b: float, limit: float, most: float) -> tuple[float, float]:
        """The least and largest c whose best curve has a residual sum of at most `most`."""

        def beyond(c):
            return self.given_limit(c, b) - most

        top = np.exp(self.y.max() + 1.001 * np.sqrt(most / len(self.y)))  # above every point
        low = 0.0 if beyond(0.0) <= 0 else _crossing(beyond, 0.0, limit)
        return low, _crossing(beyond, top, limit)
