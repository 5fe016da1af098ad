"""Measures of a matrix with a row a text, each as its authors define it, from its spectrum.

They are taken of rows as they are (``raw``), or of rows without their mean (``raw_centred``), never
scaled to unit norm: docs/measures.md says which paper computes what. Each takes (eigenvalues
(..., r) of sum 1, descending, width d, rank), as the functions of `entropy` do.
"""

import itertools

import numpy as np

RANKME_EPSILON = 1e-7  # as published; and in the authors' code
# Ranks over which α is fitted, as shares of the rank, and the other ends that its interval takes.
FIT_FROM, FIT_TO = (0.05, 0.025, 0.1), (0.5, 0.25, 0.75)
LEAST_RANKS = 5


def rankme(eigenvalues, d, rank):
    """``exp(−Σ p ln p)``, ``p = σ/Σσ + 1e-7`` with σ the singular values (2210.02885, eq. 1)."""
    sigma = np.sqrt(eigenvalues)
    total = sigma.sum(axis=-1, keepdims=True)
    p = sigma / np.where(total > 0, total, 1.0) + RANKME_EPSILON
    return np.exp(-(p * np.log(p)).sum(axis=-1))


def stable_rank(eigenvalues, d, rank):
    """``Σ λ / λ₁``: ‖Z‖²_F/‖Z‖²; of centred rows NESum (He and Ozay 2022). 0 where all is 0."""
    largest = eigenvalues.max(axis=-1)
    return eigenvalues.sum(axis=-1) / np.where(largest > 0, largest, 1.0)


def top_share(eigenvalues, d, rank, k):
    """``Σ_{j ≤ k} λ_j``: the share of the k largest eigenvalues; NaN where there are no others."""
    if eigenvalues.shape[-1] <= k:
        return np.full(eigenvalues.shape[:-1], np.nan)
    return np.sort(eigenvalues, axis=-1)[..., ::-1][..., : int(k)].sum(axis=-1)


def alpha_req(eigenvalues, d, rank):
    """α of ``λ_j ∝ j^−α``: least squares of ln λ on ln j (Agrawal et al. 2022), ranks r/20 … r/2.

    NaN where fewer than 5 ranks, or an eigenvalue that is 0, lie in the range.
    """
    return _alpha(eigenvalues, rank, FIT_FROM[0], FIT_TO[0])


def alpha_req_low(eigenvalues, d, rank):
    """The least α over nine ranges of ranks, from r/40, r/20 or r/10 to r/4, r/2 or 3r/4."""
    return np.min(_over_ranges(eigenvalues, rank), axis=0)


def alpha_req_high(eigenvalues, d, rank):
    """The largest α over nine ranges of ranks."""
    return np.max(_over_ranges(eigenvalues, rank), axis=0)


def _over_ranges(eigenvalues, rank):
    return [_alpha(eigenvalues, rank, *ends) for ends in itertools.product(FIT_FROM, FIT_TO)]


def _alpha(eigenvalues, rank, start, stop):
    eigenvalues = np.asarray(eigenvalues, float)
    ranks = np.arange(1, eigenvalues.shape[-1] + 1)
    rank = np.asarray(rank)[..., None]
    chosen = (ranks >= np.maximum(np.floor(start * rank), 1)) & (ranks <= np.floor(stop * rank))
    eigenvalues, chosen = np.broadcast_arrays(eigenvalues, chosen)
    count = chosen.sum(axis=-1)
    positive = np.where(chosen, eigenvalues, 1.0) > 0
    y = np.log(np.where(chosen & positive, eigenvalues, 1.0))
    x = np.where(chosen, np.log(ranks), 0.0)
    many = np.maximum(count, 1)
    x = np.where(chosen, x - (x.sum(axis=-1) / many)[..., None], 0.0)
    squares = (x**2).sum(axis=-1)
    fitted = (count >= LEAST_RANKS) & positive.all(axis=-1)
    slope = (x * y).sum(axis=-1) / np.where(squares > 0, squares, 1.0)
    return np.where(fitted, -slope, np.nan)


def renyi(eigenvalues, d, rank, order):
    """Rényi entropy of an order ≠ 1, ``ln(Σ λ^α)/(1 − α)``, nats; 0 where all is 0."""
    powers = np.where(eigenvalues > 0, eigenvalues, 1.0) ** order * (eigenvalues > 0)
    total = powers.sum(axis=-1)
    return np.maximum(np.log(np.where(total > 0, total, 1.0)) / (1 - order), 0.0)


def schatten(eigenvalues, d, rank, order):
    """Schatten norm of the density matrix, ``(Σ λ^p)^(1/p)``."""
    return np.sum(np.asarray(eigenvalues) ** order, axis=-1) ** (1 / order)
