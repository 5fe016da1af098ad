"""Fixtures that several test modules share: tiny models in Hugging Face format, and a corpus."""

import json

import pytest
from tiny import DEPTH, VOCABULARY, WIDTH, save_tokenizer, sentences, tiny_config


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
            # Of tokens, of positions, and the output head where it is not tied to the former.
            names = ("embed_in", "embed_tokens", "wte", "wpe", "lm_head")
            embedding = sum(
                weight.numel()
                for name, weight in model.named_parameters()
                if name.split(".")[-2] in names
            )
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
