"""The plan of passes over a corpus: its texts as tokens, and the shards that they are cut into."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np

from infogeo.files.artefacts import replacing
from infogeo.sources import cards
from infogeo.states import batches
from infogeo.states.tokens import Encoded, encode, load_tokenizer
from infogeo.states.word_order import shuffled_texts

PLAN = "plan.npz"  # in the folder of a work


def only_weights_differ(card: dict, other: dict) -> bool:
    """Whether all other files of two models are equal: then so are the tokens of texts."""
    beside = [
        {name: file for name, file in files.items() if "safetensors" not in name}
        for files in (card["files"], other["files"])
    ]
    return beside[0] == beside[1]


def encoded_texts(card, corpus, n, trust_remote_code: bool, word_seed: int | None) -> Encoded:
    """The texts of a corpus as tokens; with a seed, with their words in random order."""
    tokenizer = load_tokenizer(card["directory"], trust_remote_code)
    texts = corpus["text"]
    if word_seed is not None:
        texts = shuffled_texts(tokenizer, texts, corpus["doc_id"], n, word_seed)
    encoded = encode(tokenizer, texts, max(n), min(n), "spectra.n")
    # The start of a longer pass is no shorter text to an encoder.
    return encoded.cut_to_each(n) if cards.is_encoder(card) else encoded


def made_plan(folder, corpus, most_tokens: int, encode_texts: Callable):
    """The texts as tokens and the shards: made once, and then left for the workers.

    Parameters
    ----------
    folder : Path
        Of the work.
    corpus : DataFrame
    most_tokens : int
        Of a shard.
    encode_texts : callable
        Called where there is no plan yet; see `encoded_texts`.

    Returns
    -------
    (Encoded, list of range)
    """
    path = folder / PLAN
    if not path.exists():
        encoded = encode_texts()
        shards = batches.plan_blocks(encoded.lengths, most_tokens)
        doc_ids = corpus["doc_id"].iloc[encoded.corpus_rows].to_numpy(dtype=str)
        with replacing(path) as temporary, temporary.open("wb") as file:
            bounds = [shard.start for shard in shards] + [len(encoded)]
            np.savez(file, **vars(encoded), bounds=bounds, doc_ids=doc_ids)
    return read_plan(folder)[:2]


def read_plan(folder) -> tuple[Encoded, list[range], list[str]]:
    """The texts as tokens, the shards as ranges of texts, and the texts' doc_ids."""
    with np.load(Path(folder) / PLAN) as saved:
        arrays = dict(saved)
    bounds, doc_ids = arrays.pop("bounds").tolist(), arrays.pop("doc_ids").tolist()
    shards = [range(*pair) for pair in pairwise(bounds)]
    return Encoded(**arrays), shards, doc_ids


def tokens_in(encoded: Encoded, shard: range) -> int:
    """Tokens of the texts of a shard."""
    return int(encoded.offsets[shard.stop] - encoded.offsets[shard.start])
