"""What repetition alone does to information gains: repeated tokens are redundant and predictable.

The gain of a token goes with its surprisal even where states know nothing but the token's type. So
the correlation of the two holds fixed how long ago the token came before. Beside it is that of one
random vector for every type.
"""

from threading import Lock

import numpy as np

from infogeo.geometry.information_gain import of_pivots, pivots
from infogeo.geometry.rows import unit_norm

BATCH_BYTES = 2**23  # float64 rows of the texts that are treated together


def since_last(tokens) -> np.ndarray:
    """How many tokens ago each token came before in its text; n where it did not.

    Parameters
    ----------
    tokens : (texts, n) int array

    Returns
    -------
    (texts, n) int array
        From 1 to n.
    """
    tokens = np.asarray(tokens)
    texts, n = tokens.shape
    # Equal tokens of a text next to each other, in their order.
    order = np.argsort(tokens, axis=1, kind="stable")
    ordered = np.take_along_axis(tokens, order, axis=1)
    gaps = np.full((texts, n), n)
    same = ordered[:, 1:] == ordered[:, :-1]
    gaps[:, 1:] = np.where(same, np.diff(order, axis=1), n)
    since = np.empty_like(gaps)
    np.put_along_axis(since, order, gaps, axis=1)
    return since


class TypeGains:
    """Gains of random unit vectors, one for each type of token in a text.

    Layers of one width share them; they may be asked for in several threads.

    Parameters
    ----------
    tokens : (texts, n) int array
    seed : int
        Each text has a stream of its own.
    """

    def __init__(self, tokens, seed: int):
        self.tokens, self.seed = np.asarray(tokens), seed
        self._known: dict[tuple, np.ndarray] = {}
        self._lock = Lock()

    def of(self, width: int, lambdas) -> np.ndarray:
        """Gains (regularisers, texts, n), nats, in R^width at each λ."""
        key = width, tuple(lambdas)
        with self._lock:
            if key not in self._known:
                self._known[key] = self._computed(width, list(lambdas))
            return self._known[key]

    def _computed(self, width, lambdas):
        texts, n = self.tokens.shape
        gain = np.empty((len(lambdas), texts, n))
        size = max(1, BATCH_BYTES // (8 * n * width))
        for start in range(0, texts, size):
            chosen = range(start, min(start + size, texts))
            rows = np.stack([self._rows(text, width) for text in chosen])
            gain[:, chosen], _ = of_pivots(pivots(rows, lambdas, texts), lambdas)
        return gain

    def _rows(self, text: int, width: int):
        types, of_token = np.unique(self.tokens[text], return_inverse=True)
        generator = np.random.default_rng([self.seed, text, width])
        return unit_norm(generator.standard_normal((len(types), width)))[of_token]
