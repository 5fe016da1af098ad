"""What several test modules share: tiny models in Hugging Face format, and a corpus for them."""

import json

import pytest

WORDS = "the of and a to in is matrix array value état returns 数 given shape axis sum mean".split()
VOCABULARY = 300
WIDTH, DEPTH, HEADS, CONTEXT = 32, 3, 4, 64


def sentences(count: int, seed: int = 0, low: int = 3, high: int = 60) -> list[str]:
    """Random texts of `low` to `high` words, some beyond ASCII."""
    import numpy as np

    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, rng.integers(low, high + 1))) for _ in range(count)]


def save_tokenizer(directory) -> None:
    """A byte-level BPE tokenizer that begins every text with a special token."""
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
    if architecture == "gemma2":  # bounds its logits softly: they are not head × state
        return hf.Gemma2Config(
            **common, num_key_value_heads=2, head_dim=8, final_logit_softcapping=0.5
        )
    raise ValueError(architecture)


@pytest.fixture(scope="session")
def tiny_model_dir(tmp_path_factory):
    """A function: architecture -> directory of a tiny random model with its tokenizer.

    Architectures: 'gpt_neox', 'gpt2', 'llama', 'gemma2'. The directory also holds a model.json as
    the workflow writes it, with the fingerprint 'model-fingerprint'. Shared: do not write there.
    """
    import torch
    import transformers as hf

    made = {}

    def make(architecture: str = "gpt_neox"):
        if architecture not in made:
            directory = tmp_path_factory.mktemp(architecture)
            torch.manual_seed(0)
            model = hf.AutoModelForCausalLM.from_config(tiny_config(architecture))
            model.save_pretrained(directory)
            save_tokenizer(directory)
            total = sum(weight.numel() for weight in model.parameters())
            embedding = model.get_input_embeddings().weight.numel()
            card = {
                "format_version": 1, "slug": architecture, "family": "tiny", "source": "local",
                "where": str(directory), "revision": "", "commit": "", "directory": str(directory),
                "dtype": "float32", "trust_remote_code": False, "files": {}, "params_total": total,
                "params_embedding": embedding, "params_non_embedding": total - embedding,
                "width": WIDTH,
                "layers": DEPTH, "vocabulary": VOCABULARY, "architecture": architecture,
                "tokenizer_sha256": "0" * 64, "train_tokens": None,
                "fingerprint": "model-fingerprint",
            }  # fmt: skip
            (directory / "model.json").write_text(json.dumps(card))
            made[architecture] = directory
        return made[architecture]

    return make


@pytest.fixture(scope="session")
def tiny_corpus(tmp_path_factory):
    """A corpus file of 40 texts of 3 to 60 words, with the fingerprint 'corpus-fingerprint'."""
    import pandas as pd
    from infogeo.artefacts import write_table

    texts = sentences(40, seed=1)
    frame = pd.DataFrame(
        {
            "doc_id": [f"text-{index}" for index in range(len(texts))],
            "text": texts,
            "label": [f"label-{index % 2}" for index in range(len(texts))],
            "source": [f"module-{index // 4}" for index in range(len(texts))],
        }
    )
    path = tmp_path_factory.mktemp("corpus") / "tiny.parquet"
    write_table(frame, path, "corpus-fingerprint")
    return path
