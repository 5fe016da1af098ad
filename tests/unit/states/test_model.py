"""Models whose residual stream can be read: layers, heads, models in parts."""

import numpy as np
import pytest
import torch
from passes import FAMILIES, keeps, run_alone
from tiny import CONTEXT, DEPTH, VOCABULARY, WIDTH

from infogeo.files.errors import InfogeoError
from infogeo.geometry.depths import layer_names
from infogeo.sources import products
from infogeo.states import gaps, heads
from infogeo.states.attention import attention_rows
from infogeo.states.model import LanguageModel, check_texts
from infogeo.states.tokens import Encoded, encode, load_tokenizer


@pytest.mark.parametrize("architecture", FAMILIES)
def test_layers_are_the_residual_stream_and_final_is_after_the_final_norm(loaded, architecture):
    model, encoded = loaded(architecture)
    text = encoded.text(0)
    hidden = run_alone(model, text, layer_names(DEPTH)).hidden
    norm = {
        "gpt_neox": lambda m: m.gpt_neox.final_layer_norm,
        "gpt2": lambda m: m.transformer.ln_f,
        "opt": lambda m: m.model.decoder.final_layer_norm,
        "llama": lambda m: m.model.norm,
    }[architecture](model.model)
    with torch.inference_mode():
        torch.testing.assert_close(norm(hidden[str(DEPTH)]), hidden["final"])
        told = model.model(torch.from_numpy(text[None]).long(), output_hidden_states=True)
    for layer in range(DEPTH):
        torch.testing.assert_close(hidden[str(layer)], told.hidden_states[layer][0])
    # What transformers calls the last hidden state is after the norm, hence the hook.
    torch.testing.assert_close(hidden["final"], told.hidden_states[DEPTH][0])
    assert model.post_norm == ["final"]
    assert not torch.allclose(hidden[str(DEPTH)], hidden["final"])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("cap", [None, 30.0])
def test_a_soft_cap_is_seen_where_the_logits_are_small(dtype, cap):
    import transformers as hf

    config = hf.Gemma2Config(
        vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, head_dim=8,
        num_key_value_heads=1, intermediate_size=16, initializer_range=0.01,
        final_logit_softcapping=cap, bos_token_id=0, eos_token_id=0, pad_token_id=None,
    )  # fmt: skip
    model = hf.AutoModelForCausalLM.from_config(config).to(getattr(torch, dtype))
    model = LanguageModel(model, "m")
    assert (model.head.func is heads.own_head) == (cap is not None)


def test_texts_beyond_the_context_are_refused(loaded, tiny_model_dir):
    model, _ = loaded("gpt2")
    tokenizer = load_tokenizer(tiny_model_dir("gpt2"))
    long = encode(tokenizer, ["the sum of " * 60], CONTEXT + 1, 1, "spectra.n")
    with pytest.raises(
        InfogeoError, match=f"spectra.n asks for texts of {CONTEXT + 1} tokens.* {CONTEXT} "
    ):
        check_texts(model, long, "spectra.n")


def test_tokens_without_embedding_are_refused(loaded):
    model, encoded = loaded("gpt2")
    foreign = Encoded(
        encoded.corpus_rows[:1],
        np.array([0, 2]),
        np.array([1, VOCABULARY]),
        np.zeros(2),
        np.zeros(2),
    )
    with pytest.raises(InfogeoError, match=f"token {VOCABULARY}"):
        check_texts(model, foreign, "spectra.n")


def test_width_and_depth_of_the_tiny_models_are_seen(loaded):
    for architecture in FAMILIES:
        model, _ = loaded(architecture)
        assert model.depth == DEPTH
        assert model.widths == dict.fromkeys(layer_names(DEPTH), WIDTH)


@pytest.mark.parametrize("architecture", ["gpt_neox", "llama", "opt"])
def test_layers_that_take_other_products_are_those_of_the_model(
    tiny_model_dir, architecture, monkeypatch
):
    import transformers

    monkeypatch.setattr(products, "LEAST", 0)
    plain = transformers.AutoModelForCausalLM.from_pretrained(tiny_model_dir(architecture)).eval()
    ids = torch.arange(4, 44).view(2, 20)
    with torch.inference_mode():
        expected = plain(ids).logits
        quick = LanguageModel(plain, "m").model
        assert sum(type(layer) is products.Linear for layer in quick.modules()) > DEPTH
        torch.testing.assert_close(quick(ids).logits, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("architecture", ["gpt_neox", "gemma2"])
def test_a_model_in_parts_is_the_model(loaded, tiny_model_dir, tmp_path, architecture):
    """As over several GPUs, accelerate hands states from part to part; one is on disk here."""
    import transformers
    from accelerate import dispatch_model

    whole, encoded = loaded(architecture)
    model = transformers.AutoModelForCausalLM.from_pretrained(tiny_model_dir(architecture))
    products.quicken(model)  # before accelerate takes hold of its layers, as those on GPUs need not
    parts = {name: "cpu" for name, part in model.named_modules() if not list(part.children())}
    elsewhere = [name for name in parts if ".layers.1." in name]
    parts |= dict.fromkeys(elsewhere, "disk")
    parts = LanguageModel(dispatch_model(model, parts, "cpu", offload_dir=tmp_path), "m")
    assert elsewhere and next(parts.blocks[1].parameters()).device.type == "meta"
    text = encoded.text(int(encoded.lengths.argmax()))
    layers = layer_names(DEPTH)
    one, other = run_alone(whole, text, layers), run_alone(parts, text, layers)
    for layer in layers:
        assert torch.equal(one.hidden[layer], other.hidden[layer])
    np.testing.assert_array_equal(one.nll, other.nll)
    assert parts.widths == whole.widths and parts.post_norm == whole.post_norm
    for rows in zip(attention_rows(whole, text), attention_rows(parts, text), strict=True):
        np.testing.assert_array_equal(*rows)
    kept = keeps(len(text))["random half"]
    assert gaps.gap_residual(parts, text, kept) == gaps.gap_residual(whole, text, kept)
