"""The first n tokens of texts: which texts count at an n, and which of the tokens a mean is of."""

# The tokens of a prefix of n: all, all but the first, the last.
ROWS = {"in": lambda n: slice(n), "out": lambda n: slice(1, n), "last": lambda n: slice(n - 1, n)}


def counting_at(n, lengths, nested: bool):
    """Whether texts of so many tokens count at n; either may be an array.

    Nested: a prefix of a longer text counts as the text of n tokens. Not where later tokens change
    earlier states: see `corpus_spectra.Documents`.
    """
    return n <= lengths if nested else n == lengths
