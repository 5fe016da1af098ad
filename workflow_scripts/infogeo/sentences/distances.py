"""Distances between whole texts: of their covariances, of their means, and without any model.

Z (m, n, d) holds the first n tokens of m texts. The density matrix of a text is the covariance
``ρ = ẐᵀẐ/n`` of its normalised rows, trace 1, in two conventions: ``unit`` (rows scaled to unit
norm) and ``centred`` (the token mean removed first). The centred one knows nothing of the mean
embedding, so that it alone can show that covariance says more than the mean.

Rows without a direction are left out. A text of which no row is left has ρ = 0: it lies at
JS = ½ ln 2 and Bures distance 1 from every text that has one, and at 0 from its like, which is
what both formulas say of matrices of any trace.
"""

import math

import numpy as np

from infogeo.files.errors import InfogeoError
from infogeo.geometry.rows import ROUNDING, check_finite, unit_norm
from infogeo.jobs.progress import Heartbeat

DISTANCES = (
    "js_unit", "js_centred", "bures_unit", "bures_centred",
    "cosine", "cosine_centred", "euclidean",
)  # fmt: skip
TWIN_DISTANCES = tuple(name for name in DISTANCES if not name.startswith("bures"))
BASELINES = ("length", "bag_of_words")

BLOCK_BYTES = 2**27  # float64 of two blocks of texts, their products and the matrices of a row


# ---------------------------------------------------------------- covariances


def jensen_shannon(Z, convention: str) -> np.ndarray:
    """Quantum Jensen–Shannon divergence of the covariances of every two texts.

    ``JS(ρ₁, ρ₂) = S((ρ₁ + ρ₂)/2) − (S(ρ₁) + S(ρ₂))/2`` with ``S(ρ) = −tr ρ ln ρ`` (Majtey,
    Lamberti and Prato 2005, quant-ph/0508138; of the covariances of texts: 2402.03471). √JS is a
    distance (Virosztek 2021, 1910.10447).

    Parameters
    ----------
    Z : (m, n, d) array
        Hidden states of m texts, a row a token; finite, cast to float64 before any product.
    convention : {"unit", "centred"}

    Returns
    -------
    (m, m) float64 array
        Nats, in [0, ln 2] up to rounding (about 1e-15, so √JS to about 3e-8 where it is 0);
        symmetric, the diagonal 0. Clipped at 0.

    Raises
    ------
    InfogeoError
        Where Z holds a value that is not finite.

    Notes
    -----
    Where 2n ≤ d, the non-zero spectrum of the mean of two covariances is that of the 2n × 2n Gram
    matrix of both texts' rows; else it is taken of the d × d mean. Blocks of texts bound the
    memory; their size changes rounding alone.

    Verified against d × d eigendecompositions to 1e-9 for n < d, n > d and n < d < 2n, and against
    scipy's classical Jensen–Shannon distance where covariances commute.
    """
    return covariance_distances(Z, convention, ("js",))["js"]


def bures(Z, convention: str) -> np.ndarray:
    """Bures distance of the covariances of every two texts.

    ``√(2 − 2F)`` with the fidelity ``F = tr √(√ρ₁ ρ₂ √ρ₁) = ‖Ẑ₁Ẑ₂ᵀ‖_* / √(n₁n₂)`` (Bhatia, Jain
    and Lim 2019, 1712.01504).

    Parameters
    ----------
    Z, convention
        As in `jensen_shannon`.

    Returns
    -------
    (m, m) float64 array
        In [0, √2]; symmetric, the diagonal 0. Near 0 exact to about 3e-8, as any root of a
        difference.

    Raises
    ------
    InfogeoError
        Where Z holds a value that is not finite.

    Notes
    -----
    Verified against the definition by ``scipy.linalg.sqrtm``.
    """
    return covariance_distances(Z, convention, ("bures",))["bures"]


def covariance_distances(Z, convention, kinds) -> dict[str, np.ndarray]:
    """JS, Bures distance or both, which then share the product of two blocks of texts.

    Parameters
    ----------
    Z, convention
        As in `jensen_shannon`.
    kinds : collection of {"js", "bures"}

    Returns
    -------
    dict of str to (m, m) float64 array
        Kind → what `jensen_shannon` and `bures` return.

    Raises
    ------
    InfogeoError
        Where Z holds a value that is not finite.
    """
    Z = np.asarray(Z)
    check_finite(Z, "hidden states")
    m, n, d = Z.shape
    upper = {kind: np.zeros((m, m)) for kind in kinds}
    step = _texts_per_block(n, d)
    starts = range(0, m, step)
    beat, done = Heartbeat(f"distances, {convention}", m * (m - 1) // 2, "pairs"), 0

    def block(start: int) -> _Block:
        return _Block(*_scaled(Z[start : start + step], convention), kinds)

    if "js" in kinds:
        entropies = np.concatenate([_entropy(block(start).own) for start in starts])  # (m,)
    for start in starts:
        left = block(start)
        for other in starts[start // step :]:
            same = other == start
            right = left if same else block(other)
            gram = right.products(left)
            for i in range(len(left.rows)):
                first = i + 1 if same else 0
                row, columns = start + i, slice(other + first, other + len(right.rows))
                done += len(right.rows) - first
                cross = None if gram is None else gram[first:, :, i]  # (texts, r, r)
                if "js" in kinds:
                    mean = (entropies[row] + entropies[columns]) / 2
                    upper["js"][row, columns] = _mixed_entropy(left, i, right, first, cross) - mean
                if "bures" in kinds:
                    upper["bures"][row, columns] = _bures(left, i, right, first, cross)
                beat.update(done)
    return {kind: np.maximum(half + half.T, 0) for kind, half in upper.items()}


def distance_of_two(one, other, convention: str, kind: str) -> float:
    """`jensen_shannon` or `bures` of two texts, which may differ in length.

    Parameters
    ----------
    one, other : (n, d) and (m, d) arrays
        Hidden states, a row a token; finite.
    convention : {"unit", "centred"}
    kind : {"js", "bures"}

    Raises
    ------
    InfogeoError
        Where a value is not finite.
    """
    longest = max(len(one), len(other))
    blocks = []
    for Z in (one, other):
        Z = np.asarray(Z)
        check_finite(Z, "hidden states")
        rows, traces = _scaled(Z[None], convention)
        # Zero rows change no product.
        rows = np.pad(rows, ((0, 0), (0, longest - len(Z)), (0, 0)))
        blocks.append(_Block(rows, traces, (kind,)))
    left, right = blocks
    gram = right.products(left)
    cross = None if gram is None else gram[:, :, 0]
    if kind == "bures":
        return float(_bures(left, 0, right, 0, cross)[0])
    mean = (_entropy(left.own) + _entropy(right.own)) / 2
    return float(np.maximum(_mixed_entropy(left, 0, right, 0, cross) - mean, 0)[0])


def _texts_per_block(n: int, d: int) -> int:
    """Texts such that rows take half of BLOCK_BYTES, and products a quarter."""
    numbers = BLOCK_BYTES // (4 * 8)
    return max(1, min(numbers // (n * d), math.isqrt(numbers) // min(n, d)))


class _Block:
    """Some texts: their scaled rows, and the matrices whose spectrum is that of ρ.

    Parameters
    ----------
    rows, traces
        From `_scaled`.
    kinds : collection of {"js", "bures"}

    Attributes
    ----------
    rows : (texts, r, d) array
        ``rowsᵀ rows = ρ``; r = n, but d where the product of rows is that of QR factors.
    own : (texts, n, n) or (texts, d, d) array
        The Gram matrix where pairs take the dual form, else ρ.
    traces : (texts,) array
        1, or 0 where no row has a direction.
    """

    def __init__(self, rows, traces, kinds):
        self.rows, self.traces = rows, traces
        n, d = rows.shape[1:]
        self.dual = 2 * n <= d
        self.crossed = self.dual or "bures" in kinds  # whether products of rows are needed
        if "js" in kinds:
            transposed = self.rows.swapaxes(1, 2)
            self.own = self.rows @ transposed if self.dual else transposed @ self.rows
        if self.crossed and d < n:
            self.rows = np.linalg.qr(self.rows, mode="r")  # (texts, d, d), of the same ρ

    def products(self, other):
        """Gram matrix of these rows with those of other texts: (texts, r, others, r)."""
        if not self.crossed:
            return None
        (m, r, d), others = self.rows.shape, len(other.rows)
        gram = self.rows.reshape(m * r, d) @ other.rows.reshape(others * r, d).T
        return gram.reshape(m, r, others, r)


def _scaled(Z, convention):
    """Rows (texts, n, d) that make ρ of trace 1, and that trace, 0 where no row is left."""
    rows, floor = np.asarray(Z, np.float64), 0.0
    if convention == "centred":
        squares = np.einsum("...d,...d->...", rows, rows)
        floor = ROUNDING * squares.max(axis=-1, keepdims=True)
        rows = rows - rows.mean(axis=1, keepdims=True)
    rows = unit_norm(rows, floor)
    count = rows.any(axis=-1).sum(axis=-1)
    rows /= np.sqrt(np.maximum(count, 1))[:, None, None]
    return rows, (count > 0).astype(float)


def _mixed_entropy(left, i, right, first, cross):
    """S((ρ₁ + ρ₂)/2) of text i of one block with those from `first` on of another. (texts,)"""
    if not left.dual:
        return _entropy(left.own[i] + right.own[first:], 0.5)
    n = cross.shape[-1]
    both = np.zeros((len(cross), 2 * n, 2 * n))  # its lower triangle alone is read
    both[:, :n, :n] = left.own[i]
    both[:, n:, :n] = cross
    both[:, n:, n:] = right.own[first:]
    return _entropy(both, 0.5)


def _bures(left, i, right, first, cross):
    """Bures distances of text i of one block from those from `first` on of another. (texts,)"""
    fidelity = np.linalg.svd(cross, compute_uv=False).sum(axis=-1)
    squares = left.traces[i] + right.traces[first:] - 2 * fidelity
    return np.sqrt(np.maximum(squares, 0))


def _entropy(matrices, weight=1.0):
    """Von Neumann entropy (...) of symmetric matrices (..., r, r) times a weight, nats."""
    eigenvalues = weight * np.linalg.eigvalsh(matrices)
    # Below 0 by rounding alone; 0 ln 0 = 0.
    logs = np.log(np.where(eigenvalues > 0, eigenvalues, 1.0))
    return -np.sum(eigenvalues * logs, axis=-1)


# ---------------------------------------------------------------- means, and no model


def mean_distances(means) -> dict[str, np.ndarray]:
    """Distances of mean embeddings.

    Parameters
    ----------
    means : (m, d) array
        Finite.

    Returns
    -------
    dict of str to (m, m) float64 array
        ``cosine``: 1 − cosine; ``cosine_centred``: the same after the mean over all texts is
        removed, the usual mend where all embeddings share a direction (Mu and Viswanath 2018,
        1702.01417); ``euclidean``. Symmetric, the diagonal 0. A mean without a direction has
        cosine 0 with every other one.

    Notes
    -----
    Verified against scipy.spatial.distance.
    """
    means = np.asarray(means, np.float64)
    centre = means.mean(axis=0)
    floor = ROUNDING * np.einsum("md,md->m", means, means).max()
    return {
        "cosine": _cosine(unit_norm(means)),
        "cosine_centred": _cosine(unit_norm(means - centre, floor)),
        # Not by a Gram matrix, whose differences cancel where texts are near each other.
        "euclidean": np.stack([np.linalg.norm(means - mean, axis=1) for mean in means]),
    }


def _cosine(rows):
    """1 − cosine of unit rows (m, d), the diagonal 0. (m, m)"""
    distance = np.clip(1 - rows @ rows.T, 0, 2)
    np.fill_diagonal(distance, 0)
    return distance


def bag_of_words(token_ids) -> np.ndarray:
    """1 − cosine of the token counts of texts.

    Parameters
    ----------
    token_ids : (m, n) int array

    Returns
    -------
    (m, m) float64 array
        In [0, 1]; 0 exactly where the counts are proportional, 1 where no token is shared.

    Notes
    -----
    Verified against scikit-learn's cosine_distances of counts.
    """
    from scipy import sparse  # here, since imports of it take longer than all others together

    token_ids = np.asarray(token_ids)
    _, codes = np.unique(token_ids, return_inverse=True)
    text = np.repeat(np.arange(len(token_ids)), token_ids.shape[1])
    counts = sparse.coo_array((np.ones(token_ids.size), (text, codes.ravel()))).tocsr()
    gram = (counts @ counts.T).toarray()  # whole numbers, exact
    squares = np.diagonal(gram)
    return 1 - gram / np.sqrt(squares[:, None] * squares)


def length(byte_counts) -> np.ndarray:
    """|ln b₁ − ln b₂| of the bytes of texts.

    Parameters
    ----------
    byte_counts : (m,) int array

    Returns
    -------
    (m, m) float64 array

    Raises
    ------
    InfogeoError
        Where a text has no byte.
    """
    byte_counts = np.asarray(byte_counts)
    if (byte_counts <= 0).any():
        raise InfogeoError(
            f"sentence study: the tokens of {np.count_nonzero(byte_counts <= 0)} texts cover no "
            "byte of text. Raise sentences.n, or leave such texts out of the corpus."
        )
    logs = np.log(byte_counts)
    return np.abs(logs[:, None] - logs)
