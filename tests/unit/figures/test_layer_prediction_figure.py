"""The figure of what layers predict: every curve is a column of the table."""

import matplotlib
import numpy as np
import pandas as pd
import pytest

from infogeo.figures.layer_prediction import PANELS, layer_prediction

LAYERS = ["0", "1", "2", "final"]


def table(problem=""):
    rng = np.random.default_rng(0)
    rows = []
    for model, N in (("small", 10), ("large", 20)):
        for at, layer in enumerate(LAYERS):
            row = {"corpus": "docs", "family": "f", "model": model, "N": N, "layer": layer,
                   "run": "", "step": pd.NA,
                   "relative_depth": min(at / 2, 1), "problem": problem}  # fmt: skip
            for name in PANELS:
                value = np.nan if problem else rng.uniform(0.2, 0.8)
                row |= {name: value, f"{name}_low": value - 0.1, f"{name}_high": value + 0.1}
            rows.append(row)
    return pd.DataFrame(rows)


@pytest.mark.parametrize("name", PANELS)
def test_both_models_stand_at_their_values_with_bands(name):
    made = table()
    figure = layer_prediction(made, corpus="docs")
    for model in ("small", "large"):
        rows = made[made["model"] == model]
        (line,) = figure.findobj(lambda a, gid=f"{name}/{model}": a.get_gid() == gid)
        np.testing.assert_array_equal(line.get_ydata(), rows[name])
        (band,) = figure.findobj(lambda a, gid=f"{name} interval/{model}": a.get_gid() == gid)
        edges = band.get_paths()[0].vertices[:, 1]
        assert (edges.min(), edges.max()) == pytest.approx(
            (rows[f"{name}_low"].min(), rows[f"{name}_high"].max())
        )


def test_models_without_predictions_say_why():
    figure = layer_prediction(table("m: no final norm"), corpus="docs")
    texts = (text.get_text() for text in figure.findobj(matplotlib.text.Text))
    assert " ".join(" ".join(texts).split()).count("not available: m: no final norm") == 3
