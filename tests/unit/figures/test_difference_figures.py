"""Paired differences: headline metrics of each pair, in per cent, beside the twins."""

import numpy as np
import pandas as pd
import pytest

from infogeo.figures.differences import paired_differences
from infogeo.files.errors import InfogeoError

METRICS = [("entropy", "centred"), ("nll", "")]
SETTINGS = {"corpus": "c", "n": 8, "depth": "final", "metrics": METRICS}


def row(model="a", layer="final", metric="entropy", **columns) -> dict:
    conditional = metric == "nll"
    return {
        "corpus": "c", "model": model, "other_model": "b", "layer": "" if conditional else layer,
        "relative_depth": np.nan if conditional else {"final": 1.0}.get(layer, float(layer == "2")),
        "scope": "text", "convention": "" if conditional else "centred", "first": "in", "n": 8,
        "metric": metric, "other_value": -4.0, "difference": 1.0, "low": 0.5, "high": 1.5,
        "untrained_difference": np.nan if conditional else 2.0,
        "equal_difference": np.nan if conditional else 0.4,
        "equal_low": np.nan if conditional else 0.2, "equal_high": np.nan if conditional else 0.8,
        **columns,
    }  # fmt: skip


def drawn(figure) -> dict:
    """Metric → what its mark shows in the first panel."""
    return {
        line.get_gid(): line.get_xdata()[0] for line in figure.axes[0].lines if
        (line.get_gid() or "").startswith("pair/")
    }  # fmt: skip


def test_differences_are_in_per_cent_of_the_second_model_at_the_depth_of_the_headline():
    table = pd.DataFrame([
        row(layer="0", difference=9), row(), row(first="out", difference=9), row(n=9, difference=9),
        row(metric="nll", difference=2),
    ])  # fmt: skip
    figure = paired_differences(table, **SETTINGS)
    assert drawn(figure) == {"pair/entropy": 25.0, "pair/nll": 50.0}
    equal = [line for line in figure.axes[0].lines if line.get_gid() == "equal/entropy"]
    assert [line.get_xdata()[0] for line in equal] == [10.0]
    ends = [part.get_segments()[0][:, 0].tolist() for part in figure.axes[0].collections]
    assert [5.0, 20.0] in ends
    twins = [line.get_xdata()[0] for line in figure.axes[0].lines if line.get_marker() == "D"]
    assert twins == [50.0]
    assert figure.axes[0].get_title(loc="left") == "a − b"


def test_another_depth_is_that_of_the_nearest_layer_before_the_norm():
    table = pd.DataFrame([row(layer="0"), row(layer="2", difference=2), row(difference=9)])
    figure = paired_differences(table, **SETTINGS | {"depth": "1"})
    assert drawn(figure) == {"pair/entropy": 50.0}
    assert [text.get_text() for text in figure.axes[0].texts] == ["n/a"]  # nll


def test_of_many_pairs_the_first_are_drawn_and_counted():
    figure = paired_differences(pd.DataFrame([row(f"m{i}") for i in range(9)]), **SETTINGS)
    assert sum(ax.get_title(loc="left") != "" for ax in figure.axes) == 6
    assert "6 of 9 pairs" in figure.get_suptitle()


def test_a_corpus_without_pairs_says_so_and_another_version_is_refused():
    figure = paired_differences(pd.DataFrame([row()]), **SETTINGS | {"corpus": "d"})
    assert "no pairs of models on d" in figure.axes[0].texts[0].get_text()
    with pytest.raises(InfogeoError, match="lacks the column"):
        paired_differences(pd.DataFrame([row()]).drop(columns="low"), **SETTINGS)
