"""Predictions from earlier layers, against the logits that a model makes of them itself."""

import numpy as np
import pytest
import torch
from passes import FAMILIES

from infogeo.states import layer_prediction


def texts_of(encoded, count=3):
    return [encoded.text(text) for text in range(count)]


@pytest.mark.parametrize("architecture", FAMILIES)
def test_the_last_layer_predicts_what_the_model_predicts(loaded, architecture):
    model, encoded = loaded(architecture)
    texts, last = texts_of(encoded), str(model.depth)
    norm = layer_prediction.find_norm(model)
    found = layer_prediction.predict(model, norm, texts, ["0", last, "final"])
    expected = model.run(texts, lambda layer, hidden: None)
    for layer in (last, "final"):
        for values, own in zip(found[layer], expected, strict=True):
            for value, other in zip(values, own, strict=True):
                np.testing.assert_allclose(value, other, rtol=1e-5, atol=1e-6)
    assert not np.allclose(found["0"][0][0][1:], expected[0][0][1:], atol=1e-3)


def test_an_earlier_layer_predicts_what_the_model_would_without_the_blocks_after_it(loaded):
    model, encoded = loaded("llama")
    (text,) = texts_of(encoded, 1)
    found = layer_prediction.predict(model, layer_prediction.find_norm(model), [text], ["1"])
    seen = {}
    with model.reading(lambda layer, hidden: seen.update({layer: hidden.clone()})):
        ids, mask, positions = model.inputs([text])
        model.run_base(ids, mask, positions)
    with torch.inference_mode():
        base = model.model.get_decoder()
        logits = model.model.lm_head(base.norm(seen["1"]))[0].double().log_softmax(-1)
    nll = -logits[:-1].gather(1, torch.tensor(text[1:].astype(np.int64))[:, None])[:, 0]
    entropy = -(logits.exp() * logits).sum(-1)[:-1]
    (own,), (predictive,) = found["1"]
    assert np.isnan(own[0])
    np.testing.assert_allclose(own[1:], nll, rtol=1e-5)
    np.testing.assert_allclose(predictive[1:], entropy, rtol=1e-4)


def test_without_a_single_module_that_makes_the_final_states_there_is_no_norm(loaded):
    model, _ = loaded("llama")
    usual = model.base.norm.forward
    model.base.norm.forward = lambda states: 2 * usual(states)
    scale = model.base.register_forward_hook(
        lambda module, args, output: type(output)(last_hidden_state=output[0] / 3), prepend=True
    )
    try:
        assert layer_prediction.find_norm(model) is None
    finally:
        scale.remove()
        model.base.norm.forward = usual
    assert layer_prediction.find_norm(model) is model.base.norm


def test_a_norm_that_hardly_changes_the_last_states_is_found_all_the_same(loaded):
    model, _ = loaded("llama")
    usual = model.base.norm.forward
    model.base.norm.forward = lambda states: 1.001 * states
    try:
        assert layer_prediction.find_norm(model) is model.base.norm
    finally:
        model.base.norm.forward = usual
