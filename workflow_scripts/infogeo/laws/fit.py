"""From measurements to scaling laws with their controls and verdicts.

A law is one metric, at one depth, convention and n, of one family on one corpus, against one
way to count N.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from infogeo.geometry.depths import width_at
from infogeo.geometry.metrics import CONDITIONAL, PREFIX_BITS
from infogeo.inference import regression, resampling
from infogeo.jobs.progress import Heartbeat
from infogeo.laws.columns import KEY, PAIR_COLUMNS, POINT_COLUMNS, tidy
from infogeo.laws.comparison import Choice, Comparison, Family, averaged
from infogeo.laws.controls import Beside, Controls, Spectra
from infogeo.laws.law import Curve, columns, judge
from infogeo.laws.measured import OfModel, Texts
from infogeo.laws.pairs import same_width
from infogeo.laws.settings import Settings
from infogeo.sources import cards, replicates, runs


class Points(NamedTuple):
    """The points of a law: models that are replicates averaged.

    Attributes
    ----------
    members : list of lists of int
        Positions of the models of each point, ascending in N.
    first : list of dict
        The first model of each.
    N, widths : (points,) arrays
    y : (points,) array
        ln of the values.
    shifts : (draws, points) array or None
        What resampling the texts does to y.
    clash : str
        Which models may not be averaged, or "".
    reason : str
        Why no law can be fitted, or "": the clash too.
    remarks : list of str
    """

    members: list
    first: list
    N: np.ndarray
    widths: np.ndarray
    y: np.ndarray
    shifts: np.ndarray | None
    clash: str
    reason: str
    remarks: list


def points_of(compared: Comparison, axis: str, curve, problem: str = "") -> Points:
    """The points of a comparison against one count N, whose curve over models is given.

    `problem` says why they may not be compared, and so make no law, or is "".
    """
    models = compared.models
    members, clash = replicates.points(models, axis)
    first = [models[point[0]] for point in members]
    N = np.array([model[f"params_{axis}"] for model in first], float)
    widths = np.array([width_at(compared.layers[row], models[row]) for row, *_ in members])
    y, shifts = averaged(curve, members)
    remarks = []
    if not np.isfinite(y).all():
        names = [model["slug"] for model, ln_y in zip(first, y, strict=True)
                 if not np.isfinite(ln_y)]  # fmt: skip
        reason = f"y is not positive for {', '.join(names)}"
        y, shifts = np.where(np.isfinite(y), y, np.nan), None
    else:
        reason = regression.reason_no_fit(np.log(N), y)
    if shifts is not None and not np.isfinite(shifts).all():
        remarks.append("texts not resampled: some resamples have a mean that is not positive")
        shifts = None
    reason = "; ".join(filter(None, [problem, clash, reason]))
    return Points(members, first, N, widths, y, shifts, clash, reason, remarks)


def point_columns(compared: Comparison, points: Points, seed_sd, band: dict, beside: Beside):
    """The columns of the table of points, without the law's key."""
    models, y, nulls = compared.models, points.y, beside.nulls
    nothing = np.full(len(y), np.nan)
    ends = (nothing, nothing)
    if points.shifts is not None:
        ends = resampling.percentiles(points.shifts)
    return {
        "models": [" ".join(models[row]["slug"] for row in point) for point in points.members],
        "N": points.N, "width": points.widths,
        "layers": [model["layers"] for model in points.first],
        "layer": [compared.layers[point[0]] for point in points.members],
        "train_tokens": [model["train_tokens"] for model in points.first],
        "replicates": [len(point) for point in points.members],
        "y": np.exp(y), "y_low": np.exp(y + ends[0]), "y_high": np.exp(y + ends[1]),
        "seed_sd": seed_sd, **{name: np.exp(line) for name, line in band.items()},
        "width_law": np.exp(nulls.get("width", (nothing,))[0]),
        "random_null": beside.random[0], "random_low": beside.random[1],
        "random_high": beside.random[2], "untrained": np.exp(nulls["untrained"][0]),
        "untrained_low": beside.reach[0], "untrained_high": beside.reach[1],
        "shuffled": np.exp(beside.shuffled[0]),
        "reading": np.exp(beside.gain[0]),
    }  # fmt: skip


def slopes_of_reading(curve: Curve, beside: Beside, reason: str) -> dict:
    """The exponents of y at equal likelihood, and of the texts with shuffled words, as columns."""
    gain, gain_shifts = beside.gain
    both = curve.shifts is not None and gain_shifts is not None
    equal = curve.y - gain, curve.shifts - gain_shifts if both else None
    out = {}
    for name, (values, shifts) in (("equal", equal), ("shuffled", beside.shuffled)):
        slope = regression.no_slope(reason)
        if not reason and np.isfinite(values).all():
            slope = regression.slope(regression.design(curve.x), values, shifts, curve.shifts_df)
        out |= columns(f"{name}_exponent", slope)
    return out


def spread_of_replicates(curve, members) -> tuple[np.ndarray, float]:
    """Standard deviation of ln y over the replicates of each point, and pooled; NaN: none."""
    with np.errstate(invalid="ignore"):
        each = np.array([curve[0][p].std(ddof=1) if len(p) > 1 else np.nan for p in members])
    spread = each[np.isfinite(each)]
    return each, np.sqrt((spread**2).mean()) if len(spread) else np.nan


class CorpusFit:
    """Fits every law of one corpus; see `scaling_laws`.

    Attributes
    ----------
    laws, pairs : list of dict
        A row each.
    points : list of dict
        The columns of the points of a law each.
    """

    def __init__(self, corpus: str, controls: Controls, settings: Settings):
        self.corpus, self.controls, self.settings = corpus, controls, settings
        self.laws: list[dict] = []
        self.points: list[dict] = []
        self.pairs: list[dict] = []
        self._across: dict[tuple, list] = {}  # for the exponents common to families

    def fit_family(self, family: Family) -> None:
        """Every key, depth and axis of one family."""
        # Neighbours share the reference's spectra: depth first, then the rest.
        jobs = [
            (depth, *key)
            for depth in (*self.settings.depths, "")
            for key in family.measured_keys()
            if (key[-1] in CONDITIONAL) == (depth == "")
        ]
        name = family.models[0]["family"]
        beat = Heartbeat(f"comparisons of {name}, {self.corpus}", len(jobs), "comparisons")
        for done, job in enumerate(jobs, 1):
            key, choice = family.compare(*job)
            if choice.comparison is None:
                self.add_unfitted(key, choice)
            else:
                compared = choice.comparison
                self.fit(choice, family.twins(compared), family.shuffled(compared))
            beat.update(done)
        beat.close()

    def add_unfitted(self, key: dict, choice: Choice) -> None:
        """Rows of laws for which there is nothing to compare."""
        for axis in self.settings.axes_of(key):
            law = key | {"axis": axis, "points": 0} | choice.counts
            law |= {"falls_verdict": "not available", "form_verdict": "not available"}
            law["problems"] = "; ".join([choice.problem, *choice.remarks])
            self.laws.append(law | {"headline": self.settings.is_headline(law)})

    def fit(self, choice: Choice, twins, shuffled) -> None:
        """The laws of one comparison, one against each N, and its pairs of one width."""
        compared, settings = choice.comparison, self.settings
        curve = compared.curve(compared.values)
        axes = settings.axes_of(compared.key)
        besides: dict[str, Beside] = {}  # most often both counts put the models in one order
        for axis in axes:
            points = points_of(compared, axis, curve, choice.problem)
            key = compared.key | {"axis": axis}
            law = key | {"points": len(points.y)} | choice.counts
            law["headline"] = settings.is_headline(law)
            law["text_resampling"] = points.shifts is not None and not points.reason
            order = str(points.members)
            if order not in besides:
                besides[order] = self.controls.beside(
                    compared, points.members, points.widths.tolist(), twins, shuffled
                )
            beside = besides[order]
            if beside.reference is not None:
                law["reference_model"] = compared.models[beside.reference]["slug"]
            x, names = np.log(points.N), [model["slug"] for model in points.first]
            clusters = choice.counts.get("clusters", np.inf)
            fitted = Curve(x, points.y, points.widths, names, beside.nulls, points.shifts,
                           clusters - 1, beside.reasons)  # fmt: skip
            judged, band, problems = judge(
                fitted, points.reason, draws=settings.draws, seed=settings.seed
            )
            law |= slopes_of_reading(fitted, beside, points.reason)
            if shuffled is not None:
                law["shuffled_texts_left_out"] = shuffled.left_out
            remarks = [*choice.remarks, *points.remarks, points.reason, *problems]
            law |= judged | {"problems": "; ".join(filter(None, remarks))}
            seed_sd, law["seed_sd"] = spread_of_replicates(curve, points.members)
            self.laws.append(law)
            of_points = point_columns(compared, points, seed_sd, band, beside)
            of_key = {name: [value] * len(points.y) for name, value in key.items()}
            self.points.append(of_key | of_points)
            if axis == axes[0] and not points.clash and not choice.problem:
                self.pairs += same_width(key, of_points, points.y, points.shifts)
            if not points.reason:
                across = tuple(key[name] for name in KEY if name != "family")
                tokenizers = {model["tokenizer_sha256"] for model in compared.models}
                self._across.setdefault(across, []).append((law, x, points.y, tokenizers))

    def fit_across_families(self) -> None:
        """Add the exponent common to all families to the laws that share everything else."""
        for fitted in self._across.values():
            if len(fitted) < 2:
                continue
            rows, xs, ys, tokenizers = zip(*fitted, strict=True)
            common = {"common_families": len(fitted)}
            if len(set().union(*tokenizers)) > 1 and rows[0]["metric"] != PREFIX_BITS:
                reason = "common exponent: families with different tokenizers"
                for law in rows:
                    law["problems"] = "; ".join(filter(None, [law["problems"], reason]))
            else:
                groups = np.repeat(np.arange(len(fitted)), [len(x) for x in xs])
                slope = regression.common_slope(np.concatenate(xs), np.concatenate(ys), groups)
                common |= {f"common_{name}": value for name, value in slope.items()}
            for law in rows:
                law |= common


def scaling_laws(
    corpus: str,
    models: list[dict],
    measure: Callable[[dict], OfModel],
    texts: Texts,
    random: pd.DataFrame,
    spectra: Spectra,
    settings: Settings,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Every law of one corpus, with its points and its same-width pairs.

    Of a run at several steps the last counts.

    Parameters
    ----------
    corpus : str
    models : list of dict
        slug, family, params_total, params_non_embedding, width, layers, replicate (see
        `infogeo.sources.replicates`), train_tokens (int or None), dtype, tokenizer_sha256 of every
        model; run and step of those that belong to one.
    measure : callable
        Given a model, what was measured of it at the settings' depths, of its twins, and of texts
        with shuffled words: a model may lack these; its laws then say so. Called once for
        each, family by family.
    texts : Texts
        Those to which it adds the texts.
    random : pandas.DataFrame
        The random null: d, n, convention, first, metric, draw, value.
    spectra : callable
        A reference model's spectra, see `infogeo.laws.controls`.
    settings : Settings

    Returns
    -------
    laws, points, pairs : pandas.DataFrame
        LAW_COLUMNS (q values belong to all corpora together: see `infogeo.laws.columns`),
        POINT_COLUMNS, PAIR_COLUMNS.

    Raises
    ------
    InfogeoError
        Where tables do not belong together. What cannot be estimated is NaN, and the law's
        `problems` say why.
    """
    fit = CorpusFit(corpus, Controls(corpus, texts, random, spectra), settings)
    for of_family in cards.by_family(
        runs.last_of_runs(models)
    ):  # one family's measurements are in memory
        fit.fit_family(Family(corpus, of_family, measure, texts, settings))
    fit.fit_across_families()
    points = {
        name: [value for part in fit.points for value in part[name]] for name in POINT_COLUMNS
    }
    points = pd.DataFrame(points).astype({"train_tokens": "Int64"})
    return tidy(pd.DataFrame(fit.laws)), points, pd.DataFrame(fit.pairs, columns=PAIR_COLUMNS)
