"""One law: its exponent with every control, its form, and the verdicts on both.

What is measured here and what others published go through the same `judge`.
"""

from typing import NamedTuple

import numpy as np

from infogeo.inference import forms, other_estimates, regression
from infogeo.inference.regression import Slope, no_slope
from infogeo.laws import verdicts

CONTROLS = {
    "width": "width law",
    "random": "random vectors",
    "untrained": "untrained twins",
    "reading": "better reading",
    "depth": "fixed width",
}


class Curve(NamedTuple):
    """The points of a law, and the controls beside them.

    Attributes
    ----------
    x, y : (points,) arrays
        ln N, ln of the values.
    widths : (points,) array
    names : list of str
        Of the points' models.
    nulls : dict
        width, random, untrained, reading, those that apply → two arrays: ln of the control
        (points,), NaN where it was not measured; what resampling the texts does to it (draws,
        points) or None.
    shifts : (draws, points) array or None
        What resampling the texts does to y.
    shifts_df : float
        Text clusters − 1.
    reasons : dict
        Name of a control → why it is NaN, where that is not for want of a measurement.
    """

    x: np.ndarray
    y: np.ndarray
    widths: np.ndarray
    names: list[str]
    nulls: dict[str, tuple]
    shifts: np.ndarray | None = None
    shifts_df: float = np.inf
    reasons: dict | None = None


def judge(curve: Curve, reason: str, *, draws: int, seed: int) -> tuple[dict, dict, list[str]]:
    """Everything that is estimated of a law, and its verdicts.

    Parameters
    ----------
    curve : Curve
    reason : str
        Why no law can be fitted, or "".
    draws, seed : int
        Of the bootstrap intervals for comparison, and of the simulated error rates.

    Returns
    -------
    columns : dict
        Those of `infogeo.laws.columns.LAW_COLUMNS` from the exponent on, as far as they follow
        from the points.
    band : dict
        fitted, band_low, band_high: the line and its 95 % band, ln y (points,).
    problems : list of str
        What is missing of the controls, and why.
    """
    x, y, widths = curve.x, curve.y, curve.widths
    texts = curve.shifts, curve.shifts_df
    raw = no_slope(reason) if reason else regression.slope(regression.design(x), y, *texts)
    slopes: dict[str, Slope] = {}
    if not reason:
        slopes = {name: excess(curve, name) for name in curve.nulls}
        fixed = regression.fixed_width(x, y, widths, *texts)
        if fixed is not None:
            slopes["depth"] = fixed
    out = {"widths": len(set(widths.tolist()))} | columns("exponent", raw)
    for name in ("width", "random", "untrained", "reading"):
        out |= columns(f"excess_{name}", slopes.get(name, no_slope()))
    out |= columns("depth_exponent", slopes.get("depth", no_slope()))
    out["controls_applied"] = ", ".join(CONTROLS[name] for name in slopes)
    out["falls_verdict"] = verdicts.falls(raw, slopes)
    out["falls_p"] = np.max([slope.p_falls for slope in (raw, *slopes.values())])  # NaN wins
    out["form_verdict"] = "not available"
    band = dict.fromkeys(("fitted", "band_low", "band_high"), np.full(len(y), np.nan))
    if not reason:
        more, band = estimates(curve, draws=draws, seed=seed)
        out |= more
    problems = [f"{CONTROLS[name]}: {slope.problem}" for name, slope in slopes.items()
                if slope.problem]  # fmt: skip
    return out, band, problems


def excess(curve: Curve, control: str) -> Slope:
    """The slope of ln(y / control) on ln N."""
    null, null_shifts = curve.nulls[control]
    if not np.isfinite(null).all():
        return no_slope((curve.reasons or {}).get(control) or "not measured for every model")
    gap, shifts = curve.y - null, curve.shifts
    if np.ptp(gap) < 1e-12:  # the metric is its control, up to rounding
        return Slope(0.0, 0.0, 0.0, 1.0)
    if shifts is not None and null_shifts is not None:
        shifts = shifts - null_shifts
    return regression.slope(regression.design(curve.x), gap, shifts, curve.shifts_df)


def estimates(curve: Curve, *, draws: int, seed: int) -> tuple[dict, dict]:
    """What else is estimated of a law, and the fitted line with its band (ln y)."""
    x, y, widths = curve.x, curve.y, curve.widths
    nulls = {name: null for name, (null, _) in curve.nulls.items() if np.isfinite(null).all()}
    law = other_estimates.ols(x, y)
    band = {name: law.pop(name) for name in ("fitted", "band_low", "band_high")}
    exponent = law.pop("exponent")
    for name, interval in (
        ("bootstrap", other_estimates.bootstrap_t),
        ("bca", other_estimates.bca),
    ):
        law[f"{name}_low"], law[f"{name}_high"] = interval(x, y, draws=draws, seed=seed)
    law["huber"] = other_estimates.huber(x, y)
    left = other_estimates.leave_one_out(x, y)
    law["leave_one_out_low"], law["leave_one_out_high"] = left.min(), left.max()
    law["leave_one_out_model"] = curve.names[int(np.argmax(np.abs(left - exponent)))]
    last = int(np.argmax(x))
    law["held_out_model"], law["held_out_measured"] = curve.names[last], np.exp(y[last])
    law |= {f"held_out_{name}": value for name, value in other_estimates.held_out(x, y).items()}
    both = other_estimates.joint(x, np.log(widths), y)
    law |= {f"joint_{name}": value for name, value in both.items()}
    fits = forms.fit_forms(x, y, nulls.get("width"))
    law |= fits | {"form_verdict": verdicts.power_law_form(fits, len(x))}
    law |= verdicts.false_rates(x, y, nulls, widths, seed)
    law |= verdicts.form_rates(x, y, fits, seed)
    return law, band


def columns(name: str, slope: Slope) -> dict:
    """An exponent and its interval as columns."""
    return {name: slope.exponent, f"{name}_low": slope.low, f"{name}_high": slope.high}
