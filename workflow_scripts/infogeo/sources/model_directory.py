"""Model directories in Hugging Face format: are they whole, and may they be used.

The Snakefile imports this module, so it needs nothing beyond the standard library.
"""

import contextlib
import importlib.util
import json
import re
import tempfile
from functools import cache
from pathlib import Path

from infogeo.files.errors import InfogeoError
from infogeo.sources.tensor_files import read_header

TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "vocab.txt")
BESIDE_TOKENIZER = (
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "merges.txt",
)
INDEX = "model.safetensors.index.json"
# A repository on the hub: its name alone (as of old), or after that of its owner.
REPOSITORY = re.compile(r"(?!.*(--|\.\.))\w[\w.-]*(/\w[\w.-]*)?", re.ASCII)
GGUF = (
    "a GGUF file holds weights as llama.cpp packs them, mostly quantised, and a tokenizer that "
    "transformers does not read in full. Measure the safetensors that its publisher names; or "
    "convert the weights: model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, "
    "dtype=torch.float32); del model.hf_quantizer, model.config.quantization_config; "
    'model.save_pretrained("new"). Put the original tokenizer beside them, and use source `local`'
)
PICKLES = frozenset({".bin", ".pt", ".pth", ".ckpt"})


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
        Where the directory, config or tokenizer is missing; weights are pickled, truncated, corrupt
        or not all there; or code of its own is needed and not allowed.
    """
    directory = Path(directory)
    if directory.suffix.lower() == ".gguf":
        raise InfogeoError(f"{directory}: {GGUF}.")
    if not directory.is_dir():
        raise InfogeoError(
            f"{directory}: no such model directory. The column `where` of a local model is a "
            "directory in Hugging Face format, relative to the working directory or absolute."
            + repository_hint(str(directory))
        )
    if not (directory / "config.json").exists():
        if any(path.suffix.lower() == ".gguf" for path in directory.iterdir()):
            raise InfogeoError(f"{directory}: {GGUF}.")
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
            f"{directory}/{INDEX} lists {len(missing)} tensors that its files "
            f"do not hold, such as {missing[0]}. Copy or download the model anew."
        )
    return config, weights, tensors


def repository_hint(where: str) -> str:
    """A hint where a path that is not there may be a repository's name."""
    if "/" in where and REPOSITORY.fullmatch(where):
        return f" If {where} is a repository on the Hugging Face hub, set `source` to hub."
    return ""


@contextlib.contextmanager
def with_whole_index(directory):
    """The directory; or one of links to its files, with the index that transformers' loader needs.

    An index may lack its `metadata`, of which the loader needs no more than that it is there.
    """
    directory = Path(directory).absolute()
    index = directory / INDEX
    if not index.exists() or "metadata" in read_json(index):
        yield directory
        return
    with tempfile.TemporaryDirectory() as folder:
        for path in directory.iterdir():
            if path != index:
                Path(folder, path.name).symlink_to(path)
        Path(folder, INDEX).write_text(json.dumps(read_json(index) | {"metadata": {}}))
        yield Path(folder)


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
    if wanting and not trust_remote_code and not knows(config.get("model_type", "")):
        raise InfogeoError(
            f"{directory}: {' and '.join(wanting)} (auto_map) would run Python code that comes "
            "with the model. Read that code; then set trust_remote_code to true in its row."
        )


def is_own_code(config: dict) -> bool:
    """Whether a model names code of its own in its config.json."""
    return "auto_map" in config


@cache
def knows(model_type: str) -> bool:
    """Whether transformers has a type of models itself; found in its source, nothing is imported.

    Publishers leave `auto_map` in the configurations of families that transformers has had since.
    """
    package = importlib.util.find_spec("transformers")
    if package is None or not model_type:
        return False
    table = Path(package.submodule_search_locations[0], "models/auto/auto_mappings.py")
    return f'("{model_type}", ' in table.read_text(encoding="utf-8")


def _weight_files(directory: Path) -> tuple[list[str], list[str]]:
    """Names of the safetensors files, and of the tensors that an index says they hold."""
    if (directory / "model.safetensors").exists():
        return ["model.safetensors"], []
    index = directory / INDEX
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
    raise InfogeoError(f"{directory}: no weights: neither model.safetensors nor {INDEX}.")
