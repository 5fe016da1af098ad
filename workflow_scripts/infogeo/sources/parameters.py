"""Parameters of a model, counted from shapes, and its sizes; no weight is loaded."""

import math
from pathlib import Path

from infogeo.files.errors import InfogeoError
from infogeo.sources.model_directory import read_json
from infogeo.sources.tensor_files import tensor_hash

# What architectures call the same number in config.json.
WIDTH_KEYS = ("hidden_size", "n_embd", "d_model", "model_dim", "dim")
LAYERS_KEYS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")

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


def count_parameters(directory, config: dict, tensors: dict) -> dict:
    """Count parameters from shapes.

    Parameters
    ----------
    directory : path
    config : dict
        config.json.
    tensors : dict
        From `validate_directory`.

    Returns
    -------
    dict of int
        params_total; params_embedding (input embedding, output head unless tied, learned
        positions); params_non_embedding (the rest); params_padding (embedding rows beyond the
        tokenizer's last token, input and output: they are never read, and in no other count);
        params_other (of a model that also sees or hears: what is not its language model; in no
        other count).

    Raises
    ------
    InfogeoError
        Where there is no input embedding, or its shape is not that of the config.
    """
    directory = Path(directory)
    nested, config = "text_config" in config, _text_config(config)
    size = {
        name: math.prod(shape)
        for name, (_, dtype, shape, _, _) in tensors.items()
        if not any(name.endswith(end) and len(shape) >= least for end, least in BUFFERS)
        and dtype not in {"BOOL", "I64"}
    }

    def ending(suffixes):
        return [name for name in size if _ends(name, suffixes)]

    inputs = ending(INPUT_EMBEDDINGS)
    vocabulary = _first(directory, config, ("vocab_size",))
    if len(inputs) != 1:
        raise InfogeoError(
            f"{directory}: cannot tell which weight is the input embedding (found "
            f"{', '.join(inputs) or 'none'}; known endings: {', '.join(INPUT_EMBEDDINGS)}), so "
            "parameters cannot be counted."
        )
    rows = tensors[inputs[0]][2][0]
    if rows != vocabulary:
        raise InfogeoError(
            f"{directory}: the input embedding has {rows:,} rows, but config.json says vocab_size "
            f"= {vocabulary:,}. Config and weights are of different models."
        )
    heads = [name for name in ending(OUTPUT_HEADS) if tensors[name][2][0] == rows]
    if not heads and config.get("tie_word_embeddings") is False:
        raise InfogeoError(
            f"{directory}: config.json says that the output head is not tied to the input "
            f"embedding, but there is none (known endings: {', '.join(OUTPUT_HEADS)}). Save the "
            "whole causal language model, not its base."
        )
    tied = not heads or _is_tied(directory, config, tensors, inputs[0], heads[0])
    if tied:  # a copy stored twice is counted once
        for name in heads:
            del size[name]
    outputs = [] if tied else [*heads, *ending(OUTPUT_BIASES)]
    decoder = inputs[0].rsplit(".", 2)[0] + "."  # what the names of its weights begin with
    others = {
        name for name in size if nested and not name.startswith(decoder) and name not in outputs
    }
    other = sum(size.pop(name) for name in others)
    embedding = sum(size[name] for name in [*inputs, *outputs, *ending(POSITION_EMBEDDINGS)])
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
    """Whether two stored weights are one parameter: as config.json says, else by their bytes."""
    if "tie_word_embeddings" in config:
        return bool(config["tie_word_embeddings"])
    return tensors[one][1:3] == tensors[other][1:3] and (
        tensor_hash(directory, tensors[one]) == tensor_hash(directory, tensors[other])
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


def shape(directory, config: dict) -> dict:
    """Width of the hidden states, number of blocks and size of the vocabulary, from config.json.

    Raises
    ------
    InfogeoError
        Where one of them is not there under any of its names.
    """
    config = _text_config(config)
    return {
        "width": _first(Path(directory), config, WIDTH_KEYS),
        "layers": _first(Path(directory), config, LAYERS_KEYS),
        "vocabulary": _first(Path(directory), config, ("vocab_size",)),
    }


def final_width(tensors: dict) -> int:
    """Width of the final states: of what the output head, or an embedding tied to it, multiplies.

    Parameters
    ----------
    tensors : dict
        From `validate_directory`.
    """
    inputs, heads = (
        [shape for name, (_, _, shape, _, _) in tensors.items() if _ends(name, suffixes)]
        for suffixes in (INPUT_EMBEDDINGS, OUTPUT_HEADS)
    )
    of_vocabulary = [shape for shape in heads if shape[0] == inputs[0][0]]
    return (of_vocabulary or inputs)[0][1]


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
    raise InfogeoError(f"{directory}/config.json: none of {', '.join(keys)} is there.")
