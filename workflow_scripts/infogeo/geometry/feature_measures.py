"""Measures of a matrix with a row a text, each as its authors define it, from its spectrum.

They are taken of rows as they are (``raw``), or of rows without their mean (``raw_centred``), never
scaled to unit norm: docs/measures.md says which paper computes what. Each takes the
`entropy.Spectra`, whose eigenvalues (..., r) have sum 1 and descend.
"""

import itertools

import numpy as np

RANKME_EPSILON = 1e-7  # as published; and in the authors' code
# Ranks over which α is fitted, as shares of the rank, and the other ends that its interval takes.
FIT_FROM, FIT_TO = (0.05, 0.025, 0.1), (0.5, 0.25, 0.75)
LEAST_RANKS = 5
# Of the largest eigenvalue: what is below is what float32 states, or their products in float64,
# leave of 0. So is an eigenvalue of every LayerNorm, whose outputs have one dimension less than d.
ROUNDING = float(np.finfo(np.float32).eps) ** 2


def rankme(of):
    """``exp(−Σ p ln p)``, ``p = σ/Σσ + 1e-7`` with σ the singular values (2210.02885, eq. 1)."""
    sigma = np.sqrt(of.eigenvalues)
    total = sigma.sum(axis=-1, keepdims=True)
    p = sigma / np.where(total > 0, total, 1.0) + RANKME_EPSILON
    return np.exp(-(p * np.log(p)).sum(axis=-1))


def stable_rank(of):
    """``Σ λ / λ₁``: ‖Z‖²_F/‖Z‖²; of centred rows NESum (He and Ozay 2022). 0 where all is 0."""
    largest = of.eigenvalues.max(axis=-1)
    return of.eigenvalues.sum(axis=-1) / np.where(largest > 0, largest, 1.0)


def top_share(of, k):
    """``Σ_{j ≤ k} λ_j``: the share of the k largest eigenvalues; NaN where there are no others."""
    if of.eigenvalues.shape[-1] <= k:
        return np.full(of.eigenvalues.shape[:-1], np.nan)
    return np.sort(of.eigenvalues, axis=-1)[..., ::-1][..., : int(k)].sum(axis=-1)


def alpha_req(of):
    """α of ``λ_j ∝ j^−α``: least squares of ln λ on ln j (Agrawal et al. 2022), ranks r/20 … r/2.

    NaN where fewer than 5 ranks, or an eigenvalue that is 0 but for rounding, lie in the range.
    """
    return of.slopes[0]


def alpha_req_low(of):
    """The least α over nine ranges of ranks, from r/40, r/20 or r/10 to r/4, r/2 or 3r/4."""
    return of.slopes.min(axis=0)


def alpha_req_high(of):
    """The largest α over nine ranges of ranks."""
    return of.slopes.max(axis=0)


def slopes(eigenvalues, rank) -> np.ndarray:
    """α over the ranges from each start to each stop, (ranges, ...), from sums up to each rank."""
    eigenvalues = np.asarray(eigenvalues, float)
    ranks = eigenvalues.shape[-1]
    batch = np.broadcast_shapes(np.shape(rank), eigenvalues.shape[:-1])
    rank, eigenvalues = np.broadcast_to(rank, batch), np.broadcast_to(eigenvalues, (*batch, ranks))
    x = np.log(np.arange(1, ranks + 1))
    zero = eigenvalues <= ROUNDING * eigenvalues.max(axis=-1, keepdims=True)
    y = np.log(np.where(zero, 1.0, eigenvalues))
    terms = np.stack(np.broadcast_arrays(x, x * x, y, x * y, zero))
    sums = np.cumsum(terms, axis=-1)
    sums = np.concatenate([np.zeros_like(sums[..., :1]), sums], axis=-1)  # (5, ..., ranks + 1)
    starts, stops = np.array(list(itertools.product(FIT_FROM, FIT_TO))).T.reshape(
        2, -1, *[1] * rank.ndim
    )  # (ranges, 1 …) each
    before = np.maximum(np.floor(starts * rank), 1).astype(int) - 1
    last = np.clip(np.floor(stops * rank).astype(int), before, ranks)

    def up_to(place):  # (5, ranges, ...)
        return np.take_along_axis(sums[:, None], place[None, ..., None], -1)[..., 0]

    of_x, of_xx, of_y, of_xy, zeros = up_to(last) - up_to(before)
    count = np.maximum(last - before, 1)
    squares = of_xx - of_x**2 / count
    slope = (of_xy - of_x * of_y / count) / np.where(squares > 0, squares, 1.0)
    fitted = (last - before >= LEAST_RANKS) & (zeros == 0)
    return np.where(fitted, -slope, np.nan)


def renyi(of, order):
    """Rényi entropy of an order ≠ 1, ``ln(Σ λ^α)/(1 − α)``, nats; 0 where all is 0."""
    positive = of.eigenvalues > 0
    powers = np.where(positive, of.eigenvalues, 1.0) ** order * positive
    total = powers.sum(axis=-1)
    return np.maximum(np.log(np.where(total > 0, total, 1.0)) / (1 - order), 0.0)


def schatten(of, order):
    """Schatten norm of the density matrix, ``(Σ λ^p)^(1/p)``."""
    return np.sum(of.eigenvalues**order, axis=-1) ** (1 / order)
