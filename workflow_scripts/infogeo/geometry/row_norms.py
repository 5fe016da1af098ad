"""The rows of a text as they are: who carries the attention sink, and how the path of tokens bends.

In many models the state of the first token has a hundred times the norm of the others. In some a
single coordinate holds most of each row's norm. Either decides the entropies of a layer
(2510.06477), so these numbers are in the tables beside them.
"""

import numpy as np

from infogeo.geometry.rows import squared_norms

MASSIVE = 10.0  # a row of more than so many times the median norm is massive


def row_norms(Z, lengths) -> dict:
    """What the norms of the rows of a text, or of a stack of texts, look like.

    Parameters
    ----------
    Z : array (..., n, d)
        Hidden states, a row a token; finite.
    lengths : iterable of int
        Prefix lengths, from 2 on; those beyond n are left out.

    Returns
    -------
    dict
        (first, length) → {name: float64 (...)}: of all rows (``in``) and of all but the first
        (``out``)

        - first_norm: Euclidean norm of the first row; with ``in`` alone
        - largest_norm, median_norm
        - massive_rows: how many rows have more than 10 times the median norm
        - largest_coordinate: the largest share of a coordinate in the squared norms of the rows,
          ``max_j mean_i z_ij² / ‖z_i‖²``; of rows that are not zero
        - curvature: mean angle in degrees between successive differences ``z_{i+1} − z_i`` and
          ``z_{i+2} − z_{i+1}`` (Hénaff et al. 2019; Hosseini and Fedorenko 2023); differences of
          equal states have no direction and are left out; NaN where no angle is left

    Notes
    -----
    Verified against a loop over rows; straight and right-angled paths have 0 and 90 degrees.
    """
    Z = np.asarray(Z)
    lengths = [n for n in lengths if n <= Z.shape[-2]]
    if not lengths:
        return {}
    Z = Z[..., : max(lengths), :].astype(np.float64, copy=False)
    squares = squared_norms(Z)  # (..., n)
    norms = np.sqrt(squares)
    weights = 1.0 / np.where(squares > 0, squares, 1.0)
    angles = _angles(Z)  # (..., n − 2)
    out = {}
    start, total = 1, 0.0
    for n in sorted(lengths):
        # Of the rows since the last prefix: a square of each coordinate, each row of weight 1.
        rows = slice(start, n)
        part = Z[..., rows, :]
        total = total + np.einsum("...nd,...nd,...n->...d", part, part, weights[..., rows])
        start = n
        for first, skipped in (("in", 0), ("out", 1)):
            of_rows = norms[..., skipped:n]
            median = np.median(of_rows, axis=-1)
            of_coordinate = total
            if not skipped:
                of_coordinate = total + Z[..., 0, :] ** 2 * weights[..., :1]
            directed = np.count_nonzero(of_rows, axis=-1)
            out[first, n] = {
                "largest_norm": of_rows.max(axis=-1),
                "median_norm": median,
                "massive_rows": (of_rows > MASSIVE * median[..., None]).sum(-1).astype(float),
                "largest_coordinate": of_coordinate.max(axis=-1) / np.maximum(directed, 1),
                "curvature": _mean(angles[..., skipped : max(n - 2, 0)]),
            }
        out["in", n]["first_norm"] = norms[..., 0]
    return out


def _angles(Z):
    """Degrees between successive differences of rows (..., n, d) → (..., n − 2); NaN: none."""
    steps = np.diff(Z, axis=-2)  # (..., n − 1, d)
    lengths = np.sqrt(squared_norms(steps))
    products = np.einsum("...d,...d->...", steps[..., :-1, :], steps[..., 1:, :])
    scale = lengths[..., :-1] * lengths[..., 1:]
    cosine = products / np.where(scale > 0, scale, 1.0)
    return np.where(scale > 0, np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))), np.nan)


def _mean(angles):
    """Mean of those that exist."""
    known = np.isfinite(angles)
    count = known.sum(axis=-1)
    total = np.where(known, angles, 0.0).sum(axis=-1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
