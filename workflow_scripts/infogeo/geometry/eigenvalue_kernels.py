"""The loops of `eigenvalues`, compiled: LANES symmetric matrices at once, one in each SIMD lane.

The last axis of every array is that of the matrices. What a matrix becomes does not depend on the
others: one that is done stays as it is.
"""

import numpy as np

from infogeo.inference.compiled import compiled

LANES = 64  # a constant: the compiler unrolls it; enough that its checks for overlap are worth it
ROUNDING = np.finfo(np.float64).eps ** 2


@compiled()
def fill(a, matrices) -> None:
    """Write the lower triangles of matrices (at most LANES, n, n) to a (n, n, LANES).

    Eight elements of a row together: they are in one line of the cache.
    """
    count, n, _ = matrices.shape
    for i in range(n):
        for start in range(0, i + 1, 8):
            for m in range(count):
                for j in range(start, min(start + 8, i + 1)):
                    a[i, j, m] = matrices[m, i, j]


@compiled(fastmath={"contract"})
def tridiagonalise(a, h, row, band) -> None:
    """Householder's reduction (LAPACK's dsytd2), the update of a step fused with the next product.

    Parameters
    ----------
    a : (n, n, LANES) array
        The lower triangles; overwritten.
    h : (n, 4, LANES) array
        Room for v, w of ``A − vwᵀ − wvᵀ``, the next v, and the product of A with that.
    row : (2, LANES) array
        Room.
    band : (n, 2, LANES) array
        Written: the diagonal, and the squares of what is below it.
    """
    n = len(a)
    for i in range(n):
        for m in range(LANES):
            h[i, 0, m] = h[i, 1, m] = 0.0
    for k in range(n):
        for i in range(k, n):
            for m in range(LANES):
                a[i, k, m] -= h[i, 0, m] * h[k, 1, m] + h[i, 1, m] * h[k, 0, m]
        for m in range(LANES):
            band[k, 0, m] = a[k, k, m]
            row[0, m] = 0.0
        if k == n - 1:
            break
        for i in range(k + 2, n):
            for m in range(LANES):
                row[0, m] += a[i, k, m] * a[i, k, m]
        for m in range(LANES):
            first, rest = a[k + 1, k, m], row[0, m]
            square = first * first + rest
            beta = -np.sqrt(square) if first > 0 else np.sqrt(square)
            band[k, 1, m] = square
            row[0, m] = 1.0 / (first - beta) if rest > 0 else 0.0
            row[1, m] = (beta - first) / beta if rest > 0 else 0.0
            h[k + 1, 2, m] = 1.0
            h[k + 1, 3, m] = 0.0
        for i in range(k + 2, n):
            for m in range(LANES):
                h[i, 2, m] = a[i, k, m] * row[0, m]
                h[i, 3, m] = 0.0
        for i in range(k + 1, n):
            for j in range(k + 1, i):
                for m in range(LANES):
                    entry = a[i, j, m] - h[i, 0, m] * h[j, 1, m] - h[i, 1, m] * h[j, 0, m]
                    a[i, j, m] = entry
                    h[j, 3, m] += entry * h[i, 2, m]
                    h[i, 3, m] += entry * h[j, 2, m]
            for m in range(LANES):
                entry = a[i, i, m] - 2.0 * h[i, 0, m] * h[i, 1, m]
                a[i, i, m] = entry
                h[i, 3, m] += entry * h[i, 2, m]
        for m in range(LANES):
            row[0, m] = 0.0
        for i in range(k + 1, n):
            for m in range(LANES):
                h[i, 3, m] *= row[1, m]
                row[0, m] += h[i, 3, m] * h[i, 2, m]
        for i in range(k + 1, n):
            for m in range(LANES):
                h[i, 1, m] = h[i, 3, m] - 0.5 * row[1, m] * row[0, m] * h[i, 2, m]
                h[i, 0, m] = h[i, 2, m]


@compiled()
def diagonalise(band, top, rows) -> bool:
    """Eigenvalues of tridiagonal matrices by QL without roots (LAPACK's dsterf).

    Parameters
    ----------
    band : (n, 2, LANES) array
        See `tridiagonalise`. Its diagonal becomes the eigenvalues, in no order.
    top : (LANES,) int array
        Room: how many eigenvalues of a matrix are there.
    rows : (6, LANES) array
        Room: shift, cosine, sine, γ and p of dsterf (squares of the former two), and `top`.

    Returns
    -------
    bool
        Whether every eigenvalue was reached, in at most as many sweeps as LAPACK allows.
    """
    n = len(band)
    for m in range(LANES):
        top[m] = 0
    for _ in range(30 * n):
        least = n - 1
        for m in range(LANES):
            t = top[m]
            while t < n - 1 and band[t, 1, m] <= ROUNDING * abs(band[t, 0, m] * band[t + 1, 0, m]):
                band[t, 1, m] = 0.0
                t += 1
            top[m] = t
            least = min(least, t)
            shift = band[t, 0, m]
            if t < n - 1:  # Wilkinson's
                beside = np.sqrt(band[t, 1, m])
                half = (band[t + 1, 0, m] - shift) / (2.0 * beside)
                root = np.sqrt(half * half + 1.0)
                shift -= beside / (half + (root if half >= 0 else -root))
            gamma = band[n - 1, 0, m] - shift
            rows[0, m], rows[1, m], rows[2, m] = shift, 1.0, 0.0
            rows[3, m], rows[4, m], rows[5, m] = gamma, gamma * gamma, t
        if least == n - 1:
            return True
        for i in range(n - 2, least - 1, -1):
            place, inside = float(i), i < n - 2
            for m in range(LANES):  # without branches, so that the lanes stay together
                works = place >= rows[5, m]
                square, alpha, below = band[i, 1, m], band[i, 0, m], band[i + 1, 1, m]
                shift, cosine, sine, gamma, p = (
                    rows[0, m], rows[1, m], rows[2, m], rows[3, m], rows[4, m]
                )  # fmt: skip
                r = p + square
                below = sine * r if inside else below
                rotates = r > 0.0  # not where the matrix falls into two
                inverse = 1.0 / (r if rotates else 1.0)
                c = p * inverse if rotates else 1.0
                s = square * inverse if rotates else 0.0
                new = c * (alpha - shift) - s * gamma
                p_new = new * new / c if c != 0.0 else cosine * square
                band[i + 1, 0, m] = gamma + (alpha - new) if works else band[i + 1, 0, m]
                band[i + 1, 1, m] = below if works else band[i + 1, 1, m]
                rows[1, m] = c if works else cosine
                rows[2, m] = s if works else sine
                rows[3, m] = new if works else gamma
                rows[4, m] = p_new if works else p
        for m in range(LANES):
            t = top[m]
            if t < n - 1:
                band[t, 1, m] = rows[2, m] * rows[4, m]
                band[t, 0, m] = rows[0, m] + rows[3, m]
    return False
