"""The description of a model, model.json, from the files of its directory."""

import json
from pathlib import Path

from infogeo.files.artefacts import replacing, sha256_file
from infogeo.files.errors import InfogeoError
from infogeo.files.fingerprint import digest
from infogeo.sources.model_directory import (
    BESIDE_TOKENIZER,
    TOKENIZER_FILES,
    read_json,
    validate_directory,
)
from infogeo.sources.parameters import count_parameters, final_width, shape

FORMAT_VERSION = 1


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
        "kind": kind,
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


def _tokenizer_hash(directory: Path, files: dict) -> str:
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
    return (
        f"{description['params_total']:,} parameters, {description['params_non_embedding']:,} "
        f"without embeddings; width {description['width']}, {description['layers']} layers"
    )
