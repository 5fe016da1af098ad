"""States that another engine made, as a model of the table: what states.json says of them.

The Snakefile imports this module, so it needs nothing beyond the standard library.
"""

import json
from pathlib import Path
from typing import NamedTuple

from infogeo.files.errors import InfogeoError, stop_at
from infogeo.files.fingerprint import digest

DESCRIPTION = "states.json"
DTYPES = ("float32", "float16", "bfloat16")
AXES = ("token layer width", "layer token width")
SIZES = ("params_total", "params_non_embedding", "width", "layers")
# Keys of states.json and their kinds; those of `model` beside SIZES.
KEYS = {"model": dict, "dtype": str, "files": list, "layers": dict, "axes": str, "arrays": dict,
        "post_norm": list, "doc_ids": list}  # fmt: skip
OPTIONAL = {"final_width": int, "tokenizer_sha256": str, "train_tokens": int}
# Why such a model lacks what only its forward pass gives.
NO_MODEL = "states of another engine, whose model is not here"


class Description(NamedTuple):
    """What states.json says of the states of a model on a corpus.

    Attributes
    ----------
    folder : Path
    model : dict
        SIZES, and of OPTIONAL what it has.
    dtype : {'float32', 'float16', 'bfloat16'}
        Of the states.
    files : list of str
        Names of files of arrays in the folder, or patterns.
    layers : dict of str to (str or [str, int]) or None
        See `infogeo.states.foreign.Form`, as axes and arrays.
    axes : str
    arrays : dict of str to str
    post_norm : list of str
        Layers after the final norm.
    doc_ids : list of str or None
        Names of the texts, where all lie in one file.
    """

    folder: Path
    model: dict
    dtype: str
    files: list
    layers: dict | None
    axes: str
    arrays: dict
    post_norm: list
    doc_ids: list | None

    def paths(self) -> list[Path]:
        """The files of arrays, each once, in the order of their names."""
        paths = {path for pattern in self.files for path in self.folder.glob(pattern)}
        return sorted(path for path in paths if path.name != DESCRIPTION and path.is_file())


def read(where, corpus: str) -> Description:
    """The description of the states in the folder of a corpus, checked with all problems at once.

    Parameters
    ----------
    where : path-like
        Folder of the model; states lie in its folder of the corpus's name.
    corpus : str

    Raises
    ------
    InfogeoError
        Where states.json is missing, is no JSON, or lists every key that is wrong, with what would
        be right.
    """
    folder = Path(where) / corpus
    path = folder / DESCRIPTION
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InfogeoError(
            f"{path}: no such file. Each corpus of the table needs the states of its texts in a "
            "folder of its name, with a states.json (config/README.md)."
        ) from error
    except ValueError as error:
        raise InfogeoError(f"{path}: not JSON ({error}).") from error
    if not isinstance(content, dict):
        raise InfogeoError(f"{path}: a {type(content).__name__}; it must be an object.")
    stop_at(_problems(content), str(path))
    described = Description(
        folder, content["model"], content["dtype"], content.get("files", ["*"]),
        content.get("layers"), content.get("axes", AXES[0]), content.get("arrays", {}),
        content.get("post_norm", ["final"]), content.get("doc_ids"),
    )  # fmt: skip
    if not described.paths():
        raise InfogeoError(f"{path}: files: {described.files} match no file in {folder}.")
    return described


def _problems(content: dict) -> list[str]:
    problems = [f"{key}: unknown; keys are {', '.join(KEYS)}" for key in content if key not in KEYS]
    problems += [
        f"{key}: {content[key]!r} must be a {kind.__name__}"
        for key, kind in KEYS.items()
        if key in content and not isinstance(content[key], kind)
    ]
    problems += _entry_problems(content)
    if content.get("dtype") not in DTYPES:
        problems.append(f"dtype: {content.get('dtype')!r} must be one of {', '.join(DTYPES)}")
    if content.get("axes", AXES[0]) not in AXES:
        problems.append(f"axes: {content['axes']!r} must be one of {', '.join(map(repr, AXES))}")
    model = content.get("model")
    if not isinstance(model, dict):
        return [*problems, f"model: needed, with {', '.join(SIZES)}"]
    for key in SIZES:
        value = model.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            problems.append(f"model.{key}: {value!r} must be a whole number of at least 1")
    problems += [
        f"model.{key}: {value!r} is not understood; there is {', '.join((*SIZES, *OPTIONAL))}"
        for key, value in model.items()
        if key not in SIZES and not isinstance(value, OPTIONAL.get(key, ()))
    ]
    if not problems and model["params_non_embedding"] > model["params_total"]:
        problems.append(
            f"model.params_non_embedding: {model['params_non_embedding']} is more than "
            f"params_total, {model['params_total']}, of which it is a part"
        )
    return problems


def _entry_problems(content: dict) -> list[str]:
    """What is wrong inside of lists and objects."""

    def entries(key: str, kind: type) -> list:
        value = content.get(key)
        if not isinstance(value, kind):  # that is a problem of its own
            return []
        return list(value.items() if kind is dict else enumerate(value))

    problems = [
        f"{key}: {value!r} must be a text"
        for key, kind in (("files", list), ("arrays", dict), ("post_norm", list), ("doc_ids", list))
        for _, value in entries(key, kind)
        if not isinstance(value, str)
    ]
    problems += [
        f"files: {value!r} must be a name or pattern in the folder of states.json"
        for _, value in entries("files", list)
        if value == "" or (isinstance(value, str) and Path(value).is_absolute())
    ]
    for layer, place in entries("layers", dict):
        if isinstance(place, str):
            continue
        if not (isinstance(place, list) and [type(part) for part in place] == [str, int]
                and place[1] >= 0):  # fmt: skip
            problems.append(
                f"layers.{layer}: {place!r} must be an array, or [array, place] with a place of at "
                "least 0"
            )
    return problems


def of_model(where, corpora: list[str]) -> list[Description]:
    """The descriptions of the states of a model on every corpus of the table.

    Raises
    ------
    InfogeoError
        From `read`; or where two corpora disagree in what model or dtype it is.
    """
    described = [read(where, corpus) for corpus in corpora]
    for other in described[1:]:
        if (other.model, other.dtype) != (described[0].model, described[0].dtype):
            raise InfogeoError(
                f"{other.folder / DESCRIPTION}: model and dtype differ from those in "
                f"{described[0].folder / DESCRIPTION}. States of one model have one description; "
                "give each model a row of its own."
            )
    return described


def check_dtype(described: Description, dtype: str) -> None:
    """Refuse a row whose dtype is not that of the states: laws compare models of one dtype.

    Raises
    ------
    InfogeoError
    """
    if described.dtype != dtype:
        raise InfogeoError(
            f"{described.folder / DESCRIPTION}: dtype {described.dtype}, but the models table says "
            f"{dtype}. Correct the column dtype of the row."
        )


def card(described: list[Description], slug: str, where: str, revision: str, fingerprint: str):
    """The content of model.json of a model whose states are given.

    Parameters
    ----------
    described : list of Description
        From `of_model`.
    slug, where, revision : str
        Of the row.
    fingerprint : str

    Returns
    -------
    dict
        The keys that jobs read; counts are as states.json says, and nothing was counted.
    """
    model = described[0].model
    return {
        "format_version": 1, "slug": slug, "source": "states", "where": where,
        "revision": revision, "commit": "", "kind": "causal", "directory": where,
        "trust_remote_code": False, "files": {},
        **{key: model[key] for key in SIZES},
        "params_embedding": model["params_total"] - model["params_non_embedding"],
        "vocabulary": 0, "final_width": model.get("final_width", model["width"]),
        "float32_stream": False, "architecture": "",
        # Where nothing is known of the tokenizer, it is that of no other model.
        "tokenizer_sha256": model.get("tokenizer_sha256") or digest(["tokenizer of", slug]),
        "train_tokens": model.get("train_tokens"), "fingerprint": fingerprint,
    }  # fmt: skip


def layer_problem(name: str, layers: int) -> str:
    """Why a layer of a model of so many blocks cannot have this name, or ""."""
    if name == "final" or (
        name.isdecimal() and 0 <= int(name) <= layers and name == str(int(name))
    ):
        return ""
    return (
        f"layer {name!r}: layers are named '0' … '{layers}', the residual stream after so many "
        "blocks, and 'final', after the final norm"
    )
