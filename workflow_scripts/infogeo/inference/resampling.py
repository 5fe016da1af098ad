"""Resamples of the texts of a corpus, whole clusters at a time, and intervals from draws."""

from functools import lru_cache

import numpy as np

# Resamples that are treated at once. A multiple of 4: the kernels of a matrix-vector product take 4
# rows together, and a row left over may differ in its last bit.
BLOCK = 16


def _drawn(clusters: int, sizes, seed: int):
    """Yield the next resamples, (size, clusters) int64, of one stream of them."""
    rng = np.random.default_rng([seed, clusters])
    shares = np.full(clusters, 1 / clusters)
    for size in sizes:
        yield rng.multinomial(clusters, shares, size)


@lru_cache(maxsize=32)
def _cluster_counts(clusters: int, draws: int, seed: int) -> np.ndarray:
    sizes = [BLOCK] * (draws // BLOCK) + [draws % BLOCK]
    return np.concatenate([part.astype(np.int16) for part in _drawn(clusters, sizes, seed)])


def weights_in_blocks(clusters: int, *, draws: int, seed: int):
    """Weights of each cluster in the sample itself and then in its resamples, block by block.

    The resamples are those of `text_weights` where every text is its own cluster, of which a matrix
    would take 8 · draws bytes a cluster.

    Parameters
    ----------
    clusters, draws, seed : int

    Yields
    ------
    (at most BLOCK, clusters) float64 array
        Rows sum to 1; 1 + draws of them in all. In Fortran order, as `text_weights` has it, so that
        products with either are the same to the last bit.
    """
    sizes = [min(BLOCK, 1 + draws - start) for start in range(0, 1 + draws, BLOCK)]
    sizes[0] -= 1
    sample = np.ones((1, clusters), np.int64)
    for copies in _drawn(clusters, sizes, seed):
        yield np.asfortranarray(as_weights(np.concatenate([sample, copies])))
        sample = sample[:0]


def text_copies(clusters, *, draws: int, seed: int) -> np.ndarray:
    """How often each text is there in resamples of whole clusters.

    Parameters
    ----------
    clusters : (texts,) array
        The source (document or module) of each text.
    draws, seed : int

    Returns
    -------
    (draws, texts) int16 array
        Zero rows cannot occur: every draw holds as many clusters as there are.
    """
    names, codes = np.unique(clusters, return_inverse=True)
    return _cluster_counts(len(names), draws, seed)[:, codes]


def text_weights(clusters, *, draws: int, seed: int) -> np.ndarray:
    """`text_copies` as weights: (draws, texts) float64 array whose rows sum to 1."""
    return as_weights(text_copies(clusters, draws=draws, seed=seed))


def as_weights(copies) -> np.ndarray:
    """Rows (draws, texts) as float64, scaled to sum 1."""
    return copies / copies.sum(-1, keepdims=True)


def percentiles(draws) -> np.ndarray:
    """2.5 % and 97.5 % points of draws (draws, ...) → (2, ...): the (B + 1)α-th smallest."""
    tail = max(1, round(0.025 * (len(draws) + 1)))
    ordered = np.sort(draws, axis=0)
    return ordered[[tail - 1, len(draws) - tail]]


def interval(draws) -> np.ndarray:
    """`percentiles`, NaN where a draw has no value. (draws, ...) → (2, ...)."""
    return np.where(np.isnan(draws).any(axis=0), np.nan, percentiles(draws))


def clusters(doc_ids, sources) -> np.ndarray:
    """What is resampled together: the source of a text, or its name where there is none."""
    return np.array([source or doc_id for doc_id, source in zip(doc_ids, sources, strict=True)])
