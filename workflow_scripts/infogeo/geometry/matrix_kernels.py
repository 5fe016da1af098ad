"""The loops of `eigenvalues` and of `information_gain`, compiled: matrices in the lanes of SIMD.

What a matrix becomes does not depend on the others: one that is done stays as it is.

A compiler that meets loops over arrays cannot know that they do not overlap, and so keeps nothing
in registers from one turn to the next. `Register` says what is kept: the reduction then reads a
matrix once a step, four rows together. It is here and not in a file of its own since numba keeps
compiled code until the file that it came from changes.
"""

import operator

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, lower_builtin, models, register_model, type_callable

from infogeo.inference.compiled import compiled

LANES = 32  # of `diagonalise`, a constant that the compiler unrolls: divisions of so many overlap
WIDTH = 8  # float64 of a register; a processor with narrower ones takes two or four
ROUNDING = np.finfo(np.float64).eps ** 2


# ---------------------------------------------------------------- registers


class Register(types.Type):
    """Eight float64 in compiled code: +, − and * act on each, a product fused with a sum."""

    def __init__(self):
        super().__init__("Register")


_REGISTER, _LLVM = Register(), ir.VectorType(ir.DoubleType(), WIDTH)


@register_model(Register)
class _Model(models.PrimitiveModel):
    def __init__(self, manager, own_type):
        super().__init__(manager, own_type, _LLVM)


def _arithmetic(symbol, instruction: str) -> None:
    """Make an operator of Python an instruction on registers."""

    @type_callable(symbol)
    def _type(context):
        return lambda x, y: _REGISTER if x == y == _REGISTER else None

    @lower_builtin(symbol, Register, Register)
    def _lower(context, builder, signature, arguments):
        return getattr(builder, instruction)(*arguments, flags=["contract"])


_arithmetic(operator.add, "fadd")
_arithmetic(operator.sub, "fsub")
_arithmetic(operator.mul, "fmul")


def _row(context, builder, of_array, array, index):
    """The address of row `index` of a (rows, WIDTH) array."""
    start = context.make_array(of_array)(context, builder, array).data
    place = builder.gep(start, [builder.mul(index, ir.Constant(index.type, WIDTH))])
    return builder.bitcast(place, _LLVM.as_pointer())


@intrinsic
def load(typing, array, index):
    """Row `index` of a C-contiguous (rows, WIDTH) array of float64."""

    def make(context, builder, signature, arguments):
        return builder.load(_row(context, builder, signature.args[0], *arguments), align=8)

    return _REGISTER(array, types.intp), make


@intrinsic
def store(typing, array, index, register):
    """Write a register into row `index`."""

    def make(context, builder, signature, arguments):
        *place, value = arguments
        builder.store(value, _row(context, builder, signature.args[0], *place), align=8)
        return context.get_dummy_value()

    return types.void(array, types.intp, _REGISTER), make


@intrinsic
def zero(typing):
    """A register of zeros."""

    def make(context, builder, signature, arguments):
        return ir.Constant(_LLVM, [0.0] * WIDTH)

    return _REGISTER(), make


# ---------------------------------------------------------------- kernels


@compiled()
def fill(a, matrices) -> None:
    """Write the lower triangles of matrices (at most WIDTH, n, n) to a, row by row.

    a : (n(n + 1)/2, WIDTH) array. Lanes without a matrix keep what they have.
    """
    count, n, _ = matrices.shape
    place = 0
    for i in range(n):
        for j in range(i + 1):
            for m in range(count):
                a[place, m] = matrices[m, i, j]
            place += 1


@compiled()
def tridiagonalise(a, v, w, x, y, room, band, lane) -> None:
    """Householder's reduction (LAPACK's dsytd2), the update of a step fused with the next product.

    Parameters
    ----------
    a : (n(n + 1)/2, WIDTH) array
        The lower triangles, row by row; overwritten.
    v, w, x, y : (n, WIDTH) arrays
        Room for the vectors of ``A − vwᵀ − wvᵀ``, the next v, and the product of A with that.
    room : (2, WIDTH) array
    band : (n, 2, LANES) array
        Written from `lane` on: the diagonal, and the squares of what is below it.
    lane : int
    """
    n = len(band)
    v[:] = 0.0
    w[:] = 0.0
    for k in range(n):
        vk, wk = load(v, k), load(w, k)
        squares = zero()
        for i in range(k, n):
            place = i * (i + 1) // 2 + k
            entry = load(a, place) - load(v, i) * wk - load(w, i) * vk
            store(a, place, entry)
            if i > k + 1:
                squares = squares + entry * entry
        diagonal = k * (k + 1) // 2 + k
        for m in range(WIDTH):
            band[k, 0, lane + m] = a[diagonal, m]
        if k == n - 1:
            break
        store(room, 0, squares)
        for m in range(WIDTH):
            first, rest = a[diagonal + k + 1, m], room[0, m]
            square = first * first + rest
            beta = -np.sqrt(square) if first > 0 else np.sqrt(square)
            band[k, 1, lane + m] = square
            room[0, m] = 1.0 / (first - beta) if rest > 0 else 0.0
            room[1, m] = (beta - first) / beta if rest > 0 else 0.0
            x[k + 1, m], y[k + 1, m] = 1.0, 0.0
        factor = load(room, 0)
        for i in range(k + 2, n):
            store(x, i, load(a, i * (i + 1) // 2 + k) * factor)
            store(y, i, zero())
        i = k + 1
        while i + 4 <= n:
            _four_rows(a, v, w, x, y, k + 1, i)
            _rows(a, v, w, x, y, i, i, i + 4)
            i += 4
        _rows(a, v, w, x, y, k + 1, i, n)
        scale, product = load(room, 1), zero()
        for i in range(k + 1, n):
            scaled = load(y, i) * scale
            store(y, i, scaled)
            product = product + scaled * load(x, i)
        store(room, 0, product)
        for m in range(WIDTH):
            room[0, m] *= 0.5 * room[1, m]
        along = load(room, 0)
        for i in range(k + 1, n):
            store(w, i, load(y, i) - along * load(x, i))
            store(v, i, load(x, i))


@compiled()
def _four_rows(a, v, w, x, y, first, i) -> None:
    """Update rows i to i + 3 in columns first to i − 1; add their products with x to y."""
    v0, v1, v2, v3 = load(v, i), load(v, i + 1), load(v, i + 2), load(v, i + 3)
    w0, w1, w2, w3 = load(w, i), load(w, i + 1), load(w, i + 2), load(w, i + 3)
    x0, x1, x2, x3 = load(x, i), load(x, i + 1), load(x, i + 2), load(x, i + 3)
    y0, y1, y2, y3 = load(y, i), load(y, i + 1), load(y, i + 2), load(y, i + 3)
    row0 = i * (i + 1) // 2
    row1 = row0 + i + 1
    row2 = row1 + i + 2
    row3 = row2 + i + 3
    for j in range(first, i):
        vj, wj, xj = load(v, j), load(w, j), load(x, j)
        a0 = load(a, row0 + j) - v0 * wj - w0 * vj
        a1 = load(a, row1 + j) - v1 * wj - w1 * vj
        a2 = load(a, row2 + j) - v2 * wj - w2 * vj
        a3 = load(a, row3 + j) - v3 * wj - w3 * vj
        store(a, row0 + j, a0)
        store(a, row1 + j, a1)
        store(a, row2 + j, a2)
        store(a, row3 + j, a3)
        y0 = y0 + a0 * xj
        y1 = y1 + a1 * xj
        y2 = y2 + a2 * xj
        y3 = y3 + a3 * xj
        store(y, j, load(y, j) + a0 * x0 + a1 * x1 + a2 * x2 + a3 * x3)
    store(y, i, y0)
    store(y, i + 1, y1)
    store(y, i + 2, y2)
    store(y, i + 3, y3)


@compiled()
def _rows(a, v, w, x, y, first, start, stop) -> None:
    """Update rows start to stop − 1 from column `first` to the diagonal, likewise, one by one."""
    for i in range(start, stop):
        vi, wi, xi, yi = load(v, i), load(w, i), load(x, i), load(y, i)
        row = i * (i + 1) // 2
        for j in range(first, i):
            entry = load(a, row + j) - vi * load(w, j) - wi * load(v, j)
            store(a, row + j, entry)
            yi = yi + entry * load(x, j)
            store(y, j, load(y, j) + entry * xi)
        entry = load(a, row + i) - vi * wi - vi * wi
        store(a, row + i, entry)
        store(y, i, yi + entry * xi)


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


@compiled()
def pivots(gram, scales, a, inverse, squares) -> None:
    """Pivots of the Cholesky factors of ``I + scale · gram``, one scale in each lane.

    Parameters
    ----------
    gram : (n, n) array
    scales : (WIDTH,) array
    a : (n(n + 1)/2, WIDTH) array
        Room: the lower triangles, row by row, and then the factors.
    inverse : (n, WIDTH) array
        Room: of the diagonals of the factors.
    squares : (n, WIDTH) array
        Written: the squares of the diagonals; NaN from the first one on that is not positive.
    """
    n = len(gram)
    place = 0
    for i in range(n):
        for j in range(i + 1):
            for m in range(WIDTH):
                a[place, m] = gram[i, j] * scales[m]
            place += 1
        for m in range(WIDTH):
            a[place - 1, m] += 1.0
    start = 0
    while start + 4 <= n:
        _four_factors(a, inverse, start)
        _factors(a, inverse, squares, start, start, start + 4)
        start += 4
    _factors(a, inverse, squares, 0, start, n)


@compiled()
def _four_factors(a, inverse, i) -> None:
    """Write rows i to i + 3 of the factor (i a multiple of 4) in its columns before i, two by two.

    A tile of four rows and two columns keeps eight sums in registers.
    """
    row0 = i * (i + 1) // 2
    row1 = row0 + i + 1
    row2 = row1 + i + 2
    row3 = row2 + i + 3
    for j in range(0, i, 2):
        rowj = j * (j + 1) // 2
        rowk = rowj + j + 1
        s0, s1, s2, s3 = load(a, row0 + j), load(a, row1 + j), load(a, row2 + j), load(a, row3 + j)
        t0, t1 = load(a, row0 + j + 1), load(a, row1 + j + 1)
        t2, t3 = load(a, row2 + j + 1), load(a, row3 + j + 1)
        for k in range(j):
            of_j, of_k = load(a, rowj + k), load(a, rowk + k)
            r0, r1, r2, r3 = (
                load(a, row0 + k), load(a, row1 + k), load(a, row2 + k), load(a, row3 + k)
            )  # fmt: skip
            s0 = s0 - r0 * of_j
            s1 = s1 - r1 * of_j
            s2 = s2 - r2 * of_j
            s3 = s3 - r3 * of_j
            t0 = t0 - r0 * of_k
            t1 = t1 - r1 * of_k
            t2 = t2 - r2 * of_k
            t3 = t3 - r3 * of_k
        one, other, between = load(inverse, j), load(inverse, j + 1), load(a, rowk + j)
        s0, s1, s2, s3 = s0 * one, s1 * one, s2 * one, s3 * one
        store(a, row0 + j, s0)
        store(a, row1 + j, s1)
        store(a, row2 + j, s2)
        store(a, row3 + j, s3)
        store(a, row0 + j + 1, (t0 - s0 * between) * other)
        store(a, row1 + j + 1, (t1 - s1 * between) * other)
        store(a, row2 + j + 1, (t2 - s2 * between) * other)
        store(a, row3 + j + 1, (t3 - s3 * between) * other)


@compiled()
def _factors(a, inverse, squares, first, start, stop) -> None:
    """Write rows start to stop − 1 of the factor from column `first` on, one by one."""
    for i in range(start, stop):
        row = i * (i + 1) // 2
        for j in range(first, i):
            other = j * (j + 1) // 2
            entry = load(a, row + j)
            for k in range(j):
                entry = entry - load(a, row + k) * load(a, other + k)
            store(a, row + j, entry * load(inverse, j))
        entry = load(a, row + i)
        for k in range(i):
            entry = entry - load(a, row + k) * load(a, row + k)
        store(squares, i, entry)
        for m in range(len(squares[i])):
            inverse[i, m] = 1.0 / np.sqrt(squares[i, m])
