"""Attention rows, against a direct eager pass."""

import numpy as np
import pytest
import torch
from passes import FAMILIES
from tiny import DEPTH, HEADS

from infogeo.files.errors import InfogeoError
from infogeo.states import attention
from infogeo.states.attention import attention_rows


@pytest.mark.parametrize("architecture", FAMILIES)
def test_attention_rows_equal_a_direct_eager_pass(loaded, tiny_model_dir, architecture):
    import transformers

    model, encoded = loaded(architecture)
    eager = transformers.AutoModelForCausalLM.from_pretrained(
        tiny_model_dir(architecture), attn_implementation="eager"
    ).eval()
    text = encoded.text(1)
    last_row, rollout = attention_rows(model, text)
    with torch.no_grad():
        ids = torch.from_numpy(text[None]).long()
        attentions = eager(ids, output_attentions=True).attentions
    product = np.eye(len(text))
    for weights in attentions:
        product = (weights[0].double().mean(0).numpy() + np.eye(len(text))) / 2 @ product
    assert last_row.shape == (HEADS, len(text))
    np.testing.assert_allclose(last_row, attentions[-1][0, :, -1], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(rollout, product[-1], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(rollout.sum(), 1, rtol=1e-5)
    assert model.model.config._attn_implementation == "sdpa"  # as before


def test_missing_attention_weights_are_an_error(loaded):
    model, encoded = loaded("gpt_neox")
    ids = torch.from_numpy(encoded.text(0)[None]).long()
    with torch.inference_mode():  # SDPA: as the model runs otherwise
        silent = model.base(ids, output_attentions=True).attentions
    with pytest.raises(InfogeoError, match="no attention weights"):
        attention.check_attention(silent, DEPTH, ids.shape[1], "m")
    halves = [torch.full((1, 2, 4, 4), 0.125)] * DEPTH
    with pytest.raises(InfogeoError, match=r"sum to 1 only within 0\.5"):
        attention.check_attention(halves, DEPTH, 4, "m")
    with pytest.raises(InfogeoError, match=r"give later tokens up to 0\.25"):
        attention.check_attention([2 * weights for weights in halves], DEPTH, 4, "m")
