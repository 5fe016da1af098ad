"""Distances to neighbours against a float64 brute force."""

import numpy as np
import pytest

from infogeo.files.errors import InfogeoError
from infogeo.geometry import neighbours
from infogeo.geometry.neighbours import fewest_neighbours, merge_duplicates, nearest_neighbours

RANKS = [1, 2, 3, 8, 40]


def brute_force(points, groups):
    """Squared differences in float64, one row after another."""
    points = points.astype(np.float64)
    distances = np.array([np.sqrt(((points - row) ** 2).sum(1)) for row in points])
    distances[groups[:, None] == groups] = np.inf
    return np.sort(distances, axis=1)


def made(kind, rng):
    gaussian = rng.standard_normal((400, 30))
    outliers = np.r_[1e-4 * rng.standard_normal((390, 30)), 1e4 * rng.standard_normal((10, 30))]
    return {
        "float32": gaussian.astype(np.float32),
        "float64": gaussian,
        "a mean a million times the deviations": gaussian + 1e6,
        "rows of very different norms": gaussian * np.exp(3 * rng.standard_normal((400, 1))),
        "a curve": np.sin(rng.random((400, 1)) * np.arange(1, 31)),
        "ties": merged(rng.integers(0, 3, (800, 6)).astype(np.float32)),
        "tiny": 1e-25 * gaussian,
        "huge": 1e25 * gaussian,
        "few rows far away": outliers,
    }[kind]


def merged(points):
    return points[merge_duplicates(points)[0]]


@pytest.fixture(params=[64, 2048], ids=["blocks", "one block"])
def _block(request, monkeypatch):
    monkeypatch.setattr(neighbours, "BLOCK", request.param)


@pytest.mark.usefixtures("_block")
@pytest.mark.parametrize("kind", [
    "float32", "float64", "a mean a million times the deviations", "rows of very different norms",
    "a curve", "ties", "tiny", "huge", "few rows far away",
])  # fmt: skip
def test_distances_are_those_of_a_float64_brute_force(kind):
    points = made(kind, np.random.default_rng(0))
    distances, _ = nearest_neighbours(points, RANKS)
    expected = brute_force(points, np.arange(len(points)))[:, np.array(RANKS) - 1]
    np.testing.assert_allclose(distances, expected, rtol=2e-15, atol=0)


@pytest.mark.usefixtures("_block")
def test_rows_of_one_group_are_no_neighbours_of_each_other():
    rng = np.random.default_rng(1)
    points, groups = rng.standard_normal((300, 10)), rng.integers(0, 20, 300)
    points += 5 * rng.standard_normal((20, 10))[groups]  # a group is a cluster
    distances, nearest = nearest_neighbours(points, RANKS, groups)
    expected = brute_force(points, groups)
    np.testing.assert_allclose(distances, expected[:, np.array(RANKS) - 1], rtol=2e-15)
    assert (groups[nearest] != groups[:, None]).all()


@pytest.mark.usefixtures("_block")
def test_the_nearest_rows_are_named_from_near_to_far():
    points = np.random.default_rng(2).standard_normal((200, 5))
    _, nearest = nearest_neighbours(points, [4])
    for row, others in zip(points, nearest, strict=True):
        order = np.argsort(np.linalg.norm(points - row, axis=1))
        assert others.tolist() == order[1:5].tolist()


def test_a_distance_that_float32_cannot_resolve_is_exact():
    # Two pairs, 1e-7 and 2e-7 apart, at a distance of 1 from the mean.
    points = np.array([[1, 0], [1, 1e-7], [-1, 0], [-1, 2e-7], [0.0, 5]])
    distances, _ = nearest_neighbours(points, [1])
    np.testing.assert_allclose(distances[:4, 0], [1e-7, 1e-7, 2e-7, 2e-7], rtol=1e-14)


def test_where_float32_leaves_too_many_candidates_float64_is_used(monkeypatch):
    points = made("few rows far away", np.random.default_rng(3))
    kinds, original = [], neighbours._candidates

    def noted(rows, block, rank, kind):
        kinds.append(kind)
        return original(rows, block, rank, kind)

    monkeypatch.setattr(neighbours, "_candidates", noted)
    nearest_neighbours(points, [2])
    assert kinds == [np.float32, np.float64]


def test_more_neighbours_than_there_are_is_an_error_that_counts_them():
    with pytest.raises(InfogeoError, match=r"rank 4 of 5 rows .* has 3 others"):
        nearest_neighbours(np.eye(5), [4], np.array([0, 0, 1, 2, 3]))
    assert fewest_neighbours(np.array([0, 0, 1, 2, 3])) == 3


def test_equal_rows_are_merged_in_the_order_of_the_first():
    points = np.array([[1.0, 0.0], [0.0, 2.0], [1.0, -0.0], [3.0, 3.0], [0.0, 2.0]], np.float32)
    first, distinct_of = merge_duplicates(points)
    assert first.tolist() == [0, 1, 3]
    assert distinct_of.tolist() == [0, 1, 0, 2, 1]
