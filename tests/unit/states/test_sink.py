"""A planted model whose first token is an attention sink, as in real models and not in ours."""

import numpy as np
import pytest
import torch
import transformers as hf
from passes import run_alone
from tiny import save_model, sentences

from infogeo.geometry.entropy import evaluate
from infogeo.geometry.row_norms import row_norms
from infogeo.geometry.spectra import text_spectra
from infogeo.states import loading
from infogeo.states.tokens import encode, load_tokenizer
from infogeo.states.word_order import shuffled_texts

N, LAYERS = 20, ("0", "2", "final")
TIMES = 300  # what the embedding of <s>, which begins every text, is multiplied by


@pytest.fixture(scope="module")
def sinking(tmp_path_factory):
    """A tiny Llama whose first token is massive in every layer before the final norm."""
    folder = tmp_path_factory.mktemp("sink")
    save_model("llama", folder)
    network = hf.AutoModelForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        network.get_input_embeddings().weight[0] *= TIMES
    network.save_pretrained(folder)
    model = loading.load_model(folder, dtype="float32", name="sink")
    return model, load_tokenizer(folder)


def entropies(model, text) -> dict:
    """(layer, first) → centred entropy of a text, and what its rows' norms say."""
    rows = run_alone(model, text, LAYERS)
    found = {}
    for layer in LAYERS:
        Z = rows.hidden[layer].numpy()[None]
        norms = row_norms(Z, [N])
        for first, eigenvalues in (
            (first, text_spectra(Z, [N])["centred", first, N][0]) for first in ("in", "out")
        ):
            count = N - (first == "out")
            value = evaluate("entropy", eigenvalues, Z.shape[-1], count, "centred")[0]
            found[layer, first] = value, norms[first, N]["massive_rows"][0]
    return found


def test_a_sink_decides_the_middle_layers_and_not_the_last_one(sinking):
    model, tokenizer = sinking
    encoded = encode(tokenizer, sentences(6, low=25), N, N, "spectra.n")
    for place in range(len(encoded)):
        found = entropies(model, encoded.text(place))
        for layer in ("0", "2"):
            (with_it, massive), (without, others) = found[layer, "in"], found[layer, "out"]
            assert (massive, others) == (1, 0)
            assert with_it < 0.5 < 1.5 < without
        # The final norm gives every row one length: little of the sink is left.
        assert abs(found["final", "in"][0] - found["final", "out"][0]) < 0.3
        assert found["final", "in"][1] == 0


def test_the_sink_stays_where_words_are_shuffled(sinking):
    model, tokenizer = sinking
    texts = sentences(3, low=25)
    ids = [
        encode(tokenizer, of, N, N, "spectra.n")
        for of in (texts, shuffled_texts(tokenizer, texts, list("abc"), [N], 0))
    ]
    for place in range(3):
        before, after = (entropies(model, of.text(place)) for of in ids)
        assert not np.array_equal(ids[0].text(place), ids[1].text(place))
        assert after["2", "in"][1] == before["2", "in"][1] == 1
        assert after["2", "in"][0] < 0.5
