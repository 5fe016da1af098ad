"""A law of numbers that were measured elsewhere, with the controls that apply to it."""

from typing import NamedTuple

import numpy as np

from infogeo.door.arrays import Texts
from infogeo.files.errors import InfogeoError, stop_at
from infogeo.files.numbers import estimate
from infogeo.geometry import metrics
from infogeo.geometry.entropy import evaluate
from infogeo.geometry.nulls import random_null
from infogeo.geometry.spectra import text_spectra
from infogeo.inference.regression import reason_no_fit
from infogeo.laws.controls import truncate
from infogeo.laws.law import CONTROLS, Curve, judge

RANDOM_DRAWS = 32  # as in config/config.yaml


class Control(NamedTuple):
    """An exponent that must be negative too: an excess over a control, or that at fixed width."""

    exponent: float
    low: float
    high: float


class Law(NamedTuple):
    """A fitted law.

    Attributes
    ----------
    exponent, low, high : float
        The slope of ln y on ln N and its 95 % interval; NaN where none can be fitted.
    verdict : str
        On "y falls with N": supported, width artefact, inconclusive, not available.
    form : str
        On "y is a power of N", against a constant and a logarithm: supported, not supported,
        inconclusive, not available.
    controls : dict of str to Control
        Those that apply, by name.
    problems : list of str
        What is missing, and why.
    fitted, band_low, band_high : (points,) arrays
        The line and its 95 % band, in the unit of y, in the order of N as it was given.
    estimates : dict
        Everything that is estimated of the law, as in the columns of scaling_laws.csv.
    """

    exponent: float
    low: float
    high: float
    verdict: str
    form: str
    controls: dict
    problems: list
    fitted: np.ndarray
    band_low: np.ndarray
    band_high: np.ndarray
    estimates: dict

    def __str__(self) -> str:
        lines = [f"exponent {estimate(self.exponent, self.low, self.high, signed=True)}"]
        for name, control in self.controls.items():
            title = f"at {name}" if name == CONTROLS["depth"] else f"excess over {name}"
            lines.append(f"  {title}: {estimate(*control, signed=True)}")
        lines += [f"falls with N: {self.verdict}", f"power law: {self.form}"]
        return "\n".join([*lines, *(f"missing: {problem}" for problem in self.problems)])


def fit_law(N, y, *, width, metric=None, convention="centred", n=None, reference=None,
            untrained=None, names=None, draws=999, seed=0) -> Law:  # fmt: skip
    """Fit y against the sizes of models, beside the controls that may explain it, and judge it.

    Parameters
    ----------
    N : (points,) array
        Parameters of each model.
    y : (points,) array
        What was measured, above 0.
    width : (points,) array of int
        Width d of each model's states.
    metric : str, optional
        What y is, such as ``entropy_over_ln_d``, ``coding_rate_rank[eps2=0.5]`` or ``nll``. Without
        it no control but fixed width can be computed, and "supported" is out of reach.
    convention : {"centred", "unit"}
        Of the metric, where it is one of spectra.
    n : int, optional
        Tokens of each text. With it and the metric, the control of random vectors is computed.
    reference : sequence of (n, d) matrices, or batch (texts, n, d), optional
        States of one model, the one in the middle: the width law is the metric of their spectra
        with only d changed. Without it, it is what d does to the metric's divisor, where d is in
        no other part of it.
    untrained : (points,) array, optional
        y of the same architectures with random weights.
    names : sequence of str, optional
        Of the models.
    draws, seed : int
        Of the bootstrap intervals for comparison and the simulated error rates.

    Returns
    -------
    Law

    Raises
    ------
    InfogeoError
        Where arrays do not belong together, or there is no such metric.

    Notes
    -----
    Intervals: Student's t on HC2 variance (docs/verdicts.md has the rules of the verdicts and their
    error rates). Texts are not resampled: the interval knows the scatter of models alone. A
    conditional metric, such as ``nll``, has neither width law nor random vectors.

    Examples
    --------
    >>> import infogeo
    >>> law = infogeo.fit_law([1e6, 1e7, 1e8, 1e9], [4.0, 3.2, 2.6, 2.1], width=[64, 64, 128, 128],
    ...                       metric="nll", untrained=[8.0, 8.0, 8.0, 8.0])
    >>> round(law.exponent, 3), law.verdict
    (-0.093, 'supported')
    """
    N, y, width = _checked(N, y, width, n, draws)
    order = np.argsort(N, kind="stable")
    names = [f"{size:g}" for size in N] if names is None else list(names)
    if len(names) != len(N):
        raise InfogeoError(f"names: {len(names)} of them, but there are {len(N)} models.")
    names = np.array(names, object)
    x = np.log(N[order])
    with np.errstate(divide="ignore", invalid="ignore"):
        ln_y = np.log(y[order])
        nulls = {"untrained": (_ln(untrained, len(N))[order], None)}
    conditional = metric in metrics.CONDITIONAL
    if not conditional:
        measured = _Metric(metric, convention, n)
        random, by_width = measured.random(width, seed), measured.width_law(width, reference)
        nulls = {"width": (by_width[order], None), "random": (random[order], None)} | nulls
    reason = reason_no_fit(x, ln_y)
    curve = Curve(x, ln_y, width[order], names[order].tolist(), nulls)
    judged, band, problems = judge(curve, reason, draws=draws, seed=seed)
    back = np.argsort(order)
    fitted, low, high = (np.exp(band[name][back]) for name in ("fitted", "band_low", "band_high"))
    applied = filter(None, judged["controls_applied"].split(", "))
    columns = {title: "depth_exponent" if name == "depth" else f"excess_{name}"
               for name, title in CONTROLS.items()}  # fmt: skip
    return Law(
        *(judged[name] for name in ("exponent", "exponent_low", "exponent_high")),
        judged["falls_verdict"],
        judged["form_verdict"],
        {name: Control(*(judged[columns[name] + end] for end in ("", "_low", "_high")))
         for name in applied},
        [*filter(None, [reason]), *problems],
        fitted, low, high,
        judged,
    )  # fmt: skip


def _checked(N, y, width, n, draws):
    arrays = {"N": np.asarray(N, float), "y": np.asarray(y, float), "width": np.asarray(width)}
    problems = [
        f"{name}: shape {array.shape}; N, y and width must be as long as each other, one entry a "
        "model"
        for name, array in arrays.items()
        if array.shape != (arrays["N"].size,)
    ]
    if n is not None and n < 2:
        problems.append(f"n: {n}; a spectrum needs at least 2 tokens")
    if draws < 1:
        problems.append(f"draws: {draws}; at least 1 is needed")
    if (arrays["N"] <= 0).any():
        problems.append(f"N: {arrays['N'].min():g}; parameters must be above 0")
    if (arrays["y"] <= 0).any():
        problems.append(f"y: {arrays['y'].min():g}; a law is one of logarithms, so y is above 0")
    width = arrays["width"]
    if width.size and not (width.dtype.kind in "fiu" and (width == np.rint(width)).all()
                           and width.min() >= 2):  # fmt: skip
        problems.append(f"width: {width.tolist()}; widths are whole numbers of at least 2")
    stop_at(problems, "fit_law")
    return arrays["N"], arrays["y"], width.astype(np.int64)


def _ln(values, points: int) -> np.ndarray:
    """ln of a control, NaN where there is none."""
    if values is None:
        return np.full(points, np.nan)
    values = np.asarray(values, float)
    if values.shape != (points,):
        raise InfogeoError(f"untrained: shape {values.shape}, but there are {points} models.")
    return np.log(values)


class _Metric:
    """A metric of spectra, or of nobody knows what, and its controls."""

    def __init__(self, name: str | None, convention: str, n: int | None):
        self.name, self.convention, self.n = name, convention, n
        if name is None:
            return
        metric = metrics.parse_metric(name)
        self.name, self.base, self.parameter = str(metric), *metric
        evaluate(name, np.ones(1), 2, 2, convention)  # refuses a name that is none
        allowed = metrics.conventions(self.base)
        if convention not in allowed:
            problem = f"metric {name!r}: not in convention {convention!r} of a text; it "
            if allowed:
                raise InfogeoError(f"{problem}exists in {', '.join(map(repr, allowed))}.")
            raise InfogeoError(
                f"{problem}is of a matrix of a row a text, for which no control is computed. Leave "
                "metric out."
            )

    def random(self, width, seed: int) -> np.ndarray:
        """ln of the metric of n random vectors in each width."""
        if self.name is None or self.n is None:
            return np.full(len(width), np.nan)
        eps2, lambdas, orders = (
            [self.parameter.value] if self.parameter and self.parameter.kind == kind else []
            for kind in (metrics.EPS2, metrics.LAMBDA, metrics.ORDER)
        )
        table = random_null(width.tolist(), [self.n], eps2, lambdas, RANDOM_DRAWS, seed, orders)
        table = table[
            (table["metric"] == self.name)
            & (table["convention"] == self.convention)
            & (table["first"] == "in")
        ]
        return np.log(table.groupby("d")["value"].mean()[width].to_numpy())

    def width_law(self, width, reference) -> np.ndarray:
        """ln of the metric with only d changed, but for a constant."""
        if self.name is not None and reference is not None:
            return self._of_spectra(width, Texts(reference))
        if self.name in metrics.SPECTRAL and not self.name.startswith("entropy_over"):
            return np.zeros(len(width))
        if self.name == "entropy_over_ln_d":
            return -np.log(np.log(width))
        return np.full(len(width), np.nan)

    def _of_spectra(self, width, texts: Texts) -> np.ndarray:
        different, by_width = np.unique(width, return_inverse=True)
        values = np.empty((len(texts.lengths), len(different)))
        for text in range(len(values)):
            Z = texts.read(text)
            n = len(Z) if self.n is None else self.n
            spectra = text_spectra(Z, [n])
            if not spectra:
                raise InfogeoError(f"reference: text {text} has {len(Z)} tokens, fewer than {n}.")
            eigenvalues, zero_rows = spectra[self.convention, "in", n]
            values[text] = [
                evaluate(self.name, truncate(eigenvalues, d), d, n - zero_rows, self.convention)
                for d in different
            ]
        return np.log(values.mean(axis=0))[by_width]
