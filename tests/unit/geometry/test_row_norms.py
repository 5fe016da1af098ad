"""Norms of rows against a loop, and a massive first token."""

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


def test_zero_rows_have_no_largest_coordinate():
    found = row_norms(np.zeros((4, 3)), [4])["in", 4]
    assert {float(value) for value in found.values()} == {0.0}
