"""Entropies in closed form, and the table of them."""

import numpy as np
import pandas as pd
import pytest

from infogeo.files.errors import InfogeoError
from infogeo.geometry import metrics
from infogeo.geometry.corpus_spectra import Documents, spectra_of_layer
from infogeo.geometry.entropy import (
    FUNCTIONS,
    conditional_entropies,
    entropies,
    evaluate,
    prefix_bits,
)
from infogeo.geometry.spectra import text_spectra
from infogeo.geometry.spectra_file import SpectraFile, Tokens, write_spectra_file

EPS2, LAMBDAS = [0.01, 0.5], [0.1, 1.0]


def test_every_metric_of_spectra_has_its_function():
    bases = [*metrics.SPECTRAL, *metrics.PARAMETRISED, *metrics.FEATURE, metrics.RANKME]
    assert sorted(FUNCTIONS) == sorted(set(bases))


def test_flat_spectrum_is_the_logarithm_of_its_rank():
    flat, d, n = np.full(20, 1 / 20), 100, 20
    for metric, expected in {
        "entropy": np.log(20),
        "entropy_over_ln_d": np.log(20) / np.log(100),
        "entropy_over_ln_rank": 1.0,
        "effective_rank": 20.0,
        "renyi_2": np.log(20),
        "renyi_inf": np.log(20),
        "participation_ratio": 20.0,
        "coding_rate[eps2=0.5]": 20 * np.log(1 + 100 / (20 * 0.5)),
        "coding_rate_paper[eps2=0.5]": 20 * np.log(11) / (100 * np.log(3)),
        "coding_rate_rank[eps2=0.5]": 1.0,
    }.items():
        assert evaluate(metric, flat, d, n, "unit") == pytest.approx(expected, rel=1e-13), metric


def test_planted_spectrum():
    p = np.array([0.5, 0.25, 0.25, 0.0])
    assert evaluate("entropy", p, 8, 4, "unit") == pytest.approx(1.5 * np.log(2))
    assert evaluate("renyi_2", p, 8, 4, "unit") == pytest.approx(-np.log(3 / 8))
    assert evaluate("renyi_inf", p, 8, 4, "unit") == pytest.approx(np.log(2))
    assert evaluate("participation_ratio", p, 8, 4, "unit") == pytest.approx(8 / 3)
    assert evaluate("coding_rate[eps2=2]", p, 8, 4, "unit") == pytest.approx(np.log(3 * 2 * 2))


def test_isotropic_states_of_full_rank_have_the_paper_s_normalised_rate_one():
    assert evaluate("coding_rate_paper[eps2=0.1]", np.full(9, 1 / 9), 9, 50, "unit") == (
        pytest.approx(1, rel=1e-13)
    )


@pytest.mark.parametrize("spectrum", [[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]], ids=["pure", "empty"])
def test_no_direction_to_tell_apart_means_no_entropy_and_never_nan(spectrum):
    for metric in metrics.SPECTRAL:
        value = evaluate(metric, np.array(spectrum), 5, int(sum(spectrum)), "unit")
        assert value == (1.0 if metric in ("effective_rank", "participation_ratio") else 0.0)
        assert not np.signbit(value)
    for metric in metrics.CODING:
        assert np.isfinite(evaluate(f"{metric}[eps2=1]", np.array(spectrum), 5, 0, "unit"))


def test_centring_costs_a_dimension_of_the_rank():
    flat = np.array([*np.full(19, 1 / 19), 0.0])
    assert evaluate("entropy_over_ln_rank", flat, 100, 20, "centred") == pytest.approx(1)
    assert evaluate("entropy_over_ln_rank", flat, 10, 20, "centred") == pytest.approx(
        np.log(19) / np.log(10)
    )


def test_a_smaller_number_of_rows_left_counts_in_the_rank():
    two = np.array([[0.5, 0.5, 0, 0], [0.25, 0.25, 0.25, 0.25]])
    values = evaluate("entropy_over_ln_rank", two, 9, np.array([2, 4]), "unit")
    np.testing.assert_allclose(values, [1, 1])
    values = evaluate("coding_rate_rank[eps2=0.1]", two, 9, np.array([2, 4]), "unit")
    np.testing.assert_allclose(values, [1, 1])


def test_one_spectrum_at_many_widths():
    # What the width law does: only d changes.
    p, widths = np.arange(40, 0, -1) / 820, np.array([12, 64, 512])
    for convention in ("unit", *metrics.RAW_CONVENTIONS):
        for metric in metrics.names(convention, EPS2, LAMBDAS, [0.5]):
            together = evaluate(metric, p, widths, 40, convention)
            alone = [evaluate(metric, p, int(d), 40, convention) for d in widths]
            np.testing.assert_allclose(np.broadcast_to(together, 3), alone, rtol=1e-14)


def test_coding_rate_is_the_log_determinant():
    Z = np.random.default_rng(0).standard_normal((12, 30))
    Z /= np.linalg.norm(Z, axis=1, keepdims=True)
    eigenvalues, _ = text_spectra(Z, [12])["unit", "in", 12]
    for eps2 in (0.01, 0.5):
        _, expected = np.linalg.slogdet(np.eye(30) + 30 / (12 * eps2) * Z.T @ Z)
        rate = evaluate(f"coding_rate[eps2={eps2:g}]", eigenvalues, 30, 12, "unit")
        assert rate == pytest.approx(expected, rel=1e-12)


def test_mean_gain_is_the_log_determinant_per_token():
    Z = np.random.default_rng(0).standard_normal((12, 30))
    Z[5] = 0  # a zero row is no token
    kept = np.delete(Z, 5, axis=0)
    kept /= np.linalg.norm(kept, axis=1, keepdims=True)
    eigenvalues, zero_rows = text_spectra(Z, [12])["unit", "in", 12]
    for lam in (1e-4, 0.1, 1.0):
        _, expected = np.linalg.slogdet(np.eye(11) + kept @ kept.T / lam)
        gain = evaluate(f"mean_gain[lambda={lam:g}]", eigenvalues, 30, 12 - zero_rows, "unit")
        assert gain == pytest.approx(expected / 11, rel=1e-12)


@pytest.mark.parametrize(
    "name",
    [
        "entropie",
        "coding_rate",
        "coding_rate[eps2=]",
        "entropy[eps2=0.5]",
        "mean_gain",
        "x[lambda=1]",
    ],
)
def test_unknown_metric_is_refused(name):
    with pytest.raises(InfogeoError, match="no such metric"):
        evaluate(name, np.ones(1), 2, 1, "unit")


# The table

LENGTHS = [5, 8, 4, 9]
DOCUMENTS = Documents.of(list("abcd"), ["x", "x", "y", "z"], LENGTHS, [5, 8])
OFFSETS = np.concatenate([[0], np.cumsum(LENGTHS)])


def tokens():
    rng = np.random.default_rng(3)
    nll, predictive = rng.exponential(2, (2, OFFSETS[-1])).astype(np.float32)
    nll[OFFSETS[:-1]] = predictive[OFFSETS[:-1]] = np.nan
    ends = np.concatenate([3 * np.arange(1, n + 1) for n in LENGTHS])
    return Tokens(OFFSETS, nll, predictive, ends)


def states(zero=()):
    rng = np.random.default_rng(0)
    items = []
    for layer, d in (("0", 6), ("final", 12)):
        for text, n in enumerate(LENGTHS):
            Z = rng.standard_normal((n, d)).astype(np.float32)
            if text in zero:
                Z[1] = 0
            items.append((text, layer, Z))
    return items


@pytest.fixture
def table(tmp_path):
    """Makes (items, frame)."""

    def make(**options):
        items = states(**options)
        layers = [
            spectra_of_layer(
                lambda layer=layer: (item for item in items if item[1] == layer), DOCUMENTS
            )
            for layer in ("0", "final")
        ]
        write_spectra_file(tmp_path / "model.h5", DOCUMENTS, tokens(), layers, "f")
        return items, pd.concat(
            entropies(SpectraFile(tmp_path / "model.h5"), EPS2, LAMBDAS), ignore_index=True
        )

    return make


def test_table_has_every_value_once(table):
    _, frame = table()
    assert list(frame.columns) == ["doc_id", "source", *metrics.KEYS, "value"]
    assert not frame.duplicated(["doc_id", *metrics.KEYS]).any()
    assert frame["value"].dtype == np.float64
    assert np.isfinite(frame["value"]).all()
    # 3 texts of n = 5 and 2 of n = 8, with and without the first token; of the corpus tokens and
    # means likewise, and the last states; 15 unit and 7 centred metrics. Of rows as they are 10 and
    # 9 of centred ones: so few texts have no α and no share of ten eigenvalues. And at n = 5 no
    # text whose first token ends within the context of prefix_bits_per_byte.
    spectra = (2 * (3 + 2) + 2 * (2 * 2 + 1)) * (15 + 7) + 3 * 2 * (10 + 9)
    norms = (3 + 2) * (6 + 5)
    assert len(frame) == 2 * (spectra + norms) + (3 + 2) * 3 + 2


def test_table_holds_each_text_s_own_value(table):
    items, frame = table(zero=[3])
    for text, layer, Z in items:
        for (convention, first, n), (eigenvalues, zero_rows) in text_spectra(Z, [5, 8]).items():
            for metric in metrics.names(convention, EPS2, LAMBDAS):
                row = frame[
                    (frame["doc_id"] == DOCUMENTS.doc_ids[text])
                    & (frame["layer"] == layer)
                    & (frame["convention"] == convention)
                    & (frame["first"] == first)
                    & (frame["n"] == n)
                    & (frame["metric"] == metric)
                ]
                rows = n - (first == "out") - zero_rows
                expected = evaluate(metric, eigenvalues, Z.shape[1], rows, convention)
                assert row["value"].tolist() == [expected]
                assert row["source"].tolist() == [DOCUMENTS.sources[text]]
                assert row["scope"].tolist() == ["text"]


def test_corpus_scopes_have_no_document(table):
    _, frame = table()
    whole = frame[frame["scope"] != "text"]
    assert set(whole["doc_id"]) == set(whole["source"]) == {""}
    assert set(zip(whole["scope"], whole["first"], strict=True)) == {
        ("tokens", "in"), ("tokens", "out"), ("means", "in"), ("means", "out"), ("last", "")
    }  # fmt: skip


def test_conditional_entropy_leaves_the_first_token_out(table):
    _, frame = table()
    given = tokens()
    rows = frame[frame["layer"] == ""]
    assert set(rows["convention"]) == {""}
    for n, texts in DOCUMENTS.texts.items():
        for text in texts:
            part = slice(OFFSETS[text] + 1, OFFSETS[text] + n)
            found = rows[(rows["doc_id"] == DOCUMENTS.doc_ids[text]) & (rows["n"] == n)]
            found = found.set_index("metric")["value"]
            nll = given.nll[part].astype(np.float64)
            assert found["nll"] == pytest.approx(nll.mean(), rel=1e-14)
            # Three bytes a token; the first token's are not predicted.
            bits = nll.sum() / np.log(2) / (3 * (n - 1))
            assert found["bits_per_byte"] == pytest.approx(bits, rel=1e-14)
            assert found["predictive_entropy"] == pytest.approx(
                given.predictive_entropy[part].astype(np.float64).mean(), rel=1e-14
            )


def of_one_text(ends, bits):
    """Tokens of one text that end at these bytes and cost so many bits (the first: none)."""
    nll = np.array([np.nan, *bits[1:]], np.float32) * np.float32(np.log(2))
    return Tokens(np.array([0, len(ends)]), nll, nll, np.array(ends, np.int32))


def test_bits_of_a_prefix_are_those_of_the_same_bytes_under_every_tokenizer():
    # A byte of the text costs one bit, up to byte 10, and three beyond; bytes 4 … 16 count.
    cost = np.where(np.arange(20) < 10, 1, 3)
    for ends in (range(1, 21), [2, 4, 10, 16, 18], [0, 1, 4, 7, 10, 16, 20], [4, 10, 13, 20]):
        bits = [part.sum() for part in np.split(cost, list(ends))[:-1]]
        found = prefix_bits(of_one_text(list(ends), bits), [0], 16)
        assert found == pytest.approx([(6 * 1 + 6 * 3) / 12], rel=1e-6)


def test_a_token_across_the_end_of_a_prefix_counts_by_its_bytes_inside():
    # Of 8 bytes the last six count: 2 … 4 for 2 bits, and half of 4 … 12 for 8.
    found = prefix_bits(of_one_text([2, 4, 12], [0, 2, 8]), [0], 8)
    assert found == pytest.approx([(2 + 4) / 6], rel=1e-6)


def test_several_tokens_of_one_character_count_together():
    # Bytes 2 … 6 are one character of three tokens, which all end where it ends.
    found = prefix_bits(of_one_text([2, 6, 6, 6, 8], [0, 1, 2, 3, 4]), [0], 8)
    assert found == pytest.approx([10 / 6], rel=1e-6)
    assert prefix_bits(of_one_text([1, 6, 6, 6], [0, 1, 2, 3]), [0], 6) == pytest.approx([6 / 5])


@pytest.mark.parametrize("ends", [[3, 4, 8], [2, 4, 7]])  # first token, last token
def test_a_text_that_tokens_do_not_cover_has_no_bits_of_its_prefix(ends):
    assert np.isnan(prefix_bits(of_one_text(ends, [0, 1, 1]), [0], 8)).all()


@pytest.mark.parametrize("array", ["nll", "predictive_entropy", "token_end_byte"])
def test_conditional_entropy_that_is_not_a_number_stops_the_run_by_name(array):
    given = tokens()
    start, stop = OFFSETS[1], OFFSETS[2]
    getattr(given, array)[start + 2 : stop] = 0 if array == "token_end_byte" else np.nan
    with pytest.raises(InfogeoError, match=r"text 'b' and 0 more.*first 5 tokens"):
        conditional_entropies(given, DOCUMENTS, 5)
