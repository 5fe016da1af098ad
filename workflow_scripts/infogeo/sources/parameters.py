"""Parameters of a model, counted from shapes, and its sizes; no weight is loaded."""

import math
from dataclasses import dataclass
from pathlib import Path

from infogeo.files.errors import InfogeoError
from infogeo.sources.model_directory import read_json
from infogeo.sources.tensor_files import tensor_hash

# What architectures call the same number in config.json.
WIDTH_KEYS = ("hidden_size", "n_embd", "d_model", "model_dim", "emb_dim", "dim")
VOCABULARY_KEYS = ("vocab_size", "n_words")
LAYERS_KEYS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")

FLOAT32_STREAM = "residual_in_fp32"

# How the names of weights end.
INPUT_EMBEDDINGS = (
    "embed_tokens.weight",
    "embed_in.weight",
    "wte.weight",
    "word_embeddings.weight",
    "tok_embeddings.weight",
    "embeddings.weight",
)
OUTPUT_HEADS = ("lm_head.weight", "embed_out.weight", "output.weight")
OUTPUT_BIASES = ("lm_head.bias", "embed_out.bias")
POSITION_EMBEDDINGS = ("wpe.weight", "embed_positions.weight", "position_embeddings.weight")
# Masks and tables that old checkpoints store beside parameters: (end of the name, least ndim).
BUFFERS = ((".masked_bias", 0), (".inv_freq", 0), (".attn.bias", 2), (".attention.bias", 2))


@dataclass(frozen=True)
class Architecture:
    """The sizes of a model, and the parts of its stored tensors, by name.

    Attributes
    ----------
    width, layers, vocabulary : int
    inputs, heads, biases : list of str
        The input embedding; the output head, and its bias.
    surplus : list of str
        What the model does not load; of an encoder also pooler and head, which no state needs.
    buffers : list of str
        What it loads, but not as parameters: masks, tables, corrections of routers.
    copies : list of str
        Parameters stored again under a second name.
    lacks_head : bool
        Whether the output head is a parameter of its own, and not stored.
    float32_stream : bool
        Whether blocks add to float32 states whatever the dtype of the weights (the Mamba family).
    """

    width: int
    layers: int
    vocabulary: int
    inputs: list[str]
    heads: list[str]
    biases: list[str]
    surplus: list[str]
    buffers: list[str]
    copies: list[str]
    lacks_head: bool
    float32_stream: bool


def by_names(directory, config: dict, tensors: dict) -> Architecture:
    """The architecture as the names of weights and of sizes tell it, without transformers.

    For models that run by code of their own; sizes alone for plans.

    Parameters
    ----------
    directory : path
    config : dict
        config.json.
    tensors : dict
        From `model_directory.validate_directory`.

    Raises
    ------
    InfogeoError
        Where a size is not in config.json under any of its names.
    """
    config = _text_config(config)
    inputs = [name for name in tensors if _ends(name, INPUT_EMBEDDINGS)]
    rows = tensors[inputs[0]][2][0] if inputs else 0
    heads = [name for name in tensors if _ends(name, OUTPUT_HEADS) and tensors[name][2][0] == rows]
    return Architecture(
        width=_first(Path(directory), config, WIDTH_KEYS),
        layers=_first(Path(directory), config, LAYERS_KEYS),
        vocabulary=_first(Path(directory), config, VOCABULARY_KEYS),
        inputs=inputs,
        heads=heads,
        biases=[name for name in tensors if _ends(name, OUTPUT_BIASES)],
        surplus=[],
        buffers=[
            name
            for name, (_, dtype, shape, _, _) in tensors.items()
            if dtype in {"BOOL", "I64"}
            or any(name.endswith(end) and len(shape) >= least for end, least in BUFFERS)
        ],
        copies=[],
        lacks_head=not heads and config.get("tie_word_embeddings") is False,
        float32_stream=bool(config.get(FLOAT32_STREAM)),
    )


def count_parameters(directory, config: dict, tensors: dict, architecture: Architecture) -> dict:
    """Count parameters from shapes.

    Parameters
    ----------
    directory : path
    config : dict
        config.json.
    tensors : dict
        From `validate_directory`.
    architecture : Architecture

    Returns
    -------
    dict of int
        params_total; params_embedding (input embedding, output head unless tied, learned
        positions); params_non_embedding (the rest); params_padding (embedding rows beyond the
        tokenizer's last token, input and output: they are never read, and in no other count);
        params_other (of a model that also sees or hears: what is not its language model; in no
        other count). What is not loaded is in none of them.

    Raises
    ------
    InfogeoError
        Where there is no input embedding, or its shape is not that of the config.
    """
    directory = Path(directory)
    size = {name: math.prod(shape) for name, (_, _, shape, _, _) in tensors.items()}
    for name in (*architecture.surplus, *architecture.buffers, *architecture.copies):
        del size[name]
    inputs, heads = architecture.inputs, architecture.heads
    if len(inputs) != 1:
        raise InfogeoError(
            f"{directory}: cannot tell which weight is the input embedding (found "
            f"{', '.join(inputs) or 'none'}; known endings: {', '.join(INPUT_EMBEDDINGS)}), so "
            "parameters cannot be counted. Save the model anew with save_pretrained()."
        )
    rows = tensors[inputs[0]][2][0]
    if rows != architecture.vocabulary:
        raise InfogeoError(
            f"{directory}: the input embedding has {rows:,} rows, but config.json says vocab_size "
            f"= {architecture.vocabulary:,}. Config and weights are of different models: copy both "
            "from one."
        )
    if architecture.lacks_head:
        raise InfogeoError(
            f"{directory}: config.json says that the output head is not tied to the input "
            "embedding, but there is none. Save the whole causal language model, not its base."
        )
    tied = not heads or _is_tied(directory, config, tensors, inputs[0], heads[0])
    if tied:  # a copy stored twice is counted once
        for name in heads:
            del size[name]
    outputs = [] if tied else [*heads, *architecture.biases]
    decoder = inputs[0].rsplit(".", 2)[0] + "."  # what the names of its weights begin with
    others = {
        name
        for name in size
        if "text_config" in config and not name.startswith(decoder) and name not in outputs
    }
    other = sum(size.pop(name) for name in others)
    positions = [name for name in size if _ends(name, POSITION_EMBEDDINGS)]
    embedding = sum(size[name] for name in [*inputs, *outputs, *positions])
    padded = max(0, rows - (tokenizer_size(directory) or rows))
    padding = padded * sum(size[name] // rows for name in [*inputs, *outputs])
    total = sum(size.values())
    return {
        "params_total": total - padding,
        "params_embedding": embedding - padding,
        "params_non_embedding": total - embedding,
        "params_padding": padding,
        "params_other": other,
    }


def _is_tied(directory: Path, config: dict, tensors: dict, one: str, other: str) -> bool:
    """Whether two stored weights are one parameter: the loader ties none that differ."""
    return (
        _text_config(config).get("tie_word_embeddings") is not False
        and tensors[one][1:3] == tensors[other][1:3]
        and tensor_hash(directory, tensors[one]) == tensor_hash(directory, tensors[other])
    )


def tokenizer_size(directory) -> int | None:
    """One more than the largest token id, or None where only a binary vocabulary is there."""
    directory = Path(directory)
    if (directory / "tokenizer.json").exists():
        content = read_json(directory / "tokenizer.json")
        vocabulary = content.get("model", {}).get("vocab", {})
        ids = [token["id"] for token in content.get("added_tokens", ())]
        # A unigram vocabulary is a list of (token, score) in the order of the ids.
        ids += vocabulary.values() if isinstance(vocabulary, dict) else [len(vocabulary) - 1]
        return max(ids, default=-1) + 1
    if (directory / "vocab.json").exists():
        added = directory / "added_tokens.json"
        ids = list(read_json(directory / "vocab.json").values())
        ids += read_json(added).values() if added.exists() else []
        return max(ids, default=-1) + 1
    return None


def final_width(config: dict, architecture: Architecture) -> int:
    """Width of the final states: OPT-350m projects them to that of its embeddings.

    Not the width of what the output head multiplies: between states and head, RemBERT and ELECTRA
    have a layer of their own.

    Parameters
    ----------
    config : dict
        config.json.
    architecture : Architecture
    """
    return _text_config(config).get("word_embed_proj_dim", architecture.width)


def _ends(name: str, suffixes) -> bool:
    """Whether the last parts of the name of a weight are among the suffixes."""
    return f".{name}".endswith(tuple(f".{suffix}" for suffix in suffixes))


def _text_config(config: dict) -> dict:
    """The part of config.json about the decoder; models that also see or hear nest it."""
    return config.get("text_config") or config


def _first(directory: Path, config: dict, keys) -> int:
    for key in keys:
        if isinstance(config.get(key), int):
            return config[key]
    raise InfogeoError(
        f"{directory}/config.json: none of {', '.join(keys)} is there. Add the one that holds."
    )
