"""Paired differences between two models, over the texts that both have."""

import numpy as np
import pandas as pd
import pytest

from infogeo.inference import multiple_tests, resampling
from infogeo.laws.differences import ANOTHER_TOKENIZER, COLUMNS, ONE_VALUE, difference_table
from infogeo.laws.measured import Measured

SETTINGS = {"depths": ["0", "1", "final"], "depth_tolerance": 0.1, "draws": 199, "seed": 0}
TEXTS = [f"t{i}" for i in range(24)]
SOURCES = [f"s{i // 2}" for i in range(24)]


def model(slug, layers=2, tokenizer="x", width=8):
    return {
        "slug": slug, "family": "f", "commit": slug * 2, "params_non_embedding": 10 * width,
        "width": width, "layers": layers, "tokenizer_sha256": tokenizer,
    }  # fmt: skip


def long(values: dict, draws=None) -> pd.DataFrame:
    """A long table from {(scope, layer, metric): (values, texts)}."""
    rows = []
    for (scope, layer, metric), (of_texts, texts) in values.items():
        for text, value in zip(texts, of_texts, strict=True):
            place = TEXTS.index(text) if text else 0
            rows.append({
                "doc_id": text, "source": SOURCES[place] if text else "", "scope": scope,
                "layer": layer, "convention": "" if layer == "" else "centred", "first": "in",
                "n": 8, "metric": metric, "value": value,
            })  # fmt: skip
    frame = pd.DataFrame(rows)
    return pd.concat([frame.assign(draw=d, value=frame["value"] + d) for d in range(draws or 0)]
                     or [frame])  # fmt: skip


def values_of(seed: int, layers=("0", "1", "2", "final"), texts=TEXTS) -> dict:
    rng = np.random.default_rng(seed)
    of_texts = {("text", layer, "entropy"): (rng.normal(3, 1, len(texts)), texts)
                for layer in layers}  # fmt: skip
    return of_texts | {
        ("text", "", "nll"): (rng.normal(2, 1, len(texts)), texts),
        ("text", "", "prefix_bits_per_byte"): (rng.normal(1, 0.1, len(texts)), texts),
        ("tokens", "final", "entropy"): ([5.0 + seed], [""]),
    }


def table(one, other, values, other_values, **settings):
    tables = {one["slug"]: values, other["slug"]: other_values}

    def read(slug, texts):
        of = tables[slug]
        return Measured([long(of)], texts), Measured([long(of, draws=2)], texts)

    return difference_table([("c", [(one, other)], read)], **SETTINGS | settings)


def test_differences_are_over_the_texts_that_both_have_with_intervals_over_sources():
    one, other = values_of(0), values_of(1, texts=TEXTS[4:])
    made = table(model("a"), model("b"), one, other)
    assert list(made) == COLUMNS
    row = made.query("layer == '1'").iloc[0]
    by_text = one["text", "1", "entropy"][0][4:] - other["text", "1", "entropy"][0]
    assert row["difference"] == pytest.approx(by_text.mean())
    assert row["value"] - row["other_value"] == pytest.approx(row["difference"])
    weights = resampling.text_weights(np.array(SOURCES[4:]), draws=199, seed=0)
    low, high = resampling.percentiles(weights @ by_text)
    assert (row["low"], row["high"]) == pytest.approx((low, high))
    assert (row["texts"], row["texts_left_out"], row["sources"]) == (20, 4, 10)
    assert (row["model"], row["other_model"], row["other_commit"]) == ("a", "b", "bb")
    # Twins are the models here, one draw as they are and one with 1 more.
    assert row["untrained_difference"] == pytest.approx(by_text.mean())
    np.testing.assert_allclose(made["q"], multiple_tests.benjamini_hochberg(made["p"]))


def test_the_p_value_is_small_where_every_text_differs_and_one_for_a_model_and_itself():
    one = values_of(0)
    more = {key: (np.add(values, 1), texts) for key, (values, texts) in one.items()}
    of_texts = table(model("a"), model("b"), more, one).query("scope == 'text'")
    assert (of_texts["p"] == 2 / 200).all() and np.allclose(of_texts["difference"], 1)
    same = table(model("a"), model("b"), one, one).query("scope == 'text'")
    assert (same["p"] == 1).all() and (same[["difference", "low", "high"]] == 0).all(axis=None)


def test_models_of_equal_depth_are_compared_layer_by_layer_and_others_at_the_depths():
    made = table(model("a"), model("b"), values_of(0), values_of(1))
    assert made.query("metric == 'entropy' and scope == 'text'")["layer"].tolist() == [
        "0", "1", "2", "final"
    ]  # fmt: skip
    deeper = values_of(1, layers=("0", "1", "2", "3", "4", "final"))
    made = table(model("a"), model("b", layers=4), values_of(0), deeper)
    layers = made.query("metric == 'entropy' and scope == 'text'")[["layer", "other_layer"]]
    assert layers.to_numpy().tolist() == [["0", "0"], ["2", "4"], ["final", "final"]]
    assert set(made["metric"]) == {"entropy", "nll", "prefix_bits_per_byte"}


def test_different_tokenizers_are_compared_over_equal_bytes_alone():
    made = table(model("a"), model("b", tokenizer="y"), values_of(0), values_of(1))
    compared = made[made["problems"] == ""]
    assert compared["metric"].tolist() == ["prefix_bits_per_byte"]
    apart = made.drop(compared.index)
    assert set(apart["problems"]) == {ANOTHER_TOKENIZER}
    assert apart[["difference", "low", "p"]].isna().all(axis=None) and len(apart) > 4


def test_what_has_one_value_a_corpus_has_a_difference_without_an_interval():
    made = table(model("a"), model("b"), values_of(0), values_of(1))
    row = made.query("scope == 'tokens'").iloc[0]
    assert row["difference"] == -1.0 and np.isnan(row["low"]) and row["problems"] == ONE_VALUE


def test_two_sources_and_no_shared_text_say_why_there_is_no_interval():
    made = table(model("a"), model("b"), values_of(0, texts=TEXTS[:3]), values_of(1))
    row = made.query("metric == 'nll'").iloc[0]
    assert row["problems"] == "no interval: 2 sources, 3 are needed" and np.isnan(row["p"])
    made = table(model("a"), model("b"), values_of(0, texts=TEXTS[:4]),
                 values_of(1, texts=TEXTS[4:]))  # fmt: skip
    row = made.query("metric == 'nll'").iloc[0]
    assert row["problems"] == "no text has a finite value in both models"
