"""Eigenvalues of many small symmetric matrices, which LAPACK takes one at a time."""

from collections.abc import Callable

import numpy as np

# Of fewer matrices LAPACK is done before the loops are compiled (1.5 s); of a higher order, its
# blocks are as fast.
FEW = 2**14
LARGEST = 128


def for_stacks(count: int, order: int) -> Callable:
    """What takes the eigenvalues of so many matrices, stack by stack: `side_by_side`, or LAPACK.

    LAPACK also where numba is not installed, for which `pip install infogeo` does not ask.
    """
    if count >= FEW and order <= LARGEST:
        try:
            import numba  # noqa: F401

            return side_by_side
        except ImportError:
            pass
    return np.linalg.eigvalsh


def side_by_side(matrices) -> np.ndarray:
    """Eigenvalues of a stack of symmetric matrices, 64 at a time.

    Parameters
    ----------
    matrices : (k, n, n) float64 array
        Finite; the lower triangles are read. Elements below 10⁻¹⁵⁰ count as 0, and none may be
        above 10¹⁵⁰.

    Returns
    -------
    (k, n) float64 array
        Ascending; those of a matrix do not depend on the others, unless one of the 64 does not
        converge: then all of these are LAPACK's.

    Raises
    ------
    numpy.linalg.LinAlgError
        Where an element is not finite.

    Notes
    -----
    The reduction and the QL of LAPACK, as exact: to a few ε of the largest. A matrix takes 6 µs at
    n = 32, 35 at 64 and 200 at 128, against 28, 100 and 400.

    Verified against `numpy.linalg.eigvalsh` on full, low and zero rank, equal eigenvalues, matrices
    that fall into blocks, and all orders up to 9.
    """
    from infogeo.geometry import eigenvalue_kernels as kernels  # compiled where it is called

    (count, n, _), lanes = matrices.shape, kernels.LANES
    a, h, band = (np.zeros((*shape, lanes)) for shape in ((n, n), (n, 4), (n, 2)))
    rows, top = np.empty((6, lanes)), np.empty(lanes, np.int64)
    ascending = np.empty((count, n))
    for start in range(0, count, lanes):
        some = matrices[start : start + lanes]
        kernels.fill(a, some)
        kernels.tridiagonalise(a, h, rows[:2], band)
        if kernels.diagonalise(band, top, rows):
            ascending[start : start + len(some)] = band[:, 0, : len(some)].T
        else:  # LAPACK says why, or does it another way
            ascending[start : start + len(some)] = np.linalg.eigvalsh(some)
    ascending.sort(axis=-1)
    return ascending
