"""A tiny configuration, and a tiny model, of every type in transformers' causal mapping.

Sizes follow one rule by name. Layers are the first of each kind in the default configuration, so
that a model has every kind of layer that its type has. `EXTRA` says what a type needs beside.
"""

import transformers as hf
from tiny import VOCABULARY, save_tokenizer
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

CAUSAL_TYPES = tuple(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)
SPREAD = 0.2  # standard deviation of the weights: with less, blocks hardly move the states
MOST_LAYERS = 6

SIZES = {
    32: "hidden_size d_model n_embd emb_dim model_dim embedding_size word_embed_proj_dim "
    "ffn_hidden dim dim_model lru_width input_embedding_size embedding_dim input_hidden_size "
    "adapter_in_dim adapter_input_size adapter_out_dim vision_output_dim projector_input_dim "
    "projector_output_dim",
    4: "num_attention_heads n_head n_heads encoder_attention_heads decoder_attention_heads "
    "num_heads num_decoder_attention_heads num_encoder_attention_heads n_routed_experts "
    "num_experts num_local_experts moe_num_experts linear_num_value_heads swa_num_attention_heads "
    "num_ngram_heads",
    2: "num_hidden_layers n_layer n_layers num_layers decoder_layers encoder_layers "
    "num_decoder_layers num_encoder_layers num_key_value_heads linear_num_key_heads "
    "swa_num_key_value_heads num_experts_per_tok moe_topk moe_k num_kv_heads",
    64: "intermediate_size ffn_dim d_ff n_inner dim_ff encoder_ffn_dim decoder_ffn_dim "
    "moe_intermediate_size shared_expert_intermediate_size shared_intermediate_size "
    "max_position_embeddings n_positions max_seq_len expert_ffn_hidden_size ffn_hidden_size "
    "feed_forward_size intermediate_size_mlp mlp_hidden_size max_target_positions",
    VOCABULARY: "vocab_size",
    8: "head_dim kv_channels attention_head_size d_kv linear_key_head_dim linear_value_head_dim "
    "swa_head_dim sliding_window attention_chunk_size mamba_chunk_size",
}
RULE = {name: size for size, names in SIZES.items() for name in names.split()}
TOKENS = "bos_token_id eos_token_id decoder_start_token_id sep_token_id mask_token_id".split()
DEPTHS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "decoder_layers")


def tiny_config(name: str):
    """A tiny configuration with one layer of every kind that the type's default has."""
    model_type, variant = VARIANTS.get(name, (name, {}))
    kind = hf.CONFIG_MAPPING[model_type]
    extra = EXTRA.get(model_type, {}) | variant
    return kind(**_tiny_values(kind(**NEEDED.get(model_type, {})), extra))


def _tiny_values(config, extra: dict) -> dict:
    """What a configuration says of sizes and layers, in small; parts of it too."""
    values = {}
    for name, value in config.to_dict().items():
        if name in RULE and isinstance(value, int) and not isinstance(value, bool):
            values[name] = RULE[name]
        elif name in TOKENS and isinstance(value, int):
            values[name] = 0
    if isinstance(getattr(config, "pad_token_id", None), int):
        values["pad_token_id"] = 1
    values |= _layers(config)
    for part in config.sub_configs:
        if hasattr(getattr(config, part, None), "to_dict"):
            values[part] = _tiny_values(getattr(config, part), extra.get(part, {}))
    for name, value in extra.items():
        values[name] = values[name] | value if name in config.sub_configs else value
    return values


def _layers(config) -> dict:
    """Lists with one entry a layer, cut to the first layer of every kind, and their number."""
    name = next((name for name in DEPTHS if isinstance(getattr(config, name, None), int)), None)
    if name is None:
        return {}
    depth = getattr(config, name)
    lists = {
        key: value
        for key, value in config.to_dict().items()
        if isinstance(value, list)
        and len(value) == depth > 2
        and len(set(map(str, value))) < depth  # not a list of numbers of layers
    }
    if not lists:
        return {}
    kinds = [str(layer) for layer in zip(*lists.values(), strict=True)]
    chosen = [layer for layer in range(depth) if kinds[layer] not in kinds[:layer]][:MOST_LAYERS]
    chosen += [chosen[-1] + 1] if len(chosen) == 1 else []
    cut = {key: [value[layer] for layer in chosen] for key, value in lists.items()}
    return cut | {name: len(chosen)}


def save_type(name: str, directory) -> None:
    """A tiny model of a type with weights of a real scale, seeded, and a tokenizer.

    Of a type whose configuration transformers cannot build: the configuration and one tensor.
    """
    import torch
    from safetensors.torch import save_file

    config = tiny_config(name)
    save_tokenizer(directory)
    if name in NOT_BUILT:
        config.architectures = [NOT_BUILT[name]]
        config.save_pretrained(directory)
        save_file({"model.norm.weight": torch.ones(32)}, directory / "model.safetensors")
        return
    torch.manual_seed(0)
    auto = WHOLE.get(name, "AutoModelForCausalLM")
    model = getattr(hf, auto).from_config(config, dtype=torch.float32)
    with torch.no_grad():
        for weight in model.parameters():
            noise = torch.randn(weight.shape) * SPREAD
            weight.copy_(noise if weight.dim() > 1 else weight + noise / 4)
    model.save_pretrained(directory)


# Types whose causal class takes a part of their configuration, and what builds the whole.
WHOLE = dict.fromkeys(
    ("dots3_note", "emu3", "llama4", "mllama", "qwen3_5", "qwen3_5_moe", "qwen4_exp"),
    "AutoModelForImageTextToText",
) | dict.fromkeys(("musicgen", "musicgen_melody"), "AutoModelForTextToWaveform")
# Types that AutoModelForCausalLM does not build from their own configuration, and their class.
NOT_BUILT = {
    "gemma3n": "Gemma3nForConditionalGeneration",  # without timm, which sees for it
    "gemma4_assistant": "Gemma4AssistantForCausalLM",  # all its layers take keys from a backbone
    "gemma4_unified_assistant": "Gemma4UnifiedAssistantForCausalLM",
}

LATENT = {
    "q_lora_rank": 16,
    "kv_lora_rank": 16,
    "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 8,
    "v_head_dim": 8,
    "head_dim": 8,
    "num_key_value_heads": 4,
}
GROUPS = {"n_group": 1, "topk_group": 1}
EXPERT_GROUPS = {"num_expert_group": 1, "topk_group": 1, "num_experts_per_token": 2}
# With few heads many index scores are 0, and which of equal scores come first depends on padding.
INDEXED = {"index_n_heads": 16, "index_head_dim": 16, "index_topk": 8}
MAMBA = {
    "mamba_n_heads": 8,
    "mamba_d_head": 8,
    "mamba_expand": 2,
    "mamba_d_state": 8,
    "mamba_n_groups": 1,
}
KIMI = LATENT | EXPERT_GROUPS | {"linear_head_dim": 8, "linear_num_heads": 4}
PER_LAYER_INPUTS = {
    "vocab_size_per_layer_input": VOCABULARY,
    "hidden_size_per_layer_input": 8,
    "global_head_dim": 16,
}
WITHOUT_PER_LAYER_INPUTS = {"hidden_size_per_layer_input": 0, "vocab_size_per_layer_input": 0}
GEMMA_3N = PER_LAYER_INPUTS | {
    "num_hidden_layers": 4,
    "layer_types": ["sliding_attention", "full_attention"] * 2,
    "num_kv_shared_layers": 2,
    "intermediate_size": 64,
    "activation_sparsity_pattern": [0.5, 0.0] * 2,
    "laurel_rank": 8,
}
DOTS_3 = LATENT | INDEXED | {"per_layer_config": {}, "head_dim": 16}
BLOCKS_OF_KEYS = {
    "indexer_n_heads": 2,
    "indexer_kv_heads": 1,
    "indexer_head_dim": 16,
    "indexer_budget": 8,
    "indexer_compress_ratio": 2,
    "hc_lowrank": 8,
    "ple_layer_ids": [1],
    "ple_embed_dim": 32,
    "ngram_vocab_size_base": 64,
    "eos_token_id": 0,
    "make_ngram_vocab_size_divisible_by": 8,
    "split_ngram_parts": 2,
    "heads_per_ngram": 2,
}
ROPE = {"rope_type": "default", "rope_theta": 10000.0}
SHARED_BLOCKS = {  # two layers that share one, so that there is something to share
    "num_hidden_layers": 4,
    "layers_block_type": ["linear_attention", "hybrid"] * 2,
    "attention_hidden_size": 64,
    "attention_head_dim": 16,
    "mamba_d_state": 8,
}

# Settings that change what a type is: those that see later tokens by default do not as decoders.
DECODERS = (
    "bert bert-generation big_bird camembert data2vec-text electra ernie megatron-bert rembert "
    "roberta roberta-prelayernorm roc_bert roformer xlm-roberta xlm-roberta-xl xmod"
).split()
VARIANTS: dict[str, tuple[str, dict]] = {
    f"{name}, is_decoder": (name, {"is_decoder": True}) for name in DECODERS
} | {
    "xlm, causal": ("xlm", {"causal": True}),
    "falcon, alibi": ("falcon", {"alibi": True}),
    "gemma3_text, bidirectional": ("gemma3_text", {"use_bidirectional_attention": True}),
    "llama, bidirectional": ("llama", {"is_causal": False}),
}
NAMES = sorted((*CAUSAL_TYPES, *VARIANTS), key=lambda name: name.split(", "))

# What a default configuration needs to exist.
NEEDED: dict[str, dict] = {
    "gemma4_assistant": {"text_config": WITHOUT_PER_LAYER_INPUTS},
}
# What a type needs beside tiny sizes, so that it can be built and has every kind of layer.
EXTRA = {
    "axk1": LATENT | GROUPS,
    "axk2": LATENT | GROUPS,
    "bailing_hybrid": KIMI,
    "bamba": MAMBA | {"attn_layer_indices": [1]},
    "beam": GROUPS,
    "blt": {
        "encoder_hash_byte_group_vocab": 32,
        "encoder_config": {"hidden_size_global": 32},
        "decoder_config": {"hidden_size_global": 32},
    },
    "codegen": {"rotary_dim": 4},
    "cohere_compass_text": {
        "layer_types": ["sliding_attention", "full_attention"],
        "rope_parameters": {"sliding_attention": ROPE, "full_attention": ROPE},
    },
    "dbrx": {
        "attn_config": {"rope_theta": 10000.0, "kv_n_heads": 2, "clip_qkv": 8.0},
        "ffn_config": {"ffn_hidden_size": 64},
    },
    "deepseek_v2": LATENT | GROUPS | {"first_k_dense_replace": 1, "num_experts_per_tok": 2},
    "deepseek_v3": LATENT | GROUPS | {"first_k_dense_replace": 1},
    "deepseek_v32": LATENT | GROUPS | INDEXED | {"first_k_dense_replace": 1},
    "deepseek_v4": INDEXED
    | {
        "q_lora_rank": 16,
        "o_lora_rank": 8,
        "o_groups": 2,
        "head_dim": 64,
        "num_key_value_heads": 1,
        "compress_rates": {"compressed_sparse_attention": 4, "heavily_compressed_attention": 8},
    },
    "dots1": GROUPS
    | {
        "first_k_dense_replace": 1,
        "n_shared_experts": 1,
        "moe_intermediate_size": 32,
        "n_routed_experts": 4,
        "num_experts_per_tok": 2,
        "layer_types": ["sliding_attention", "full_attention"],
    },
    "dots3_note": {"text_config": DOTS_3},
    "dots3_note_text": DOTS_3,
    "electra": {"embedding_size": 16},
    "emu3": {
        "vocabulary_map": {"<image>": 299, "<|extra_200|>": 298},
        "vq_config": {"base_channels": 32, "channel_multiplier": [1, 1], "num_res_blocks": 1},
    },
    "falcon_h1": MAMBA | {"mamba_d_ssm": 64},
    "gemma3n": {"text_config": GEMMA_3N},
    "gemma3n_text": GEMMA_3N,
    "gemma4": {"text_config": PER_LAYER_INPUTS},
    "gemma4_assistant": {"text_config": WITHOUT_PER_LAYER_INPUTS | {"global_head_dim": 16}},
    "gemma4_text": PER_LAYER_INPUTS,
    "gemma4_unified": {"text_config": {"global_head_dim": 16}},
    "gemma4_unified_assistant": {"text_config": {"global_head_dim": 16}},
    "gemma4_unified_text": {"global_head_dim": 16},
    "glm4_moe_lite": LATENT | GROUPS,
    "glm_moe_dsa": LATENT | GROUPS | INDEXED,
    "gptj": {"rotary_dim": 4},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]], "window_size": 8},
    "granitemoehybrid": MAMBA | {"layer_types": ["mamba", "attention"]},
    "hunyuan_v1_dense": {"head_dim": 8},
    "hunyuan_v1_moe": {"head_dim": 8},
    "hy_v4": LATENT | GROUPS | INDEXED,
    "jamba": {
        "attn_layer_period": 2,
        "attn_layer_offset": 1,
        "expert_layer_period": 2,
        "expert_layer_offset": 1,
    },
    "kimi_linear": KIMI,
    "lfm2": {"layer_types": ["conv", "full_attention"]},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"], "num_dense_layers": 1},
    "longcat_flash": LATENT | {"zero_expert_num": 2, "ffn_hidden_size": 64},
    "mamba2": {"num_heads": 8, "head_dim": 8, "expand": 2, "state_size": 8, "n_groups": 1},
    "minicpm3": LATENT,
    "ministral": {"head_dim": 8},
    "nemotron": {"num_key_value_heads": 2},
    "phi4_multimodal": {
        "audio_config": {
            "num_blocks": 1,
            "ext_pw_out_channel": 32,
            "depthwise_separable_out_channel": 32,
            "nemo_conv_channels": 8,
        }
    },
    "qwen4_exp": {"text_config": BLOCKS_OF_KEYS},
    "qwen4_exp_text": BLOCKS_OF_KEYS,
    "recurrent_gemma": {"num_hidden_layers": 3},
    "reformer": {
        "is_decoder": True,
        "axial_pos_embds": False,
        "attn_layers": ["local", "lsh"],
        "num_hashes": 2,
        "num_buckets": 4,
        "lsh_attn_chunk_length": 8,
        "local_attn_chunk_length": 8,
    },
    "rembert": {"input_embedding_size": 16, "output_embedding_size": 24},
    "roc_bert": {
        "pronunciation_vocab_size": 20,
        "shape_vocab_size": 20,
        "pronunciation_embed_dim": 8,
        "shape_embed_dim": 8,
    },
    "xmod": {"default_language": "en_XX"},
    "youtu": LATENT,
    "zamba": SHARED_BLOCKS | {"mamba_dt_rank": 2, "n_mamba_heads": 2},
    "zamba2": SHARED_BLOCKS | {"mamba_ngroups": 1, "n_mamba_heads": 8, "mamba_headdim": 8},
    "zaya": {"num_experts_per_tok": 1},
}
