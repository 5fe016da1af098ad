"""Eigenvalues of many small symmetric matrices, which LAPACK takes one at a time."""

from collections.abc import Callable

import numpy as np

# So many elements of matrices, ten times over (a model has layers), save what the loops cost before
# the first: 0.7 s, or 4 once on a machine that compiles them.
FEW = 2**20
TOGETHER = 32  # the lanes of `matrix_kernels`
LARGEST = 384  # there LAPACK takes less than twice as long, beyond eight matrices fill a cache


def loops_pay(counts: dict[int, int], order: int) -> bool:
    """Whether the compiled loops treat matrices of an order, or LAPACK.

    LAPACK also where numba is not installed, for which `pip install infogeo` does not ask, or is
    one that refuses this numpy.

    Parameters
    ----------
    counts : dict of int to int
        How many matrices of each order come in all, of this one and of others.
    order : int
    """
    small = sum(count * n**2 for n, count in counts.items() if n <= LARGEST)
    if order > LARGEST or small < FEW:
        return False
    try:
        import numba  # noqa: F401
    except ImportError:
        return False
    return True


def singular_values_for_stacks(count: int, order: int) -> Callable:
    """What takes the singular values of so many square matrices likewise, in any order.

    Side by side they are eigenvalues of ``[[0, Mᵀ], [M, 0]]``, which has their negatives too.
    """
    if not loops_pay({2 * order: count}, 2 * order):
        return singular_values

    def of_stack(matrices):
        (count, n, _) = matrices.shape
        both = np.zeros((count, 2 * n, 2 * n))  # the lower triangles alone are read
        both[:, n:, :n] = matrices
        return np.maximum(side_by_side(both)[:, n:], 0.0)

    return of_stack


def singular_values(matrices):
    """Singular values (..., n) of square matrices (..., n, n), by LAPACK."""
    return np.linalg.svd(matrices, compute_uv=False)


def descending(ascending):
    """Eigenvalues (..., r) of covariances as spectra have them: below 0 by rounding alone."""
    return np.maximum(ascending[..., ::-1], 0.0)


class Waiting:
    """Covariances of one order that wait until there are enough for `side_by_side`.

    Those that go to LAPACK do not wait: large ones would fill the memory.

    Parameters
    ----------
    counts : dict of int to int
        How many come in all, of each order: they choose who takes the eigenvalues.
    order : int
    """

    def __init__(self, counts: dict[int, int], order: int):
        self.waits = loops_pay(counts, order)
        self.room = np.empty((TOGETHER if self.waits else 0, order, order))
        self.owners: list[tuple[np.ndarray, int]] = []

    def add(self, matrices, into, rows) -> None:
        """Take matrices (k, n, n); their eigenvalues go to k rows of an array, descending."""
        if not self.waits:
            into[rows] = descending(np.linalg.eigvalsh(matrices))
            return
        for matrix, row in zip(matrices, rows, strict=True):
            self.room[len(self.owners)] = matrix
            self.owners.append((into, row))
            if len(self.owners) == TOGETHER:
                self.take()

    def take(self) -> None:
        """Write the eigenvalues of those that wait."""
        if not self.owners:
            return
        spectra = descending(side_by_side(self.room[: len(self.owners)]))
        for (into, row), values in zip(self.owners, spectra, strict=True):
            into[row] = values
        self.owners.clear()


def side_by_side(matrices) -> np.ndarray:
    """Eigenvalues of a stack of symmetric matrices, 32 at a time.

    Parameters
    ----------
    matrices : (k, n, n) float64 array
        Finite; the lower triangles are read. Elements below 10⁻¹⁵⁰ count as 0, and none may be
        above 10¹⁵⁰.

    Returns
    -------
    (k, n) float64 array
        Ascending; those of a matrix do not depend on the others, unless one of the 32 does not
        converge: then all of these are LAPACK's.

    Raises
    ------
    numpy.linalg.LinAlgError
        Where LAPACK does not converge either. Elements that are not finite mostly end so, not all.

    Notes
    -----
    The reduction and the QL of LAPACK, as exact: to a few ε of the largest. See `FEW`.

    Verified against `numpy.linalg.eigvalsh` on full, low and zero rank, equal eigenvalues, matrices
    that fall into blocks, all orders up to 9, and 33, 64 and 129.
    """
    from infogeo.geometry import matrix_kernels as kernels  # compiled where it is called

    (count, n, _), lanes, width = matrices.shape, kernels.LANES, kernels.WIDTH
    a = np.zeros((n * (n + 1) // 2, width))
    vectors, room = np.empty((4, n, width)), np.empty((2, width))
    band, rows, top = np.zeros((n, 2, lanes)), np.empty((6, lanes)), np.empty(lanes, np.int64)
    ascending = np.empty((count, n))
    for start in range(0, count, lanes):
        some = matrices[start : start + lanes]
        for lane in range(0, len(some), width):
            kernels.fill(a, some[lane : lane + width])
            kernels.tridiagonalise(a, *vectors, room, band, lane)
        if kernels.diagonalise(band, top, rows):
            ascending[start : start + len(some)] = band[:, 0, : len(some)].T
        else:  # LAPACK says why, or does it another way
            ascending[start : start + len(some)] = np.linalg.eigvalsh(some)
    ascending.sort(axis=-1)
    return ascending
