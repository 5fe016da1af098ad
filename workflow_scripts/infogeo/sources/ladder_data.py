"""What the members of a ladder share: tokenizer, token stream and held-out block, made once."""

import json
from pathlib import Path

import numpy as np

from infogeo.files.artefacts import replacing, sha256_file
from infogeo.files.errors import InfogeoError
from infogeo.files.fingerprint import check

END_OF_TEXT = "<|endoftext|>"


def prepare(
    train_texts, held_out_texts, folder, vocabulary, context, tokens, seed, fingerprint
) -> dict:
    """Make what the members of a ladder share.

    Parameters
    ----------
    train_texts, held_out_texts : sequence of str
    folder : path
        Gets `tokenizer.json`, `tokenizer_config.json`, `train.npy` (the token stream: documents in
        a seeded order, each after an end-of-text token; uint16, or uint32 for large vocabularies),
        `heldout.npy` (texts, context) (the first tokens of the held-out texts) and, last,
        `prepared.json`.
    vocabulary : int
        Size of the byte-level BPE tokenizer, which is trained on all of `train_texts`.
    context : int
        Tokens per sequence.
    tokens : int
        Length of the stream, where the texts yield as many.
    seed : int
        Of the order of the documents.
    fingerprint : str
        Written into `prepared.json`.

    Returns
    -------
    dict
        What `prepared.json` holds.

    Raises
    ------
    InfogeoError
        Where there is no text to train on, or no held-out text of `context` tokens.
    """
    if not len(train_texts):
        raise InfogeoError(
            "the ladder's corpus has no train split. Set its `train_share` (such as 0.9) in the "
            "corpora table."
        )
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _train_tokenizer(train_texts, vocabulary)
    size = tokenizer.get_vocab_size()
    dtype = np.uint16 if size <= 2**16 else np.uint32

    stream, documents = _stream(tokenizer, train_texts, tokens + 1, seed)
    held_out = [encoding.ids[:context] for encoding in tokenizer.encode_batch(list(held_out_texts))]
    held_out = [ids for ids in held_out if len(ids) == context]
    if not held_out:
        raise InfogeoError(
            f"none of the {len(held_out_texts)} evaluation texts of the ladder's corpus has "
            f"{context} tokens. Raise its `min_characters` in the corpora table, or lower the "
            "ladder's `context`."
        )
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END_OF_TEXT,
        "model_max_length": context,
        "clean_up_tokenization_spaces": False,
    }
    with replacing(folder / "tokenizer.json") as path:
        tokenizer.save(str(path))
    _write_json(folder / "tokenizer_config.json", settings)
    _write_array(folder / "train.npy", np.array(stream, dtype=dtype))
    _write_array(folder / "heldout.npy", np.array(held_out, dtype=dtype))
    prepared = {
        "vocabulary": size,
        "context": context,
        "tokens": len(stream),
        "documents": documents,
        "heldout_texts": len(held_out),
        "files": {
            name: sha256_file(folder / name)
            for name in ("tokenizer.json", "tokenizer_config.json", "train.npy", "heldout.npy")
        },
        "fingerprint": fingerprint,
    }
    _write_json(folder / "prepared.json", prepared)
    return prepared


def read_prepared(folder, expected: str | None = None) -> dict:
    """What `prepare` wrote about itself.

    Raises
    ------
    InfogeoError
        Where its fingerprint is not the expected one, or a file is not the one it wrote.
    """
    path = Path(folder) / "prepared.json"
    prepared = json.loads(path.read_text(encoding="utf-8"))
    check(path, prepared["fingerprint"], expected)
    for name, sha256 in prepared["files"].items():
        if sha256_file(path.with_name(name)) != sha256:
            raise InfogeoError(
                f"{path.with_name(name)}: changed since it was prepared. "
                f"Make it anew: snakemake -R {path}"
            )
    return prepared


def _train_tokenizer(texts, vocabulary: int):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def _stream(tokenizer, texts, length: int, seed: int) -> tuple[list[int], int]:
    """The first `length` tokens of the texts in a seeded order, and of how many texts they are."""
    end = tokenizer.token_to_id(END_OF_TEXT)
    order = np.random.default_rng(seed).permutation(len(texts))
    stream, documents = [], 0
    for start in range(0, len(order), 256):
        for encoding in tokenizer.encode_batch([texts[i] for i in order[start : start + 256]]):
            if len(stream) >= length:
                return stream[:length], documents
            stream += [end, *encoding.ids]
            documents += 1
    return stream[:length], documents


def _write_json(path: Path, what) -> None:
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(what, indent=1) + "\n", encoding="utf-8")


def _write_array(path: Path, array: np.ndarray) -> None:
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, array)
