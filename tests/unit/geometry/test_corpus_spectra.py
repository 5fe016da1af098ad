"""Spectra of texts and of the whole corpus, from states that stream by."""

import itertools
import time

import numpy as np
import pytest
from made_states import (
    DOCUMENTS,
    PREFIXES,
    assert_equal_entropies,
    computed,
    corpus,
    direct,
    hidden,
    of_layer,
)

from infogeo.files.errors import InfogeoError
from infogeo.geometry import covariance, device, eigenvalues, metrics, stacks
from infogeo.geometry.corpus_spectra import (
    CorpusSpectra,
    Documents,
    TextSpectra,
    spectra_of_layer,
)
from infogeo.geometry.prefixes import most_texts
from infogeo.geometry.spectra import text_spectra
from infogeo.jobs.threads import side_by_side


def test_documents_know_which_texts_are_long_enough():
    assert DOCUMENTS.texts[16].tolist() == [0, 2, 4, 5, 6]
    assert DOCUMENTS.texts[32].tolist() == [0, 2, 4, 5]
    with pytest.raises(InfogeoError, match=r"spectra\.n: 128 tokens .* has 64"):
        Documents.of(["a"], ["s"], [64], [32, 128])


def test_texts_of_a_corpus_equal_each_text_alone():
    states = corpus([24, 50])
    layers = computed(states)
    assert [(layer.layer, layer.width) for layer in layers] == [("0", 24), ("1", 50)]
    for layer in layers:
        for n, texts in DOCUMENTS.texts.items():
            for place, text in enumerate(texts):
                alone = text_spectra(states[layer.layer][text], PREFIXES)
                for convention, first in itertools.product(metrics.CONVENTIONS, metrics.FIRST):
                    of_texts = layer.spectra["text", convention, first, n]
                    eigenvalues, _ = alone[convention, first, n]
                    np.testing.assert_array_equal(of_texts.eigenvalues[place], eigenvalues)
                    assert of_texts.rows == n - (first == "out")


@pytest.mark.parametrize("nested", [True, False])
def test_part_of_a_corpus_chooses_who_takes_eigenvalues_as_all_of_it_does(nested):
    lengths, names = np.array([3, 4, 4, 5, 8, 9]), list("abcdef")
    whole = TextSpectra(Documents.of(names, names, lengths, [4, 8], nested).texts, 5, nested)
    part = {4: np.array([1]), 8: np.array([4])}
    # Of order 5 both conventions at 8 tokens, with the first and without; of 3 and 4 at 4 tokens.
    most = 5 if nested else 2
    assert whole.counts == {5: 4 * most, 4: 2 * most, 3: 2 * most}
    assert TextSpectra(part, 5, nested, most_texts([4, 8], lengths, nested)).counts == whole.counts


@pytest.mark.parametrize("threads", [1, 4])
def test_texts_that_wait_for_others_get_their_own_eigenvalues(threads, monkeypatch):
    monkeypatch.setattr(eigenvalues, "FEW", 0)  # side by side, however few
    texts = np.random.default_rng(0).standard_normal((90, 12, 20)) ** 3
    of_texts = TextSpectra({5: np.arange(90), 12: np.arange(90)}, 20)
    stacks = [list(range(start, start + 3)) for start in range(0, 90, 3)]
    with side_by_side(threads) as each:
        list(each(lambda stack: of_texts.add(stack, texts[stack]), stacks))
    for key, spectrum in of_texts.spectra.items():
        expected, zero_rows = text_spectra(texts, [5, 12])[key]
        np.testing.assert_allclose(spectrum.eigenvalues, expected, atol=1e-14)
        assert np.array_equal(spectrum.zero_rows, zero_rows)


@pytest.mark.parametrize("block", [2048, 7])  # rows: one product, and many with remainders
@pytest.mark.parametrize("width", [10, 50, 300])  # more tokens than d, and fewer
def test_streamed_corpus_spectra_equal_those_in_memory(width, block, monkeypatch):
    monkeypatch.setattr(covariance, "BLOCK_ROWS", block)
    states = corpus([width])
    states["0"][2][3] *= 1e-9  # a zero row among the tokens
    layer = spectra_of_layer(of_layer(states), DOCUMENTS)
    for n, texts in DOCUMENTS.texts.items():
        of_text = [states["0"][text][:n].astype(float) for text in texts]
        matrices = {("last", ""): np.stack([Z[-1] for Z in of_text])}
        for first, start in (("in", 0), ("out", 1)):
            matrices["tokens", first] = np.concatenate([Z[start:] for Z in of_text])
            matrices["means", first] = np.stack([Z[start:].mean(axis=0) for Z in of_text])
        for (scope, first), rows in matrices.items():
            conventions = [*metrics.CONVENTIONS]
            conventions += metrics.RAW_CONVENTIONS if scope != "tokens" else []
            for convention in conventions:
                spectrum = layer.spectra[scope, convention, first, n]
                expected, dropped = direct(rows, convention)
                assert spectrum.rows == len(rows)
                assert spectrum.zero_rows.tolist() == [dropped]
                assert spectrum.eigenvalues.shape == (1, min(len(rows), width))
                assert_equal_entropies(
                    spectrum.eigenvalues[0], dropped, expected, width, len(rows), convention
                )
    assert len(layer.spectra) == 2 * (2 * 2 + 2 * 2 + 4 * (2 + 1))


def test_texts_that_are_not_nested_count_at_their_own_length_alone():
    states = corpus([10])
    one_length = Documents.of(
        [str(t) for t in range(7)], list("aabbccd"), [16, 32] * 3 + [16], [16, 32], nested=False
    )
    short = [Z[:n] for Z, n in zip(states["0"], [16, 16, 16, 7, 16, 32, 16], strict=True)]
    texts = {0: short[0], 2: short[2], 4: short[4], 6: short[6]}
    texts |= {t: np.tile(states["0"][5], (2, 1))[:32] * (t + 1.0) for t in (1, 3, 5)}
    layer = spectra_of_layer(lambda: ((t, "0", Z) for t, Z in sorted(texts.items())), one_length)
    for n, chosen in ((16, (0, 2, 4, 6)), (32, (1, 3, 5))):
        rows = np.concatenate([texts[t][1:] for t in chosen]).astype(float)
        expected, _ = direct(rows, "unit")
        found = layer.spectra["tokens", "unit", "out", n]
        assert found.rows == len(rows)
        assert_equal_entropies(found.eigenvalues[0], 0, expected, 10, len(rows), "unit")


@pytest.mark.parametrize("texts", [1, 2, 3])
def test_size_of_the_batches_does_not_matter(texts, monkeypatch):
    states = corpus([24])
    whole = spectra_of_layer(of_layer(states), DOCUMENTS)
    monkeypatch.setattr(stacks, "BATCH_BYTES", texts * 32 * 24 * 8)
    batched = spectra_of_layer(of_layer(states), DOCUMENTS)
    for (scope, *_), one, other in zip(
        whole.spectra, whole.spectra.values(), batched.spectra.values(), strict=True
    ):
        tolerance = 0 if scope == "text" else 1e-14
        np.testing.assert_allclose(one.eigenvalues, other.eigenvalues, rtol=0, atol=tolerance)


def test_states_may_come_in_a_buffer_that_is_used_again():
    states = corpus([24])

    def reusing():
        buffer = np.empty((64, 24), np.float32)
        for item in of_layer(states)():
            Z = buffer[: len(item[2])]
            Z[:] = item[2]
            yield *item[:2], Z

    plain, reused = (
        spectra_of_layer(of_layer(states), DOCUMENTS),
        spectra_of_layer(reusing, DOCUMENTS),
    )
    for key, spectrum in plain.spectra.items():
        np.testing.assert_array_equal(spectrum.eigenvalues, reused.spectra[key].eigenvalues)


def test_one_text_alone_has_no_mean_to_compare_with():
    documents = Documents.of(["a"], ["s"], [16], [16])
    layer = spectra_of_layer(lambda: iter([(0, "0", hidden(16, 40) + 3)]), documents)
    found = layer.spectra["means", "centred", "in", 16]
    assert found.zero_rows.tolist() == [1]
    assert not found.eigenvalues.any()
    np.testing.assert_allclose(
        layer.spectra["means", "unit", "in", 16].eigenvalues, [[1]], rtol=1e-14
    )


def test_equal_states_everywhere_leave_nothing_when_centred():
    Z = np.tile(hidden(1, 40) * np.float64(np.pi), (12, 1))
    documents = Documents.of(list("abc"), list("abc"), [12] * 3, [12])
    layer = spectra_of_layer(lambda: iter([(i, "0", Z) for i in range(3)]), documents)
    assert layer.spectra["tokens", "centred", "in", 12].zero_rows.tolist() == [36]
    assert layer.spectra["means", "centred", "in", 12].zero_rows.tolist() == [3]


def test_a_layer_without_all_texts_is_refused():
    states = corpus([8, 8])
    del states["1"][5:]
    with pytest.raises(InfogeoError, match="layer 1: 3 of its 5 texts came"):
        spectra_of_layer(of_layer(states, "1"), DOCUMENTS)


def test_states_shorter_than_announced_are_refused():
    states = corpus([8])
    states["0"][4] = states["0"][4][:20]
    with pytest.raises(InfogeoError, match=r"text 't4', layer 0: 20 states, but 32"):
        spectra_of_layer(of_layer(states), DOCUMENTS)


def test_states_that_are_not_finite_are_refused_with_their_text_and_layer():
    states = corpus([8])
    states["0"][5][20, 2] = np.inf
    with pytest.raises(InfogeoError, match=r"text 't5', layer 0: token 20, coordinate 2 is inf"):
        spectra_of_layer(of_layer(states), DOCUMENTS)


def test_threads_take_turns_on_a_device(monkeypatch):
    at_once, most = [], []

    def watched(genuine):
        def call(*given):
            at_once.append(1)
            most.append(len(at_once))
            time.sleep(0.01)
            at_once.pop()
            return genuine(*given)

        return call

    monkeypatch.setattr(device.Device, "eigenvalues", watched(device.Device.eigenvalues))
    product = watched(covariance.Covariance._of_block)
    monkeypatch.setattr(covariance.Covariance, "_of_block", product)
    rows = np.random.default_rng(0).standard_normal((3, 20, 8))

    def of_layer(_):
        there = device.Device("cpu")
        corpus = CorpusSpectra({20: 3}, 8, device=there)
        corpus.add(there.place(rows))
        return corpus.spectra()

    with side_by_side(4) as each:
        list(each(of_layer, range(4)))
    assert len(most) > 8 and max(most) == 1
