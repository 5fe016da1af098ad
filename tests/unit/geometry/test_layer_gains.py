"""Gains of the texts of a layer, their checks, and the tables of both."""

import numpy as np
import pandas as pd
import pytest

from infogeo.files.errors import InfogeoError
from infogeo.geometry import gain_tables
from infogeo.geometry.gain_tables import position_table, relation_table, surprisal_table, text_table
from infogeo.geometry.information_gain import gains
from infogeo.geometry.layer_gains import CHECKED, Checks, FullTexts, LayerGains, gains_of_layer
from infogeo.geometry.repetition import TypeGains
from infogeo.inference import resampling

N, D, COUNT = 16, 12, 10


def hidden(n, d, seed=0):
    """Float32 states with a common mean, a steep spectrum and one token of huge norm."""
    rng = np.random.default_rng(seed)
    Z = rng.standard_normal((n, d)) * np.arange(1, d + 1) ** -0.5 + rng.standard_normal(d)
    Z[0] *= 300
    return Z.astype(np.float32)


@pytest.fixture
def texts():
    """Ten texts of 16 tokens and one of 5 between them."""
    lengths = [N] * 4 + [5] + [N] * 6
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    ids = np.random.default_rng(0).integers(0, 9, offsets[-1])
    sources = [f"module-{i // 2}" if i else "" for i in range(11)]
    return FullTexts.of([f"text-{i}" for i in range(11)], sources, offsets, ids, N)


def states(layer):
    """A layer of the eleven texts."""
    for text in range(11):
        yield text, layer, hidden(5 if text == 4 else N, D, seed=text + 100 * (layer == "final"))


def made_layers(texts, on_text=None):
    return [gains_of_layer(states(layer), texts, [0.1], [0.5], on_text) for layer in ("0", "final")]


def test_only_texts_of_n_tokens_are_taken(texts):
    assert list(texts.index) == [0, 1, 2, 3, 5, 6, 7, 8, 9, 10]
    assert texts.clusters[:3].tolist() == ["text-0", "module-0", "module-1"]
    with pytest.raises(InfogeoError, match=r"n = 7 .* none of the 1 texts has 7 \(the longest: 3"):
        FullTexts.of(["a"], [""], np.array([0, 3]), np.array([1, 1, 2]), 7)


def test_frequency_counts_tokens_of_all_texts():
    ids = np.array([3, 3, 1, 3, 1, 0])
    texts = FullTexts.of(["a", "b"], ["", ""], np.array([0, 4, 6]), ids, 4)
    assert texts.frequency.tolist() == [[3, 3, 2, 3]]


def test_scores_that_are_not_finite_are_named(texts):
    offsets = np.concatenate([[0], np.cumsum([N] * 4 + [5] + [N] * 6)])
    nll = np.arange(offsets[-1], dtype=np.float32)
    nll[offsets[:-1]] = np.nan  # nothing comes before the first token
    assert texts.token_scores(nll, offsets, "surprisal")[4, 0] == offsets[5] + 1
    nll[offsets[5] + 3] = np.inf
    with pytest.raises(InfogeoError, match="'text-5' and 0 more: surprisal"):
        texts.token_scores(nll, offsets, "surprisal")


def test_layers_equal_each_text_alone(texts, monkeypatch):
    monkeypatch.setattr("infogeo.geometry.layer_gains.BATCH_BYTES", 3 * 8 * N * D)
    found = made_layers(texts)
    assert [layer.layer for layer in found] == ["0", "final"]
    for layer in found:
        assert layer.regularisers == [("lambda=0.1", 0.1), ("eps2=0.5", N * 0.5 / D)]
        for place, index in enumerate(texts.index):
            Z = next(Z for text, _, Z in states(layer.layer) if text == index)
            gain, rho = gains(Z, [0.1, N * 0.5 / D])
            np.testing.assert_array_equal(layer.gain[:, place], gain)
            np.testing.assert_array_equal(layer.rho[:, place], rho)


def test_gains_of_a_layer_without_all_texts_are_refused(texts):
    some = (item for item in states("0") if item[0] < 9)
    with pytest.raises(InfogeoError, match="layer 0: 8 of its 10 texts came"):
        gains_of_layer(some, texts, [0.1], [0.5])


def test_text_table_holds_means_over_tokens(texts):
    layer = made_layers(texts)[1]
    table = text_table(layer, texts)
    assert not table.duplicated(["doc_id", "layer", "regulariser", "metric"]).any()
    row = table[(table["doc_id"] == "text-5") & (table["regulariser"] == "eps2=0.5")]
    value = row.set_index("metric")["value"]
    gain, rho = layer.gain[1, 4], layer.rho[1, 4]
    assert value["gain_mean"] == pytest.approx(gain.mean())
    assert value["rho_mean"] == pytest.approx(rho.mean())
    assert value["ridge_share"] == pytest.approx(1 - rho[1:].sum() / (N - 1))


def test_positions_have_the_band_of_their_resamples(texts):
    layer = made_layers(texts)[0]
    weights = resampling.text_weights(texts.clusters, draws=99, seed=1)
    table = position_table(layer, weights).set_index(["regulariser", "quantity", "position"])
    found = table.loc["lambda=0.1", "logdet", 7]
    logdet = layer.gain[0, :, :7].sum(axis=1)
    assert found["mean"] == pytest.approx(logdet.mean())
    low, high = resampling.percentiles(weights @ logdet)
    assert (found["low"], found["high"]) == pytest.approx((low, high))
    assert len(table) == 2 * 3 * N


def test_checks_agree_and_are_spread_over_texts(texts):
    checks = Checks(texts.doc_ids, N, seed=1)
    made_layers(texts, checks.check_text)
    assert len(checks.rows) == 2 * 2 * CHECKED
    assert {row["doc_id"] for row in checks.rows} == set(texts.doc_ids)
    assert max(row["residual_ridge"] for row in checks.rows) < 1e-10
    assert max(row["residual_slogdet"] for row in checks.rows) < 1e-10


def test_a_wrong_gain_shows_in_the_checks(texts):
    checks = Checks(texts.doc_ids, N, seed=1)
    made_layers(texts, lambda *text: checks.check_text(*text[:4], text[4] + 1e-6, text[5]))
    for kind in ("ridge", "slogdet"):
        residuals = [row[f"residual_{kind}"] for row in checks.rows]
        assert residuals == pytest.approx([1e-6] * len(residuals), rel=1e-3)


def planted(texts, rng):
    """A layer whose gain falls with the position and rises with surprisal, and that surprisal."""
    surprisal = rng.exponential(3.0, (len(texts), N - 1))
    gain = np.ones((1, len(texts), N))
    gain[0, :, 1:] = surprisal - 5 * np.arange(1, N)
    return LayerGains("final", 8, [("lambda=1", 1.0)], gain, gain, gain[0]), surprisal


def test_relations_find_what_is_planted_given_the_position(texts):
    rng = np.random.default_rng(0)
    layer, surprisal = planted(texts, rng)
    noise = rng.standard_normal(surprisal.shape)
    scores = {"surprisal": surprisal, "predictive_entropy": noise}
    copies = resampling.text_copies(texts.clusters, draws=99, seed=1)
    table = relation_table([layer], texts, scores, copies).set_index("relation")
    found = table.loc["surprisal"]
    assert found["spearman"] < 0.4 < 0.8 < found["within_position"]
    assert found["low"] < found["partial_spearman"] < found["high"]
    assert found["low"] > 0.4
    nothing = table.loc["predictive_entropy"]
    assert nothing["low"] < 0 < nothing["high"]
    assert (table["tokens"] == COUNT * (N - 1)).all()


def test_relations_of_layers_together_are_those_of_each_alone(texts):
    # λ = n ε²/d is 1 where ε² = 0.75: one gain of two regularisers.
    copies = resampling.text_copies(texts.clusters, draws=9, seed=1)
    surprisal = np.random.default_rng(0).exponential(3.0, (len(texts), N - 1))
    types = TypeGains(texts.tokens, 0)
    layers = [gains_of_layer(states(layer), texts, [0.1, 1.0], [0.75]) for layer in ("0", "final")]
    assert [lam for _, lam in layers[0].regularisers] == [0.1, 1.0, 1.0]
    given = texts, {"surprisal": surprisal}, copies, types
    together = relation_table(layers, *given)
    alone = pd.concat([relation_table([layer], *given) for layer in layers], ignore_index=True)
    pd.testing.assert_frame_equal(together, alone, check_exact=True)
    numbers = together.loc[:, "partial_spearman":"types_spearman"].to_numpy()
    assert np.isfinite(numbers).all()
    assert (numbers[1::3] == numbers[2::3]).all()
    assert (numbers[0::3] != numbers[1::3]).all()


def test_layers_are_resampled_together_as_threads_and_memory_allow(texts, monkeypatch):
    def sizes(threads):
        groups = gain_tables.layers_together(list("abcdefg"), texts, 3, threads)
        assert [layer for group in groups for layer in group] == list("abcdefg")
        return [len(group) for group in groups]

    assert [sizes(threads) for threads in (1, 3, 9)] == [[7], [3, 3, 1], [1] * 7]
    of_layer = 2 * 8 * 3 * COUNT * N  # gain and ρ
    monkeypatch.setattr(gain_tables, "TOGETHER_BYTES", 2 * of_layer)
    assert [sizes(threads) for threads in (1, 3)] == [[2, 2, 2, 1]] * 2
    monkeypatch.setattr(gain_tables, "TOGETHER_BYTES", of_layer - 1)
    assert sizes(1) == [1] * 7


def test_relations_of_constant_gains_are_nan_and_without_weights_have_no_interval(texts):
    layer, surprisal = planted(texts, np.random.default_rng(0))
    scores = {"surprisal": surprisal}
    row = relation_table([layer], texts, scores).iloc[0]
    assert np.isfinite(row["partial_spearman"])
    assert np.isnan(row["low"])
    assert np.isnan(row["high"])
    layer.gain[:] = 1.0
    row = relation_table([layer], texts, scores).iloc[0]
    assert np.isnan([row["partial_spearman"], row["within_position"], row["spearman"]]).all()


def test_bins_of_surprisal_hold_all_tokens_once(texts):
    rng = np.random.default_rng(0)
    layer, surprisal = planted(texts, rng)
    layer.gain[0, :, 1:] = 2 * surprisal
    weights = resampling.text_weights(texts.clusters, draws=99, seed=1)
    table = surprisal_table(layer, surprisal, weights)
    assert table["bin"].tolist() == list(range(20))
    assert table["tokens"].sum() == surprisal.size
    assert table["tokens"].between(7, 8).all()
    np.testing.assert_allclose(table["gain"], 2 * table["surprisal"])
    surprisal[:] = 4.0  # all alike: one bin
    assert surprisal_table(layer, surprisal, weights)["tokens"].tolist() == [surprisal.size]
