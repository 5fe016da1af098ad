"""How certain a similarity is: intervals over sources, and what permuted texts give."""

from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy import special

from infogeo.geometry.similarity import CKA, LEAST_TEXTS, Compared, cosines

MOST = 1 - 1e-12  # similarities beyond are 1 but for rounding, and so without an interval
LEAST_SOURCES = 3
EQUAL = 1e-6  # similarities under permutations are float32


def without_each_source(compared: Compared) -> np.ndarray:
    """The similarities without the texts of each source in turn, (sources, count, count).

    CKA is that of the remaining texts, centred anew. The graphs of mutual neighbours lose the texts
    of the source both as those that have neighbours and as neighbours. They are compared by the
    cosine of what is left: a similarity of 1 stays 1. NaN where too few texts are left for CKA.

    Notes
    -----
    Verified against CKA of the remaining texts.
    """
    codes, order = compared.codes, np.argsort(compared.codes, kind="stable")
    left = np.empty((codes.max(initial=-1) + 1, *compared.inner.shape))
    for source, texts in enumerate(np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)):
        rows = compared.matrices[:, texts].astype(np.float64)  # (count, texts, n)
        if compared.measure == CKA and len(codes) - len(texts) < LEAST_TEXTS:
            left[source] = np.nan
            continue
        left[source] = compared.inner - _products(rows) + _products(rows[:, :, texts])
        if compared.measure == CKA:
            left[source] -= _products(rows) + _shift(rows, texts)
        else:
            left[source] -= _products(compared.matrices[:, :, texts].astype(np.float64))
    return cosines(left)


def _products(matrices) -> np.ndarray:
    """Sums of entrywise products of all pairs of matrices (count, n, m) → (count, count)."""
    flat = matrices.reshape(len(matrices), np.prod(matrices.shape[1:], dtype=int))
    return flat @ flat.T


def _shift(rows, texts) -> np.ndarray:
    """What centring anew, without some texts, takes from the products.

    Song et al. 2012 of centred Grams, whose rows sum to 0: those of the others sum to −rows.
    """
    sums = rows.sum(axis=1)  # (count, n)
    sums[:, texts] = 0
    n = rows.shape[2] - len(texts)
    total = sums.sum(axis=1)
    return 2 / (n - 2) * sums @ sums.T - np.outer(total, total) / ((n - 1) * (n - 2))


def interval(compared: Compared):
    """95 % intervals from the jackknife over sources: Student's t on the scale of Fisher's z.

    Parameters
    ----------
    compared : Compared
        With its matrices.

    Returns
    -------
    low, high : (count, count) arrays
        NaN where there are fewer than 3 sources, or a source leaves no value behind. 1 and 1 where
        the similarity is 1 whichever source is left out.

    Notes
    -----
    Of mutual neighbours the jackknife counts what two texts are to each other twice, once for each
    of them: its variance is then about double. Efron and Stein 1981 give what it is too large by,
    the squares of the second-order terms, which here are the edges between two sources; at most
    half of the variance. A bootstrap would hold texts twice, which are their own nearest neighbours
    and have the largest entries of a Gram. Coverage: tests/bench/similarity_coverage.py.
    """
    left = without_each_source(compared)
    values, k = cosines(compared.inner), len(left)
    if k < LEAST_SOURCES:
        nothing = compared.spread(np.full_like(values, np.nan))
        return nothing, nothing
    z = np.arctanh(np.clip(left, -MOST, MOST))
    variance = _jackknife(z)
    if compared.measure != CKA:
        with np.errstate(divide="ignore", invalid="ignore"):
            surplus = np.nan_to_num(_second_order(compared, values) / _jackknife(left))
        variance *= np.maximum(1 - surplus, 0.5)
    half = special.stdtrit(k - 1, 0.975) * np.sqrt(variance)
    centre = np.arctanh(np.clip(values, -MOST, MOST))
    one = (values > MOST) & (left > MOST).all(axis=0)
    ends = (np.where(one, 1.0, np.tanh(centre + side * half)) for side in (-1, 1))
    return tuple(map(compared.spread, ends))


def _jackknife(left) -> np.ndarray:
    """The variance of what is left without each source, (sources, ...) → (...)."""
    return (len(left) - 1) / len(left) * ((left - left.mean(axis=0)) ** 2).sum(axis=0)


def _second_order(compared: Compared, values) -> np.ndarray:
    """Sums over pairs of sources of the squares of what their edges add to a similarity."""
    one, other = _pairs(compared)
    ends = np.sort([compared.codes[one], compared.codes[other]], axis=0)
    pairs = np.unique(ends[0] * len(compared.codes) + ends[1], return_inverse=True)[1]
    edges = compared.matrices[:, one, other].astype(np.float64)  # (count, edges)
    edges /= np.sqrt(np.diag(compared.inner))[:, None]
    own = [np.bincount(pairs, edge**2) for edge in edges]
    sums = np.zeros_like(values)
    for a, b in combinations(range(len(edges)), 2):
        added = np.bincount(pairs, edges[a] * edges[b]) - values[a, b] / 2 * (own[a] + own[b])
        sums[a, b] = sums[b, a] = added @ added
    return sums


class Null(NamedTuple):
    """What permuted texts give, each (count, count), NaN as the similarities.

    Attributes
    ----------
    mean, high : arrays
        Mean of the permuted similarities, and their 95 % quantile.
    p : array
        (1 + how many permuted ones are at least the observed one)/(1 + permutations).
    """

    mean: np.ndarray
    high: np.ndarray
    p: np.ndarray


def permuted(compared: Compared, *, permutations: int, seed: int) -> Null:
    """The similarities where one of two representations has its texts in another order.

    Each representation stays as it is, and only which rows belong together is lost. Sources take
    the places of sources of as many texts, and texts those of one source: so what two
    representations have in common because texts of one source are alike is in the null as well.
    The diagonal is that of a representation against itself in another order.

    Parameters
    ----------
    compared : Compared
        With its matrices.
    permutations, seed : int

    Notes
    -----
    Verified against `compare` of rows in every order.
    """
    count, n, _ = compared.matrices.shape
    # A row for each pair of texts: so a permutation gathers whole rows.
    table = np.ascontiguousarray(compared.matrices.reshape(count, n * n).T)
    one, other = _pairs(compared)
    fixed = table[one * n + other]
    inner = fixed.T @ fixed
    roots = np.sqrt(np.diag(inner))
    scale = np.outer(roots, roots)
    blocks, rng = _blocks(compared.codes), np.random.default_rng(seed)
    draws, moved = np.empty((permutations, count, count), np.float32), np.empty_like(fixed)
    for draw in draws:
        order = _order(blocks, rng)
        np.take(table, order[one] * n + order[other], axis=0, out=moved, mode="clip")
        draw[:] = fixed.T @ moved / scale
    upper = np.triu(np.ones(inner.shape, bool))
    draws = np.where(upper, draws, draws.swapaxes(1, 2))  # which of the two is permuted: no matter
    reached = (draws >= inner / scale - EQUAL).sum(axis=0)
    mean, high = draws.mean(axis=0, dtype=np.float64), np.quantile(draws, 0.95, axis=0)
    return Null(*map(compared.spread, (mean, high, (1 + reached) / (1 + permutations))))


def _pairs(compared: Compared):
    """The pairs of texts over which products of permuted matrices are summed, as two arrays."""
    if compared.measure == CKA:  # symmetric
        return np.triu_indices(compared.matrices.shape[1], 1)
    return np.nonzero(compared.matrices.any(axis=0))


def _blocks(codes) -> list[np.ndarray]:
    """For each number of texts that a source has, the texts of these sources, (sources, texts)."""
    sizes = np.bincount(codes)
    grouped = np.split(np.argsort(codes, kind="stable"), np.cumsum(sizes)[:-1])
    return [
        np.stack([texts for texts in grouped if len(texts) == size]) for size in np.unique(sizes)
    ]


def _order(blocks, rng) -> np.ndarray:
    """An order in which sources, and texts within them, have exchanged their places."""
    order = np.empty(sum(block.size for block in blocks), int)
    for block in blocks:
        order[block] = rng.permuted(rng.permutation(block), axis=1)
    return order
