"""Gains against a spectrum, scikit-learn, determinants and closed forms; their tables."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from infogeo.files.errors import InfogeoError
from infogeo.geometry.entropy import evaluate
from infogeo.geometry.gain_tables import (
    position_table,
    relation_table,
    surprisal_table,
    text_table,
)
from infogeo.geometry.information_gain import gains, ridge_optimum
from infogeo.geometry.layer_gains import CHECKED, Checks, FullTexts, LayerGains, gains_of_layer
from infogeo.geometry.metrics import regularisers
from infogeo.geometry.rows import unit_norm
from infogeo.geometry.spectra import text_spectra
from infogeo.inference import resampling

LAMBDAS = [1e-4, 0.01, 1.0]


def hidden(n, d, seed=0):
    """Float32 states with a common mean, a steep spectrum and one token of huge norm."""
    rng = np.random.default_rng(seed)
    Z = rng.standard_normal((n, d)) * np.arange(1, d + 1) ** -0.5 + rng.standard_normal(d)
    Z[0] *= 300
    return Z.astype(np.float32)


@pytest.mark.parametrize(("n", "d"), [(40, 64), (64, 64), (90, 32), (2, 16), (1, 16)])
def test_gains_add_up_to_the_coding_rate(n, d):
    Z = hidden(n, d)
    names, lambdas = zip(*regularisers([], [0.01, 0.5], n, d), strict=True)
    gain, _ = gains(Z, lambdas)
    eigenvalues, _ = text_spectra(Z, [n])["unit", n]
    for name, of_token in zip(names, gain, strict=True):
        expected = evaluate(f"coding_rate[{name}]", eigenvalues, d, n, "unit")
        assert of_token.sum() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("lam", LAMBDAS)
@pytest.mark.parametrize("kind", ["anisotropic", "repeated"])
def test_every_token_equals_ridge_and_determinants(lam, kind):
    Z = hidden(30, 24)
    if kind == "repeated":
        Z = Z[np.random.default_rng(0).integers(0, 8, 30)]
    rows = unit_norm(Z)
    gain, rho = (values[0] for values in gains(Z, [lam]))
    logdet = [0.0]
    for i in range(30):
        logdet.append(np.linalg.slogdet(np.eye(24) + rows[: i + 1].T @ rows[: i + 1] / lam)[1])
        if i:
            fit = Ridge(alpha=lam, fit_intercept=False, solver="svd").fit(rows[:i].T, rows[i])
            left = rows[i] - rows[:i].T @ fit.coef_
            expected = left @ left + lam * fit.coef_ @ fit.coef_
            assert rho[i] == pytest.approx(expected, abs=1e-12)
            assert ridge_optimum(rows[i], rows[:i], lam) == pytest.approx(expected, abs=1e-12)
            assert abs(gain[i] - np.log1p(expected / lam)) < 1e-10
    np.testing.assert_allclose(gain, np.diff(logdet), rtol=0, atol=1e-10)


def test_orthonormal_rows_gain_the_most():
    gain, rho = gains(np.diag([3.0, 1.0, 0.2, 7.0, 1.0]), LAMBDAS)
    np.testing.assert_allclose(gain, np.log1p(1 / np.array(LAMBDAS))[:, None] * np.ones(5))
    np.testing.assert_allclose(rho, 1.0)


def test_equal_rows_gain_less_and_less():
    Z = np.tile(hidden(1, 20), (9, 1))
    earlier = np.arange(9)
    for lam, gain, rho in zip(LAMBDAS, *gains(Z, LAMBDAS), strict=True):
        expected = lam / (lam + earlier)  # ridge on i copies of the target
        np.testing.assert_allclose(rho, expected, rtol=0, atol=1e-14)
        np.testing.assert_allclose(gain, np.log1p(expected / lam), rtol=0, atol=1e-11)


def test_zero_rows_gain_nothing_and_tell_nothing():
    Z = hidden(12, 20)
    Z[5] = 0.0
    Z[7] = 1e-7 * Z[0]  # as small beside the largest that it counts as none
    gain, rho = gains(Z, LAMBDAS)
    assert not gain[:, [5, 7]].any()
    assert not rho[:, [5, 7]].any()
    kept = np.delete(np.arange(12), [5, 7])
    np.testing.assert_allclose(gain[:, kept], gains(Z[kept], LAMBDAS)[0], rtol=0, atol=1e-10)
    assert not gains(np.zeros((4, 3)), LAMBDAS)[0].any()


def test_a_stack_equals_each_text_alone():
    Z = np.stack([hidden(20, 16, seed) for seed in range(3)])
    stacked = gains(Z, LAMBDAS)
    for place, one in enumerate(Z):
        for together, alone in zip(stacked, gains(one, LAMBDAS), strict=True):
            np.testing.assert_array_equal(together[:, place], alone)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_states_that_are_not_finite_are_named(bad):
    Z = hidden(6, 4)
    Z[2, 3] = bad
    with pytest.raises(InfogeoError, match="text 'a', layer 1: token 2, coordinate 3"):
        gains(Z, [0.1], "text 'a', layer 1")


def test_a_lambda_beyond_float64_is_named():
    with pytest.raises(InfogeoError, match="λ = 1e-20"):
        gains(np.tile(hidden(1, 8), (9, 1)), [1e-20])


def test_the_identity_holds_on_states_of_a_model(tiny_model_dir):
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_model_dir())
    ids = torch.arange(2, 42)[None] % 29
    with torch.no_grad():
        Z = model(ids, output_hidden_states=True).hidden_states[-1][0].numpy()
    gain, _ = gains(Z, [1e-4])
    rows = unit_norm(Z)
    rho = np.array([ridge_optimum(rows[i], rows[:i], 1e-4) for i in range(len(rows))])
    assert np.abs(gain[0] - np.log1p(rho / 1e-4)).max() < 1e-10


# ---------------------------------------------------------------- texts, layers and tables

N, D, COUNT = 16, 12, 10


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


def made_layers(texts, watch=None):
    return [gains_of_layer(states(layer), texts, [0.1], [0.5], watch) for layer in ("0", "final")]


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
    made_layers(texts, lambda *told: checks.check_text(*told[:4], told[4] + 1e-6, told[5]))
    for kind in ("ridge", "slogdet"):
        residuals = [row[f"residual_{kind}"] for row in checks.rows]
        assert residuals == pytest.approx([1e-6] * len(residuals), rel=1e-3)


def planted(texts, rng):
    """A layer whose gain falls with the position and rises with surprisal, and that surprisal."""
    surprisal = rng.exponential(3.0, (len(texts), N - 1))
    gain = np.ones((1, len(texts), N))
    gain[0, :, 1:] = surprisal - 5 * np.arange(1, N)
    return LayerGains("final", [("lambda=1", 1.0)], gain, gain, gain[0]), surprisal


def test_relations_find_what_is_planted_given_the_position(texts):
    rng = np.random.default_rng(0)
    layer, surprisal = planted(texts, rng)
    noise = rng.standard_normal(surprisal.shape)
    scores = {("surprisal", "own"): surprisal, ("predictive_entropy", "own"): noise}
    copies = resampling.text_copies(texts.clusters, draws=99, seed=1)
    table = relation_table(layer, texts, scores, copies).set_index("relation")
    found = table.loc["surprisal"]
    assert found["spearman"] < 0.4 < 0.8 < found["within_position"]
    assert found["low"] < found["partial_spearman"] < found["high"]
    assert found["low"] > 0.4
    nothing = table.loc["predictive_entropy"]
    assert nothing["low"] < 0 < nothing["high"]
    assert (table["tokens"] == COUNT * (N - 1)).all()


def test_relations_of_constant_gains_are_nan_and_without_weights_have_no_interval(texts):
    layer, surprisal = planted(texts, np.random.default_rng(0))
    scores = {("surprisal", "own"): surprisal}
    row = relation_table(layer, texts, scores).iloc[0]
    assert np.isfinite(row["partial_spearman"])
    assert np.isnan(row["low"])
    assert np.isnan(row["high"])
    layer.gain[:] = 1.0
    row = relation_table(layer, texts, scores).iloc[0]
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
