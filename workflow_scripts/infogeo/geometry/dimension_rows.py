"""The rows of which the intrinsic dimension of a corpus is measured, and the tables of it.

Scopes: `last`, a row a text, its last token at n; `means`, a row a text, the mean of its first n
states; `tokens`, of all tokens of the texts of the largest n. Of more rows than are asked for, each
is a sample.
"""

import numpy as np

from infogeo.geometry.corpus_spectra import counting_at
from infogeo.geometry.dimension import measure
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
    texts : dict of (scope, n) → (rows,) int array
        The text of each row, rising.
    """

    def __init__(self, lengths, prefixes, rows: int, seed: int, nested: bool = True):
        def sampled(count: int) -> np.ndarray:
            generator = np.random.default_rng([seed, count])
            return np.sort(generator.choice(count, min(rows, count), replace=False))

        lengths = np.asarray(lengths)
        long_enough = {n: np.flatnonzero(counting_at(n, lengths, nested)) for n in sorted(prefixes)}
        self.texts = {
            (scope, n): texts[sampled(len(texts))]
            for scope in SCOPES[:2]
            for n, texts in long_enough.items()
        }
        n = max(long_enough)
        tokens = sampled(n * len(long_enough[n]))
        self.texts["tokens", n] = long_enough[n][tokens // n]
        self.positions = tokens % n

    def of_text(self, scope: str, n: int, text: int, Z: np.ndarray) -> np.ndarray:
        """The rows of a text (tokens, d), of which there may be none."""
        start, stop = np.searchsorted(self.texts[scope, n], [text, text + 1])
        if scope == "tokens" or start == stop:
            return Z[self.positions[start:stop]]
        if scope == "last":
            return Z[n - 1 : n].copy()  # Z may be a view of a block
        return Z[:n].mean(axis=0, keepdims=True, dtype=np.float64)


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
        for (scope, n), parts in self.parts.items():
            rows = self.choice.of_text(scope, n, text, Z)
            if len(rows):
                parts.append(rows)

    def joined(self) -> dict[tuple[str, int], np.ndarray]:
        """(scope, n) → (rows, d) array: float32 of tokens, float64 of means."""
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
        layer, scope, n, and what `dimension.measure` gives.
    """
    import pandas as pd

    sources = np.asarray(sources)
    lines = [
        {"layer": layer, "scope": scope, "n": n, **line}
        for (scope, n), texts in choice.texts.items()
        for line in measure(rows[scope, n], sources[texts], **settings)
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
