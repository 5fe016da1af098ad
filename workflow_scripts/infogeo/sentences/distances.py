"""Distances between whole texts: of their covariances, of their means, and without any model.

Z (m, n, d) holds the first n tokens of m texts. The density matrix of a text is the covariance
``ρ = ẐᵀẐ/n`` of its normalised rows, trace 1, in two conventions: ``unit`` (rows scaled to unit
norm) and ``centred`` (the token mean removed first). The centred one knows nothing of the mean
embedding, so that it alone can show that covariance says more than the mean.

Rows without a direction are left out. A text of which no row is left has ρ = 0: it lies at JS = ½
ln 2 and Bures distance 1 from every text that has one, and at 0 from its like. Both formulas give
this for matrices of any trace.
"""

import math
from typing import NamedTuple

import numpy as np

from infogeo.files.errors import InfogeoError
from infogeo.geometry.eigenvalues import loops_pay, side_by_side, singular_values_for_stacks
from infogeo.geometry.rows import ROUNDING, check_finite, squared_norms, unit_norm, unit_scale
from infogeo.geometry.spectra import CANCELLATION
from infogeo.jobs.progress import Heartbeat

DISTANCES = (
    "js_unit", "js_centred", "bures_unit", "bures_centred",
    "cosine", "cosine_centred", "euclidean",
)  # fmt: skip
# Of untrained twins, and without the first tokens: singular values of every pair cost too much.
CHEAPER = tuple(name for name in DISTANCES if not name.startswith("bures"))
BASELINES = ("length", "bag_of_words")

STACK_BYTES = 2**23  # of the matrices whose eigenvalues are taken together, or those of one text
BLOCK_BYTES = 2**26  # float64 of two blocks of texts, their products and the matrices of a row


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
        Nats, in [0, ln 2] up to rounding (about 1e-14, so √JS to about 1e-7 where it is 0);
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
    return covariance_distances(Z, {(convention, "in"): ("js",)})["js", convention, "in"]


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
    return covariance_distances(Z, {(convention, "in"): ("bures",)})["bures", convention, "in"]


def covariance_distances(Z, kinds: dict) -> dict[tuple[str, str, str], np.ndarray]:
    """JS and Bures distances in several conventions, with the first rows of the texts and without.

    Parameters
    ----------
    Z
        As in `jensen_shannon`.
    kinds : dict of (convention, first) to collection of {"js", "bures"}
        What is measured in each. first: of all rows (``in``), or of all but the first (``out``).

    Returns
    -------
    dict of (kind, convention, first) to (m, m) float64 array
        What `jensen_shannon` and `bures` return, of these rows.

    Raises
    ------
    InfogeoError
        Where Z holds a value that is not finite.

    Notes
    -----
    Where n ≤ d, two blocks of texts are multiplied once for all: without the first rows it is a
    block of that. Centring takes the means of its rows and columns away, unless cancellation would
    bite (as in `infogeo.geometry.spectra`).
    """
    Z = np.asarray(Z)
    check_finite(Z, "hidden states")
    m, n, d = Z.shape
    whole = {(kind, *view): np.zeros((m, m)) for view, some in kinds.items() for kind in some}
    step = _texts_per_block(n, d, len(kinds))
    starts = range(0, m, step)

    def texts(start: int) -> _Texts:
        return _Texts(Z[start : start + step], kinds)

    own = [texts(start).entropies() for start in starts]
    entropies = {view: np.concatenate([part[view] for part in own]) for view in own[0]}  # (m,)
    pairs, done, order = m * (m - 1) // 2, 0, min(2 * n, d)
    pay = loops_pay({order: pairs * sum("js" in some for some in kinds.values())}, order)
    eigenvalues = side_by_side if pay else np.linalg.eigvalsh
    of_products = singular_values_for_stacks(pairs, min(n, d))
    beat = Heartbeat("distances of covariances", pairs, "pairs")
    for start in starts:
        left = texts(start)
        for other in starts[start // step :]:
            same = other == start
            right = left if same else texts(other)
            block = slice(start, start + step), slice(other, other + step)
            products = right.products(left)
            for view, some in kinds.items():
                ours, theirs = left.blocks[view], right.blocks[view]
                cross = theirs.cross(ours, products)
                if "js" in some:
                    own = entropies[view]
                    mean = (own[block[0], None] + own[block[1]]) / 2
                    whole["js", *view][block] = (
                        _mixed_entropies(ours, theirs, cross, same, eigenvalues) - mean
                    )
                if "bures" in some:
                    whole["bures", *view][block] = _bures(ours, theirs, cross, same, of_products)
            done += len(left) * (len(left) - 1) // 2 if same else len(left) * len(right)
            beat.update(done)
    upper = {key: np.triu(matrix, 1) for key, matrix in whole.items()}
    return {key: np.maximum(half + half.T, 0) for key, half in upper.items()}


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
        scaled = _scaled(Z[None], convention)
        # Zero rows change no product.
        rows = np.pad(scaled.rows, ((0, 0), (0, longest - len(Z)), (0, 0)))
        blocks.append(_Block(scaled._replace(rows=rows), (kind,)))
    left, right = blocks
    cross = right.cross(left)
    if kind == "bures":
        of_one = singular_values_for_stacks(1, longest)
        return float(_bures(left, right, cross, False, of_one)[0, 0])
    mixed = _mixed_entropies(left, right, cross, False, np.linalg.eigvalsh)
    return float(np.maximum(mixed - (_entropy(left.own) + _entropy(right.own)) / 2, 0)[0, 0])


def _texts_per_block(n: int, d: int, views: int) -> int:
    """Texts such that rows take half of BLOCK_BYTES, and products a quarter.

    Rows are there as they are and in every one of some views, of two blocks; of products two may
    lie beside each other.
    """
    numbers = BLOCK_BYTES // (4 * 8)
    return max(1, min(numbers // ((1 + views) * n * d), math.isqrt(numbers // 2) // min(n, d)))


class _Scaled(NamedTuple):
    """Rows of texts that make ρ of trace 1.

    Attributes
    ----------
    rows : (texts, n, d) array
    scale : (texts, n) array
        What they were multiplied by, after centring.
    traces : (texts,) array
        1, or 0 where no row has a direction.
    centred : bool
    cancels : bool
        Whether to centre products of rows, rather than rows, costs too many digits.
    """

    rows: np.ndarray
    scale: np.ndarray
    traces: np.ndarray
    centred: bool
    cancels: bool


def _scaled(Z, convention) -> _Scaled:
    """Rows of texts (texts, n, d) in a convention."""
    rows, floor, cancels = np.asarray(Z, np.float64), 0.0, False
    centred = convention == "centred"
    if centred:
        largest = squared_norms(rows).max(axis=-1, keepdims=True)
        floor = ROUNDING * largest
        rows = rows - rows.mean(axis=1, keepdims=True)
        smallest = squared_norms(rows).min(axis=-1, keepdims=True)
        cancels = bool((largest > CANCELLATION * smallest).any())
    scale = unit_scale(rows, floor)
    count = (scale > 0).sum(axis=-1)
    scale /= np.sqrt(np.maximum(count, 1))[:, None]
    return _Scaled(rows * scale[..., None], scale, (count > 0).astype(float), centred, cancels)


class _Texts:
    """Some texts: their rows, and a `_Block` of each convention, with the first rows or without.

    Parameters
    ----------
    Z : (texts, n, d) array
    kinds : dict
        See `covariance_distances`.
    """

    def __init__(self, Z, kinds: dict):
        self.rows = np.asarray(Z, np.float64)
        self.blocks = {
            (convention, first): _Block(
                _scaled(self.rows[:, 1:] if first == "out" else self.rows, convention), some
            )
            for (convention, first), some in kinds.items()
        }

    def __len__(self):
        return len(self.rows)

    def entropies(self) -> dict:
        """S(ρ) of each text, by convention and first, where JS is measured."""
        own = {view: block.own for view, block in self.blocks.items()}
        return {view: _entropy(matrices) for view, matrices in own.items() if matrices is not None}

    def products(self, other):
        """Products of these rows with those of other texts where a block takes them: (texts, n,
        others, n)."""
        pairs = zip(self.blocks.values(), other.blocks.values(), strict=True)
        if any(block.takes_products(own) for block, own in pairs):
            return _product(self.rows, other.rows)
        return None


class _Block:
    """Some texts in one convention: their rows, and the matrices whose spectrum is that of ρ.

    Parameters
    ----------
    scaled : _Scaled
    kinds : collection of {"js", "bures"}

    Attributes
    ----------
    rows : (texts, r, d) array
        ``rowsᵀ rows = ρ``; r = n, but d where the product of rows is that of QR factors.
    own : (texts, n, n) or (texts, d, d) array or None
        The Gram matrix where pairs take the dual form, else ρ. None where JS is not measured.
    """

    def __init__(self, scaled: _Scaled, kinds):
        self.scaled, self.rows = scaled, scaled.rows
        n, d = self.rows.shape[1:]
        self.dual = 2 * n <= d
        self.crossed = self.dual or "bures" in kinds  # whether products of rows are needed
        self.own = None
        if "js" in kinds:
            transposed = self.rows.swapaxes(1, 2)
            self.own = self.rows @ transposed if self.dual else transposed @ self.rows
        if self.crossed and d < n:
            self.rows = np.linalg.qr(self.rows, mode="r")  # (texts, d, d), of the same ρ

    def takes_products(self, other) -> bool:
        """Whether `cross` follows from the product of rows that are neither centred nor scaled."""
        n, d = self.scaled.rows.shape[1:]
        return self.crossed and n <= d and not (self.scaled.cancels or other.scaled.cancels)

    def cross(self, other, products=None):
        """Gram matrices of these rows with those of a text of another block.

        Parameters
        ----------
        other : _Block
        products : (texts, n, others, n) array, optional
            From `_Texts.products`; n may count the first rows, which the blocks are without.

        Returns
        -------
        callable
            (text of the other block, first text of this one) → (texts, r, r): one text at a time,
            which fits the cache. None where no pair needs it.
        """
        if not self.crossed:
            return None
        if products is None or not self.takes_products(other):
            gram = _product(self.rows, other.rows)
            return lambda i, start: gram[start:, :, i]
        first = products.shape[1] - self.rows.shape[1]
        gram = products[:, first:, :, first:]

        def of_text(i: int, start: int):
            pairs = gram[start:, :, i]
            if self.scaled.centred:
                means = pairs.mean(axis=1, keepdims=True)
                pairs = pairs - means
                pairs -= pairs.mean(axis=2, keepdims=True)
            return pairs * (self.scaled.scale[start:, :, None] * other.scaled.scale[i])

        return of_text


def _product(rows, others):
    """rows (texts, r, d) times others (others, r, d): (texts, r, others, r)."""
    (m, r, d), k = rows.shape, len(others)
    return (rows.reshape(m * r, d) @ others.reshape(k * r, d).T).reshape(m, r, k, r)


def _mixed_entropies(left, right, cross, same: bool, eigenvalues):
    """S((ρ₁ + ρ₂)/2) of the texts of two blocks, (left, right); of one block above the diagonal."""
    mixed = np.zeros((len(left.rows), len(right.rows)))
    order = (2 if left.dual else 1) * left.own.shape[-1]
    together = max(1, STACK_BYTES // (8 * order**2) // len(right.rows))
    for start in range(0, len(left.rows), together):
        rows = range(start, min(start + together, len(left.rows)))
        firsts = [i + 1 if same else 0 for i in rows]
        sizes = [len(right.rows) - first for first in firsts]
        ends = np.cumsum(sizes)
        both = np.zeros((ends[-1], order, order))  # the lower triangles alone are read
        for i, first, end, size in zip(rows, firsts, ends, sizes, strict=True):
            part = both[end - size : end]
            if not left.dual:
                np.add(left.own[i], right.own[first:], out=part)
                continue
            n = order // 2
            part[:, :n, :n] = left.own[i]
            part[:, n:, :n] = cross(i, first)
            part[:, n:, n:] = right.own[first:]
        entropies = _entropy(both, 0.5, eigenvalues)
        for i, first, end, size in zip(rows, firsts, ends, sizes, strict=True):
            mixed[i, first:] = entropies[end - size : end]
    return mixed


def _bures(left, right, cross, same: bool, singular):
    """Bures distances of the texts of two blocks, (left, right); of one above the diagonal."""
    distance = np.zeros((len(left.rows), len(right.rows)))
    for i in range(len(left.rows)):
        first = i + 1 if same else 0
        fidelity = singular(cross(i, first)).sum(axis=-1)
        squares = left.scaled.traces[i] + right.scaled.traces[first:] - 2 * fidelity
        distance[i, first:] = np.sqrt(np.maximum(squares, 0))
    return distance


def _entropy(matrices, weight=1.0, eigenvalues=None):
    """Von Neumann entropy (k,) of symmetric matrices (k, r, r) times a weight, nats.

    By LAPACK, or another function that takes eigenvalues.
    """
    spectra = weight * (eigenvalues or np.linalg.eigvalsh)(matrices)
    # Below 0 by rounding alone; 0 ln 0 = 0.
    logs = np.log(np.where(spectra > 0, spectra, 1.0))
    return -np.sum(spectra * logs, axis=-1)


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
