"""Rows of hidden states: which of them have a direction, and that all are finite."""

import numpy as np

from infogeo.errors import InfogeoError

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
