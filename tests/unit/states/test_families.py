"""Families that need care: states and likelihoods are the model's own, in every kind and dtype."""

import numpy as np
import pytest
import torch
import transformers as hf
from passes import run_alone
from tiny import VOCABULARY, save_tokenizer

from infogeo.files.errors import InfogeoError
from infogeo.geometry.depths import layer_names
from infogeo.sources import cards, models
from infogeo.states import batches, gaps, loading
from infogeo.states.attention import attention_rows
from infogeo.states.model import LanguageModel, check_texts
from infogeo.states.tokens import Encoded

SIZES = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
    "intermediate_size": 64, "max_position_embeddings": 66, "bos_token_id": 0, "eos_token_id": 0,
    "pad_token_id": 1, "initializer_range": 0.2,
}  # fmt: skip
TEXT = np.arange(5, 45, dtype=np.int32)

BY_LOOKING = {
    "modernbert": (hf.ModernBertDecoderConfig(**SIZES), True),
    "gpt1": (
        hf.OpenAIGPTConfig(vocab_size=VOCABULARY, n_embd=32, n_layer=2, n_head=4, n_positions=66),
        False,
    ),
    "llama4": (
        hf.Llama4TextConfig(
            **SIZES, intermediate_size_mlp=64, head_dim=8, num_key_value_heads=2,
            num_local_experts=2, num_experts_per_tok=1,
        ),
        True,
    ),
    "codegen": (  # its configuration knows no padding token
        hf.CodeGenConfig(
            vocab_size=VOCABULARY, n_embd=32, n_layer=2, n_head=4, n_positions=66, rotary_dim=4
        ),
        True,
    ),
    "rwkv": (
        hf.RwkvConfig(
            vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=2, attention_hidden_size=32,
            intermediate_size=64, bos_token_id=0, eos_token_id=0,
        ),
        True,
    ),
    "rembert": (
        hf.RemBertConfig(**SIZES, input_embedding_size=16, output_embedding_size=48,
                         is_decoder=True),
        False,
    ),
}  # fmt: skip
POSITIONED = (
    hf.RobertaConfig, hf.CamembertConfig, hf.XLMRobertaConfig, hf.XLMRobertaXLConfig,
    hf.Data2VecTextConfig, hf.RobertaPreLayerNormConfig,
)  # fmt: skip


def build(config):
    torch.manual_seed(0)
    return LanguageModel(hf.AutoModelForCausalLM.from_config(config), "m")


def own_pass(model, text):
    ids = torch.from_numpy(text[None]).long()
    with torch.inference_mode():
        return model.model(ids, labels=ids, output_hidden_states=True)


@pytest.mark.parametrize("name", BY_LOOKING)
def test_states_and_likelihoods_are_the_models_own(name):
    config, normed = BY_LOOKING[name]
    model = build(config)
    rows, own = run_alone(model, TEXT, layer_names(2)), own_pass(model, TEXT)
    assert rows.nll[1:].mean() == pytest.approx(own.loss.item(), rel=1e-5)
    first = 1 if name == "rwkv" else 0  # whose first entry is the state after the first block
    for layer, hidden in enumerate(own.hidden_states[:-1], start=first):
        torch.testing.assert_close(rows.hidden[str(layer)], hidden[0])
    torch.testing.assert_close(rows.hidden["final"], own.hidden_states[-1][0])
    assert model.post_norm == (["final"] if normed else [])


@pytest.mark.parametrize("kind", POSITIONED)
def test_positions_are_those_that_the_model_gives_itself(kind):
    model = build(kind(**SIZES, is_decoder=True))
    assert model.first_position == 2
    rows, own = run_alone(model, TEXT, layer_names(2)), own_pass(model, TEXT)
    assert rows.nll[1:].mean() == pytest.approx(own.loss.item(), rel=1e-5)
    torch.testing.assert_close(rows.hidden["0"], own.hidden_states[0][0])
    residual, problem = gaps.check_gaps(model, TEXT, seed=0)
    assert problem == "" and residual <= 1e-5  # gapped runs count from there too
    longer = np.full(65, 7, dtype=np.int32)
    encoded = Encoded(np.zeros(1), np.array([0, 65]), longer, longer, longer)
    with pytest.raises(InfogeoError, match="the model was built for 64"):
        check_texts(model, encoded, "spectra.n")


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("kind", [hf.MambaConfig, hf.FalconMambaConfig])
def test_states_of_a_float32_residual_stream_stay_float32(tmp_path, kind, dtype):
    config = kind(
        vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=2, state_size=4, bos_token_id=0,
        eos_token_id=0, pad_token_id=0, residual_in_fp32=True,
    )  # fmt: skip
    hf.AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    model = loading.load_model(tmp_path, dtype=dtype, name="m")
    assert model.dtype == getattr(torch, dtype) and model.states_dtype == torch.float32
    rows, own = run_alone(model, TEXT, layer_names(2)), own_pass(model, TEXT)
    assert {states.dtype for states in rows.hidden.values()} == {torch.float32}
    torch.testing.assert_close(rows.hidden["1"], own.hidden_states[0][0].float())
    assert rows.nll[1:].mean() == pytest.approx(own.loss.item(), rel=1e-2)
    save_tokenizer(tmp_path)
    card = models.describe(tmp_path, "m", "local", str(tmp_path), "f")
    assert cards.stored_dtype(card, dtype, "computed") == "float32"


ENCODERS = {
    "bert": hf.BertConfig(**SIZES),  # a causal head, which is not asked
    "modernbert": hf.ModernBertConfig(**SIZES, cls_token_id=0, sep_token_id=0),
    "distilbert": hf.DistilBertConfig(
        vocab_size=VOCABULARY, dim=32, n_layers=2, n_heads=4, hidden_dim=64, pad_token_id=1
    ),
    "mpnet": hf.MPNetConfig(**SIZES),
}


@pytest.fixture(params=ENCODERS)
def encoder(request, tmp_path):
    """The directory of an encoder, as its pretraining saves it: without a pooler."""
    torch.manual_seed(0)
    masked = hf.AutoModelForMaskedLM.from_config(ENCODERS[request.param])
    masked.save_pretrained(tmp_path)
    return tmp_path, masked.eval()


def test_an_encoder_has_states_and_attention_that_see_later_tokens_but_no_likelihoods(encoder):
    directory, masked = encoder
    model = loading.load_model(directory, dtype="float32", name="m", kind="encoder")
    rows = run_alone(model, TEXT, layer_names(2))
    assert np.isnan(rows.nll).all() and np.isnan(rows.predictive_entropy).all()
    with torch.inference_mode():
        own = masked(torch.from_numpy(TEXT[None]).long(), output_hidden_states=True)
    for layer in range(2):
        torch.testing.assert_close(rows.hidden[str(layer)], own.hidden_states[layer][0])
    last_row, rollout = attention_rows(model, TEXT[:7])
    np.testing.assert_allclose([last_row.sum(axis=1).mean(), rollout.sum()], 1, rtol=1e-5)
    assert "run as an encoder" in gaps.check_gaps(model, TEXT, seed=0)[1]


def test_texts_of_an_encoder_in_a_batch_are_those_of_each_alone(encoder):
    model = loading.load_model(encoder[0], dtype="float32", name="m", kind="encoder")
    texts = [TEXT, TEXT[:9], TEXT[3:20]]
    rows = batches.Rows(model, layer_names(2), list(map(len, texts)), ["?"] * 3)
    rows.run(texts, batch_tokens=10**6)
    for place, text in enumerate(texts):
        alone = run_alone(model, text, layer_names(2)).hidden
        span = slice(*rows.offsets[place : place + 2])
        for layer, hidden in alone.items():
            torch.testing.assert_close(rows.hidden[layer][span], hidden, rtol=1e-4, atol=1e-5)


def test_an_untrained_encoder_is_drawn_as_one(encoder):
    twin = loading.twin(encoder[0], 0, dtype="float32", name="m", seed=1, kind="encoder")
    assert not twin.causal and np.isfinite(run_alone(twin, TEXT, ["final"]).hidden["final"]).all()
