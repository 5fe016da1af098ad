"""The ready tables in config/suites: their counts are those of the architectures they name.

The shapes are those of each model's config.json on the hub, written down here; where its
publisher states an exact count, that stands beside and must agree too.
"""

import math
import re
from functools import cache
from itertools import count
from pathlib import Path

import pytest
import yaml

from infogeo.planning import configuration, costs, input_tables
from infogeo.sources.parameters import by_names, count_parameters

ROOT = Path(__file__).parents[2]
SUITES = ROOT / "config" / "suites"
TABLES = sorted(path.name for path in SUITES.glob("*.tsv") if "corpora" not in path.name)
CORPORA = sorted(path.name for path in SUITES.glob("*corpora.tsv"))

NEOX, GPT2, OPT = "gpt_neox", "gpt2", "opt"
# repository: (architecture, width, blocks, MLP width, other settings)
SHAPES = {
    "EleutherAI/pythia-14m": (NEOX, 128, 6, 512, {"heads": 4, "vocab_size": 50304}),
    "EleutherAI/pythia-31m": (NEOX, 256, 6, 1024, {"heads": 8, "vocab_size": 50304}),
    "EleutherAI/pythia-70m": (NEOX, 512, 6, 2048, {"heads": 8, "vocab_size": 50304}),
    "EleutherAI/pythia-160m": (NEOX, 768, 12, 3072, {"heads": 12, "vocab_size": 50304}),
    "EleutherAI/pythia-410m": (NEOX, 1024, 24, 4096, {"heads": 16, "vocab_size": 50304}),
    "EleutherAI/pythia-1b": (NEOX, 2048, 16, 8192, {"heads": 8, "vocab_size": 50304}),
    "EleutherAI/pythia-1.4b": (NEOX, 2048, 24, 8192, {"heads": 16, "vocab_size": 50304}),
    "EleutherAI/pythia-2.8b": (NEOX, 2560, 32, 10240, {"heads": 32, "vocab_size": 50304}),
    "EleutherAI/pythia-6.9b": (NEOX, 4096, 32, 16384, {"heads": 32, "vocab_size": 50432}),
    "EleutherAI/pythia-12b": (NEOX, 5120, 36, 20480, {"heads": 40, "vocab_size": 50688}),
    "cerebras/Cerebras-GPT-111M": (GPT2, 768, 10, 3072, {"heads": 12, "n_positions": 2048}),
    "cerebras/Cerebras-GPT-256M": (GPT2, 1088, 14, 4352, {"heads": 17, "n_positions": 2048}),
    "cerebras/Cerebras-GPT-590M": (GPT2, 1536, 18, 6144, {"heads": 12, "n_positions": 2048}),
    "cerebras/Cerebras-GPT-1.3B": (GPT2, 2048, 24, 8192, {"heads": 16, "n_positions": 2048}),
    "cerebras/Cerebras-GPT-2.7B": (GPT2, 2560, 32, 10240, {"heads": 32, "n_positions": 2048}),
    "cerebras/Cerebras-GPT-6.7B": (GPT2, 4096, 32, 16384, {"heads": 32, "n_positions": 2048}),
    "cerebras/Cerebras-GPT-13B": (GPT2, 5120, 40, 20480, {"heads": 40, "n_positions": 2048}),
    "facebook/opt-125m": (OPT, 768, 12, 3072, {"heads": 12}),
    "facebook/opt-350m": (OPT, 1024, 24, 4096, {
        "heads": 16, "word_embed_proj_dim": 512, "do_layer_norm_before": False,
    }),
    "facebook/opt-1.3b": (OPT, 2048, 24, 8192, {"heads": 32}),
    "facebook/opt-2.7b": (OPT, 2560, 32, 10240, {"heads": 32}),
    "facebook/opt-6.7b": (OPT, 4096, 32, 16384, {"heads": 32}),
    "facebook/opt-13b": (OPT, 5120, 40, 20480, {"heads": 40}),
    "facebook/opt-30b": (OPT, 7168, 48, 28672, {"heads": 56}),
    "facebook/opt-66b": (OPT, 9216, 64, 36864, {"heads": 72}),
    "openai-community/gpt2": (GPT2, 768, 12, 3072, {"heads": 12, "n_positions": 1024}),
    "openai-community/gpt2-medium": (GPT2, 1024, 24, 4096, {"heads": 16, "n_positions": 1024}),
    "openai-community/gpt2-large": (GPT2, 1280, 36, 5120, {"heads": 20, "n_positions": 1024}),
    "openai-community/gpt2-xl": (GPT2, 1600, 48, 6400, {"heads": 25, "n_positions": 1024}),
    "Qwen/Qwen3-0.6B-Base": ("qwen3", 1024, 28, 3072, {"heads": 16, "kv": 8, "tied": True}),
    "Qwen/Qwen3-1.7B-Base": ("qwen3", 2048, 28, 6144, {"heads": 16, "kv": 8, "tied": True}),
    "Qwen/Qwen3-4B-Base": ("qwen3", 2560, 36, 9728, {"heads": 32, "kv": 8, "tied": True}),
    "Qwen/Qwen3-8B-Base": ("qwen3", 4096, 36, 12288, {"heads": 32, "kv": 8, "tied": False}),
    "Qwen/Qwen3-14B-Base": ("qwen3", 5120, 40, 17408, {"heads": 40, "kv": 8, "tied": False}),
    "meta-llama/Llama-3.2-1B": ("llama", 2048, 16, 8192, {
        "heads": 32, "kv": 8, "head_dim": 64, "vocab_size": 128256, "tied": True,
    }),
    "meta-llama/Llama-3.2-3B": ("llama", 3072, 28, 8192, {
        "heads": 24, "kv": 8, "head_dim": 128, "vocab_size": 128256, "tied": True,
    }),
    "google/gemma-3-270m": ("gemma3_text", 640, 18, 2048, {"heads": 4, "kv": 1}),
    "google/gemma-3-1b-pt": ("gemma3_text", 1152, 26, 6912, {"heads": 4, "kv": 1}),
    "allenai/OLMo-2-0425-1B": ("olmo2", 2048, 16, 8192, {"heads": 16, "kv": 16}),
    "allenai/OLMo-2-1124-7B": ("olmo2", 4096, 32, 11008, {"heads": 32, "kv": 32}),
    "allenai/OLMo-2-1124-13B": ("olmo2", 5120, 40, 13824, {"heads": 40, "kv": 40}),
    "allenai/OLMo-2-0325-32B": ("olmo2", 5120, 64, 27648, {"heads": 40, "kv": 8}),
    "HuggingFaceTB/SmolLM2-135M": ("llama", 576, 30, 1536, {
        "heads": 9, "kv": 3, "vocab_size": 49152, "tied": True,
    }),
    "HuggingFaceTB/SmolLM2-360M": ("llama", 960, 32, 2560, {
        "heads": 15, "kv": 5, "vocab_size": 49152, "tied": True,
    }),
    "HuggingFaceTB/SmolLM2-1.7B": ("llama", 2048, 24, 8192, {
        "heads": 32, "kv": 32, "vocab_size": 49152, "tied": True,
    }),
}  # fmt: skip
DEFAULTS = {
    NEOX: {"tied": False},
    GPT2: {"vocab_size": 50257, "tied": True},
    OPT: {"vocab_size": 50272, "max_position_embeddings": 2048, "tied": True},
    "qwen3": {"vocab_size": 151936, "head_dim": 128},
    "gemma3_text": {"vocab_size": 262144, "head_dim": 256, "tied": True},
    "olmo2": {"vocab_size": 100352, "tied": False},
    "llama": {},
}
# What publishers call the same, where it differs between architectures.
NAMES = {
    NEOX: ("hidden_size", "num_hidden_layers", "intermediate_size", "num_attention_heads"),
    GPT2: ("n_embd", "n_layer", "n_inner", "n_head"),
    OPT: ("hidden_size", "num_hidden_layers", "ffn_dim", "num_attention_heads"),
}
# total and non-embedding, as the publishers state them (Pythia: paper and model cards).
PUBLISHED = {
    "EleutherAI/pythia-14m": (14067712, 1189888),
    "EleutherAI/pythia-31m": (30494720, 4739072),
    "EleutherAI/pythia-70m": (70426624, 18915328),
    "EleutherAI/pythia-160m": (162322944, 85056000),
    "EleutherAI/pythia-410m": (405334016, 302311424),
    "EleutherAI/pythia-1b": (1011781632, 805736448),
    "EleutherAI/pythia-1.4b": (1414647808, 1208602624),
    "EleutherAI/pythia-2.8b": (2775208960, 2517652480),
    "EleutherAI/pythia-6.9b": (6857302016, 6444163072),
    "EleutherAI/pythia-12b": (11846072320, 11327027200),
    "openai-community/gpt2": (124439808, None),
    "meta-llama/Llama-3.2-1B": (1235814400, None),
    "meta-llama/Llama-3.2-3B": (3212749824, None),
    "google/gemma-3-1b-pt": (999885952, None),
    "HuggingFaceTB/SmolLM2-135M": (134515008, None),
    "HuggingFaceTB/SmolLM2-360M": (361821120, None),
    "HuggingFaceTB/SmolLM2-1.7B": (1711376384, None),
}


def hf_config(repository: str, blocks: int | None = None):
    """The configuration of transformers for a repository, with fewer blocks if wanted."""
    from transformers import AutoConfig

    architecture, width, depth, mlp, other = SHAPES[repository]
    other = DEFAULTS[architecture] | other
    names = NAMES.get(architecture, NAMES[NEOX])
    shape = (width, blocks or depth, mlp, other.pop("heads"))
    settings = dict(zip(names, shape, strict=True)) | {"tie_word_embeddings": other.pop("tied")}
    if "kv" in other:
        settings["num_key_value_heads"] = other.pop("kv")
    if architecture == OPT:
        settings["word_embed_proj_dim"] = width
    return AutoConfig.for_model(architecture, **settings | other)


def counted(repository: str, blocks: int | None, folder: Path) -> dict:
    """What infogeo counts in the state dictionary of a model without memory."""
    import torch
    from transformers import AutoModelForCausalLM

    config = hf_config(repository, blocks)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    tensors = {
        name: ("", "F32", tuple(weight.shape), 0, 0) for name, weight in model.named_parameters()
    }
    parts = by_names(folder, config.to_dict(), tensors)
    return count_parameters(folder, config.to_dict(), tensors, parts)


@cache
def counts(repository: str, folder: Path) -> tuple[int, int]:
    """(total, non-embedding) parameters: blocks are all of one size, so two tell all."""
    one, two = (counted(repository, blocks, folder) for blocks in (1, 2))
    more = SHAPES[repository][2] - 1
    return tuple(
        one[key] + more * (two[key] - one[key]) for key in ("params_total", "params_non_embedding")
    )


def read(models: str = TABLES[0], corpora: str = CORPORA[0]):
    """Models and corpora of two tables of the suites."""
    paths = {"models": str(SUITES / models), "corpora": str(SUITES / corpora)}
    return input_tables.read(configuration.merged(paths))


@pytest.mark.parametrize("name", TABLES)
def test_the_counts_of_a_suite_are_those_of_its_architectures(name, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp()
    rows, _ = read(name)
    assert len({row["dtype"] for row in rows if row["source"] == "hub"}) == 1
    for row in rows:
        expected = counts(re.sub(r"-seed\d+$", "", row["where"]), folder)
        assert (row["params"], row["params_non_embedding"]) == expected, row["slug"]


@pytest.mark.parametrize("repository", PUBLISHED)
def test_counts_are_those_that_publishers_state(repository, tmp_path):
    for found, published in zip(counts(repository, tmp_path), PUBLISHED[repository], strict=True):
        assert published in (None, found)


def test_two_blocks_tell_the_count_of_all(tmp_path):
    repository = "google/gemma-3-270m"  # two kinds of attention
    whole = counted(repository, None, tmp_path)
    assert counts(repository, tmp_path)[0] == whole["params_total"]


@pytest.mark.parametrize("name", TABLES)
def test_the_gpu_memory_that_a_suite_states_is_that_of_one_gpu_as_planned(name):
    text = (SUITES / name).read_text()
    stated = dict(re.findall(r"^# GPU memory of (\S+): (\d+) GB$", text, flags=re.M))
    assert {slug: int(gigabytes) for slug, gigabytes in stated.items()} == {
        row["run"] or row["slug"]: gigabytes(row) for row in read(name)[0]
    }


def test_steps_of_pythia_are_branches_with_their_tokens():
    rows = read("pythia-checkpoints.tsv")[0] + read("polypythias.tsv")[0]
    branches = {
        f"step{step}" for step in (0, *(2**i for i in range(10)), *range(1000, 143001, 1000))
    }
    assert len(branches) == 154
    assert {row["revision"] for row in rows} <= branches
    assert all(row["train_tokens"] == row["step"] * 2**21 for row in rows)


def test_polypythias_are_ten_replicates_of_five_sizes():
    seeds = {}
    for row in read("polypythias.tsv")[0]:
        name = row["where"].removeprefix("EleutherAI/")
        assert row["replicate"] == int(name.partition("-seed")[2] or 0)
        seeds.setdefault(name.partition("-seed")[0], set()).add(row["replicate"])
    assert seeds == {
        f"pythia-{size}": set(range(10)) for size in ("14m", "31m", "70m", "160m", "410m")
    }


def test_branches_of_olmo_2_name_the_tokens_of_their_step():
    for row in read("olmo-2-training.tsv")[0]:
        tokens = row["step"] * 2**22
        assert row["train_tokens"] == tokens
        assert row["revision"] == f"stage1-step{row['step']}-tokens{math.ceil(tokens / 1e9)}B"


def gigabytes(row: dict) -> int:
    """The least memory of a GPU that runs a model alone, in whole 10⁹ bytes."""
    sizes = (
        size for size in count(2) if costs.gpus_needed(row["params"], row["dtype"], size * 1e9) == 1
    )
    return next(sizes)


@pytest.mark.parametrize("name", CORPORA)
def test_the_tables_of_corpora_are_valid(name):
    _, rows = read(corpora=name)
    assert {row["source"] for row in rows} == {"hub"}


@pytest.mark.parametrize("path", sorted(SUITES.glob("*.yaml")), ids=lambda path: path.name)
def test_a_configuration_of_a_suite_is_valid_with_its_tables(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    models, corpora = input_tables.read(configuration.merged(yaml.safe_load(path.read_text())))
    assert models and corpora
