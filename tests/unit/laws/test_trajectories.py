"""Trajectories: which runs are one, their means and intervals, and step 0 beside the twins."""

import numpy as np
import pandas as pd
import pytest
from made_runs import SETTINGS, STEPS, TEXTS, World, bent, run
from scipy import stats

from infogeo.laws import measured, trajectories
from infogeo.laws.trajectories import Course, Courses


def courses(models, level=bent, **options):
    """The trajectories of models, and the courses of the first by (metric, first)."""
    world = World(level, **options)
    for model in models:
        world.measure(model)
    paths = trajectories.trajectories(models, "non_embedding")
    of_first = Courses(world.measure, world.texts, SETTINGS).of(paths[0])
    return paths, {(c.key["metric"], c.key["first"]): c for c in of_first}, world


def test_seeds_of_one_shape_are_one_trajectory_over_their_common_steps():
    models = run("s0", replicate=0) + run("s1", steps=STEPS[:5], replicate=1) + run("b", width=64)
    small, large = trajectories.trajectories(models, "non_embedding")
    assert small.about("c")["runs"] == "s0 s1"
    assert small.steps.tolist() == STEPS[:5]
    assert large.about("c") | {"runs": "b", "replicates": 1, "width": 64} == large.about("c")


def test_runs_of_one_shape_that_may_differ_in_more_than_the_seed_stay_apart():
    paths = trajectories.trajectories(run("a") + run("b"), "non_embedding")
    assert [path.about("c")["runs"] for path in paths] == ["a", "b"]


def test_seeds_without_two_common_steps_stay_apart():
    models = run("s0", [0, 1, 4], replicate=0) + run("s1", [0, 2, 8], replicate=1)
    assert len(trajectories.trajectories(models, "non_embedding")) == 2


def test_a_run_of_one_step_is_no_trajectory():
    assert trajectories.trajectories(run("a", [7]), "non_embedding") == []


def test_step_0_stands_as_far_before_the_first_as_others_lie_apart():
    np.testing.assert_allclose(trajectories.places([0, 1, 2, 4]), np.log([0.5, 1, 2, 4]))
    np.testing.assert_allclose(trajectories.places([3, 9]), np.log([3, 9]))


def test_where_tokens_are_not_known_steps_stand_for_them():
    (path,) = trajectories.trajectories(run("a", [1, 10], tokens=False), "non_embedding")
    assert path.seen.tolist() == [1, 10]


def test_a_single_run_has_the_means_and_intervals_of_the_table_of_entropies():
    models = run()
    (path,), of_metric, world = courses(models)
    rows = pd.DataFrame(trajectories.rows("c", path, of_metric["entropy", "in"]))
    for model in (models[0], models[-1]):
        profile = measured.profile(
            "c", model, [world.measure(model)[0]], world.texts, draws=SETTINGS.draws, seed=0
        )
        known = profile[(profile["metric"] == "entropy") & (profile["first"] == "in")].iloc[0]
        row = rows[rows["models"] == model["slug"]].iloc[0]
        for name in ("y", "y_low", "y_high", "texts", "layer"):
            assert row[name] == pytest.approx(known[name])


def test_the_interval_over_seeds_is_student_s_t_where_texts_do_not_vary():
    of_seed = np.random.default_rng(0).standard_normal((4, 3))
    values = np.repeat(of_seed[..., None], 6, axis=2)
    weights = np.full((99, 6), 1 / 6)
    course = Course({}, "", values, np.arange(6).astype(str), weights)
    error = stats.sem(of_seed, axis=0)
    low, high = trajectories.interval(course)
    np.testing.assert_allclose(high, of_seed.mean(0) + stats.t.ppf(0.975, 3) * error)
    np.testing.assert_allclose(low + high, 2 * of_seed.mean(0))


def test_step_0_less_the_twins_is_a_pooled_t_test_where_texts_do_not_vary():
    rng = np.random.default_rng(1)
    seeds, twins = rng.standard_normal(3), 0.5 + rng.standard_normal(5)
    values = np.repeat(seeds[:, None, None], 6, axis=2)
    weights = np.full((99, 6), 1 / 6)
    course = Course({}, "", values, np.arange(6).astype(str), weights,
                    np.repeat(twins[:, None], 6, axis=1))  # fmt: skip
    known = stats.ttest_ind(seeds, twins).confidence_interval(0.95)
    row = trajectories.minus_twins(course)
    assert row["minus_untrained"] == pytest.approx(seeds.mean() - twins.mean())
    assert row["minus_untrained_low"] == pytest.approx(known.low)
    assert row["minus_untrained_high"] == pytest.approx(known.high)


def test_step_0_agrees_with_the_twins_and_only_step_0_is_compared():
    (path,), of_metric, _ = courses(run(), twins=lambda of, *key: bent(of | {"step": 0}, *key))
    rows = pd.DataFrame(trajectories.rows("c", path, of_metric["entropy", "in"]))
    start = rows[rows["step"] == 0].iloc[0]
    assert start["minus_untrained_low"] < 0 < start["minus_untrained_high"]
    assert rows.loc[rows["step"] > 0, "minus_untrained"].isna().all()
    assert start["untrained_low"] < start["untrained"] < start["untrained_high"]


def test_the_loss_is_there_and_every_other_metric_without_the_first_token_too():
    _, of_metric, _ = courses(run())
    assert list(of_metric) == [("entropy", "in"), ("entropy", "out"), ("nll", "")]


def test_texts_that_one_step_lacks_are_left_out_at_every_step():
    world = World(bent)
    models = run("a", [0, 1, 2])
    for model in models:
        frame, _ = world.frames(model)
        if model["step"] == 1:
            frame = frame[frame["doc_id"] != "t0"]
        world._measured[model["slug"]] = measured.Measured([frame], world.texts), None
    (path,) = trajectories.trajectories(models, "non_embedding")
    course, *_ = Courses(world.measure, world.texts, SETTINGS).of(path)
    assert course.values.shape == (1, 3, TEXTS - 1)


def test_a_metric_that_a_step_lacks_says_so():
    world = World(bent)
    models = run("a", [0, 1])
    for model in models:
        frame, _ = world.frames(model)
        if model["step"]:
            frame = frame[frame["metric"] != "nll"]
        world._measured[model["slug"]] = measured.Measured([frame], world.texts), None
    (path,) = trajectories.trajectories(models, "non_embedding")
    *_, loss = Courses(world.measure, world.texts, SETTINGS).of(path)
    (row,) = trajectories.rows("c", path, loss)
    assert row["problems"] == "not measured at every step"
