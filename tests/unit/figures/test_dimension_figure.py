"""The figure of intrinsic dimension draws what the table says, and says what it cannot draw."""

import numpy as np
import pandas as pd
import pytest

from infogeo.figures.dimension import intrinsic_dimension
from infogeo.files.errors import InfogeoError


def table(families=("one",), widths=(32, 64, 128), missing=()):
    rows = []
    for family in families:
        for width in widths:
            for scope in ("last", "means", "tokens"):
                for layer, depth in (("0", 0.0), ("1", 0.5), ("2", 1.0), ("final", 1.0)):
                    for estimator, scale in (("two_nn", 2), ("gride", 2), ("gride", 4)):
                        value = np.nan if scope in missing else depth + scale + np.log(width)
                        rows.append({
                            "corpus": "docs", "family": family, "model": f"{family}-w{width}",
                            "N": 12 * width**2, "run": "", "step": None,
                            "layer": layer, "relative_depth": depth,
                            "scope": scope, "first": "in", "n": 128,
                            "estimator": estimator, "scale": scale,
                            "value": value, "low": 0.9 * value, "high": 1.1 * value,
                            "null": 3 * value, "untrained": 2 * value,
                            "reason": "all 9 rows are equal" if scope in missing else "",
                        })  # fmt: skip
    return pd.DataFrame(rows)


def artists(figure) -> dict:
    return {part.get_gid(): part for part in figure.findobj() if part.get_gid()}


def drawn(frame):
    return intrinsic_dimension(frame, corpus="docs", n=128)


def test_curves_are_the_values_of_the_largest_and_the_smallest_model():
    frame = table()
    marked = artists(drawn(frame))
    for model in ("one-w128", "one-w32"):
        line = marked[f"scale tokens/{model}"]
        rows = frame[(frame["model"] == model) & (frame["scope"] == "tokens")]
        rows = rows[(rows["layer"] == "final") & (rows["estimator"] == "gride")]
        np.testing.assert_allclose(line.get_ydata(), rows["value"])
        np.testing.assert_allclose(line.get_xdata(), [2, 4])
        assert f"depth last interval/{model}" in marked
    assert "scale tokens/one-w64" not in marked
    largest = frame[(frame["model"] == "one-w128") & (frame["scope"] == "last")]
    largest = largest[largest["estimator"] == "two_nn"]
    for control in ("null", "untrained"):
        line = marked[f"depth last {control}/one-w128"]
        np.testing.assert_allclose(line.get_ydata(), largest[control])
    np.testing.assert_allclose(line.get_xdata(), [0, 0.5, 1, 1.5])
    assert "depth last null/one-w32" not in marked


def test_a_panel_without_values_says_why():
    figure = drawn(table(missing=["means"]))
    words = {" ".join(text.get_text().split()) for ax in figure.axes for text in ax.texts}
    assert "not available: all 9 rows are equal" in words
    assert "depth means/one-w128" not in artists(figure)


def test_families_have_their_colours_and_a_legend():
    figure = drawn(table(families=("one", "two")))
    names = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    assert {"one", "two", "95 % interval"} <= set(names)
    marked = artists(figure)
    colours = {marked[f"depth last/{name}-w128"].get_color() for name in ("one", "two")}
    assert len(colours) == 2


def test_a_table_of_another_version_is_named():
    with pytest.raises(InfogeoError, match=r"snakemake -R results/dimension/dimension\.parquet"):
        drawn(table().drop(columns="null"))
