"""Paired differences between two models, over the texts that both have."""

import numpy as np
import pandas as pd
import pytest

from infogeo.inference import multiple_tests, resampling
from infogeo.laws.difference_rates import rate_without_difference
from infogeo.laws.differences import (
    ANOTHER_TOKENIZER,
    COLUMNS,
    NO_SHUFFLED,
    ONE_VALUE,
    difference_table,
    verdict,
)
from infogeo.laws.measured import Measured

SETTINGS = {"depths": ["0", "1", "final"], "depth_tolerance": 0.1, "draws": 199, "seed": 0}
TEXTS = [f"t{i}" for i in range(48)]
SOURCES = [f"s{i // 2}" for i in range(48)]


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
                "layer": layer, "convention": "" if layer == "" else "centred",
                "first": "" if layer == "" else "in",
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
    assert (row["texts"], row["texts_left_out"], row["sources"]) == (44, 4, 22)
    assert (row["model"], row["other_model"], row["other_commit"]) == ("a", "b", "bb")
    # Twins are the models here, one draw as they are and one with 1 more.
    assert row["untrained_difference"] == pytest.approx(by_text.mean())
    np.testing.assert_allclose(made["q"], multiple_tests.benjamini_hochberg(made["p"]))
    rate = rate_without_difference(weights, np.array(SOURCES[4:]), 0)
    assert row["false_rate"] == rate and 0.03 < rate < 0.11
    assert np.isnan(made.query("scope == 'tokens'")["false_rate"]).all()


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


def read_at(loss: float, slope: float, also: float = 0.0, seed: int = 0):
    """Values of texts and of shuffled words, of a model of this loss: `slope` a nat, and `also`."""
    rng = np.random.default_rng(seed)

    def of(nll):
        return {("text", "", "nll"): (nll, TEXTS),
                ("text", "final", "entropy"): (slope * nll + also + own, TEXTS)}  # fmt: skip

    own = 0.01 * rng.normal(size=len(TEXTS))
    nll = loss + 0.02 * rng.normal(size=len(TEXTS))
    return of(nll), of(nll + 3)


def at_equal_likelihood(one, other, left_out=(), unjudged=False):
    """The row of the entropies of two models, from what `read_at` gives of each."""
    tables = {"a": one, "b": other}

    def read(slug, texts):
        trained, shuffled = (long(of) for of in tables[slug])
        shuffled = shuffled[~shuffled["doc_id"].isin(left_out)]
        return [Measured([trained], texts), None, Measured([shuffled], texts)]

    made = difference_table([("c", [(model("a"), model("b"))], read)], **SETTINGS)
    if unjudged:
        made = made.query("metric == 'entropy'")
        assert set(made["verdict"]) == {"not available"}
        return made.iloc[0]
    assert set(made["verdict"]) <= {"supported", "inconclusive", "reading artefact"}
    return made.query("metric == 'entropy'").iloc[0]


@pytest.mark.parametrize("slope", [0.5, -0.5])
def test_a_difference_that_reading_makes_is_called_so_and_one_beyond_it_is_supported(slope):
    row = at_equal_likelihood(read_at(2.5, slope), read_at(3.0, slope, seed=1))
    assert row["difference"] == pytest.approx(-0.5 * slope, abs=0.02)
    assert row["low"] * row["high"] > 0 and row["equal_low"] < 0.02 and row["equal_high"] > -0.02
    assert abs(row["equal_difference"]) < 0.02 and row["verdict"] == "reading artefact"
    assert row["shuffled"] == pytest.approx(row["value"] + 3 * slope)
    # Twice what reading adds: the difference turns.
    assert np.sign([row["strict_low"], row["strict_high"]]).tolist() == [np.sign(slope)] * 2
    beyond = at_equal_likelihood(read_at(2.5, slope, also=1.0), read_at(3.0, slope, seed=1))
    assert beyond["equal_difference"] == pytest.approx(1.0, abs=0.02)
    assert beyond["verdict"] == "supported"


def test_the_difference_at_equal_likelihood_is_interpolated_over_the_texts_that_have_all():
    (one, badly), (other, worse) = read_at(2.0, 0.5, 0.1), read_at(2.9, 0.2, seed=1)
    left_out = TEXTS[3:6]
    row = at_equal_likelihood((one, badly), (other, worse), left_out)
    kept = [i for i, text in enumerate(TEXTS) if text not in left_out]
    nll, value = (("text", "", "nll"), ("text", "final", "entropy"))

    def equal(texts):
        read, lost = one[nll][0][texts].mean(), badly[nll][0][texts].mean()
        at = other[nll][0][texts].mean()
        ends = one[value][0][texts].mean(), badly[value][0][texts].mean()
        return np.interp(at, [read, lost], ends) - other[value][0][texts].mean()

    assert row["equal_difference"] == pytest.approx(equal(kept))
    drawn = []
    for weights in resampling.text_copies(np.array(SOURCES), draws=199, seed=0):
        drawn.append(equal(np.repeat(np.arange(len(TEXTS)), weights)[
            np.isin(np.repeat(np.arange(len(TEXTS)), weights), kept)]))  # fmt: skip
    assert (row["equal_low"], row["equal_high"]) == pytest.approx(
        tuple(resampling.percentiles(drawn))
    )
    assert (row["texts"], row["shuffled_texts_left_out"]) == (len(TEXTS), 3)


@pytest.mark.parametrize(
    ("texts", "problem"),
    [
        (0, "not measured of both"),
        (4, "no interval: 2 sources, 3 are needed"),
        (6, "not every resample of the sources has a value"),
    ],
)
def test_what_lacks_a_verdict_for_want_of_shuffled_texts_says_so(texts, problem):
    ends = read_at(2.0, 0.5), read_at(2.9, 0.2, seed=1)
    row = at_equal_likelihood(*ends, TEXTS[texts:], unjudged=True)
    assert row["problems"].startswith("shuffled words: ") and problem in row["problems"]
    assert np.isnan(row["equal_low"]) and np.isnan(row["strict_high"])
    assert np.isfinite(row["low"]) and np.isfinite(row["equal_difference"]) == (texts > 0)


def test_a_verdict_needs_its_sources_in_both_ways_of_reading():
    few = next(i for i in range(len(TEXTS)) if len(set(SOURCES[:i])) == 19)
    ends = read_at(2.0, 0.5), read_at(2.9, 0.2, seed=1)
    row = at_equal_likelihood(*ends, TEXTS[few:], unjudged=True)
    assert row["problems"] == "shuffled words: no verdict: 19 sources, 20 are needed"
    assert np.isfinite(row["strict_low"]) and row["sources"] >= 20


def test_models_that_shuffled_words_do_not_bring_together_say_so():
    row = at_equal_likelihood(read_at(2.0, 0.5), read_at(5.5, 0.2, seed=1), unjudged=True)
    assert "likelihood of the worst reader" in row["problems"]
    assert np.isfinite(row["shuffled"]) and np.isnan(row["equal_difference"])


@pytest.mark.parametrize(
    ("ends", "equal", "strict", "found"),
    [
        ((1, 3), (0.1, 2), (0.1, 2), "supported"),
        ((1, 3), (-0.1, 2), (0.1, 2), "inconclusive"),
        ((1, 3), (0.1, 2), (-0.1, 2), "inconclusive"),
        ((1, 3), (0.1, 0.9), (-0.1, 2), "reading artefact"),
        ((1, 3), (-0.1, 0.9), (-1, 0), "reading artefact"),
        ((-3, -1), (-0.9, 0.1), (0, 1), "reading artefact"),
        ((-3, -1), (-2, -0.1), (-2, -0.1), "supported"),
        ((-3, -1), (0.1, 2), (1, 4), "reading artefact"),
        ((-1, 3), (1, 2), (1, 2), "inconclusive"),
        ((1, 3), (np.nan, np.nan), (1, 2), "not available"),
        ((np.nan, np.nan), (1, 2), (1, 2), "not available"),
    ],
)
def test_the_verdict_follows_the_rule_written_down(ends, equal, strict, found):
    names = [f"{name}{end}" for name in ("", "equal_", "strict_") for end in ("low", "high")]
    row = dict(zip(names, (*ends, *equal, *strict), strict=True))
    assert verdict(row | {"difference": np.mean(ends), "sources": 20}, controlled=True) == found
    assert verdict(row | {"difference": np.mean(ends), "sources": 19}, True) == "not available"


def test_without_shuffled_words_a_difference_of_a_metric_has_no_verdict_and_one_of_loss_has():
    made = table(model("a"), model("b"), values_of(0), values_of(1))
    of_texts = made[made["scope"] == "text"].set_index("metric")
    assert set(of_texts.loc[["entropy"], "verdict"]) == {"not available"}
    assert set(of_texts.loc[["entropy"], "problems"]) == {NO_SHUFFLED}
    assert set(of_texts.loc[["nll"], "problems"]) == {""}
    assert set(of_texts.loc[["nll"], "verdict"]) <= {"supported", "inconclusive"}
    assert of_texts[["shuffled", "equal_low"]].isna().all(axis=None)
