"""Marks and curves of models against their size."""

import pandas as pd
import pytest

from infogeo.figures.size import guides


def rows(*models):
    """A row for each (width, N, value, replicate)."""
    return pd.DataFrame(models, columns=["width", "N", "y", "replicate"])


def test_a_line_joins_the_means_of_seeds_width_by_width():
    first, second = guides(
        rows(
            (16, 1, 1.0, "small/0"), (16, 2, 2.0, "small/0"), (16, 2, 4.0, "small/1"),
            (32, 3, 5.0, "small/0"),
        ),
        "y",
    )  # fmt: skip
    assert first["y"].tolist() == [1.0, 3.0]
    assert second["y"].tolist() == [5.0]


def test_models_of_one_width_each_make_one_line():
    (line,) = guides(rows((16, 1, 1.0, ""), (32, 2, 2.0, "")), "y")
    assert line["y"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    "names", [("", ""), ("small/0", ""), ("small/0", "small/0"), ("small/0", "other/1")]
)
def test_no_line_joins_models_of_one_shape_that_are_no_replicates(names):
    clash = [(16, 1, float(i), name) for i, name in enumerate(names)]
    assert guides(rows(*clash, (32, 2, 2.0, "small/0")), "y") == []
