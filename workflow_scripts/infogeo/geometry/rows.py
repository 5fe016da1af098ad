"""Rows of hidden states: all finite, scaled to unit norm, zero where they have no direction."""

import numpy as np

from infogeo.files.errors import InfogeoError
from infogeo.geometry.device import functions_of

# A row this much smaller than the largest one (squared norms) has no direction: a zero row.
ZERO = 1e-12
# What float64 leaves of a row that equals the mean, relative to the row (squared norms).
ROUNDING = (16 * np.finfo(np.float64).eps) ** 2


def check_finite(Z: np.ndarray, where: str) -> None:
    """Refuse hidden states that are not all finite.

    Raises
    ------
    InfogeoError
        Naming `where`, the first such row and what is in it.
    """
    finite = np.isfinite(Z)
    if finite.all():
        return
    first = np.argwhere(~finite)[0]
    raise InfogeoError(
        f"{where}: token {first[-2]}, coordinate {first[-1]} is {Z[tuple(first)]}, and "
        f"{np.count_nonzero(~finite):,} of {Z.size:,} values are not finite. The forward pass "
        "overflowed: run this model in float32 or bfloat16 (column dtype of the models table)."
    )


def squared_norms(rows: np.ndarray) -> np.ndarray:
    """Squared norms (..., n) of rows (..., n, d), an array or a tensor."""
    return functions_of(rows).einsum("...d,...d->...", rows, rows)


def unit_norm(rows: np.ndarray, floor=0.0) -> np.ndarray:
    """Rows (..., n, d) scaled to unit norm; those without a direction become zero. float64.

    Parameters
    ----------
    rows : array (..., n, d)
        Finite.
    floor : array broadcasting against (..., 1)
        Squared norms up to here are rounding: no direction. Nor has a row whose squared norm is at
        most 10⁻¹² of the largest.
    """
    rows = np.asarray(rows, np.float64)
    return rows * unit_scale(rows, floor)[..., None]


def unit_scale(rows: np.ndarray, floor=0.0) -> np.ndarray:
    """What `unit_norm` multiplies each row by, (..., n): 0 where it has no direction."""
    squares = squared_norms(rows)
    directed = squares > np.maximum(ZERO * squares.max(axis=-1, keepdims=True), floor)
    return directed / np.sqrt(np.where(directed, squares, 1.0))
