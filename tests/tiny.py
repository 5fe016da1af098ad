"""Tiny models, tokenizers, texts and stores, for the tests and the benches."""

import json
from pathlib import Path

WORDS = "the of and a to in is matrix array value état returns 数 given shape axis sum mean".split()
VOCABULARY = 300
WIDTH, DEPTH, HEADS, CONTEXT = 32, 3, 4, 64


def sentences(count: int, seed: int = 0, low: int = 3, high: int = 60) -> list[str]:
    """Random texts of `low` to `high` words, some beyond ASCII."""
    import numpy as np

    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, rng.integers(low, high + 1))) for _ in range(count)]


def save_tokenizer(directory, bos: bool = True) -> None:
    """A byte-level BPE tokenizer that begins every text with a special token, or does not."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(sentences(200), trainer)
    if bos:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", 0)]
        )
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>").save_pretrained(directory)


def tiny_config(architecture: str):
    """A configuration of four heads, three blocks and width 32."""
    import transformers as hf

    common = {"vocab_size": VOCABULARY, "bos_token_id": 0, "eos_token_id": 0}
    if architecture == "gpt2":
        return hf.GPT2Config(
            n_embd=WIDTH, n_layer=DEPTH, n_head=HEADS, n_positions=CONTEXT, **common
        )
    if architecture == "opt":
        return hf.OPTConfig(
            hidden_size=WIDTH, word_embed_proj_dim=WIDTH, ffn_dim=4 * WIDTH, init_std=0.1,
            num_hidden_layers=DEPTH, num_attention_heads=HEADS, max_position_embeddings=CONTEXT,
            **common,
        )  # fmt: skip
    common |= {
        "hidden_size": WIDTH,
        "num_hidden_layers": DEPTH,
        "num_attention_heads": HEADS,
        "intermediate_size": 4 * WIDTH,
        "max_position_embeddings": CONTEXT,
    }
    if architecture == "gpt_neox":
        return hf.GPTNeoXConfig(**common, initializer_range=0.1)
    if architecture == "llama":
        return hf.LlamaConfig(**common, num_key_value_heads=2, initializer_range=0.1)
    if architecture == "falcon":  # its positions count the tokens that it is given
        return hf.FalconConfig(**common, alibi=True)
    if architecture == "gemma2":  # bounds its logits softly: they are not head × state
        return hf.Gemma2Config(
            **common, num_key_value_heads=2, head_dim=8, final_logit_softcapping=0.5
        )
    raise ValueError(architecture)


def save_model(architecture: str, directory) -> None:
    """A tiny random model, its tokenizer, and a model.json as the workflow writes it."""
    import torch
    import transformers as hf

    torch.manual_seed(0)
    model = hf.AutoModelForCausalLM.from_config(tiny_config(architecture))
    model.save_pretrained(directory)
    save_tokenizer(directory)
    total = sum(weight.numel() for weight in model.parameters())
    # Of tokens, of positions, and the output head where it is not tied to the former.
    names = ("embed_in", "embed_tokens", "embed_positions", "wte", "wpe", "lm_head")
    embedding = sum(
        weight.numel() for name, weight in model.named_parameters() if name.split(".")[-2] in names
    )
    card = {
        "format_version": 1, "slug": architecture, "family": "tiny", "source": "local",
        "where": str(directory), "revision": "", "commit": "", "kind": "causal",
        "directory": str(directory),
        "dtype": "float32", "trust_remote_code": False, "files": {}, "params_total": total,
        "params_embedding": embedding, "params_non_embedding": total - embedding,
        "width": WIDTH, "final_width": WIDTH, "layers": DEPTH, "vocabulary": VOCABULARY,
        "architecture": architecture, "tokenizer_sha256": "0" * 64, "train_tokens": None,
        "fingerprint": "model-fingerprint",
    }  # fmt: skip
    (Path(directory) / "model.json").write_text(json.dumps(card))


def safetensors(tensors: dict[str, int]) -> bytes:
    """The bytes of a safetensors file of zeros, given as name -> number of float32 values."""
    header, end = {}, 0
    for name, count in tensors.items():
        place = [end, end + 4 * count]
        header[name] = {"dtype": "F32", "shape": [count], "data_offsets": place}
        end = place[1]
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(end)


def save_store(path, *, hidden: dict, tokens: dict, **described) -> None:
    """A whole store from arrays in memory (layer -> (T, d), name -> (T,)); see `create_store`."""
    from infogeo.states.store_writer import create_store

    widths = {layer: values.shape[1] for layer, values in hidden.items()}
    with create_store(path, widths=widths, **described) as writer:
        writer.write_tokens(0, **tokens)
        for layer, values in hidden.items():
            writer.write_hidden(layer, 0, values)
