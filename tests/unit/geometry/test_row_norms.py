"""Norms of rows against a loop, and a massive first token."""

import itertools

import numpy as np
import pytest
from made_states import hidden

from infogeo.geometry.row_norms import row_norms


@pytest.mark.parametrize("kind", ["random", "anisotropic", "large mean"])
def test_norms_are_those_of_a_loop_over_rows(kind):
    Z = hidden(20, 12, kind=kind).astype(np.float64)
    Z[7] = 0.0
    norms = row_norms(Z.astype(np.float32), [6, 20, 64])
    assert sorted(norms) == [("in", 6), ("in", 20), ("out", 6), ("out", 20)]
    for (first, n), found in norms.items():
        rows = Z[:n][first == "out" :]
        lengths = [np.sqrt(sum(x * x for x in row)) for row in rows]
        median = np.median(lengths)
        shares = [row**2 / (row @ row) for row in rows if row.any()]
        expected = {
            "largest_norm": max(lengths),
            "median_norm": median,
            "massive_rows": sum(length > 10 * median for length in lengths),
            "largest_coordinate": np.mean(shares, axis=0).max(),
        }
        steps = np.diff(rows, axis=0)
        pairs = [(a @ b, np.linalg.norm(a) * np.linalg.norm(b))
                 for a, b in itertools.pairwise(steps)]  # fmt: skip
        expected["curvature"] = np.mean([np.degrees(np.arccos(p / q)) for p, q in pairs])
        if first == "in":
            expected["first_norm"] = lengths[0]
        assert found == pytest.approx(expected, rel=1e-6)


def test_a_massive_first_row_is_counted_and_gone_without_it():
    Z = np.random.default_rng(0).standard_normal((3, 16, 8))
    Z[1, 0] *= 100
    norms = row_norms(Z, [16])
    assert norms["in", 16]["massive_rows"].tolist() == [0, 1, 0]
    assert norms["out", 16]["massive_rows"].tolist() == [0, 0, 0]
    assert "first_norm" not in norms["out", 16]


@pytest.mark.parametrize(("norm", "count"), [(9.9, 0), (10.1, 1)])
def test_a_row_is_massive_beyond_ten_times_the_median(norm, count):
    rows = np.eye(5) * np.array([norm, 1, 1, 1, 1])[:, None]
    assert row_norms(rows, [5])["in", 5]["massive_rows"] == count


def test_zero_rows_have_no_largest_coordinate():
    found = row_norms(np.zeros((4, 3)), [4])["in", 4]
    assert np.isnan(found.pop("curvature"))  # nothing moves
    assert {float(value) for value in found.values()} == {0.0}


def test_the_path_of_tokens_is_straight_bent_or_turns_back():
    steps = np.array([[1.0, 0], [1, 0], [0, 2], [0, -1]])
    path = np.vstack([[0, 0], np.cumsum(steps, axis=0)])
    assert row_norms(path[:3], [3])["in", 3]["curvature"] == pytest.approx(0)
    assert row_norms(path[:4], [4])["in", 4]["curvature"] == pytest.approx((0 + 90) / 2)
    assert row_norms(path, [5])["in", 5]["curvature"] == pytest.approx((0 + 90 + 180) / 3)
    assert row_norms(path, [5])["out", 5]["curvature"] == pytest.approx((90 + 180) / 2)
    still = np.vstack([path[:3], path[2:]])  # a token whose state is that of the one before
    assert row_norms(still, [6])["in", 6]["curvature"] == pytest.approx((0 + 180) / 2)
