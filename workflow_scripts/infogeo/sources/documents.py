"""Texts with their labels and sources, and the choice among them: some to train on, a sample."""

import hashlib
import heapq
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Document:
    """One text: `source`, the file or module it is from, is the cluster of the bootstrap."""

    doc_id: str
    text: str
    label: str
    source: str


@dataclass
class Selection:
    """What `select` chose, in the order in which it came, and what it left out."""

    evaluation: list[Document]
    train: list[Document]
    total: int = 0
    empty: int = 0
    duplicates: int = 0
    held_out: int = 0
    short: int = 0
    longest: int = 0  # characters, of the texts held out


def select(
    documents, texts: int = 0, min_characters: int = 0, train_share: float = 0, seed: int = 0
) -> Selection:
    """Split documents into those to train on and a seeded sample of the others, in one pass.

    Of documents whose texts are equal up to white space only the first counts. A hash of the text
    decides whether it may be trained on, so that a text never changes sides. Another one decides
    whether it is in the sample. In memory are the sample, the texts to train on, and a short hash
    of every text: a corpus may be much larger than that.

    Parameters
    ----------
    documents : iterable of Document
    texts : int
        Size of the sample; 0 means all.
    min_characters : int
        Shorter evaluation texts are left out.
    train_share : float
        In [0, 1).
    seed : int
        Of the sample.

    Notes
    -----
    Verified against a sort of all texts.
    """
    chosen = Selection([], [])
    seen = set()
    sample = []  # a heap of (-draw, -place, document): the first is the next to be dropped
    for place, document in enumerate(documents):
        chosen.total += 1
        normalised = " ".join(document.text.split())
        if not normalised:
            chosen.empty += 1
            continue
        known = _hash(normalised)[:12]
        if known in seen:
            chosen.duplicates += 1
            continue
        seen.add(known)
        if train_share and _uniform("split", normalised) < train_share:
            chosen.train.append(document)
            continue
        length = len(document.text)
        chosen.held_out += 1
        chosen.longest = max(chosen.longest, length)
        if length < min_characters:
            chosen.short += 1
            continue
        entry = (-_uniform(f"sample {seed}", normalised), -place, document)
        if texts and len(sample) == texts:
            heapq.heappushpop(sample, entry)
        else:
            heapq.heappush(sample, entry)
    chosen.evaluation = [document for _, _, document in sorted(sample, key=lambda e: -e[1])]
    return chosen


def _uniform(seed: str, normalised: str) -> float:
    """A number in [0, 1) that depends on the text (white space normalised) and the seed alone."""
    return int.from_bytes(_hash(f"{seed}\n{normalised}")[:6]) / 2**48


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
