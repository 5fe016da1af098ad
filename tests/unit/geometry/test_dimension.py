"""Intrinsic dimension against closed forms, bisection, and the formulas of peers."""

import numpy as np
import pandas as pd
import pytest
from scipy import optimize

from infogeo.geometry import dimension
from infogeo.geometry.dimension import equal_spectrum, gride, measure, ranks_up_to, two_nn_fit
from infogeo.geometry.neighbours import nearest_neighbours
from infogeo.inference import resampling

SETTINGS = {"most": 16, "draws": 99, "seed": 0}


def log_ratios(points, rank):
    distances, _ = nearest_neighbours(points, [rank, 2 * rank])
    return np.log(distances[:, 1] / distances[:, 0])


def derivative(d, ratios, rank):
    """Of the negative log-likelihood of GRIDE, as DADApy writes it."""
    mu = np.exp(ratios)
    n1, n2 = rank, 2 * rank
    terms = ((1 - n2 + n1) / (1 - mu**-d) + n2 - 1) * np.log(mu)
    return terms.sum() - (len(mu) - 1) / d


def on_a_manifold(count=400, dim=5, width=30, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((count, dim)) @ rng.standard_normal((dim, width))


@pytest.mark.parametrize("rank", [1, 2, 8, 64])
@pytest.mark.parametrize("dim", [0.4, 5, 300])
def test_gride_is_the_root_of_the_likelihood_equation(rank, dim):
    rng = np.random.default_rng(rank)
    # Of 2 n₁ uniform values the n₁-th smallest over the largest is μ^−D.
    powers = rng.beta(rank, rank, 500)
    ratios = -np.log(powers) / dim
    root = optimize.brentq(derivative, 1e-3, 1e5, args=(ratios, rank), xtol=1e-13, rtol=1e-14)
    assert gride(ratios, rank) == pytest.approx(root, rel=1e-11)


def test_gride_recovers_the_dimension_of_its_own_law():
    ratios = -np.log(np.random.default_rng(0).beta(4, 4, 100_000)) / 7
    assert gride(ratios, 4) == pytest.approx(7, rel=0.01)


def test_gride_of_first_neighbours_is_the_maximum_likelihood_of_two_nn():
    ratios = log_ratios(on_a_manifold(), 1)
    assert gride(ratios, 1) == pytest.approx((len(ratios) - 1) / ratios.sum(), rel=1e-14)


def test_gride_bears_ratios_of_one():
    ratios = np.r_[np.zeros(5), log_ratios(on_a_manifold(), 4)]
    near = np.r_[np.full(5, 1e-9), ratios[5:]]
    assert gride(ratios, 4) == pytest.approx(gride(near, 4), rel=1e-6)


def test_the_fit_of_two_nn_is_least_squares_through_the_origin():
    ratios = np.sort(log_ratios(on_a_manifold(), 1))
    used = int(len(ratios) * 0.9)
    heights = -np.log(1 - np.arange(1, used + 1) / len(ratios))
    slope = np.linalg.lstsq(ratios[:used, None], heights, rcond=None)[0][0]
    assert two_nn_fit(ratios) == pytest.approx(slope, rel=1e-12)


def test_ranks_double_as_long_as_twice_the_rank_is_allowed():
    assert ranks_up_to(64) == [1, 2, 4, 8, 16, 32]
    assert ranks_up_to(63) == [1, 2, 4, 8, 16]
    assert ranks_up_to(1) == []


# ---------------------------------------------------------------- intervals
def test_a_resample_is_what_the_estimators_say_of_the_ratios_that_it_draws():
    points = on_a_manifold(300)
    distances, nearest = nearest_neighbours(points, [1, 2, 4, 8])
    ratios = np.log(distances[:, 1:] / distances[:, :-1])
    estimates = np.array([two_nn_fit(ratios[:, 0]), *(gride(ratios[:, i], 2**i) for i in range(3))])
    copies = resampling.text_copies(np.arange(300), draws=50, seed=0)
    drawn = dimension.resampled(ratios, nearest, estimates, copies)
    whole = np.array([
        [two_nn_fit(chosen[:, 0]), *(gride(chosen[:, i], 2**i) for i in range(3))]
        for chosen in (np.repeat(ratios, row, axis=0) for row in copies)
    ])  # fmt: skip
    # They differ by a factor of the spread about the estimate, one for each column.
    for ours, direct, estimate in zip(drawn.T, whole.T, estimates, strict=True):
        wider = (ours - estimate).std() / (direct - estimate).std()
        assert 1 <= wider < 2
        assert np.corrcoef(ours, direct)[0, 1] > 0.995


def test_intervals_are_wider_where_sources_are_fewer():
    points = on_a_manifold(400)
    of_rows, of_sources = (
        pd.DataFrame(measure(points, sources, **SETTINGS))
        for sources in (np.arange(400), np.arange(400) // 20)
    )
    widths = [frame["high"] - frame["low"] for frame in (of_rows, of_sources)]
    assert not np.allclose(*widths)
    assert (of_rows["low"] < of_rows["value"]).all()
    assert (of_rows["value"] < of_rows["high"]).all()


def test_scores_that_neighbours_share_widen_the_spread_and_independent_ones_do_not():
    rng = np.random.default_rng(0)
    line = np.arange(1000)
    nearest = np.stack([(line + 1) % 1000, (line - 1) % 1000], axis=1)
    independent = rng.standard_normal(1000)
    shared = independent + np.roll(independent, 1) + np.roll(independent, -1)
    for scores, low, high in ((independent, 0.8, 1.2), (shared, 1.7, 3.2)):
        smoothed = dimension._smoothed(scores - scores.mean(), nearest)
        assert low < smoothed @ smoothed / (scores @ scores) < high


# ---------------------------------------------------------------- of a matrix
def test_a_matrix_has_every_estimate_at_every_scale_beside_its_null():
    lines = pd.DataFrame(measure(on_a_manifold(), np.arange(400), **SETTINGS))
    assert list(zip(lines["estimator"], lines["scale"], strict=True)) == [
        ("two_nn_fit", 2), ("two_nn", 2), ("gride", 2), ("gride", 4), ("gride", 8), ("gride", 16),
    ]  # fmt: skip
    ratios = log_ratios(on_a_manifold(), 4)
    assert lines["value"][4] == pytest.approx(gride(ratios, 4), rel=1e-12)
    assert lines["value"].between(4, 6).all()
    assert lines["null"].between(4, 6).all()
    assert (lines["reason"] == "").all()


def test_neighbours_of_the_same_source_are_left_out():
    rng, sources = np.random.default_rng(1), np.arange(400) // 2
    near = np.repeat(on_a_manifold(200), 2, axis=0) + 0.02 * rng.standard_normal((400, 30))
    apart, together = (
        measure(near, names, **SETTINGS)[1]["value"] for names in (np.arange(400), sources)
    )
    distances, _ = nearest_neighbours(near, [1, 2], sources)
    assert together == pytest.approx(gride(np.log(distances[:, 1] / distances[:, 0]), 1))
    assert apart < 1 < together  # a text's nearest neighbour is the other of its source, far nearer


def test_equal_rows_count_once():
    points = on_a_manifold(300)
    doubled = np.concatenate([points, points[:40]])
    lines = measure(doubled, np.arange(340), **SETTINGS)
    assert lines[0]["duplicates"] == 40
    assert lines[0]["rows"] == 340
    assert lines[3]["value"] == pytest.approx(
        measure(points, np.arange(300), **SETTINGS)[3]["value"]
    )


def test_a_row_of_several_sources_belongs_to_none():
    place = np.array([0, 0, 1, 2, 2])
    groups = dimension._groups(np.array(["a", "b", "a", "b", "b"]), place)
    assert groups[1] == 0
    assert groups[2] == 1
    assert groups[0] not in (0, 1)


@pytest.mark.parametrize(("points", "sources", "reason"), [
    (np.zeros((50, 3)), np.arange(50), "all 50 rows are equal"),
    (np.zeros((0, 3)), np.arange(0), "0 distinct rows of 0: at least 20 are needed"),
    (on_a_manifold(12), np.arange(12), "12 distinct rows of 12: at least 20 are needed"),
    (on_a_manifold(50), np.zeros(50),
     "2 neighbours of other sources are needed, and a row has 0"),
    (np.eye(40), np.arange(40), "the distances to all neighbours are equal"),
])  # fmt: skip
def test_what_has_no_dimension_says_why(points, sources, reason):
    for line in measure(points, sources, most=2, draws=19, seed=0):
        assert np.isnan([line["value"], line["low"], line["high"]]).all()
        assert line["reason"] == reason


def test_scales_beyond_the_rows_are_not_available_and_the_others_are():
    lines = pd.DataFrame(measure(on_a_manifold(50), np.arange(50), most=64, draws=19, seed=0))
    reasons = dict(zip(lines["scale"], lines["reason"], strict=True))
    assert reasons[32] == ""
    assert reasons[64] == "64 neighbours of other sources are needed, and a row has 49"
    assert np.isfinite(lines["value"]).tolist() == [True] * 7 + [False]


@pytest.mark.parametrize("shape", [(300, 20), (60, 200)])
def test_random_rows_have_the_spectrum_of_the_rows(shape):
    rng = np.random.default_rng(0)
    points = rng.standard_normal(shape) * np.linspace(0.1, 3, shape[1]) + 100
    null = np.concatenate([equal_spectrum(points, seed) for seed in range(200)])
    centred = points - points.mean(axis=0)
    expected = np.linalg.svd(centred, compute_uv=False) ** 2 / len(points)
    found = np.sort((null**2).mean(axis=0))[::-1]
    np.testing.assert_allclose(found, expected[: len(found)], rtol=0.1, atol=1e-10)
    np.testing.assert_array_equal(equal_spectrum(points, 3), equal_spectrum(points, 3))
