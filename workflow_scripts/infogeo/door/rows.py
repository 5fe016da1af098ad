"""Intrinsic dimension, and similarity, of matrices of one row a text."""

from collections.abc import Mapping

import numpy as np

from infogeo.door.arrays import to_numpy
from infogeo.files.errors import InfogeoError
from infogeo.geometry import dimension as geometry_dimension
from infogeo.geometry.rows import check_finite
from infogeo.geometry.similarity import MEASURES


def dimension(rows, *, sources=None, most: int = 64, draws: int = 999, seed: int = 0):
    """The intrinsic dimension of the rows of a matrix, by TwoNN and GRIDE.

    Parameters
    ----------
    rows : array (N, d)
        A row a point, such as the last token's state of each text; NumPy or torch as in
        `infogeo.measure`.
    sources : sequence (N,), optional
        Where each row comes from: rows of one source are no neighbours, and are resampled
        together. Default: each its own.
    most : int
        Largest rank of a neighbour: the scales of GRIDE are 2, 4, … up to there.
    draws, seed : int
        Of the bootstrap, and of the random rows.

    Returns
    -------
    pandas.DataFrame
        A row for each estimator (``two_nn``, ``two_nn_fit``, ``gride``) and scale: value with its
        95 % interval (low, high); null, null_low, null_high: the same of random rows of equal
        spectrum; rows, duplicates, and the reason where there is no value.

    Raises
    ------
    InfogeoError
        Where it is no matrix, a value is not finite, or sources are not one a row.

    Notes
    -----
    Facco, d'Errico, Rodriguez and Laio 2017; Denti, Doimo, Laio and Mira 2022. See
    `infogeo.geometry.dimension`, verified against DADApy.
    """
    import pandas as pd

    points = _matrix(rows, "rows").astype(np.float64, copy=False)
    sources = _sources(sources, len(points))
    lines = geometry_dimension.measure(points, sources, most=most, draws=draws, seed=seed)
    return pd.DataFrame(lines)


def similarity(representations, *, measure: str = "cka", sources=None, neighbours: int = 10,
               permutations: int = 999, seed: int = 0):  # fmt: skip
    """How similar representations of the same texts are, each pair beside permuted texts.

    Parameters
    ----------
    representations : dict of str to array (texts, d), or sequence of these
        A row a text, of the same texts in one order; widths may differ. Layers of a model, or
        models.
    measure : {"cka", "mutual_knn"}
        Debiased linear CKA (Song et al. 2012; Kornblith et al. 2019), or the share of nearest
        neighbours in common (Huh et al. 2024, arXiv 2405.07987).
    sources : sequence (texts,), optional
        Where each text comes from: texts of one source are no neighbours, and are left out and
        permuted together. Default: each its own.
    neighbours : int
        k of ``mutual_knn``.
    permutations, seed : int
        Of the null.

    Returns
    -------
    pandas.DataFrame
        A row for each pair: one, other, measure; value with its 95 % interval over sources (low,
        high); null and null_high (mean and 95 % quantile of permuted texts); p; the reason where
        there is no value.

    Raises
    ------
    InfogeoError
        Where representations are not of the same texts, or not finite.

    Notes
    -----
    See `infogeo.geometry.similarity`. Memory: 4 bytes for each representation and pair of texts.
    """
    from infogeo.geometry.similarity_tables import measure_pairs  # here, since it imports pandas

    if measure not in MEASURES:
        raise InfogeoError(
            f"measure {measure!r}: no such measure. There are {', '.join(MEASURES)}."
        )
    if not isinstance(representations, Mapping):
        representations = {str(place): rows for place, rows in enumerate(representations)}
    names = list(representations)
    for name, count in (("neighbours", neighbours), ("permutations", permutations)):
        if count < 1:
            raise InfogeoError(f"{name}: {count}; at least 1 is needed.")
    matrices = [_matrix(rows, f"representation {name}") for name, rows in representations.items()]
    if not matrices:
        raise InfogeoError("similarity: no representation. Give at least one (texts, d) matrix.")
    if not len(matrices[0]):
        raise InfogeoError("similarity: representations of no text. Give at least 4 rows.")
    sources = _sources(sources, len(matrices[0]))
    pairs = measure_pairs(
        dict(zip(names, matrices, strict=True)),
        measure,
        sources,
        neighbours=neighbours,
        permutations=permutations,
        seed=seed,
    )
    return pairs.drop(columns=["texts", "sources"]).rename(columns={"problems": "reason"})


def _matrix(rows, where: str) -> np.ndarray:
    array = to_numpy(rows)
    if array.ndim != 2:
        raise InfogeoError(f"{where}: shape {array.shape}; one row a text, (texts, d), is needed.")
    check_finite(array, where)
    return array


def _sources(sources, count: int) -> np.ndarray:
    sources = np.arange(count) if sources is None else np.asarray(list(sources))
    if sources.shape != (count,):
        raise InfogeoError(f"sources: {len(sources)} of them for {count} rows; give one a row.")
    return sources
