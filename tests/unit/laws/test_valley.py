"""The valley of the entropy over layers, with the first token and without."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from infogeo.laws import valley
from infogeo.laws.measured import Measured, Texts

LAYERS = 6
MODEL = {"slug": "m", "family": "f", "layers": LAYERS}


def measured(curve, out, texts=40, sources=20, noise=0.05, layers=LAYERS + 1):
    """Entropies of texts around two planted curves over layers."""
    rng = np.random.default_rng(0)
    of_text = 0.2 * rng.standard_normal(texts)  # shared by all layers of a text
    rows = [
        {"doc_id": f"t{i}", "source": f"s{i % sources}", "scope": "text", "layer": str(layer),
         "convention": "centred", "first": first, "n": 8, "metric": "entropy",
         "value": of_text[i] + level[layer] + noise * rng.standard_normal()}
        for first, level in (("in", curve), ("out", out)) for layer in range(layers)
        for i in range(texts)
    ]  # fmt: skip
    known = Texts()
    return Measured([pd.DataFrame(rows)], known), known


def found(*planted, **options):
    tables, texts = measured(*planted, **options)
    return valley.of_model("c", MODEL, tables, texts, n=8, seed=0)


FLAT = np.full(LAYERS + 1, 3.0)
DEEP = np.array([3.0, 2.5, 1.0, 0.5, 1.0, 2.0, 2.8])


def test_a_valley_that_is_gone_without_the_first_token_is_the_first_token():
    row = found(DEEP, FLAT)
    assert row["verdict"] == "supported"
    assert row["layer"] == "3"
    assert row["valley"] == pytest.approx(2.3, abs=0.05)  # below the lower end
    assert row["valley_low"] < row["valley"] < row["valley_high"]
    assert abs(row["out"]) < 0.1  # layers are chosen on other texts: no valley out of noise


def test_a_valley_that_stays_without_it_is_not():
    row = found(DEEP, DEEP - 0.1)
    assert row["verdict"] == "contradicted"
    assert row["out"] == pytest.approx(row["valley"], abs=0.1)


def test_half_a_valley_is_undecided():
    assert found(DEEP, FLAT + (DEEP - FLAT) / 2, noise=0.5)["verdict"] == "inconclusive"


def test_without_a_valley_nothing_is_asked():
    row = found(np.linspace(3, 2, LAYERS + 1), FLAT)
    assert (row["verdict"], row["problem"]) == ("not available", "no valley with the first token")


def test_too_few_sources_or_layers_are_not_available_with_the_reason():
    few = found(DEEP, FLAT, sources=5)
    assert (few["verdict"], few["problem"]) == (
        "not available", "texts of 5 sources: 8 are needed"
    )  # fmt: skip
    lacking = found(DEEP, FLAT, layers=4)
    assert lacking["problem"] == "layers 4, 5, 6 not measured: states.layers"


def test_the_interval_is_that_of_a_mean_with_clustered_errors():
    rng = np.random.default_rng(1)
    sources = np.repeat(np.arange(9), rng.integers(1, 6, 9))
    values = rng.standard_normal(9)[sources] + 0.3 * rng.standard_normal(len(sources))
    mean, half = valley.mean_over_sources(values, sources.astype(str))
    of_sources = np.array([(values - values.mean())[sources == s].sum() for s in range(9)])
    error = np.sqrt(9 / 8 * (of_sources**2).sum()) / len(values)
    assert mean == pytest.approx(values.mean())
    assert half == pytest.approx(stats.t.ppf(0.975, 8) * error)


def test_texts_of_a_source_belong_to_one_half():
    sources = np.array([f"s{i // 3}" for i in range(30)])
    halves = valley.half_of_sources(sources, seed=3).reshape(10, 3)
    assert (halves == halves[:, :1]).all()
    assert halves[:, 0].sum() == 5


def test_layers_are_chosen_on_the_other_half_of_the_texts():
    halves = np.array([True, False])
    curve = np.array(
        [[9.0, 9], [1, 5], [6, 2], [9, 9]]
    )  # each text is lowest at a layer of its own
    assert valley.depths(curve, halves).tolist() == [9 - 6, 9 - 5]


def test_two_blocks_have_no_layer_between_others():
    tables, texts = measured(DEEP, FLAT)
    row = valley.of_model("c", MODEL | {"layers": 2}, tables, texts, n=8, seed=0)
    assert row["problem"] == "fewer than 3 blocks: no layer lies between others"
