"""The first n tokens of texts: which texts count at an n, and which of their tokens."""

from itertools import pairwise

# The tokens of a prefix of n: all, all but the first, the last.
ROWS = {"in": lambda n: slice(n), "out": lambda n: slice(1, n), "last": lambda n: slice(n - 1, n)}


def counting_at(n, lengths, nested: bool):
    """Whether texts of so many tokens count at n; either may be an array.

    Nested: a prefix of a longer text counts as the text of n tokens. Not where later tokens change
    earlier states: see `corpus_spectra.Documents`.
    """
    return n <= lengths if nested else n == lengths


def most_texts(prefixes, lengths, nested: bool) -> int:
    """The most texts that count at one of the prefixes, of so many tokens (texts,)."""
    return max(int(counting_at(n, lengths, nested).sum()) for n in prefixes)


def segments(longest: int, prefixes, nested: bool) -> list[tuple[int, int]]:
    """The parts, start to stop, into which the prefixes divide a text: each is in them or not.

    The first is the first token alone.

    Parameters
    ----------
    longest : int
        The longest prefix for which the text is long enough.
    prefixes : iterable of int
        All of them.
    nested : bool
        See `counting_at`.
    """
    ends = sorted(n for n in prefixes if counting_at(n, longest, nested))
    return list(pairwise([0, 1, *ends]))


def prefix_sums(Z, prefixes, nested: bool) -> dict:
    """Sums over the tokens of each of `ROWS` and n at which a stack counts, each added up once.

    Parameters
    ----------
    Z : (texts, longest, d) array
    prefixes, nested
        See `segments`.

    Returns
    -------
    dict of (str, int) to (texts, d) array
    """
    sums, rest = {}, 0.0
    for start, stop in segments(Z.shape[1], prefixes, nested):
        if start:
            rest = rest + Z[:, start:stop].sum(axis=1)
            sums["in", stop], sums["out", stop] = Z[:, 0] + rest, rest
            sums["last", stop] = Z[:, stop - 1]
    return sums
