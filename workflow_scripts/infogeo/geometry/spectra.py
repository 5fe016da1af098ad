"""Spectra of hidden states: one Gram matrix per text and layer, from which every entropy follows.

A spectrum is that of the covariance ``Σ = ẐᵀẐ/n`` of the normalised rows ``Ẑ`` (a row a token).
``K = ẐẐᵀ/n`` has the same non-zero eigenvalues, and for n tokens in d > n dimensions it is the
small one of the two; the d × d covariance and its SVD are never formed.

Two conventions: ``unit`` (each row scaled to unit norm) and ``centred`` (the mean over the tokens
removed, then each row scaled to unit norm). Four scopes: ``text`` (the tokens of one text);
``tokens`` (all tokens of all texts); ``means`` (the mean state of every text); ``last`` (the last
state of every text). All but the first are taken in `corpus_spectra`. Each is taken with the first
token of the texts (``in``) and without it (``out``). In many models that token is an attention sink
whose norm is a hundred times that of the others: the centred spectrum is then that of one row.
"""

from dataclasses import dataclass

import numpy as np

from infogeo.geometry.eigenvalues import descending
from infogeo.geometry.rows import ROUNDING, ZERO, check_finite, squared_norms

# Beyond this ratio of squared norms the centred Gram is formed from centred rows. At 1e6 entropies
# of low rank are off by 6e-9, at 1e4 by less than 1e-10.
CANCELLATION = 1e4


@dataclass(frozen=True)
class Spectrum:
    """Spectra of one scope, layer, convention and n, with the first tokens or without.

    Attributes
    ----------
    eigenvalues : ndarray of float64 (k, min(rows, d))
        Descending, non-negative, sum 1 (0 where every row is a zero row). k is the number of
        texts that are long enough in scope ``text``, in their order, and 1 in the others.
    zero_rows : ndarray of int32 (k,)
        Rows without a direction, left out.
    rows : int
        Rows of one such matrix before zero rows are left out: the number of tokens, or of texts.
    """

    eigenvalues: np.ndarray
    zero_rows: np.ndarray
    rows: int


@dataclass(frozen=True)
class LayerSpectra:
    """All spectra of one layer of width d, by (scope, convention, first, n), and its row norms.

    `norms` holds, by (first, n), what `row_norms` says of each text that is long enough.
    """

    layer: str
    width: int
    spectra: dict[tuple[str, str, str, int], Spectrum]
    norms: dict[tuple[str, int], dict[str, np.ndarray]]


def text_spectra(Z, lengths, where: str = "hidden states") -> dict:
    """Spectra of the nested prefixes of a text, or of a stack of texts.

    Parameters
    ----------
    Z : array (..., n, d)
        Hidden states, a row a token; cast to float64 before any product.
    lengths : iterable of int
        Prefix lengths, from 2 on; those beyond n are left out.
    where : str
        What Z is, for the error message: a text and a layer.

    Returns
    -------
    dict
        (convention, first, length) → (eigenvalues float64 (..., r), zero_rows int32 (...)): of all
        rows (``in``) and of all but the first (``out``). r = min(rows, d), and the eigenvalues of
        ``ẐᵀẐ/n`` descend. Rows whose squared norm is at most 10⁻¹² of the largest (in that
        convention, of those rows) are zero rows: left out and counted.

    Raises
    ------
    InfogeoError
        Where Z holds a value that is not finite.

    Notes
    -----
    Prefixes of at most d tokens, and their rows but the first, are blocks of one Gram ``G = ZZᵀ``;
    the centred Gram is G minus its row and column means. Where cancellation would bite (max G_ii >
    10⁴ × the smallest centred diagonal) it is formed from centred rows. Prefixes of more than d
    tokens take one d × d product for each convention.

    Verified against the direct d × d covariance in float64: every entropy to 1e-9 relative on
    random states, low rank, float32 states with a large common mean, and n below, at and above d.
    """
    return {
        key: (eigenvalues_of(K), zero_rows)
        for key, K, zero_rows in text_matrices(Z, lengths, where)
    }


def text_matrices(Z, lengths, where: str = "hidden states"):
    """The matrices of trace 1 whose eigenvalues `text_spectra` takes; parameters as there.

    Yields
    ------
    (convention, first, length), K float64 (..., r, r), zero_rows int32 (...)
    """
    Z = np.asarray(Z)
    check_finite(Z, where)
    width = Z.shape[-1]
    lengths = [n for n in lengths if n <= Z.shape[-2]]
    if not lengths:
        return
    Z = Z[..., : max(lengths), :].astype(np.float64, copy=False)  # (..., n, d)
    wide = Z[..., : max((n for n in lengths if n <= width), default=0), :]
    gram = wide @ wide.swapaxes(-1, -2)  # (..., n, n)
    for n in lengths:
        for first, rows in (("in", slice(n)), ("out", slice(1, n))):
            if n <= width:
                G = gram[..., rows, rows]
                yield ("unit", first, n), *_from_gram(G)
                yield ("centred", first, n), *_centred_from_gram(G, Z[..., rows, :])
            else:
                yield ("unit", first, n), *_covariance(*_unit(Z[..., rows, :]))
                yield ("centred", first, n), *_covariance(*_centred(Z[..., rows, :]))


def _scales(squares, floor=0.0):
    """Factors that make rows of these squared norms (..., n) a matrix whose Gram has trace 1.

    Returns (scale (..., n), zero_rows (...)); the scale of a zero row is 0.
    """
    largest = squares.max(axis=-1, keepdims=True)
    directed = squares > np.maximum(ZERO * largest, floor)
    count = directed.sum(axis=-1, keepdims=True)
    weights = np.where(directed, squares, 1.0) * np.maximum(count, 1)
    return directed / np.sqrt(weights), (directed.shape[-1] - count[..., 0]).astype(np.int32)


def _from_gram(gram, floor=0.0):
    """K (..., n, n) of trace 1 from a Gram matrix of rows that are not yet scaled."""
    scale, zero_rows = _scales(np.diagonal(gram, axis1=-2, axis2=-1), floor)
    K = scale[..., :, None] * scale[..., None, :]
    K *= gram
    return K, zero_rows


def _centred_from_gram(gram, Z):
    """K of the centred rows from the Gram (..., n, n) of the rows of Z (..., n, d)."""
    means = gram.mean(axis=-1)  # (..., n)
    centred = gram - means[..., :, None]
    centred -= means[..., None, :]
    centred += means.mean(axis=-1)[..., None, None]
    largest = np.diagonal(gram, axis1=-2, axis2=-1).max(axis=-1)
    smallest = np.diagonal(centred, axis1=-2, axis2=-1).min(axis=-1)
    for index in map(tuple, np.argwhere(largest > CANCELLATION * smallest)):
        Y = Z[index] - Z[index].mean(axis=0)
        centred[index] = Y @ Y.T
    return _from_gram(centred, ROUNDING * largest[..., None])


def _unit(Z):
    """Rows of Z (..., n, d), scaled so that their Gram has trace 1, and the zero rows."""
    scale, zero_rows = _scales(squared_norms(Z))
    return Z * scale[..., None], zero_rows


def _centred(Z):
    """Rows of Z (..., n, d) without their mean, scaled likewise, and the zero rows."""
    Y = Z - Z.mean(axis=-2, keepdims=True)
    floor = ROUNDING * squared_norms(Z).max(axis=-1, keepdims=True)
    scale, zero_rows = _scales(squared_norms(Y), floor)
    return Y * scale[..., None], zero_rows


def _covariance(rows, zero_rows):
    """The d × d product of scaled rows (..., n, d)."""
    return rows.swapaxes(-1, -2) @ rows, zero_rows


def eigenvalues_of(K):
    """Eigenvalues of covariances K (..., r, r), descending, by LAPACK."""
    return descending(np.linalg.eigvalsh(K))
