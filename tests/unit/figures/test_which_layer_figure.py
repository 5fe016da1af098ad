"""The figure of which layer separates labels: every mark is a number of the tables."""

import re
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest

from infogeo.figures.which_layer import MEASURES, which_layer

LAYERS = ["0", "1", "2", "3", "final"]
MODELS = {"small": 10, "large": 20}


def tables():
    rng = np.random.default_rng(0)
    layers, measures, profiles = [], [], []
    for model, N in MODELS.items():
        about = {"corpus": "docs", "family": "f", "model": model, "N": N, "run": "",
                 "step": None}  # fmt: skip
        for first in ("in", "out"):
            for at, layer in enumerate(LAYERS):
                here = about | {"layer": layer, "relative_depth": min(at / 3, 1), "first": first}
                auc, y = rng.uniform(0.6, 0.9), rng.uniform(2, 3)
                layers.append(here | {"auc": auc, "low": auc - 0.1, "high": auc + 0.1,
                                      "untrained": 0.5, "untrained_low": 0.48,
                                      "untrained_high": 0.53})  # fmt: skip
                profiles.append(here | {
                    "scope": "text", "metric": "entropy", "convention": "centred", "n": 8,
                    "params_total": N, "width": 4, "layers": 3, "run": "", "step": 0, "y": y,
                    "y_low": y - 0.1, "y_high": y + 0.1, "untrained": 2.0, "untrained_low": 1.9,
                    "untrained_high": 2.2,
                })  # fmt: skip
        for scope, convention, metric in MEASURES.values():
            for first in ("",) if scope == "last" else ("in", "out"):
                rho = rng.uniform(-1, 1)
                measures.append(about | {
                    "scope": scope, "convention": convention, "first": first, "metric": metric,
                    "rho": rho, "rho_low": rho - 0.1, "rho_high": rho + 0.1, "untrained": 0.1,
                    "problems": "",
                })  # fmt: skip
    return tuple(map(pd.DataFrame, (layers, measures, profiles)))


def artists(figure, gid):
    return figure.findobj(lambda artist: artist.get_gid() == gid)


def words(figure):
    texts = (text.get_text() for text in figure.findobj(matplotlib.text.Text))
    return " ".join(" ".join(texts).split())


@pytest.mark.parametrize("model", MODELS)
def test_every_layer_and_measure_stands_at_its_number(model):
    layers, measures, profiles = tables()
    figure = which_layer(layers, measures, profiles, corpus="docs", n=8)
    for name, frame, column in (("auc", layers, "auc"), ("entropy", profiles, "y")):
        for first, suffix in (("in", ""), ("out", " out")):
            own = frame[(frame["model"] == model) & (frame["first"] == first)]
            (line,) = artists(figure, f"{name}{suffix}/{model}")
            np.testing.assert_array_equal(line.get_ydata(), own[column])
    for prefix, mean, ends in (("", 0.5, [0.48, 0.53]), ("entropy ", 2.0, [1.9, 2.2])):
        (line,) = artists(figure, f"{prefix}untrained/{model}")
        assert line.get_ydata().tolist() == [mean] * len(LAYERS)
        (draws,) = artists(figure, f"{prefix}untrained/{model} draws")
        assert [part[:, 1].tolist() for part in draws.get_segments()] == [ends] * len(LAYERS)
    for name, (scope, convention, metric) in MEASURES.items():
        keys = {"model": model, "scope": scope, "convention": convention, "metric": metric}
        own = measures[np.logical_and.reduce([measures[k] == v for k, v in keys.items()])]
        for row in own.itertuples():
            (mark,) = artists(figure, f"rho {row.first}/{model}/{name}")
            assert mark.get_xdata().tolist() == [row.rho]
            (ends,) = artists(figure, f"rho interval {row.first}/{model}/{name}")
            assert ends.get_segments()[0][:, 0].tolist() == [row.rho_low, row.rho_high]


def test_a_corpus_or_model_without_numbers_says_why():
    layers, measures, profiles = tables()
    measures = measures.assign(rho=np.nan, problems="3 layers: 5 are needed")
    figure = which_layer(layers, measures, profiles, corpus="docs", n=8)
    assert words(figure).count("not available: 3 layers: 5 are needed") == 2
    figure = which_layer(layers.iloc[:0], measures, profiles, corpus="docs", n=8)
    assert "not available: 3 layers: 5 are needed" in words(figure)


@pytest.mark.parametrize("without", [[], ["small"]])
def test_measures_are_named_beside_the_first_panel_that_shows_them(without):
    layers, measures, profiles = tables()
    measures.loc[measures["model"].isin(without), ["rho", "problems"]] = np.nan, "3 layers"
    figure = which_layer(layers, measures, profiles, corpus="docs", n=8)
    first = next(ax for ax in figure.axes if ax.axison and ax.get_xlabel() == "Spearman's ρ")
    labels = [label.get_text() for label in first.get_yticklabels() if label.get_visible()]
    assert labels == list(MEASURES)


@pytest.mark.parametrize("models", [1, 2])
def test_panels_are_lettered_without_a_gap(models):
    layers, measures, profiles = tables()
    shown = [frame[frame["model"].isin([*MODELS][-models:])] for frame in (layers, measures)]
    figure = which_layer(*shown, profiles, corpus="docs", n=8)
    letters = [note.get_text() for note in figure.findobj(matplotlib.text.Annotation)]
    assert sorted(text for text in letters if len(text) == 1) == [*"abcdef"[: 3 * models]]
    # The row of a panel, which its letter does not tell: the caption is the same for one model.
    caption = (Path(__file__).parents[3] / "rules/captions/which_layer.rst").read_text()
    assert not re.findall(r"\*\*[a-f]\*\*", caption)
    assert all(f"{row} row: " in caption for row in ("Top", "Second", "Bottom"))
