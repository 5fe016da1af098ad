"""How fast a metric changes in training: its centre, when it settles, whether it leads the loss.

And whether larger models of a family settle earlier.
"""

import numpy as np

from infogeo.inference import regression
from infogeo.inference.resampling import interval
from infogeo.laws.phases import UNDECIDED, Segmentation, unfit
from infogeo.laws.trajectories import ABOUT, KEY, LOSS, Course, Trajectory

LEAST_SIZES = 3
COLUMNS = [
    *ABOUT, *KEY, "steps", "texts", "sources", "phases", "words",
    "centre", "centre_low", "centre_high", "settles", "settles_low", "settles_high",
    "lead", "lead_low", "lead_high",
    "sizes", "settling_exponent", "settling_exponent_low", "settling_exponent_high", "problems",
]  # fmt: skip


def rows(corpus: str, courses: list[tuple[Trajectory, list[tuple[Course, Segmentation | None]]]]):
    """The rows of a family, one a trajectory and metric: COLUMNS.

    Parameters
    ----------
    corpus : str
    courses : list of (Trajectory, list of (Course, Segmentation or None))
        Ascending in N, the same metrics of each.
    """
    of_family = []
    for trajectory, of_metrics in courses:
        loss = next(phases for course, phases in of_metrics if course.key["metric"] == LOSS)
        of_family.append([_row(corpus, trajectory, *pair, loss) for pair in of_metrics])
    for place in range(len(of_family[0]) if of_family else 0):
        of_metric = [trajectory[place] for trajectory in of_family]
        phases = [of_metrics[place][1] for _, of_metrics in courses]
        trend = settling_trend(of_metric, phases)
        for row in of_metric:
            row |= trend
    return [row for of_metrics in of_family for row in of_metrics]


def _row(corpus, trajectory: Trajectory, course: Course, phases, loss) -> dict:
    """What is known of one metric of one trajectory alone."""
    row = trajectory.about(corpus) | course.key | {
        "steps": len(trajectory.steps), "texts": course.values.shape[2],
        "sources": len(np.unique(course.sources)), "phases": 0, "words": "",
        "problems": unfit(course),
    }  # fmt: skip
    if phases is None:
        return row
    words = phases.words()
    row |= {"phases": len(words), "words": ", ".join(words)}
    if not changes(phases):
        return row | {"problems": "no phase changes: nothing to settle, to lead or to lag"}
    for name, paces in zip(("centre", "settles"), phases.paces, strict=True):
        low, high = interval(paces[1:])
        row |= {name: np.exp(paces[0]), f"{name}_low": np.exp(low), f"{name}_high": np.exp(high)}
    if course.key["metric"] != LOSS and changes(loss):
        lead = loss.paces[0] - phases.paces[0]
        low, high = interval(lead[1:])
        row |= {"lead": lead[0], "lead_low": low, "lead_high": high}
    return row


def changes(phases: Segmentation | None) -> bool:
    """Whether a phase falls or rises."""
    return phases is not None and set(phases.words()) != {UNDECIDED}


def settling_trend(of_metric: list[dict], phases: list[Segmentation | None]) -> dict:
    """The exponent of N of the tokens at which a metric settles, over the sizes of a family.

    Parameters
    ----------
    of_metric : list of dict
        Rows of one metric, one a trajectory.
    phases : list of Segmentation or None
        Of each.
    """
    known = [i for i, row in enumerate(of_metric) if np.isfinite(row.get("settles", np.nan))]
    out = {"sizes": len({of_metric[i]["N"] for i in known})}
    if out["sizes"] < LEAST_SIZES:
        return out
    x = np.log([of_metric[i]["N"] for i in known])
    settles = np.array([phases[i].paces[1] for i in known])  # (trajectories, 1 + draws)
    shifts = (settles[:, 1:] - settles[:, :1]).T
    df = min(of_metric[i]["sources"] for i in known) - 1
    slope = regression.slope(regression.design(x), settles[:, 0],
                             shifts if np.isfinite(shifts).all() else None, df)  # fmt: skip
    return out | {
        "settling_exponent": slope.exponent,
        "settling_exponent_low": slope.low, "settling_exponent_high": slope.high,
    }  # fmt: skip
