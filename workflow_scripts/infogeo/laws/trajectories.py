"""Trajectories: the declared metrics of a run against the tokens that it has seen.

Runs of one shape that differ in seed alone are one trajectory over the steps that all of them have.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from infogeo.geometry import metrics
from infogeo.geometry.depths import layer_at, width_at
from infogeo.inference import resampling
from infogeo.inference.regression import t_quantile
from infogeo.laws.measured import Measured, Texts
from infogeo.laws.settings import Settings
from infogeo.sources import cards, replicates
from infogeo.sources.runs import steps_of_runs

LOSS = "nll"
# What identifies a run at one step, whatever the metric.
ABOUT = ["corpus", "family", "runs", "replicates", "N", "width", "layers"]
KEY = ["metric", "convention", "first", "depth", "n"]
COLUMNS = [
    *ABOUT, *KEY, "layer", "step", "train_tokens", "place", "models", "texts", "sources",
    "y", "y_low", "y_high", "seed_sd", "untrained", "untrained_low", "untrained_high",
    "minus_untrained", "minus_untrained_low", "minus_untrained_high", "problems",
]  # fmt: skip


class Trajectory(NamedTuple):
    """Runs of one shape that differ in seed alone, at the steps that all of them have.

    Attributes
    ----------
    models : list of lists of dict
        Of each run, its model at each step.
    steps : (steps,) int array
        Ascending.
    tokens : (steps,) float array
        Seen so far; NaN where not known.
    """

    models: list
    steps: np.ndarray
    tokens: np.ndarray

    @property
    def first(self) -> dict:
        """The model that says which family and shape they are."""
        return self.models[0][0]

    @property
    def seen(self) -> np.ndarray:
        """Tokens seen at each step, or the steps themselves where those are not known."""
        return self.tokens if np.isfinite(self.tokens).all() else self.steps.astype(float)

    def places(self) -> np.ndarray:
        """ln of what was seen; step 0 is as far before the first as others lie apart."""
        return places(self.seen)

    def about(self, corpus: str) -> dict:
        """The columns `ABOUT`."""
        return {
            "corpus": corpus, "family": self.first["family"],
            "runs": " ".join(models[0]["run"] for models in self.models),
            "replicates": len(self.models), "N": self.first["params_non_embedding"],
            "width": self.first["width"], "layers": self.first["layers"],
        }  # fmt: skip


def places(seen) -> np.ndarray:
    """ln of tokens (or steps), ascending; 0 is placed a median gap before the first above 0."""
    seen = np.asarray(seen, float)
    later = np.log(seen[seen > 0])
    if not len(later):
        return np.zeros(len(seen))
    gap = np.median(np.diff(later)) if len(later) > 1 else 1.0
    return np.concatenate([np.full((seen <= 0).sum(), later[0] - gap), later])


def trajectories(models: list[dict], axis: str) -> list[Trajectory]:
    """The trajectories of one family, ascending in N.

    Runs of one shape are apart where they may differ in more than the seed, and where they have
    fewer than two steps in common.

    Parameters
    ----------
    models : list of dict
        Of the family: see `infogeo.laws.fit.scaling_laws`; also run and step.
    axis : {"non_embedding", "total"}
        The count N.
    """
    runs = list(steps_of_runs(models).values())
    members, _ = replicates.points([run[0] for run in runs], axis)
    grouped = []
    for member in members:
        of_shape = [runs[i] for i in member]
        common = set.intersection(*({model["step"] for model in run} for run in of_shape))
        if len(common) > 1:
            grouped.append(_trajectory(of_shape, common))
        else:
            grouped += [_trajectory([run], {model["step"] for model in run}) for run in of_shape]
    return grouped


def _trajectory(runs: list[list[dict]], steps: set[int]) -> Trajectory:
    at_steps = [[model for model in run if model["step"] in steps] for run in runs]
    tokens = [
        np.nan if model["train_tokens"] is None else model["train_tokens"] for model in at_steps[0]
    ]
    return Trajectory(at_steps, np.array(sorted(steps)), np.array(tokens, float))


def declared(settings: Settings, conditional=(LOSS,)) -> list[tuple[str, str, str]]:
    """(metric, convention, first) of the headline's metrics, each without the first token too.

    And the loss, declared or not: others lead or lag it.
    """
    of_headline = settings.headline["metrics"]
    pairs = [(metrics.at_eps2(base, settings.headline["eps2"]), kind) for base, kind in of_headline]
    pairs += [(metric, "") for metric in conditional]
    return list(dict.fromkeys(
        (metric, convention, first)
        for metric, convention in pairs
        for first in ([""] if metric in metrics.CONDITIONAL else metrics.FIRST)
    ))  # fmt: skip


@dataclass
class Course:
    """One metric of a trajectory, text by text.

    Attributes
    ----------
    key : dict
        KEY.
    layer : str
    values : (runs, steps, texts) array
        On the texts that every model of the trajectory has.
    sources : (texts,) array
    weights : (draws, texts) array
        Resamples of sources.
    twins : (draws, texts) array or None
        Of the untrained twins.
    problem : str
        Why there are no values, or "".
    """

    key: dict
    layer: str
    values: np.ndarray
    sources: np.ndarray = field(default_factory=lambda: np.empty(0, str))
    weights: np.ndarray | None = None
    twins: np.ndarray | None = None
    problem: str = ""

    def mean(self) -> np.ndarray:
        """Mean over texts and runs at each step, (steps,)."""
        return self.values.mean((0, 2))

    def shifts(self) -> np.ndarray:
        """What resampling the texts does to that mean, (draws, steps)."""
        return self.weights @ self.values.mean(0).T - self.mean()


class Courses:
    """The courses of all metrics of trajectories on one corpus.

    Parameters
    ----------
    measure : callable
        Given a model, what was measured of it and of its twins (or None); see
        `infogeo.laws.fit.scaling_laws`.
    texts : Texts
        Those to which it adds the texts.
    settings : Settings
    """

    def __init__(self, measure: Callable, texts: Texts, settings: Settings):
        self.measure, self.texts, self.settings = measure, texts, settings
        self._resamples: dict[bytes, np.ndarray] = {}

    def of(self, trajectory: Trajectory) -> list[Course]:
        """A course for each of `declared`."""
        measured = [[self.measure(model) for model in run] for run in trajectory.models]
        return [self._course(trajectory, measured, *key) for key in declared(self.settings)]

    def _course(self, trajectory: Trajectory, measured: list, metric, convention, first) -> Course:
        headline, model = self.settings.headline, trajectory.first
        depth, layer = metrics.depth_of(metric, headline["depth"]), ""
        key = dict(zip(KEY, (metric, convention, first, depth, headline["n"]), strict=True))
        trained: Measured = measured[0][0][0]
        if depth:
            layer = layer_at(depth, model["layers"], trained.layers, self.settings.depth_tolerance)
        name = ("text", layer, convention, first, headline["n"], metric)
        count = len(self.texts.sources)
        rows = [[both[0].get(name, count) for both in run] for run in measured]
        if any(values is None for run in rows for values in run):
            reason = cards.no_prediction(model) if metric in metrics.CONDITIONAL else ""
            reason = reason or "not measured at every step"
            return Course(key, layer or "", np.empty((0, 0, 0)), problem=reason)
        values = np.array([[of_model[0] for of_model in run] for run in rows])
        used = np.flatnonzero(np.isfinite(values).all((0, 1)))
        if not len(used):
            reason = "no text has a finite value at every step"
            return Course(key, layer, np.empty((0, 0, 0)), problem=reason)
        twin = measured[0][0][1] and measured[0][0][1].get(name, count)
        if twin is not None:
            twin = twin[:, used] if np.isfinite(twin[:, used]).all() else None
        sources = np.array(self.texts.sources)[used]
        return Course(key, layer, values[..., used], sources, self._weights(used), twin)

    def _weights(self, used) -> np.ndarray:
        name = used.tobytes()
        if name not in self._resamples:
            sources = np.array(self.texts.sources)[used]
            self._resamples[name] = resampling.text_weights(
                sources, draws=self.settings.draws, seed=self.settings.seed
            )
        return self._resamples[name]


# ---------------------------------------------------------------- rows of the table


def rows(corpus: str, trajectory: Trajectory, course: Course):
    """Yield the rows of one metric of a trajectory, one a step: COLUMNS."""
    about = trajectory.about(corpus) | course.key | {"layer": course.layer}
    about["width"] = width_at(course.layer, trajectory.first)
    if course.problem:
        yield about | {"models": 0, "texts": 0, "sources": 0, "problems": course.problem}
        return
    y, (low, high), seed_sd = course.mean(), interval(course), seed_spread(course)
    about |= {"texts": course.values.shape[2], "sources": len(np.unique(course.sources))}
    about |= {"problems": ""} | twins_level(course)
    at = trajectory.places()
    for i, (step, tokens) in enumerate(zip(trajectory.steps, trajectory.tokens, strict=True)):
        yield about | {
            "step": step, "train_tokens": tokens, "place": at[i],
            "models": " ".join(run[i]["slug"] for run in trajectory.models),
            "y": y[i], "y_low": low[i], "y_high": high[i], "seed_sd": seed_sd[i],
        } | (minus_twins(course) if step == 0 else {})  # fmt: skip


def seed_spread(course: Course) -> np.ndarray:
    """Standard deviation over runs of their means, (steps,); NaN of a single run."""
    means = course.values.mean(2)
    return means.std(0, ddof=1) if len(means) > 1 else np.full(means.shape[1], np.nan)


def interval(course: Course) -> np.ndarray:
    """95 % interval of the mean, (2, steps): over texts, and over seeds where there are several.

    Runs are crossed with texts, so both parts add up as squares: percentiles over resampled
    sources, Student's t over seeds. What only a pair of text and seed has is in both: the interval
    is no narrower for it.

    Notes
    -----
    Verified against `infogeo.laws.measured.profile` (one run) and scipy's sem (equal texts).
    """
    ends = resampling.percentiles(course.shifts())
    return course.mean() + np.sign([[-1], [1]]) * np.hypot(ends, _of_seeds(course))


def _of_seeds(course: Course) -> np.ndarray:
    """Half width of the 95 % t interval over seeds, (steps,); 0 of a single run."""
    runs = len(course.values)
    if runs < 2:
        return np.zeros(course.values.shape[1])
    return t_quantile(runs - 1) * seed_spread(course) / np.sqrt(runs)


def twins_level(course: Course) -> dict:
    """Mean of the twins over texts, and their least and largest draw."""
    means = np.full(1, np.nan) if course.twins is None else course.twins.mean(1)
    return {
        "untrained": means.mean(), "untrained_low": means.min(), "untrained_high": means.max()
    }  # fmt: skip


def minus_twins(course: Course) -> dict:
    """The value at the first step less that of the twins, with its 95 % interval.

    Where the first step is 0 both are random weights, and differ as two samples of seeds do: a
    pooled t test, whose half width is joined to that over resampled sources as in `interval`.

    Notes
    -----
    Verified against scipy's ttest_ind where texts do not vary.
    """
    if course.twins is None:
        return {}
    start, twins = course.values[:, 0], course.twins
    gap = start.mean() - twins.mean()
    of_texts = start.mean(0) - twins.mean(0)
    ends = resampling.percentiles(course.weights @ of_texts) - gap
    of_seeds = np.nan
    df = len(start) + len(twins) - 2
    if df:
        squares = sum(((part - part.mean()) ** 2).sum() for part in (start.mean(1), twins.mean(1)))
        error = np.sqrt(squares / df * (1 / len(start) + 1 / len(twins)))
        of_seeds = t_quantile(df) * error
    low, high = gap + np.sign([-1, 1]) * np.hypot(ends, of_seeds)
    return {
        "minus_untrained": gap, "minus_untrained_low": low, "minus_untrained_high": high
    }  # fmt: skip
