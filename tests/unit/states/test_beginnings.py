"""Runs that begin with keys and values of whole texts, against runs on the kept tokens alone."""

import numpy as np
import pytest
import torch
import transformers as hf
from passes import FAMILIES

from infogeo.states import beginnings, gaps
from infogeo.states.model import LanguageModel

N, WINDOW, VOCABULARY = 20, 6, 300
# Of two texts: how many first tokens are kept, and which later ones.
KEPT = {
    "dropped one": [(5, [6, 7, 8, 9, 19]), (3, [4, 5, 6, 7, 8])],
    "unequal beginnings": [(12, [14, 19]), (1, [2, 9])],
    "begun too early": [(4, [4, 5, 6, 11]), (9, [9, 17, 18, 19])],
    "one more": [(19, [19]), (1, [7])],
}

# Windows in all layers, and in every other one.
WINDOWED = {
    "mistral": {},
    "gemma3": {"kind": hf.Gemma3TextConfig, "layer_types": ["sliding_attention", "full_attention"]},
}


@pytest.fixture
def texts(loaded):
    """A function: architecture -> the model, and two texts of N tokens."""

    def make(architecture):
        model, encoded = loaded(architecture)
        long = [text for text in range(len(encoded)) if encoded.lengths[text] >= N][:2]
        return model, np.stack([encoded.text(text)[:N] for text in long])

    return make


def windowed(dtype="float32", kind=hf.MistralConfig, **other):
    """A model of which some layers look back over WINDOW tokens, and two texts of N tokens.

    Its weights are large: what a token sees moves the prediction by nats.
    """
    torch.manual_seed(0)
    config = kind(
        vocab_size=VOCABULARY, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, head_dim=8, sliding_window=WINDOW,
        initializer_range=0.4, bos_token_id=0, eos_token_id=0, pad_token_id=0, **other,
    )  # fmt: skip
    network = hf.AutoModelForCausalLM.from_config(config).eval()
    ids = np.random.default_rng(0).integers(VOCABULARY, size=(2, N))
    return LanguageModel(network.to(getattr(torch, dtype)), "windowed"), ids


@pytest.mark.parametrize("architecture", [*FAMILIES, "gemma2", *WINDOWED])
def test_runs_that_begin_with_keys_of_the_whole_text_equal_those_of_each_alone(texts, architecture):
    model, ids = (
        windowed(**WINDOWED[architecture]) if architecture in WINDOWED else texts(architecture)
    )
    shared = beginnings.Beginnings(model, ids)
    rows, everything = np.arange(2), np.tile(np.arange(N), (2, 1))
    for one, other in zip(
        shared.run_whole(rows), gaps.run_kept(model, ids, everything), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
    for of_texts in KEPT.values():
        starts, later = (np.array(values) for values in zip(*of_texts, strict=True))
        together = shared.run(rows, starts, later)
        for row, start in enumerate(starts):
            kept = np.concatenate([np.arange(start), later[row]])[None]
            alone = gaps.run_kept(model, ids[row][kept], kept)
            for one, other in zip(together, alone, strict=True):
                torch.testing.assert_close(one[row], other[0], rtol=1e-4, atol=1e-5)


def test_texts_may_be_run_some_at_a_time_and_in_any_order(texts):
    model, ids = texts("llama")
    shared, later = beginnings.Beginnings(model, ids), np.array([[6, 9, 19], [5, 7, 8]])
    shared.run_whole(np.array([1]))
    shared.run_whole(np.array([0]))
    both = shared.run(np.array([1, 0]), np.array([5, 5]), later)
    for place, row in enumerate([1, 0]):
        one = shared.run(np.array([row]), np.array([5]), later[[place]])
        for of_both, alone in zip(both, one, strict=True):
            torch.testing.assert_close(of_both[place], alone[0], rtol=1e-5, atol=1e-6)


def test_the_check_sees_keys_at_other_positions_and_models_without_a_cache(texts, monkeypatch):
    model, ids = texts("llama")
    assert beginnings.problem(model, ids[0], seed=0) == ""
    genuine = model.final_states

    def closed_up(ids, mask, options):
        options = dict(options)
        if mask.ndim == 4:
            options["position_ids"] = options["position_ids"] - 1
        return genuine(ids, mask, options)

    monkeypatch.setattr(model, "final_states", closed_up)
    assert "differ by" in beginnings.problem(model, ids[0], seed=0)

    def without(ids, mask, options):
        return genuine(ids, mask, {"position_ids": options["position_ids"]})

    monkeypatch.setattr(model, "final_states", without)
    assert "takes no keys of earlier runs" in beginnings.problem(model, ids[0], seed=0)


def test_the_check_says_how_far_states_are_apart_where_predictions_agree(texts, monkeypatch):
    model, ids = texts("llama")
    genuine = beginnings.Beginnings.run

    def of_new_tokens(self, *given):
        logits, mean, last = genuine(self, *given)
        return logits, mean + 0.5 * last, last

    monkeypatch.setattr(beginnings.Beginnings, "run", of_new_tokens)
    problem = beginnings.problem(model, ids[0], seed=0)
    moved = float(problem.split(" of the norm")[0].split()[-1])
    assert 0.05 < moved < 0.5, problem


def no_window(queries, keys):
    """Positions at which every token is within every window."""
    return queries * 0, keys * 0


def by_order(queries, keys):
    """Positions that count the tokens that are given, and not the tokens of the text."""
    order = torch.arange(keys.shape[1], device=keys.device).expand_as(keys)
    return order[:, -queries.shape[1] :], order


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("architecture", WINDOWED)
@pytest.mark.parametrize("wrong", [no_window, by_order])
def test_the_check_sees_a_wrong_window_after_stored_keys(wrong, architecture, dtype, monkeypatch):
    model, ids = windowed(dtype, **WINDOWED[architecture])
    assert beginnings.problem(model, ids[0], seed=0) == ""
    genuine = gaps.masks

    def masks(model, queries, keys, visible=None):
        if visible is None:
            return genuine(model, queries, keys)
        visible = visible & (keys[:, None] <= queries[..., None])
        return genuine(model, *wrong(queries, keys), visible)

    monkeypatch.setattr(gaps, "masks", masks)
    assert "differ by" in beginnings.problem(model, ids[0], seed=0)
