"""Measures of hidden states in memory are those of the workflow, whatever holds the states."""

import doctest

import numpy as np
import pytest
import yaml

import infogeo
from infogeo.door import law, measure
from infogeo.files.errors import InfogeoError
from infogeo.geometry import information_gain
from infogeo.geometry.corpus_spectra import Documents, spectra_of_layer
from infogeo.geometry.entropy import evaluate, of_layer
from infogeo.geometry.metrics import NORMS
from infogeo.geometry.row_norms import row_norms
from infogeo.geometry.spectra import text_spectra
from infogeo.sentences.distances import bures, jensen_shannon


def states(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def assert_is_that_of_the_workflow(table, texts):
    """Every value is what the workflow's functions give, to the last bit.

    Norms to rounding: their sums depend on which prefixes are taken together.
    """
    for row in table.itertuples():
        Z = texts[row.doc_id][: row.n]
        if row.metric in NORMS:
            expected = row_norms(Z, [row.n])[row.first, row.n][row.metric]
            assert row.value == pytest.approx(expected, rel=1e-12)
            continue
        spectra = text_spectra(Z, [row.n])
        eigenvalues, zero_rows = spectra[row.convention, row.first, row.n]
        rows = row.n - (row.first == "out") - zero_rows
        assert row.value == evaluate(row.metric, eigenvalues, Z.shape[1], rows, row.convention)


def test_a_batch_of_texts_is_measured_as_the_workflow_measures_it():
    Z = states(5, 8, 24)
    Z[2, 3] = 0  # a zero row
    table = infogeo.measure(Z, n=[4, 8], threads=2)
    assert list(table.columns[:2]) == ["doc_id", "source"]
    assert set(table["n"]) == {4, 8}
    assert table["doc_id"].nunique() == 5
    assert_is_that_of_the_workflow(table, {str(i): Z[i] for i in range(5)})


def test_texts_of_different_lengths_are_measured_as_long_as_they_are():
    texts = {"a": states(6, 4), "b": states(3, 4, seed=1), "c": states(6, 4, seed=2)}
    table = infogeo.measure(list(texts.values()), doc_ids=list(texts))
    assert table.groupby("doc_id")["n"].unique().map(list).to_dict() == {
        "a": [6], "b": [3], "c": [6],
    }  # fmt: skip
    assert_is_that_of_the_workflow(table, texts)


def test_texts_are_measured_together_as_the_workflow_measures_a_corpus():
    Z = states(6, 5, 4)
    table = infogeo.measure({"final": Z}, n=[3, 5], corpus=True, orders=[3])
    documents = Documents.of("012345", [""] * 6, [5] * 6, [3, 5])
    spectra = spectra_of_layer(lambda: ((i, "final", Z[i]) for i in range(6)), documents)
    assert table.equals(of_layer(spectra, documents, measure.EPS2, measure.LAMBDAS, [3]))
    assert set(table["scope"]) == {"text", "tokens", "means", "last"}
    assert {"rankme", "renyi[order=3]"} <= set(table["metric"])


def test_a_text_that_is_too_short_has_no_row_at_that_n():
    table = infogeo.measure([states(6, 4), states(3, 4)], n=[2, 5])
    rows = table[["doc_id", "n"]].drop_duplicates().itertuples(index=False, name=None)
    assert sorted(rows) == [("0", 2), ("0", 5), ("1", 2)]


def test_the_numbers_of_tokens_may_be_an_array_or_one_number_of_numpy():
    Z = states(2, 6, 4)
    expected = infogeo.measure(Z, n=[3, 6])
    assert infogeo.measure(Z, n=np.array([6, 3, 3])).equals(expected)
    assert infogeo.measure(Z, n=np.int64(3)).equals(infogeo.measure(Z, n=3))


@pytest.mark.parametrize("corpus", [False, True])
def test_states_after_the_last_n_are_not_read(corpus):
    Z = states(3, 6, 4)
    padded = np.where(np.arange(6)[:, None] < 3, Z, np.nan)
    assert infogeo.measure(padded, n=3, corpus=corpus).equals(
        infogeo.measure(Z[:, :3], n=3, corpus=corpus)
    )


def test_texts_together_are_those_of_one_length_where_each_is_as_long_as_it_is():
    texts = [states(6, 4), states(3, 4, seed=1), states(6, 4, seed=2)]
    table = infogeo.measure(texts, corpus=True)
    rows = table["scope"] != "text"
    apart = infogeo.measure([texts[0], texts[2]], corpus=True).query("scope != 'text'")
    assert (
        table[rows & (table["n"] == 6)].reset_index(drop=True).equals(apart.reset_index(drop=True))
    )


def test_the_number_of_threads_changes_no_bit():
    Z = states(40, 5, 7)
    assert infogeo.measure(Z, threads=1).equals(infogeo.measure(Z, threads=3))


def test_a_mask_leaves_padding_out_wherever_it_is():
    Z = states(2, 6, 4)
    mask = np.array([[1, 1, 1, 1, 0, 0], [0, 0, 1, 1, 1, 1]])
    masked = infogeo.measure(np.where(mask[..., None], Z, np.nan), mask=mask)
    assert masked.equals(infogeo.measure([Z[0, :4], Z[1, 2:]]))


def test_layers_are_named_by_key_or_by_place():
    Z = states(2, 4, 6)
    by_key = infogeo.measure({"0": Z, "final": -2 * Z})
    assert by_key["layer"].unique().tolist() == ["0", "final"]
    by_place = infogeo.measure((Z, -2 * Z))
    assert by_place["layer"].unique().tolist() == ["0", "1"]
    assert np.array_equal(by_key["value"], by_place["value"])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_states_of_any_float_type_are_measured_by_the_numbers_they_hold(dtype):
    Z = states(5, 4).astype(dtype)
    assert infogeo.measure(Z).equals(infogeo.measure(Z.astype(np.float64)))


def test_torch_tensors_are_read_exactly_whether_or_not_numpy_has_their_type():
    import torch

    Z = torch.from_numpy(states(3, 6, 8)).requires_grad_()
    assert infogeo.measure(Z).equals(infogeo.measure(Z.detach().numpy()))
    half = Z.to(torch.bfloat16)
    assert infogeo.measure(half).equals(infogeo.measure(half.detach().float().numpy()))
    assert infogeo.divergence(half[0], half[1]) == infogeo.divergence(
        *half[:2].detach().double().numpy()
    )
    mask = torch.ones(3, 6, dtype=torch.int64)
    assert infogeo.gains(half, mask=mask).equals(infogeo.gains(half))


@pytest.mark.parametrize(
    ("Z", "options", "message"),
    [
        (states(4), {}, "shape .*4"),
        ([states(4, 3), states(4, 5)], {}, r"different widths: \[3, 5\]"),
        ([], {}, "no part"),
        ({}, {}, "no layer"),
        ({"0": states(2, 4, 3), "1": states(2, 5, 3)}, {}, "layers 0 and 1 differ"),
        (states(2, 4, 3), {"n": 5}, "from 2 to 4"),
        (states(2, 4, 3), {"n": [1, 4]}, "from 2 to 4"),
        (states(2, 4, 3), {"n": []}, r"n: \[\]; give whole numbers"),
        (states(2, 4, 3), {"n": 3.5}, r"n: \[3.5\]; give whole numbers"),
        (states(2, 4, 3), {"eps2": [0]}, r"eps2: \[0\] must be a list of finite numbers above 0"),
        (states(2, 4, 3), {"lambdas": [0.0]}, "lambdas: .* above 0"),
        (states(2, 4, 3), {"lambdas": 0.1}, "lambdas: 0.1 must be a list"),
        (states(2, 4, 3), {"orders": [np.inf]}, "orders: .* finite"),
        (states(2, 4, 3), {"orders": [1]}, "orders: 1 is the entropy"),
        (states(2, 4, 3), {"threads": 0}, "threads: 0"),
        (None, {}, "type NoneType"),
        ((row for row in states(2, 4, 3)), {}, "type generator"),
        ([[[1, 2], [3]]], {}, "rows of different lengths"),
        (np.zeros((4, 0)), {}, r"shape \(4, 0\)"),
        ([states(4, 3), states(1, 3)], {}, r"text '1' has 1 token"),
        (states(2, 4, 3), {"doc_ids": ["a"]}, "doc_ids: 1 names"),
        (states(2, 4, 3), {"doc_ids": ["a", "a"]}, "1 of them different"),
        (states(2, 4, 3), {"mask": np.ones((2, 3))}, r"mask has shape \(2, 3\)"),
        (states(4, 3) * 1j, {}, "complex"),
        (np.full((4, 3), np.inf), {}, "text '0': token 0, coordinate 0 is inf"),
        ({"7": np.full((4, 3), np.nan)}, {}, "text '0', layer 7: token 0"),
        (np.full((4, 3), np.nan), {"corpus": True}, "^text '0': token 0"),
    ],
)
def test_what_cannot_be_measured_is_refused_with_what_is_wrong(Z, options, message):
    with pytest.raises(InfogeoError, match=message):
        infogeo.measure(Z, **options)


def test_gains_are_those_of_the_workflow():
    Z = states(3, 5, 9)
    table = infogeo.gains(Z, lambdas=[0.1], eps2=[0.5], doc_ids=["a", "b", "c"])
    gain, rho = information_gain.gains(Z[1], [0.1, 5 * 0.5 / 9])
    of_text = table[table["doc_id"] == "b"]
    assert np.array_equal(of_text["gain"], gain.ravel())
    assert np.array_equal(of_text["rho"], rho.ravel())
    assert of_text["position"].tolist() == [1, 2, 3, 4, 5] * 2
    assert of_text["regulariser"].unique().tolist() == ["lambda=0.1", "eps2=0.5"]


def test_gains_of_no_token_or_without_a_ridge_are_refused_by_name():
    with pytest.raises(InfogeoError, match="text 'b' has no token"):
        infogeo.gains([states(3, 4), states(0, 4)], doc_ids=["a", "b"])
    with pytest.raises(InfogeoError, match=r"lambdas: .* above 0"):
        infogeo.gains(states(3, 4), lambdas=[0])


@pytest.mark.parametrize("convention", ["unit", "centred"])
@pytest.mark.parametrize("shape", [(2, 5, 30), (2, 30, 5)])
def test_divergences_are_those_of_the_workflow(convention, shape):
    Z = states(*shape)
    for kind, distances in (("js", jensen_shannon), ("bures", bures)):
        value = infogeo.divergence(*Z, kind=kind, convention=convention)
        assert value == pytest.approx(distances(Z, convention)[0, 1], abs=1e-12)


@pytest.mark.parametrize("convention", ["unit", "centred"])
@pytest.mark.parametrize("kind", ["js", "bures"])
def test_texts_of_different_lengths_have_the_divergence_of_their_covariances(kind, convention):
    one, other = states(4, 12), states(9, 12, seed=1)
    twice = np.concatenate([other, other])  # the same covariance
    value = infogeo.divergence(one, other, kind=kind, convention=convention)
    same = infogeo.divergence(one, twice, kind=kind, convention=convention)
    assert value == pytest.approx(same, abs=1e-12)
    swapped = infogeo.divergence(other, one, kind=kind, convention=convention)
    assert value == pytest.approx(swapped, abs=1e-12)
    assert infogeo.divergence(one, one, kind=kind, convention=convention) < 1e-6


@pytest.mark.parametrize(
    ("shapes", "options", "message"),
    [
        (((4, 3), (4, 5)), {}, "shapes"),
        (((4, 3), (2, 4, 3)), {}, "shapes"),
        (((4, 3), (0, 3)), {}, "at least one token"),
        (((4, 3), (4, 3)), {"kind": "kl"}, "kind 'kl'"),
        (((4, 3), (4, 3)), {"convention": "raw"}, "convention 'raw'"),
    ],
)
def test_what_has_no_divergence_is_refused(shapes, options, message):
    with pytest.raises(InfogeoError, match=message):
        infogeo.divergence(*(states(*shape) for shape in shapes), **options)


def test_defaults_are_those_of_the_embedded_configuration(pytestconfig):
    config = yaml.safe_load((pytestconfig.rootpath / "config/config.yaml").read_text())
    assert list(measure.EPS2) == config["entropy"]["eps2"]
    assert list(measure.LAMBDAS) == config["context"]["lambdas"]
    assert config["controls"]["random_draws"] == law.RANDOM_DRAWS


@pytest.mark.parametrize("module", [measure, law])
def test_examples_of_the_docstrings_hold(module):
    assert doctest.testmod(module).failed == 0
