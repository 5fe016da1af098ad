"""Tables of what earlier layers predict: rows of texts, and means over them."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from infogeo.context import layer_prediction

MODEL = {"family": "f", "params_non_embedding": 9, "params_total": 9, "width": 4,
         "layers": 2, "commit": "", "replicate": None}  # fmt: skip


def scores(texts=5, n=12, seed=0):
    rng = np.random.default_rng(seed)

    def of_layer():
        values = rng.exponential(size=(2, texts, n)).astype(np.float32)
        values[:, :, 0] = np.nan
        return [list(part) for part in values]

    return {layer: tuple(of_layer()) for layer in ("0", "1", "2", "final")}


def table(seed=0):
    made = scores(seed=seed)
    return layer_prediction.of_texts(made, [f"t{i}" for i in range(5)], [f"s{i}" for i in range(5)])


def test_a_row_holds_means_over_the_predicted_tokens_and_goes_with_the_models_own():
    made = scores()
    rows = table().set_index(["doc_id", "layer"])
    nll, entropy = (part[3][1:].astype(float) for part in made["1"])
    row = rows.loc["t3", "1"]
    assert (row["nll"], row["predictive_entropy"]) == pytest.approx((nll.mean(), entropy.mean()))
    own = made["final"][0][3][1:]
    assert row["correlation"] == pytest.approx(spearmanr(nll, own)[0])
    assert rows.loc["t3", "final"]["correlation"] == pytest.approx(1)
    assert (rows["n"] == 12).all() and (rows["problem"] == "").all()


def test_means_and_excess_are_over_the_texts_that_models_share():
    frames = {"a": table(), "b": table(1)[lambda t: t["doc_id"] != "t4"]}
    models = [MODEL | {"slug": slug} for slug in frames]
    found = layer_prediction.summarise("c", models, frames, draws=99, seed=0)
    assert list(found.columns) == layer_prediction.SUMMARY_COLUMNS
    wide = frames["a"].pivot(index="doc_id", columns="layer", values="nll").iloc[:4]
    row = found[(found["model"] == "a") & (found["layer"] == "1")].iloc[0]
    assert (row["nll"], row["texts"], row["relative_depth"]) == pytest.approx(
        (wide["1"].mean(), 4, 0.5)
    )
    assert row["excess"] == pytest.approx((wide["1"] - wide["final"]).mean())
    assert row["excess_low"] < row["excess"] < row["excess_high"]
    own = found[found["layer"] == "final"]
    assert (own[["excess", "excess_low", "excess_high"]] == 0).all().all()


def test_a_model_without_a_norm_has_a_row_that_says_so():
    frames = {"a": table(), "b": layer_prediction.none("b: no norm")}
    models = [MODEL | {"slug": slug} for slug in frames]
    found = layer_prediction.summarise("c", models, frames, draws=99, seed=0)
    (row,) = found[found["model"] == "b"].to_dict("records")
    assert (row["problem"], row["texts"]) == ("b: no norm", 0)
    assert (found[found["model"] == "a"]["texts"] == 5).all()


def test_a_family_without_any_has_a_row_each():
    frames = {"a": layer_prediction.none("no"), "b": layer_prediction.none("none")}
    models = [MODEL | {"slug": slug} for slug in frames]
    found = layer_prediction.summarise("c", models, frames, draws=99, seed=0)
    assert found["problem"].tolist() == ["no", "none"]
    assert pd.isna(found["nll"]).all()
