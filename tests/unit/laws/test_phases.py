"""Phases and pace: planted change points, when change happens, and who settles earlier."""

import numpy as np
import pandas as pd
import pytest
from made_runs import SETTINGS, STEPS, World, bent, run, sized

from infogeo.inference.segmented import Kinked
from infogeo.laws import pace, phases, trajectories
from infogeo.laws.trajectories import Course, Courses

DRAWS = {"draws": 99, "seed": 0}


def with_phases(models, level=bent, **options):
    """(trajectory, [(course, phases)]) of models."""
    world = World(level, **options)
    for model in models:
        world.measure(model)
    paths = trajectories.trajectories(models, "non_embedding")
    of = Courses(world.measure, world.texts, SETTINGS).of
    return [
        (path, [
            (course, None if phases.unfit(course)
             else phases.segmented(course, path.places(), **DRAWS))
            for course in of(path)
        ])
        for path in paths
    ]  # fmt: skip


@pytest.fixture(scope="module")
def one():
    return with_phases(run())[0]


@pytest.fixture(scope="module")
def family():
    return with_phases([m for width in (32, 64, 128) for m in run(f"w{width}", width=width)], sized)


def test_planted_phases_come_back_with_their_change_points_inside_the_intervals(one):
    path, of_metrics = one
    rows = pd.DataFrame(phases.rows("c", path, *of_metrics[0]))
    assert rows["word"].tolist() == ["falls", "rises", "falls"]
    assert rows["starts"].tolist() == pytest.approx([0, 800, 25600], rel=0.02)
    assert rows["ends"].iloc[-1] == STEPS[-1] * 100
    assert (rows["starts_low"][1:] <= rows["starts"][1:]).all()
    assert (rows["starts_high"][1:] >= rows["starts"][1:]).all()
    assert rows["change"].tolist() == pytest.approx([-1, 2, -0.5], abs=0.03)
    assert rows["agreeing"].iloc[0] > 0.8


def test_too_few_steps_or_sources_have_no_phases_and_the_reason():
    ((path, of_metrics),) = with_phases(run(steps=STEPS[:5]))
    (row,) = phases.rows("c", path, *of_metrics[0])
    assert (row["phases"], row["problems"]) == (0, "5 steps: 6 are needed")
    course = of_metrics[0][0]
    few = Course(course.key, "", np.ones((1, 9, 4)), np.array(["s", "s", "t", "t"]))
    assert phases.unfit(few) == "texts of 2 sources: 3 are needed"


def test_a_metric_that_never_moves_has_no_phases():
    flat = Course({}, "", np.ones((1, 9, 4)), np.arange(4).astype(str))
    assert phases.unfit(flat) == "the same value at every step"


def test_many_steps_are_averaged_in_stretches_of_equal_length():
    x = np.linspace(0, 32, 97)
    average = phases.averaging(x)
    assert average.shape == (32, 97)
    np.testing.assert_allclose(average.sum(1), 1)
    np.testing.assert_allclose(average[3] @ x, x[(x >= 3) & (x < 4)].mean())
    np.testing.assert_array_equal(phases.averaging(x[:32]), np.eye(32))


def test_centre_and_settling_of_known_lines():
    x = np.array([0.0, 10.0])
    lines = Kinked(np.array([[4.0], [2.0]]), np.array([[3.0, 1, 1], [0.0, 0, 4]]), np.zeros(2))
    centre, settles = phases.paces(x, lines)
    # The first falls from 0 to 4 and stays; the second rises from 2 to 10.
    assert centre.tolist() == [2, 6]
    assert settles == pytest.approx([0.9 * 4, 2 + 0.9 * 8])


def test_a_line_settles_after_its_last_visit_outside():
    lines = Kinked(np.array([[2.0, 6.0]]), np.array([[1.0, 0.0, 2.0, 1.0]]), np.zeros(1))
    _, settles = phases.paces(np.array([0.0, 10.0]), lines)
    assert settles == pytest.approx([6 + 4 * 0.8])  # from 2 down to 1.2


def test_resampled_seeds_widen_what_single_runs_do_not_show():
    models = [m for seed in range(3) for m in run(f"s{seed}", replicate=seed)]

    def level(of, metric, first):
        return bent(of, metric) + 0.2 * int(of["run"][1]) * np.log1p(of["step"])

    ((_, of_three),) = with_phases(models, level)
    ((_, of_one),) = with_phases(run("s1"), level)
    widths = [np.ptp(segments.changes()[1:, 1]) for _, segments in (of_three[0], of_one[0])]
    assert widths[0] > 5 * widths[1]


def test_an_entropy_that_changes_before_the_loss_leads_it(one):
    rows = pd.DataFrame(pace.rows("c", [one])).set_index("first")
    knots = np.log([50, 800, 25600, 102400])
    middles, sizes = (knots[1:] + knots[:-1]) / 2, np.array([1, 2, 0.5])
    assert np.log(rows["centre"]["in"]) == pytest.approx(middles @ sizes / sizes.sum(), abs=0.05)
    assert rows["lead"]["in"] == pytest.approx(np.log(rows["centre"][""] / rows["centre"]["in"]))
    assert 1.4 < rows["lead_low"]["in"] < rows["lead"]["in"] < rows["lead_high"]["in"] < 1.7
    assert np.isnan(rows["lead"][""])  # the loss leads itself by nothing
    assert rows["words"]["in"] == "falls, rises, falls"


def test_without_a_loss_there_is_no_lead():
    path, of_metrics = with_phases(run())[0]
    of_metrics[-1] = (Course(of_metrics[-1][0].key, "", np.empty((0, 0, 0)), problem="none"), None)
    rows = pd.DataFrame(pace.rows("c", [(path, of_metrics)]))
    assert rows["lead"].isna().all() if "lead" in rows else True
    assert rows["centre"].notna().sum() == 2


def test_larger_models_that_settle_earlier_have_a_negative_exponent(family):
    rows = pd.DataFrame(pace.rows("c", family))
    entropy = rows[rows["first"] == "in"]
    assert (entropy["sizes"] == 3).all()
    x = np.log(entropy["N"].to_numpy(float))
    slope = np.polyfit(x, np.log(entropy["settles"].to_numpy(float)), 1)[0]
    assert entropy["settling_exponent"].to_numpy() == pytest.approx(np.full(3, slope))
    assert slope < 0


def test_two_sizes_have_no_trend(family):
    rows = pd.DataFrame(pace.rows("c", family[:2]))
    assert (rows["sizes"] == 2).all()
    assert "settling_exponent" not in rows or rows["settling_exponent"].isna().all()
