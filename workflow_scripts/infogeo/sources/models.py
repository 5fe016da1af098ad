"""Model directories in Hugging Face format: are they whole, what do they hold, how large are they.

Parameters are counted from the headers of the safetensors files; no weight is loaded.
"""

import hashlib
import json
import math
from pathlib import Path

from infogeo.files.artefacts import replacing, sha256_file
from infogeo.files.errors import InfogeoError
from infogeo.files.fingerprint import digest

FORMAT_VERSION = 1

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

TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "vocab.txt")
BESIDE_TOKENIZER = (
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "merges.txt",
)
PICKLES = frozenset({".bin", ".pt", ".pth", ".ckpt"})
BYTES = {
    "F64": 8, "I64": 8, "U64": 8, "C64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2,
    "I16": 2, "U16": 2, "I8": 1, "U8": 1, "BOOL": 1, "F8_E4M3": 1, "F8_E5M2": 1,
}  # fmt: skip


def describe(
    directory,
    slug: str,
    source: str,
    where: str,
    fingerprint: str,
    revision: str = "",
    commit: str = "",
    params: int | None = None,
    params_non_embedding: int | None = None,
    trust_remote_code: bool = False,
    train_tokens: int | None = None,
    hashes: dict | None = None,
) -> dict:
    """What model.json says about a model: counts, sizes and hashes of all its files.

    Parameters
    ----------
    directory : path
        Hugging Face format: config.json, safetensors, tokenizer.
    slug, source, where, revision, trust_remote_code
        Of the row in the models table. Its family and dtype are not part of the model: they may
        change without making or fetching it anew.
    fingerprint : str
        Of the settings that made the model.
    commit : str
        Commit that the revision resolved to, if it came from a hub.
    params : int, optional
        Expected number of parameters, tied weights counted once, padding of the vocabulary and
        parts that see or hear included (as publishers count).
    params_non_embedding : int, optional
        Expected number without embeddings.
    train_tokens : int, optional
        Tokens it was trained on, where known.
    hashes : dict, optional
        SHA-256 by file name, where known already; other files are read.

    Returns
    -------
    dict
        As documented in results/README.md. `params_padding` are the parameters of embedding rows
        that no token has, `params_other` those of parts that see or hear, which no text passes;
        they are in none of the other counts.

    Raises
    ------
    InfogeoError
        From `validate_directory`, or where a count is more than 1 % away from the expected one.

    Notes
    -----
    Verified against the sizes of transformers' own models of five architectures.
    """
    directory = Path(directory)
    config, weights, tensors = validate_directory(directory, trust_remote_code)
    counts = count_parameters(directory, config, tensors)
    stored = counts["params_total"] + counts["params_padding"] + counts["params_other"]
    for column, expected, count, how in (
        (
            "params",
            params,
            stored,
            "tied weights once, padding and parts for other inputs than text included",
        ),
        (
            "params_non_embedding",
            params_non_embedding,
            counts["params_non_embedding"],
            "without embeddings of tokens and positions, and output head",
        ),
    ):
        if expected and abs(count - expected) > 0.01 * expected:
            raise InfogeoError(
                f"model {slug}: the models table says {column} = {expected:,}, but the weights in "
                f"{directory} have {count:,} ({how}). Correct the row, or `where` if it is another "
                "model."
            )
    files = ["config.json", *weights]
    if len(weights) > 1:
        files.append("model.safetensors.index.json")
    files += [name for name in (*TOKENIZER_FILES, *BESIDE_TOKENIZER) if (directory / name).exists()]
    if trust_remote_code:
        files += [path.name for path in directory.glob("*.py")]
    hashes = hashes or {}
    files = {
        name: {
            "bytes": (directory / name).stat().st_size,
            "sha256": hashes.get(name) or sha256_file(directory / name),
        }
        for name in sorted(files)
    }
    return {
        "format_version": FORMAT_VERSION,
        "slug": slug,
        "source": source,
        "where": where,
        "revision": revision,
        "commit": commit,
        "directory": str(directory),
        "trust_remote_code": trust_remote_code,
        "files": files,
        **counts,
        **shape(directory, config),
        "final_width": final_width(tensors),
        "architecture": config.get("model_type", ""),
        "tokenizer_sha256": _tokenizer_hash(directory, files),
        "train_tokens": train_tokens,
        "fingerprint": fingerprint,
    }


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


def write_description(description: dict, path) -> None:
    """Write model.json."""
    with replacing(path) as temporary:
        text = json.dumps(description, indent=1, ensure_ascii=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def summary(description: dict) -> str:
    """A line on a model for the log."""
    return (
        f"{description['params_total']:,} parameters, {description['params_non_embedding']:,} "
        f"without embeddings; width {description['width']}, {description['layers']} layers"
    )


def validate_directory(directory, trust_remote_code: bool = False):
    """Check that a model directory is whole, reading no weights.

    Returns
    -------
    config : dict
        config.json.
    weights : list of str
        Names of the safetensors files.
    tensors : dict
        name -> (file, dtype, shape, first byte, last byte + 1).

    Raises
    ------
    InfogeoError
        Where the directory, config or tokenizer is missing, weights are pickled, truncated,
        corrupt or not all there, or code of its own is needed and not allowed.
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise InfogeoError(
            f"{directory}: no such model directory. The column `where` of a local model is a "
            "directory in Hugging Face format, relative to the working directory or absolute."
        )
    if not (directory / "config.json").exists():
        raise InfogeoError(
            f"{directory}: no config.json. A model directory holds config.json, safetensors and "
            "a tokenizer, as save_pretrained() of model and tokenizer writes them."
        )
    config = read_json(directory / "config.json")
    if not any((directory / name).exists() for name in TOKENIZER_FILES):
        raise InfogeoError(
            f"{directory}: no tokenizer (none of {', '.join(TOKENIZER_FILES)}). Save the one that "
            "the model was trained with: AutoTokenizer.from_pretrained(…).save_pretrained"
            f'("{directory}")'
        )
    check_config(directory, config, trust_remote_code)
    weights, listed = _weight_files(directory)
    tensors = {}
    for name in weights:
        tensors |= read_header(directory / name)
    missing = sorted(set(listed) - set(tensors))
    if missing:
        raise InfogeoError(
            f"{directory}/model.safetensors.index.json lists {len(missing)} tensors that its files "
            f"do not hold, such as {missing[0]}. Copy or download the model anew."
        )
    return config, weights, tensors


def read_json(path: Path) -> dict:
    """The object in a JSON file.

    Raises
    ------
    InfogeoError
        Where it is not JSON, or not an object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InfogeoError(f"{path}: not JSON ({error}). Copy or download it anew.") from error
    if not isinstance(content, dict):
        raise InfogeoError(f"{path}: not a JSON object. Copy or download it anew.")
    return content


def check_config(directory: Path, config: dict, trust_remote_code: bool) -> None:
    """Refuse a model, by its config.json, with quantised weights or that needs code of its own.

    Parameters
    ----------
    directory : Path
        Also of tokenizer_config.json, which may ask for code too.
    config : dict
    trust_remote_code : bool
        Whether such code may run.

    Raises
    ------
    InfogeoError
        Naming the file and the remedy.
    """
    if "quantization_config" in config:
        raise InfogeoError(
            f"{directory}: the weights are quantised, so neither parameters nor states are those "
            "of the model. Use the unquantised weights."
        )
    tokenizer = directory / "tokenizer_config.json"
    wanting = [
        name
        for name, content in (
            ("config.json", config),
            ("tokenizer_config.json", read_json(tokenizer) if tokenizer.exists() else {}),
        )
        if "auto_map" in content
    ]
    if wanting and not trust_remote_code:
        raise InfogeoError(
            f"{directory}: {' and '.join(wanting)} (auto_map) would run Python code that comes "
            "with the model. Read that code; then set trust_remote_code to true in its row."
        )


def _weight_files(directory: Path) -> tuple[list[str], list[str]]:
    """Names of the safetensors files, and of the tensors that an index says they hold."""
    if (directory / "model.safetensors").exists():
        return ["model.safetensors"], []
    index = directory / "model.safetensors.index.json"
    if index.exists():
        listed = read_json(index).get("weight_map", {})
        shards = sorted(set(listed.values()))
        missing = [name for name in shards if not (directory / name).exists()]
        if missing or not shards:
            raise InfogeoError(
                f"{directory}: {len(missing)} of {len(shards)} weight files that {index.name} "
                f"lists are missing: {', '.join(missing)}. Copy or download them."
            )
        return shards, list(listed)
    pickled = sorted(path.name for path in directory.iterdir() if path.suffix in PICKLES)
    if pickled:
        raise InfogeoError(
            f"{directory}: only pickled weights ({', '.join(pickled[:3])}), which can run code "
            "when they are read. Safetensors are needed; where you trust the file, convert it: "
            f'AutoModelForCausalLM.from_pretrained("{directory}").save_pretrained("{directory}")'
        )
    raise InfogeoError(
        f"{directory}: no weights: neither model.safetensors nor model.safetensors.index.json."
    )


def read_header(path) -> dict:
    """The tensors of a safetensors file: name -> (file, dtype, shape, first byte, end byte).

    Bytes are counted from the start of the file.

    Raises
    ------
    InfogeoError
        Where the file is shorter or longer than its header says, or the header makes no sense.

    Notes
    -----
    Format: 8 bytes little-endian length of a JSON header, the header, the data without gaps
    (https://github.com/huggingface/safetensors#format). Verified against the safetensors library.
    """
    path = Path(path)
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = int.from_bytes(start, "little")
        if len(start) < 8 or length > min(size - 8, 100_000_000):
            raise InfogeoError(
                f"{path}: not a whole safetensors file: {size:,} bytes, with a header said to be "
                f"{length:,} bytes long. It is truncated or of another format; copy or download it "
                "anew."
            )
        text = file.read(length)
    try:
        header = json.loads(text)
        header.pop("__metadata__", None)
        tensors = {
            name: (path.name, entry["dtype"], tuple(entry["shape"]), *entry["data_offsets"])
            for name, entry in header.items()
        }
        end = 0
        for name, (_, dtype, shape, first, last) in sorted(
            tensors.items(), key=lambda item: item[1][3:]
        ):
            if first != end or last - first != math.prod(shape) * BYTES[dtype]:
                raise ValueError(f"the place of {name} does not fit its shape")
            end = last
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InfogeoError(
            f"{path}: the safetensors header is corrupt ({error}). Copy or download it anew."
        ) from error
    if size != 8 + length + end:
        raise InfogeoError(
            f"{path}: {size:,} bytes, but its header announces {8 + length + end:,}. It is "
            "truncated or damaged; copy or download it anew."
        )
    base = 8 + length
    return {
        name: (file, dtype, shape, base + first, base + last)
        for name, (file, dtype, shape, first, last) in tensors.items()
    }


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
        _tensor_hash(directory, tensors[one]) == _tensor_hash(directory, tensors[other])
    )


def _tensor_hash(directory: Path, tensor) -> str:
    name, _, _, first, last = tensor
    hashed = hashlib.sha256()
    with (directory / name).open("rb") as file:
        file.seek(first)
        while first < last:
            block = file.read(min(2**24, last - first))
            hashed.update(block)
            first += len(block)
    return hashed.hexdigest()


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


def _tokenizer_hash(directory: Path, files: dict) -> str:
    """A hash that two copies of one tokenizer share, however their files are laid out."""
    if "tokenizer.json" in files:
        content = read_json(directory / "tokenizer.json")
        # How a batch was last padded or cut says nothing about the tokens of a text.
        return digest({k: v for k, v in content.items() if k not in {"padding", "truncation"}})
    names = [name for name in (*TOKENIZER_FILES, *BESIDE_TOKENIZER) if name in files]
    return digest({name: files[name]["sha256"] for name in names})


def _text_config(config: dict) -> dict:
    """The part of config.json about the decoder; models that also see or hear nest it."""
    return config.get("text_config") or config


def _first(directory: Path, config: dict, keys) -> int:
    for key in keys:
        if isinstance(config.get(key), int):
            return config[key]
    raise InfogeoError(f"{directory}/config.json: none of {', '.join(keys)} is there.")
