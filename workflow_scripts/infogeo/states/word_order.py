"""Texts with their words in random order, which a model reads badly.

Words are what white space separates. They change places; the white space stays where it is, and so
does the number of bytes. Words move among those within the same prefix of n tokens: each
prefix then holds the words that it held before.
"""

import re
from hashlib import sha256

import numpy as np

WHITE_SPACE = re.compile(r"(\s+)")


def shuffled(text: str, ends, seed) -> str:
    """A text with its words in random order, up to the last of some places.

    Parameters
    ----------
    text : str
    ends : sequence of int
        Rising numbers of characters. Words that begin between two neighbours among 0 and these
        change places with each other; those that begin after the last stay.
    seed : int or sequence of int

    Returns
    -------
    str
        With the same words and white space, and so of equal length.

    Notes
    -----
    Verified against a loop that takes the words of each part out and puts them back.
    """
    parts = WHITE_SPACE.split(text)  # words at even places, white space between
    words = parts[::2]
    starts = np.cumsum([0, *map(len, parts)])[:-1:2]
    part_of = np.searchsorted(ends, starts, side="right")
    keys = np.random.default_rng(seed).random(len(words))
    keys[part_of == len(ends)] = 0  # a stable sort leaves these where they are
    named = np.array([bool(word) for word in words])  # at an end of the text may be none
    places = np.flatnonzero(named)
    order = places[np.lexsort((keys[named], part_of[named]))]
    for place, source in zip(places, order, strict=True):
        parts[2 * place] = words[source]
    return "".join(parts)


def shuffled_texts(tokenizer, texts, doc_ids, n, seed: int) -> list[str]:
    """The texts with the words of each prefix of n tokens in random order.

    Parameters
    ----------
    tokenizer : fast Hugging Face tokenizer
    texts, doc_ids : sequences of str
    n : collection of int
        Texts shorter than the least stay as they are.
    seed : int
        The order of a text depends on this, its doc_id and where its prefixes end.
    """
    made = []
    for text, doc_id in zip(texts, doc_ids, strict=True):
        spans = tokenizer(text, return_offsets_mapping=True, verbose=False)["offset_mapping"]
        ends = [max(end for _, end in spans[:length]) for length in sorted(n)
                if length <= len(spans)]  # fmt: skip
        of_text = int.from_bytes(sha256(doc_id.encode()).digest()[:8], "big")
        made.append(shuffled(text, ends, [seed, of_text]) if ends else text)
    return made
