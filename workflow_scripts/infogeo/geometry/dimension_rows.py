"""The rows of which the intrinsic dimension of a corpus is measured, and the tables of it.

Scopes: `last`, a row a text, its last token at n; `means`, a row a text, the mean of its first n
states; `tokens`, of all tokens of the texts of the largest n. Of more rows than are asked for, each
is a sample. Means and tokens also without the first token of each text (`first`: out).
"""

import numpy as np

from infogeo.geometry.dimension import measure
from infogeo.geometry.prefixes import ROWS, counting_at
from infogeo.geometry.rows import check_finite

SCOPES = ("last", "means", "tokens")


class RowChoice:
    """The rows of every scope and n.

    Parameters
    ----------
    lengths : (texts,) int array
        Tokens of all texts.
    prefixes : iterable of int
        The n: texts of at least n tokens take part.
    rows : int
        Of a scope and n at most.
    seed : int
        Of the samples.
    nested : bool
        See `corpus_spectra.Documents`.

    Attributes
    ----------
    texts : dict of (scope, first, n) → (rows,) int array
        The text of each row, rising.
    """

    def __init__(self, lengths, prefixes, rows: int, seed: int, nested: bool = True):
        def sampled(count: int) -> np.ndarray:
            generator = np.random.default_rng([seed, count])
            return np.sort(generator.choice(count, min(rows, count), replace=False))

        lengths = np.asarray(lengths)
        counting = {n: np.flatnonzero(counting_at(n, lengths, nested)) for n in sorted(prefixes)}
        self.texts = {
            (scope, first, n): texts[sampled(len(texts))]
            for scope, first in (("last", "in"), ("means", "in"), ("means", "out"))
            for n, texts in counting.items()
        }
        n = max(counting)
        tokens = sampled(n * len(counting[n]))
        self.positions = {"in": tokens % n, "out": (tokens % n)[tokens % n > 0]}
        of_tokens = counting[n][tokens // n]
        self.texts["tokens", "in", n] = of_tokens
        self.texts["tokens", "out", n] = of_tokens[tokens % n > 0]

    def of_text(self, key: tuple, text: int, Z: np.ndarray) -> np.ndarray:
        """The rows of a text (tokens, d), of which there may be none."""
        scope, first, n = key
        start, stop = np.searchsorted(self.texts[key], [text, text + 1])
        if start == stop:
            return Z[:0]
        if scope == "tokens":
            return Z[self.positions[first][start:stop]]
        if scope == "last":
            return Z[n - 1 : n].copy()  # Z may be a view of a block
        return Z[ROWS[first](n)].mean(axis=0, keepdims=True, dtype=np.float64)


class Rows:
    """The rows of some texts at one layer.

    Parameters
    ----------
    choice : RowChoice
    """

    def __init__(self, choice: RowChoice):
        self.choice = choice
        self.parts = {key: [] for key in choice.texts}

    def add(self, text: int, Z: np.ndarray) -> None:
        """Take a text with its states (tokens, d); texts come in rising order.

        Raises
        ------
        InfogeoError
            Where a state is not finite, naming its text.
        """
        check_finite(Z, f"text {text}")
        for key, parts in self.parts.items():
            rows = self.choice.of_text(key, text, Z)
            if len(rows):
                parts.append(rows)

    def joined(self) -> dict[tuple[str, int], np.ndarray]:
        """(scope, first, n) → (rows, d) array: float32 of tokens, float64 of means."""
        return {
            key: np.concatenate(parts) if parts else np.empty((0, 1), np.float32)
            for key, parts in self.parts.items()
        }


def layer_table(layer: str, rows: dict, choice: RowChoice, sources, **settings):
    """Every estimate of a layer.

    Parameters
    ----------
    layer : str
    rows : dict
        Of all texts; see `Rows.joined`.
    choice : RowChoice
    sources : (texts,) array
        What each text comes from; see `resampling.clusters`.
    **settings
        See `dimension.measure`.

    Returns
    -------
    pandas.DataFrame
        layer, scope, first, n, and what `dimension.measure` gives.
    """
    import pandas as pd

    sources = np.asarray(sources)
    lines = [
        {"layer": layer, "scope": scope, "first": first, "n": n, **line}
        for (scope, first, n), texts in choice.texts.items()
        for line in measure(rows[scope, first, n], sources[texts], **settings)
    ]
    return pd.DataFrame(lines)


def tables_by_layer(states, sources, prefixes, rows: int, **settings):
    """The function from a layer to its table, from stored states.

    Parameters
    ----------
    states : infogeo.states.store.HiddenStates
        Open as long as the function is called.
    sources : (texts,) array
    prefixes, rows
        See `RowChoice`.
    **settings
        See `dimension.measure`.
    """
    choice = RowChoice(states.lengths, prefixes, rows, settings["seed"], states.nested)

    def of_layer(layer: str):
        chosen = Rows(choice)
        for text, _, Z in states.states([layer]):
            chosen.add(text, Z)
        return layer_table(layer, chosen.joined(), choice, sources, **settings)

    return of_layer
