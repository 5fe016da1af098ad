"""Selectors of earlier tokens: Lasso, pursuit, attention and others at equal numbers.

The target is the last token's state, the candidates are the states before it.
"""

import numpy as np

from infogeo.context.least_squares import refit
from infogeo.context.paths import descending, first_candidate, lasso, pursuit, tableau_of
from infogeo.files.errors import InfogeoError
from infogeo.geometry.rows import ROUNDING, unit_norm

ATTENTION = ("attention_mean", "attention_best_head", "attention_rollout")
SELECTORS = ("lasso", "omp", *ATTENTION, "recency", "norm", "random")
SIZES = (1, 2, 4, 8, 16, 32)  # over which the best head is chosen by default


def supports(
    Z,
    last_row,
    rollout,
    sizes,
    *,
    sink: str,
    centred: bool,
    head_sizes=SIZES,
) -> dict:
    """The tokens that every selector but the random one chooses of one text.

    Parameters
    ----------
    Z : (n, d) ndarray
        Hidden states of the text; the last row is the target.
    last_row : (heads, n) ndarray or None
        Attention of the last token in the last layer; None: selectors by attention are absent.
    rollout : (n,) ndarray or None
        Attention rollout of the last token.
    sizes : list of int
        How many tokens to choose, each in 0…m for m candidates.
    sink : {'free', 'forced', 'excluded'}
        free: all n − 1 earlier tokens are candidates. Else token 0 is none: forced takes it for
        granted (it is in the regression, and the caller adds it to what is chosen), excluded
        leaves it out.
    centred : bool
        Subtract the mean of all earlier tokens from candidates and target first.
    head_sizes : sequence of int
        The best head is the one whose first k tokens explain most in sample, averaged over these k.
        Those above d/4 or m are left out (if all are, k = 1).

    Returns
    -------
    dict
        Selector → list of int64 ndarrays, one per size: token indices, most wanted first. Lasso:
        the first support of that size on the path, rising. Where a path ends earlier (nothing is
        left to explain, or no direction), its last support, then the rest by |inner product with
        the target|.

    Raises
    ------
    InfogeoError
        Where there is no earlier token, or a size is not in 0…m.

    Notes
    -----
    Verified against scikit-learn's lars_path_gram and OrthogonalMatchingPursuit.
    """
    n, d = Z.shape
    if n < 2:
        raise InfogeoError(f"a text of {n} token(s) has no earlier tokens to choose from.")
    first = first_candidate(sink)
    m = n - 1 - first
    if sizes and not 0 <= min(sizes) <= max(sizes) <= m:
        raise InfogeoError(f"sizes {sizes}: each must be in 0…{m}, the number of candidates.")
    rows = prepared(Z, centred)
    gram = (rows @ rows.T)[None]
    task = tableau_of(gram, sink)
    largest = max(sizes, default=0)
    orders = {"omp": pursuit(*task, largest)[0], **blind_orders(Z, last_row, rollout, first)}
    if last_row is not None:
        heads = head_orders(last_row, first)
        usable = [k for k in head_sizes if k <= min(d / 4, m)] or [min(1, m)]
        shares = [refit(gram, gram, heads[None, :, :k] + first, sink)[0][0] for k in usable]
        orders["attention_best_head"] = heads[np.mean(shares, axis=0).argmax()]
    chosen = {name: [order[:k] for k in sizes] for name, order in orders.items()}
    below = [k for k in sizes if k < m]  # the end of a path is long, and m are all of them
    path = dict(zip(below, lasso(*task, below)[0], strict=True))
    chosen["lasso"] = [path[k][0] if k < m else np.arange(m) for k in sizes]
    return {
        name: [first + np.asarray(support, np.int64) for support in of_sizes]
        for name, of_sizes in chosen.items()
    }


def prepared(Z, centred: bool) -> np.ndarray:
    """Rows as they are regressed: centred if asked for, then of unit norm. (n, d) float64.

    Rows of squared norm at most 10⁻¹² of the largest become zero; so do rows that differ from the
    mean of the earlier ones by rounding only.
    """
    if not centred:
        return unit_norm(Z)
    rows = np.asarray(Z, np.float64)
    floor = ROUNDING * np.square(rows).sum(axis=1).max()
    return unit_norm(rows - rows[:-1].mean(axis=0), floor)


def blind_orders(Z, last_row, rollout, first: int) -> dict:
    """The candidates, most wanted first, of every selector that does not look at the target.

    Best head and random are left out. Attention is renormalised over the candidates, each head for
    itself.

    Returns
    -------
    dict
        selector → (m,) int64 ndarray of places among the candidates.
    """
    squares = np.square(np.asarray(Z, np.float64)).sum(axis=1)[first:-1]
    orders = {"recency": np.arange(len(squares))[::-1], "norm": descending(squares)}
    if last_row is not None:
        orders["attention_mean"] = descending(over_candidates(last_row, first).mean(axis=0))
        orders["attention_rollout"] = descending(rollout[first:-1])
    return orders


def over_candidates(attention, first: int) -> np.ndarray:
    """Attention (..., n) renormalised over the candidates; zero where they have none. (..., m)."""
    weights = np.asarray(attention, np.float64)[..., first:-1]
    total = weights.sum(axis=-1, keepdims=True)
    return np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)


def head_orders(last_row, first: int) -> np.ndarray:
    """The candidates by the attention of each head, most attended first. (heads, m)."""
    return descending(np.asarray(last_row)[:, first:-1])
