"""Phases of training: segments of a course between change points on ln tokens, with intervals.

A course is a continuous line with kinks, see `infogeo.inference.segmented`. Each draw adds to that
line what resampled texts do, what resampled seeds do where there are several, and noise like what
the line leaves; it is fitted anew.
"""

from typing import NamedTuple

import numpy as np

from infogeo.inference.regression import t_quantile
from infogeo.inference.resampling import percentiles
from infogeo.inference.segmented import Kinked, SegmentedLine
from infogeo.laws.trajectories import ABOUT, KEY, Course, Trajectory

LEAST_STEPS = 6
MOST_PLACES = 32  # more steps are averaged over so many stretches of ln tokens
LEAST_SOURCES = 3
SETTLED = 0.1  # share of a course's range within which it has settled
COLUMNS = [
    *ABOUT, *KEY, "phase", "phases", "agreeing", "starts", "starts_low", "starts_high", "ends",
    "y_start", "y_end", "change", "change_low", "change_high", "word", "problems",
]  # fmt: skip
FALLS, RISES, UNDECIDED = "falls", "rises", "undecided"


class Segmentation(NamedTuple):
    """The line of a course, and those of its draws.

    Attributes
    ----------
    x : (places,) array
        ln of what was seen.
    line : Kinked
        Of the course; one curve.
    drawn : Kinked
        Of the draws, each with as many kinks.
    agreeing : float
        Share of the draws for which as many kinks would be chosen.
    paces : (2, 1 + draws) array
        Centre and settling of the course (first) and of its draws, each with as many kinks as it
        would be given.
    """

    x: np.ndarray
    line: Kinked
    drawn: Kinked
    agreeing: float
    paces: np.ndarray

    def knots(self) -> np.ndarray:
        """Ends and kinks of the line, (phases + 1,)."""
        return np.array([self.x[0], *self.line.kinks[0], self.x[-1]])

    def changes(self) -> np.ndarray:
        """How much each phase changes, and the ends of its 95 % interval, (3, phases)."""
        change = np.diff(self.line.nodes)[0]
        return np.stack([change, *percentiles(np.diff(self.drawn.nodes))])

    def words(self) -> list[str]:
        """Of each phase: falls, rises, or undecided."""
        return [
            FALLS if high < 0 else RISES if low > 0 else UNDECIDED
            for _, low, high in self.changes().T
        ]


def unfit(course: Course) -> str:
    """Why a course has no phases, or ""."""
    if course.problem:
        return course.problem
    steps, sources = course.values.shape[1], len(np.unique(course.sources))
    if steps < LEAST_STEPS:
        return f"{steps} steps: {LEAST_STEPS} are needed"
    if sources < LEAST_SOURCES:
        return f"texts of {sources} sources: {LEAST_SOURCES} are needed"
    return "" if np.ptp(course.mean()) > 0 else "the same value at every step"


def segmented(course: Course, x, *, draws: int, seed: int) -> Segmentation:
    """The phases of a course.

    Parameters
    ----------
    course : Course
        One that is not `unfit`.
    x : (steps,) array
        ln of what was seen; see `Trajectory.places`.
    draws, seed : int

    Notes
    -----
    Verified against: tests/bench/phases.py, numbers of phases and coverage on planted courses.
    """
    average = averaging(x)  # (places, steps)
    x, y = average @ x, average @ course.mean()
    model = SegmentedLine(x)
    kinks = int(model.numbers(y[None])[0])
    line = model.fit(y[None], kinks)
    rng = np.random.default_rng([seed, len(x)])
    curves = model.lines(line) + model.noise(line, draws, rng) + course.shifts() @ average.T
    curves += _shifts_of_seeds(course, draws, seed) @ average.T
    numbers = model.numbers(curves)
    own = np.hstack([paces(x, line), _paces_of(model, curves, numbers)])
    return Segmentation(x, line, model.fit(curves, kinks), np.mean(numbers == kinks), own)


def averaging(x) -> np.ndarray:
    """What turns values at every step into those at no more than `MOST_PLACES` places.

    (places, steps) array, whose rows sum to 1: of more steps those in stretches of equal length
    are averaged.
    """
    if len(x) <= MOST_PLACES:
        return np.eye(len(x))
    stretch = np.minimum(((x - x[0]) / np.ptp(x) * MOST_PLACES).astype(int), MOST_PLACES - 1)
    belongs = (np.unique(stretch)[:, None] == stretch).astype(float)
    return belongs / belongs.sum(1, keepdims=True)


def _shifts_of_seeds(course: Course, draws: int, seed: int) -> np.ndarray:
    """What resampling the runs does to their mean, (draws, steps); 0 of a single run.

    Widened, as a mean over few resampled runs scatters less than one over new ones.
    """
    runs, steps, _ = course.values.shape
    if runs < 2:
        return np.zeros((draws, steps))
    rng = np.random.default_rng([seed, runs])
    copies = rng.multinomial(runs, np.full(runs, 1 / runs), draws)
    wider = np.sqrt(runs / (runs - 1)) * t_quantile(runs - 1) / t_quantile(np.inf)
    return wider * (copies / runs - 1 / runs) @ course.values.mean(2)


# ---------------------------------------------------------------- how fast


def paces(x, fitted: Kinked) -> np.ndarray:
    """Centre and settling of lines, in ln of what was seen: (2, curves).

    The centre is where change happens on average: the mean of x over the line, weighted by the size
    of its slope. It has settled from where it stays within `SETTLED` of its range of its last
    value.
    """
    ends = np.ones((len(fitted.nodes), 1))
    knots = np.hstack([x[0] * ends, fitted.kinks, x[-1] * ends])
    sizes = np.abs(np.diff(fitted.nodes))
    middles = (knots[:, 1:] + knots[:, :-1]) / 2
    nodes, last = fitted.nodes, fitted.nodes[:, -1:]
    near = SETTLED * np.ptp(nodes, axis=1, keepdims=True)
    outside = np.abs(nodes - last) > near
    at = (outside * np.arange(nodes.shape[1])).max(1)  # the last node outside
    rows = np.arange(len(nodes))
    before, after = nodes[rows, at], nodes[rows, np.minimum(at + 1, nodes.shape[1] - 1)]
    edge = last[:, 0] + np.sign(before - last[:, 0]) * near[:, 0]
    with np.errstate(invalid="ignore", divide="ignore"):  # a line without change has neither
        centre = (sizes * middles).sum(1) / sizes.sum(1)
        share = (edge - before) / (after - before)
    start, end = knots[rows, at], knots[rows, np.minimum(at + 1, knots.shape[1] - 1)]
    return np.stack([centre, start + share * (end - start)])


def _paces_of(model: SegmentedLine, curves, numbers) -> np.ndarray:
    """`paces` of curves, each with a number of kinks of its own: (2, curves)."""
    out = np.empty((2, len(curves)))
    for kinks in np.unique(numbers):
        some = numbers == kinks
        out[:, some] = paces(model.x, model.fit(curves[some], kinks))
    return out


# ---------------------------------------------------------------- rows of the table


def rows(corpus: str, trajectory: Trajectory, course: Course, phases: Segmentation | None):
    """Yield the rows of one metric of a trajectory, one a phase: COLUMNS; of none, the reason."""
    about = trajectory.about(corpus) | course.key
    if phases is None:
        yield about | {"phase": 0, "phases": 0, "problems": unfit(course)}
        return
    knots, changes, words = phases.knots(), phases.changes(), phases.words()
    seen = np.exp(knots)
    seen[0] = trajectory.seen[0]
    if len(phases.x) == len(trajectory.seen):
        seen[-1] = trajectory.seen[-1]
    ends = np.exp(percentiles(phases.drawn.kinks)) if len(words) > 1 else np.empty((2, 0))
    starts = np.hstack([np.full((2, 1), np.nan), ends])  # the first has no interval
    for i, word in enumerate(words):
        yield about | {
            "phase": i + 1, "phases": len(words), "agreeing": phases.agreeing,
            "starts": seen[i], "starts_low": starts[0, i], "starts_high": starts[1, i],
            "ends": seen[i + 1],
            "y_start": phases.line.nodes[0, i], "y_end": phases.line.nodes[0, i + 1],
            "change": changes[0, i], "change_low": changes[1, i], "change_high": changes[2, i],
            "word": word, "problems": "",
        }  # fmt: skip
