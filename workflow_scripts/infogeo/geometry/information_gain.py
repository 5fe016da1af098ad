"""Information gain of every token given the tokens before it.

    gain_i = ln det(I + G_i/λ) − ln det(I + G_{i−1}/λ) = ln(1 + ρ_i/λ),
    ρ_i = min_w ‖z_i − Z_{<i}ᵀ w‖² + λ‖w‖²

with G_i the Gram matrix of the first i unit rows (2402.03471). One Cholesky ``L Lᵀ = I + G/λ`` of
a text gives all of its tokens: ``gain_i = 2 ln L_ii``, ``ρ_i = λ(L_ii² − 1)``.
"""

import numpy as np

from infogeo.files.errors import InfogeoError
from infogeo.geometry.eigenvalues import loops_pay
from infogeo.geometry.rows import check_finite, unit_norm


def gains(Z, lambdas, where: str = "hidden states") -> tuple[np.ndarray, np.ndarray]:
    """Information gain and ridge optimum of every token given the tokens before it.

    Parameters
    ----------
    Z : array (..., n, d)
        Hidden states of a text, or of a stack of texts; scaled by `rows.unit_norm`.
    lambdas : sequence of float
        The λ > 0 of the ridge.
    where : str
        What Z is, for the error message.

    Returns
    -------
    gain, rho : float64 arrays (lambdas, ..., n)
        Gain in nats, ≥ 0; ρ in squared norms, in [0, 1]. Both are 0 at a zero row.

    Raises
    ------
    InfogeoError
        Where a value is not finite, or λ is so small that I + G/λ is singular in float64.

    Notes
    -----
    Schur complements ``L_ii² = 1 + ρ_i/λ`` are at least 1, so that neither the logarithm nor the
    difference loses more than a few ε/λ. Verified, down to λ = 1e-4, against scikit-learn's Ridge,
    a d × d slogdet, the coding rate of the text's spectrum, and closed forms: orthonormal and equal
    rows.
    """
    Z = np.asarray(Z)
    check_finite(Z, where)
    return of_pivots(pivots(unit_norm(Z), lambdas), lambdas)


def pivots(rows, lambdas, in_all: int = 0) -> np.ndarray:
    """``L_ii² = 1 + ρ_i/λ`` of rows (..., n, d) that have unit norm, or are zero.

    Parameters
    ----------
    rows, lambdas
        See `gains`.
    in_all : int
        How many texts there are, where these are some of them: it chooses who makes the factors;
        see `eigenvalues.loops_pay`.

    Returns
    -------
    float64 array (lambdas, ..., n)

    Raises
    ------
    InfogeoError
        See `gains`.
    """
    gram = rows @ rows.swapaxes(-1, -2)  # (..., n, n)
    different = list(dict.fromkeys(lambdas))  # n ε²/d may be a λ that is asked for as well
    n = gram.shape[-1]
    beside = loops_pay({n: in_all * len(different)}, n)
    squares = (_pivots_side_by_side if beside else _pivots_by_lapack)(gram, different)
    for lam, of_lam in zip(different, squares, strict=True):
        if not (of_lam > 0).all():  # nor NaN
            raise _too_small(lam)
    return squares[[different.index(lam) for lam in lambdas]]


def _pivots_by_lapack(gram, lambdas) -> np.ndarray:
    """Of I + gram / λ (lambdas, ..., n); 0 where one has no factor."""
    from scipy.linalg.lapack import dpotrf  # here, since jobs that read gains do not need it

    squares = np.zeros((len(lambdas), *gram.shape[:-1]))
    diagonal = np.arange(gram.shape[-1])
    for place, lam in enumerate(lambdas):
        matrix = gram / lam
        matrix[..., diagonal, diagonal] += 1.0
        for index in np.ndindex(gram.shape[:-2]):
            # LAPACK itself, in place: numpy's copies take three times as long. A transposed view,
            # because LAPACK stores by columns.
            factor, failed = dpotrf(matrix[index].T, lower=1, clean=0, overwrite_a=1)
            if not failed:
                squares[(place, *index)] = np.diagonal(factor) ** 2
    return squares


def _pivots_side_by_side(gram, lambdas) -> np.ndarray:
    """The same of eight λ at once; NaN from where one has no factor."""
    from infogeo.geometry import matrix_kernels as kernels  # compiled where it is called

    n, width = gram.shape[-1], kernels.WIDTH
    squares = np.empty((len(lambdas), *gram.shape[:-1]))
    a = np.empty((n * (n + 1) // 2, width))
    inverse, of_text = np.empty((n, width)), np.empty((n, width))
    for start in range(0, len(lambdas), width):
        some = slice(start, min(start + width, len(lambdas)))
        scales = np.zeros(width)  # lanes without a λ factor I
        scales[: some.stop - start] = 1.0 / np.array(lambdas[some])
        for index in np.ndindex(gram.shape[:-2]):
            kernels.pivots(gram[index], scales, a, inverse, of_text)
            squares[(some, *index)] = of_text[:, : some.stop - start].T
    return squares


def _too_small(lam: float) -> InfogeoError:
    return InfogeoError(
        f"context.lambdas, entropy.eps2: λ = {lam:g} is too small for float64, and I + G/λ is "
        "singular. Use a larger λ = nε²/d (at least 1e-4 keeps all digits that count)."
    )


def of_pivots(squares, lambdas) -> tuple[np.ndarray, np.ndarray]:
    """gain and rho, see `gains`, from what `pivots` returns."""
    scale = np.reshape(lambdas, (-1, *[1] * (squares.ndim - 1)))
    return np.log(squares), scale * (squares - 1.0)


def ridge_optimum(target, earlier, lam: float) -> float:
    """ρ of a state (d,) on earlier states (i, d) by scikit-learn's ridge regression.

    Its objective is evaluated at its solution, where an error δ of the weights counts as δ² only;
    so the normal equations ("cholesky", of the dual where i > d) are as exact as its SVD.
    """
    from sklearn.linear_model import ridge_regression

    if not len(earlier):
        return float(target @ target)
    weights = ridge_regression(earlier.T, target, lam, solver="cholesky")
    residual = target - earlier.T @ weights
    return float(residual @ residual + lam * weights @ weights)


def slogdet_gain(rows, lam: float) -> float:
    """Gain of the last of rows (i, d), from two d × d determinants, each of a Cholesky factor.

    Raises
    ------
    InfogeoError
        Where λ is so small that one is singular in float64, which n × n matrices need not be.
    """
    from scipy.linalg.blas import dsyr, dsyrk
    from scipy.linalg.lapack import dpotrf

    def logdet(matrix):  # its lower triangle, overwritten
        factor, failed = dpotrf(matrix, lower=1, clean=0, overwrite_a=1)
        if failed:
            raise _too_small(lam)
        return 2.0 * np.log(np.diagonal(factor)).sum()

    before = dsyrk(1.0 / lam, rows[:-1].T, lower=1)
    before[np.diag_indices_from(before)] += 1.0
    after = dsyr(1.0 / lam, rows[-1], lower=1, a=before.copy(order="F"), overwrite_a=1)
    return logdet(after) - logdet(before)
