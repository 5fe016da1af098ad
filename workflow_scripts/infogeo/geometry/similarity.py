"""Similarity of representations of the same texts: debiased linear CKA and mutual neighbours.

Both are cosines between matrices over pairs of texts, one matrix a representation: the centred
Gram for CKA, the graph of nearest neighbours for mutual neighbours. All pairs of representations
are products of the flattened matrices, a block of texts at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from infogeo.files.errors import InfogeoError
from infogeo.geometry.rows import ROUNDING, check_finite, squared_norms, unit_norm

CKA, MUTUAL_KNN = "cka", "mutual_knn"
MEASURES = (CKA, MUTUAL_KNN)
LEAST_TEXTS = 4  # the unbiased HSIC divides by n (n − 3)
TIED = 1e-12  # cosines that differ by less do so through rounding
BLOCK = 128  # texts whose rows of all matrices are made and multiplied together
COMMON = 100  # squared mean over squared deviations up to which rounding costs no more digits
NOTHING = 1e-20  # share of the squared Gram that rounding leaves where there is nothing


class NotAvailable(Exception):
    """Why a representation has no similarity to any other; the message is the reason."""


class CentredGram:
    """The Gram of rows, centred so that products of two are unbiased.

    K̃ is Z Zᵀ without its diagonal, r its row sums and t their sum. The entry of i ≠ j is
    ``K̃_ij − r_i/(n − 2) − r_j/(n − 2) + t/((n − 1)(n − 2))``; the diagonal is 0. The sum of the
    entrywise product of two such matrices is n (n − 3) times the unbiased HSIC_1.

    Parameters
    ----------
    Z : (n, d) array
        A row a text.
    where : str
        What messages call it.

    Attributes
    ----------
    least : float
        What rounding leaves of the product with itself where there is nothing.

    Raises
    ------
    NotAvailable
        Where there are fewer than 4 texts, or all rows are equal.
    InfogeoError
        Where a value is not finite.

    Notes
    -----
    Song et al. 2012 (JMLR 13), equation 5; centred first as by Székely & Rizzo 2014. Equal to
    `center_gram(unbiased=True)` of the code of Kornblith et al. 2019. Verified against the sum of
    traces of Song et al.
    """

    symmetric = True

    def __init__(self, Z, where: str):
        Z = np.asarray(Z, np.float64)
        n = len(Z)
        if n < LEAST_TEXTS:
            raise NotAvailable(f"{n} texts; the unbiased HSIC needs {LEAST_TEXTS}")
        total, squares = Z.sum(axis=0), squared_norms(Z)
        common = total @ total / n**2  # squared norm of the mean
        if not np.isfinite(common):
            check_finite(Z, where)
        # The mean changes nothing but the rounding.
        if common > COMMON * (squares.mean() - common):
            largest = squares.max()
            Z = Z - total / n
            total, squares = Z.sum(axis=0), squared_norms(Z)
            if squares.max() <= ROUNDING * largest:
                raise NotAvailable("all rows are equal")
        self.Z = Z
        sums = Z @ total - squares  # of the rows of K̃
        self.shift = sums / (n - 2) - sums.sum() / (2 * (n - 1) * (n - 2))
        self.least = NOTHING * squares.sum() ** 2

    def block(self, start: int, stop: int, out) -> None:
        """Put rows start…stop, columns from start on, into `out`."""
        np.matmul(self.Z[start:stop], self.Z[start:].T, out=out)
        out -= self.shift[start:stop, None]
        out -= self.shift[start:]
        np.fill_diagonal(out, 0)


class NeighbourGraph:
    """Which texts are among the nearest of each text, by the cosine of their rows.

    The entry is 1 for each of the k nearest of a row. Where several are equally near and there is
    no room for all, they share it. Rows sum to k.

    Parameters
    ----------
    Z : (n, d) array
        A row a text.
    where : str
        What messages call it.
    codes : (n,) int array
        The source of each text; texts of one source are no neighbours.
    neighbours : int
        k.

    Raises
    ------
    NotAvailable
        Where a text has not more than k others, or its row has no direction.
    InfogeoError
        Where a value is not finite.

    Notes
    -----
    Verified against sklearn.neighbors.NearestNeighbors.
    """

    symmetric = False
    least = 0.0

    def __init__(self, Z, where: str, codes, neighbours: int):
        others = len(Z) - int(np.bincount(codes).max(initial=0))
        if others <= neighbours:
            raise NotAvailable(
                f"{neighbours} neighbours, but a text has {others} others of other sources"
            )
        check_finite(np.asarray(Z), where)
        self.rows, self.codes, self.neighbours = unit_norm(Z), codes, neighbours
        if not self.rows.any(axis=1).all():
            raise NotAvailable("a row of norm 0 has no cosine")

    def block(self, start: int, stop: int, out) -> None:
        """Put rows start…stop, all columns, into `out`."""
        np.matmul(self.rows[start:stop], self.rows.T, out=out)
        out[self.codes[start:stop, None] == self.codes] = -np.inf
        least = np.partition(out, -self.neighbours, axis=1)[:, [-self.neighbours]]
        nearer = out > least + TIED
        tied = (out >= least - TIED) & ~nearer
        room = self.neighbours - nearer.sum(axis=1, keepdims=True)
        np.multiply(tied, room / tied.sum(axis=1, keepdims=True), out=out)
        out += nearer


@dataclass(frozen=True)
class Compared:
    """What all pairs of representations of the same texts give.

    Attributes
    ----------
    measure : {"cka", "mutual_knn"}
    reasons : list of str
        For each representation why it has no similarity to any other; "" where it has.
    codes : (n,) int array
        The source of each text, as a number.
    inner : (available, available) float64 array
        Sums of entrywise products of all pairs of matrices, of those representations that have one.
    matrices : (available, n, n) float32 array or None
        Where they are kept: 4 n² bytes each.
    """

    measure: str
    reasons: list[str]
    codes: np.ndarray
    inner: np.ndarray
    matrices: np.ndarray | None

    @property
    def values(self) -> np.ndarray:
        """The similarities (count, count); NaN in rows and columns of those that have none."""
        return self.spread(cosines(self.inner))

    def spread(self, values) -> np.ndarray:
        """Values (..., available, available) as those of all representations, the others NaN."""
        available = np.flatnonzero([not reason for reason in self.reasons])
        count = len(self.reasons)
        whole = np.full((*values.shape[:-2], count, count), np.nan)
        whole[(..., *np.ix_(available, available))] = values
        return whole


def compare(
    representations: Sequence,
    measure: str = CKA,
    *,
    sources=None,
    neighbours: int = 10,
    keep: bool = False,
) -> Compared:
    """How similar representations of the same texts are, all pairs at once.

    CKA: HSIC_1(K, L)/√(HSIC_1(K, K) HSIC_1(L, L)). Mutual neighbours: the mean over texts of the
    share of the k nearest that two representations have in common (Huh et al. 2024, 2405.07987,
    who leave out the text alone); where ties share places, over the root of what each has in
    common with itself.

    Parameters
    ----------
    representations : sequence of (n, d) arrays
        Rows of the same n texts, in one order; widths may differ.
    measure : {"cka", "mutual_knn"}
    sources : (n,) sequence, optional
        Of each text; texts of one source are no neighbours. Default: each its own.
    neighbours : int
        k of the mutual neighbours.
    keep : bool
        Whether to keep the matrices, which intervals and nulls need.

    Returns
    -------
    Compared
        Memory: 1 KiB a text and representation, and what is kept; a copy of rows that are not
        float64 or have a large mean.

    Raises
    ------
    InfogeoError
        Where representations are not of the same texts, or not finite.

    Notes
    -----
    Verified against the traces of Song et al. 2012 and against sets of neighbours from
    scikit-learn.
    """
    n = len(representations[0]) if len(representations) else 0
    sources = np.arange(n) if sources is None else np.asarray(sources)
    codes = np.unique(sources, return_inverse=True)[1]
    made, reasons = [], []
    for place, Z in enumerate(representations):
        where = f"representation {place}"
        if len(Z) != n:
            raise InfogeoError(
                f"{where}: rows of {len(Z)} texts, but the first has {n}; give the same texts in "
                "the same order"
            )
        try:
            graph = () if measure == CKA else (codes, neighbours)
            made.append((CentredGram if measure == CKA else NeighbourGraph)(Z, where, *graph))
            reasons.append("")
        except NotAvailable as error:
            reasons.append(str(error))
    matrices = np.empty((len(made), n, n), np.float32) if keep else None
    inner = _multiplied(made, n, matrices)
    differ = np.diag(inner) > [matrix.least for matrix in made]
    available = [place for place, reason in enumerate(reasons) if not reason]
    for place, enough in zip(available, differ, strict=True):
        if not enough:
            reasons[place] = "rows of too few texts differ: their unbiased HSIC is 0"
    if not differ.all():
        inner = inner[np.ix_(differ, differ)]
        matrices = matrices[differ] if keep else None
    return Compared(measure, reasons, codes, inner, matrices)


def _multiplied(made: list, n: int, matrices) -> np.ndarray:
    """Sums of entrywise products of all pairs of matrices; they are copied into `matrices`."""
    inner = np.zeros((len(made), len(made)))
    if not made:
        return inner
    symmetric = made[0].symmetric
    room = np.empty((len(made), min(BLOCK, n) * n))
    for start in range(0, n, BLOCK):
        stop = min(start + BLOCK, n)
        first = start if symmetric else 0
        flat = room[:, : (stop - start) * (n - first)]
        blocks = flat.reshape(len(made), stop - start, n - first)  # no copy
        for matrix, block in zip(made, blocks, strict=True):
            matrix.block(start, stop, block)
        if matrices is not None:
            matrices[:, start:stop, first:] = blocks
        if symmetric:
            off = blocks[:, :, stop - start :]  # counts twice
            if matrices is not None:
                matrices[:, stop:, start:stop] = off.swapaxes(1, 2)
            off *= np.sqrt(2)
        inner += flat @ flat.T
    return inner


def cosines(inner) -> np.ndarray:
    """Products (..., count, count) over the roots of their diagonals; NaN where one is not > 0."""
    own = np.einsum("...aa->...a", inner)
    roots = np.sqrt(np.where(own > 0, own, np.nan))
    scaled = np.clip(inner / roots[..., :, None] / roots[..., None, :], -1, 1)
    each = np.arange(inner.shape[-1])
    scaled[..., each, each] = np.where(own > 0, 1.0, np.nan)  # whatever the last bit of the roots
    return scaled
