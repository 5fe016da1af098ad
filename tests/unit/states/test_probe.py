"""What a few tokens show of a model: what it is refused for, and by which reason."""

import pytest
import torch
import transformers as hf
from tiny import VOCABULARY

from infogeo.files.errors import InfogeoError
from infogeo.states.model import LanguageModel

SIZES = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
    "intermediate_size": 64, "max_position_embeddings": 66, "bos_token_id": 0, "eos_token_id": 0,
    "pad_token_id": 1, "initializer_range": 0.2,
}  # fmt: skip
LATENT = {"q_lora_rank": 16, "kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8}


def build(config, kind="causal"):
    torch.manual_seed(0)
    return LanguageModel(hf.AutoModelForCausalLM.from_config(config), "m", kind)


@pytest.mark.parametrize(
    "config",
    [
        hf.BertConfig(**SIZES),
        hf.RobertaConfig(**SIZES),
        hf.ElectraConfig(**SIZES, embedding_size=32),
        hf.Gemma3TextConfig(**SIZES, head_dim=8, use_bidirectional_attention=True),
        hf.LlamaConfig(**SIZES, is_causal=False),
    ],
    ids=lambda config: type(config).__name__,
)
def test_a_model_that_sees_later_tokens_is_refused_as_causal_and_read_as_encoder(config):
    with pytest.raises(InfogeoError, match=r"is not causal.*column `kind`.*`encoder`"):
        build(config)
    model = build(config, "encoder")
    assert not model.causal and model.depth == 2


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (
            hf.Gemma3nTextConfig(
                **SIZES, head_dim=8, hidden_size_per_layer_input=8, num_kv_shared_layers=0,
                layer_types=["full_attention"] * 2, activation_sparsity_pattern=[0.0, 0.0],
                vocab_size_per_layer_input=VOCABULARY,
            ),
            r"states of shape \(4, 2, 3, 32\) of 2 texts of 3 tokens.*several residual streams",
        ),
        (hf.XLNetConfig(vocab_size=VOCABULARY, d_model=32, n_layer=2, n_head=4, d_inner=64),
         r"shape \(3, 2, 32\)"),
        (hf.XLMConfig(vocab_size=VOCABULARY, emb_dim=32, n_layers=2, n_heads=4, causal=True),
         "no list of 2 blocks"),
        (hf.LongcatFlashConfig(
            **SIZES | LATENT | {"num_hidden_layers": 4}, num_layers=2, ffn_hidden_size=64,
            n_routed_experts=4, zero_expert_num=2, moe_topk=2, expert_ffn_hidden_size=32,
            v_head_dim=8, head_dim=8,
        ), r"no list of 4 blocks.*layers \(2 modules, run 1 times each\)"),
        (hf.ReformerConfig(
            vocab_size=VOCABULARY, hidden_size=32, num_attention_heads=4, is_decoder=True,
            axial_pos_embds=False, attn_layers=["local", "local"], attention_head_size=8,
            feed_forward_size=64, max_position_embeddings=66, local_attn_chunk_length=8,
        ), "handing on 2 streams"),
    ],
    ids=["gemma3n", "xlnet", "xlm", "longcat", "reformer"],
)  # fmt: skip
def test_a_model_without_one_stream_of_states_is_refused_by_the_reason(config, reason):
    with pytest.raises(InfogeoError, match=reason):
        build(config)


def test_states_of_another_width_than_that_of_the_configuration_are_refused():
    """Streams side by side: as many times wider."""
    model = hf.AutoModelForCausalLM.from_config(hf.LlamaConfig(**SIZES))
    model.config.hidden_size = 16
    with pytest.raises(InfogeoError, match=r"layer 0.* 32 wide.* 16 .hidden_size"):
        LanguageModel(model, "m")


def test_an_encoder_whose_states_depend_on_padding_is_refused():
    model = hf.AutoModel.from_config(hf.FNetConfig(**SIZES))
    with pytest.raises(InfogeoError, match="does not heed its attention mask"):
        LanguageModel(model, "m", "encoder")


def test_a_model_that_asks_for_more_than_text_is_refused():
    model = hf.AutoModel.from_config(
        hf.T5Config(vocab_size=VOCABULARY, d_model=32, num_layers=2, num_heads=4, d_ff=64, d_kv=8)
    )
    with pytest.raises(InfogeoError, match="cannot be run on a few tokens of text alone"):
        LanguageModel(model, "m", "encoder")


def test_a_model_whose_equal_passes_differ_is_refused():
    model = hf.AutoModelForCausalLM.from_config(hf.LlamaConfig(**SIZES))
    model.model.layers[0].mlp.register_forward_hook(
        lambda module, args, output: output + torch.rand_like(output)
    )
    with pytest.raises(InfogeoError, match="two passes of LlamaForCausalLM over the same text"):
        LanguageModel(model, "m")


def test_an_overflow_in_half_precision_is_named_with_layer_and_remedy():
    model = hf.AutoModelForCausalLM.from_config(hf.LlamaConfig(**SIZES))
    model.model.layers[1].mlp.down_proj.weight.data *= 1e6
    with pytest.raises(InfogeoError, match=r"layer 2.*float16.*layers\.1\.mlp\.down.*bfloat16"):
        LanguageModel(model.to(torch.float16), "m")


def test_a_weight_that_is_no_number_is_named():
    model = hf.AutoModelForCausalLM.from_config(hf.LlamaConfig(**SIZES))
    model.model.layers[0].mlp.down_proj.weight.data[3, 4] = torch.nan
    with pytest.raises(InfogeoError, match=r"layer 1: .*weight model\.layers\.0\.mlp\.down_proj"):
        LanguageModel(model, "m")
