"""The description of a model, model.json, from the files of its directory."""

import json
import math
from pathlib import Path

from infogeo.files.artefacts import replacing, sha256_file
from infogeo.files.errors import InfogeoError
from infogeo.files.fingerprint import digest
from infogeo.sources import architecture
from infogeo.sources.model_directory import (
    BESIDE_TOKENIZER,
    INDEX,
    TOKENIZER_FILES,
    is_own_code,
    read_json,
    validate_directory,
)
from infogeo.sources.parameters import by_names, count_parameters, final_width

FORMAT_VERSION = 1
NAMED = 4  # tensors that a log names


def describe(
    directory,
    slug: str,
    source: str,
    where: str,
    fingerprint: str,
    revision: str = "",
    commit: str = "",
    kind: str = "causal",
    params: int | None = None,
    params_non_embedding: int | None = None,
    trust_remote_code: bool = False,
    train_tokens: int | None = None,
    hashes: dict | None = None,
) -> dict:
    """The content of model.json: counts, sizes and hashes of all files of a model.

    Parameters
    ----------
    directory : path
        Hugging Face format: config.json, safetensors, tokenizer.
    slug, source, where, revision, kind, trust_remote_code
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
        they are in none of the other counts. `config` has the defaults of transformers too, but of
        models with code of their own. `surplus` are the tensors in the files that the model
        does not run, and how many numbers each has; `buffers` those that it does not load as
        parameters. Neither are in any count.

    Raises
    ------
    InfogeoError
        From `validate_directory` and `architecture.of_directory`, or where a count is more than
        1 % away from the expected one.

    Notes
    -----
    Verified against the sizes of transformers' own models of five architectures.
    """
    directory = Path(directory)
    config, weights, tensors = validate_directory(directory, trust_remote_code)
    architecture.check_tokenizer(directory)
    settings = config
    if source == "ladder" or (is_own_code(config) and trust_remote_code):
        parts = by_names(directory, config, tensors)  # a ladder's file holds every setting
    else:
        parts = architecture.of_directory(directory, tensors, kind)
        # Beside what the file says what it leaves to the library.
        settings = json.loads(architecture.config_of(directory).to_json_string(use_diff=False))
        settings.pop("_name_or_path", None)
    counts = count_parameters(directory, config, tensors, parts)
    surplus, buffers = (
        {name: math.prod(tensors[name][2]) for name in sorted(names)}
        for names in (parts.surplus, parts.buffers)
    )
    uncounted = sum(surplus.values()) + sum(buffers.values())
    _expect(f"model {slug}", directory, counts, uncounted, params, params_non_embedding)
    files = ["config.json", *weights]
    if len(weights) > 1:
        files.append(INDEX)
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
        "kind": kind,
        "directory": str(directory),
        "trust_remote_code": trust_remote_code,
        "files": files,
        **counts,
        "surplus": surplus,
        "buffers": buffers,
        "width": parts.width,
        "layers": parts.layers,
        "vocabulary": parts.vocabulary,
        "final_width": final_width(config, parts),
        "float32_stream": parts.float32_stream,
        "architecture": config.get("model_type", ""),
        "config": settings,
        "tokenizer_sha256": tokenizer_hash(directory, files),
        "train_tokens": train_tokens,
        "fingerprint": fingerprint,
    }


def _expect(
    model: str, directory: Path, counts: dict, uncounted: int, params, params_non_embedding
) -> None:
    """Compare counts with those that a row expects; a publisher may have counted all tensors."""
    whole = counts["params_total"] + counts["params_padding"] + counts["params_other"]
    every = f", without {uncounted:,} that are not run, or no parameters" if uncounted else ""
    for column, expected, accepted, how in (
        (
            "params",
            params,
            (whole, whole + uncounted),
            f"tied weights once, padding and parts for other inputs than text included{every}",
        ),
        (
            "params_non_embedding",
            params_non_embedding,
            (counts["params_non_embedding"],),
            "without embeddings of tokens and positions, and output head",
        ),
    ):
        if expected and all(abs(count - expected) > 0.01 * expected for count in accepted):
            raise InfogeoError(
                f"{model}: the models table says {column} = {expected:,}, but the weights in "
                f"{directory} have {accepted[0]:,} ({how}). Correct the row, or `where` if it is "
                "another model."
            )


def tokenizer_hash(directory: Path, files: dict) -> str:
    """A hash that two copies of one tokenizer share, however their files are laid out."""
    if "tokenizer.json" in files:
        content = read_json(directory / "tokenizer.json")
        # How a batch was last padded or cut says nothing about the tokens of a text.
        return digest({k: v for k, v in content.items() if k not in {"padding", "truncation"}})
    names = [name for name in (*TOKENIZER_FILES, *BESIDE_TOKENIZER) if name in files]
    return digest({name: files[name]["sha256"] for name in names})


def write_description(description: dict, path) -> None:
    """Write model.json."""
    with replacing(path) as temporary:
        text = json.dumps(description, indent=1, ensure_ascii=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def summary(description: dict) -> str:
    """A line on a model for the log."""
    line = (
        f"{description['params_total']:,} parameters, {description['params_non_embedding']:,} "
        f"without embeddings; width {description['width']}, {description['layers']} layers"
    )
    for key, why in (("surplus", "not run"), ("buffers", "loaded, but no parameters")):
        tensors = description[key]
        if tensors:
            more = ", …" if len(tensors) > NAMED else ""
            line += (
                f"; {why}, and not counted: {len(tensors)} tensors of {sum(tensors.values()):,} "
                f"numbers ({', '.join(list(tensors)[:NAMED])}{more}; see model.json)"
            )
    return line
