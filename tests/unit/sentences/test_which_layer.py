"""Label AUCs of layers, and their rank correlation with measures without labels."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from infogeo.sentences import which_layer
from infogeo.sentences.distances import mean_distances
from infogeo.sentences.file import Sentences
from infogeo.sentences.separation import Separation

LAYERS = ["0", "1", "2", "3", "final"]
TEXTS, N = 24, 8
LABELS = [f"l{i % 3}" for i in range(TEXTS)]
ABOUT = {"corpus": "c", "family": "f", "model": "m"}


def sentences(apart, draws=1, layers=LAYERS, sources=12, seed=0):
    """Mean states whose labels lie `apart` at each layer."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((3, 6))
    codes = np.arange(TEXTS) % 3
    means = {
        (draw, layer, first): (by * centres[codes] + rng.standard_normal((TEXTS, 6))).astype("f4")
        for draw in range(draws)
        for layer, by in zip(layers, apart, strict=True)
        for first in ("in", "out")
    }
    names = [f"t{i}" for i in range(TEXTS)]
    sources = [f"s{i % sources}" for i in range(TEXTS)]
    return Sentences(names, LABELS, sources, {}, N, {}, {}, means)


def profile(values, metrics=("entropy", "effective_rank"), layers=LAYERS):
    rows = [
        {"scope": "text", "layer": layer, "convention": "centred", "first": first, "n": N,
         "metric": metric, "y": sign * value, "untrained": value ** 2, "N": 5, "layers": 3}
        for metric, sign in zip(metrics, (1, -1), strict=False)
        for first in ("in", "out")
        for layer, value in zip(layers, values, strict=True)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def made(trained, untrained=None, values=(1, 2, 3, 4, 5), **changes):
    rows = profile(values) if not changes else profile(values, **changes)
    return which_layer.tables_of_model(
        ABOUT, rows, trained, untrained, n=N, draws=199, seed=0
    )  # fmt: skip


def test_the_auc_of_a_layer_is_that_of_the_mean_states_as_separation_has_it():
    trained, twins = sentences([0, 1, 2, 3, 4]), sentences([0] * 5, draws=2, seed=1)
    layers, _ = made(trained, twins)
    assert layers["layer"].tolist() == 2 * LAYERS
    judge = Separation(LABELS, trained.sources, neighbours=5, permutations=1, seed=0)
    distance = mean_distances(trained.layer_means[0, "2", "out"])["cosine_centred"]
    row = layers[(layers["layer"] == "2") & (layers["first"] == "out")].iloc[0]
    influence = judge.influence(distance)[:, 0]
    low, high = judge.interval(judge.values(distance)[0], influence)
    assert row["auc"] == pytest.approx(judge.values(distance)[0])
    assert (row["low"], row["high"]) == pytest.approx((low, min(high, 1)))
    aucs = [
        judge.values(mean_distances(twins.layer_means[draw, "2", "out"])["cosine_centred"])[0]
        for draw in range(2)
    ]
    assert row["untrained"] == pytest.approx(np.mean(aucs))
    assert (row["untrained_low"], row["untrained_high"]) == pytest.approx((min(aucs), max(aucs)))


def test_rho_is_spearmans_over_layers_ties_among_them():
    rng = np.random.default_rng(0)
    measures, auc = rng.integers(0, 5, (4, 9)).astype(float), rng.integers(0, 6, 9).astype(float)
    shifts = rng.standard_normal((3, 9))
    values, draws = which_layer.rank_correlations(measures, auc, shifts)
    np.testing.assert_allclose(values, [spearmanr(row, auc)[0] for row in measures])
    expected = [[spearmanr(row, auc + shift)[0] for shift in shifts] for row in measures]
    np.testing.assert_allclose(draws, expected)


def test_a_measure_that_rises_with_the_auc_is_told_from_twins_and_its_opposite_has_minus_rho():
    # Layers in order of their names, and a measure that rises with them as the AUC does.
    trained, twins = sentences([0, 0.4, 0.9, 1.6, 3]), sentences([0] * 5, draws=2, seed=1)
    _, table = made(trained, twins)
    assert table["layers"].unique() == [5]
    rows = table.set_index(["metric", "first"])
    row = rows.loc["entropy", "in"]
    assert row["rho"] > 0.85 and row["rho_low"] <= row["rho"] <= row["rho_high"]
    assert row["headline"] and np.isfinite([row["excess_low"], row["excess_high"]]).all()
    assert row["excess"] == pytest.approx(row["rho"] - row["untrained"])
    assert rows.loc["effective_rank", "in"]["rho"] == pytest.approx(-row["rho"])
    assert table["headline"].sum() == 1
    assert table["problems"].eq("").all()


def test_without_twins_a_measure_is_never_supported_and_one_that_is_constant_has_no_rho():
    _, table = made(sentences([0, 0.4, 0.9, 1.6, 3]))
    assert set(table["verdict"]) <= {"inconclusive", "contradicted"}
    assert set(table["problems"]) == {"no untrained twins at these layers"}
    _, table = made(sentences([0, 0.4, 0.9, 1.6, 3]), values=[2, 2, 2, 2, 2])
    assert table["rho"].isna().all()
    assert set(table["problems"]) == {"the measure is the same at all layers"}


@pytest.mark.parametrize(
    ("trained", "settings", "problem"),
    [
        (sentences([0, 1, 2], layers=LAYERS[:3]), {"layers": LAYERS[:3]},
         "3 layers with states of the judged texts: 5 are needed"),
        (sentences([0] * 5, sources=1), {}, "separation of labels"),
        (sentences([0] * 5), {"layers": ["7", "8", "9", "10", "11"]}, "no measure at n = 8"),
    ],
)  # fmt: skip
def test_a_model_without_a_correlation_says_why(trained, settings, problem):
    values = range(1, 1 + len(settings.get("layers", LAYERS)))
    _, table = made(trained, values=list(values), layers=settings.get("layers", LAYERS))
    (row,) = table.to_dict("records")
    assert row["verdict"] == "not available" and row["headline"]
    assert row["problems"].startswith(problem)


@pytest.mark.parametrize(
    ("rho", "interval", "excess", "expected"),
    [
        (0.9, (0.6, 1), (0.1, 0.8), "supported"),
        (-0.9, (-1, -0.6), (-0.8, -0.1), "supported"),
        (0.9, (0.6, 1), (-0.1, 0.8), "inconclusive"),  # as in the twins
        (0.9, (0.6, 1), (np.nan, np.nan), "inconclusive"),
        (0.9, (0.4, 1), (0.1, 0.8), "inconclusive"),
        (0.1, (-0.4, 0.4), (0.1, 0.8), "contradicted"),
        (np.nan, (np.nan, np.nan), (np.nan, np.nan), "not available"),
    ],
)
def test_rule_of_which_layer(rho, interval, excess, expected):
    assert which_layer.verdict(rho, interval, excess) == expected


def test_only_the_headline_has_no_q():
    tables = made(sentences([0, 0.4, 0.9, 1.6, 3]), sentences([0] * 5, seed=1))
    found = which_layer.joined([tables, tables])["measures"]
    assert (found["q"].isna() == found["headline"]).all()


def test_an_interval_is_the_hull_of_percentiles_and_of_those_reflected_at_the_value():
    draws = np.concatenate([np.full(500, 0.2), np.full(500, 0.6)])[None]
    # Resamples lie below the value, as noise makes correlations smaller.
    np.testing.assert_allclose(which_layer.interval(np.array([0.8]), draws).ravel(), [0.2, 1.4])
    # They lie on both sides.
    np.testing.assert_allclose(which_layer.interval(np.array([0.3]), draws).ravel(), [0.0, 0.6])
