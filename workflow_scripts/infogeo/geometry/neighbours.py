"""Exact distances to nearest neighbours, by blocked matrix products.

Products of centred rows in float32 say which rows may be the r-th neighbour of a row: their error
has a proven bound. The distances of these few are then computed in float64 from the differences of
the rows. So a value is that of a float64 brute force, at the price of float32 products; where
float32 would leave too many candidates, a block is done again in float64.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from infogeo.files.errors import InfogeoError

BLOCK = 2048  # rows and columns of a block of products
PAIR_BYTES = 2**21  # float64 differences of the pairs that are treated at once; they fit the cache
CANDIDATES = (
    8  # times the largest rank: candidates of a row, on average, beyond which float64 is used
)


def merge_duplicates(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct rows of a matrix, in the order in which they first occur.

    Parameters
    ----------
    points : (N, d) float array

    Returns
    -------
    first : (distinct,) int array
        The first of the rows that are equal.
    distinct_of : (N,) int array
        For each row, its place in `first`.
    """
    rows = np.ascontiguousarray(points + np.zeros(1, points.dtype))  # −0 becomes 0
    _, first, inverse = np.unique(
        rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1])))[:, 0],
        return_index=True,
        return_inverse=True,
    )
    order = np.argsort(first)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return first[order], place[inverse]


def nearest_neighbours(points: np.ndarray, ranks, groups=None) -> tuple[np.ndarray, np.ndarray]:
    """Distances of every row to its r-th nearest neighbours, for some ranks r, and which they are.

    Parameters
    ----------
    points : (N, d) float32 or float64 array
        Finite.
    ranks : sequence of int
        1 is the nearest row.
    groups : (N,) int array, optional
        Rows of one group are no neighbours of each other. Default: every row is a neighbour of all
        others.

    Returns
    -------
    distances : (N, ranks) float64 array
    nearest : (N, largest rank) int array
        Neighbours from near to far. The first r are those of the r smallest distances for each of
        the ranks; between two of them the order is that of float32.

    Raises
    ------
    InfogeoError
        Where a row has fewer neighbours than the largest rank.

    Notes
    -----
    Memory is that of a few blocks of 2,048 × 2,048 numbers and of O(N (d + largest rank)). Products
    of centred rows with unit roundoff u give a squared distance an error of at most
    (d + 8) u (‖x‖² + ‖y‖²). Source: Higham, Accuracy and Stability of Numerical Algorithms,
    section 3.1.

    Verified against a float64 brute force to the last bits: with large common means, with rows of
    very different norms, ties, and groups.
    """
    ranks = np.asarray(ranks)
    groups = np.arange(len(points)) if groups is None else np.asarray(groups)
    _require_neighbours(groups, int(ranks.max()))
    order = np.argsort(groups, kind="stable")
    rows = _Rows.of(points[order], groups[order])
    distances = np.empty((len(points), len(ranks)))
    nearest = np.empty((len(points), ranks.max()), np.int64)
    for start in range(0, len(points), BLOCK):
        block = slice(start, min(start + BLOCK, len(points)))
        distances[order[block]], places = _of_block(rows, block, ranks)
        nearest[order[block]] = order[places]
    return distances, nearest


def fewest_neighbours(groups) -> int:
    """How many rows are not of its group, for the row that has fewest of them."""
    return len(groups) - int(np.unique(groups, return_counts=True)[1].max(initial=0))


def _require_neighbours(groups: np.ndarray, rank: int) -> None:
    fewest = fewest_neighbours(groups)
    if fewest < rank:
        raise InfogeoError(
            f"neighbours: rank {rank} of {len(groups)} rows is asked for, and a row has {fewest} "
            "others that are not of its group. Use more rows, or smaller ranks."
        )


@dataclass(frozen=True)
class _Rows:
    """Rows ordered by group.

    Attributes
    ----------
    points : (N, d) float array
    centred : (N, d) float64 array
        Less their mean, scaled so that the largest coordinate is near 1.
    scale : float
        What they were divided by, a power of two.
    squares : (N,) float64 array
        Squared norms of the centred rows.
    starts, stops : (N,) int arrays
        The range of the rows that are of the same group as each.
    """

    points: np.ndarray
    centred: np.ndarray
    scale: float
    squares: np.ndarray
    starts: np.ndarray
    stops: np.ndarray

    @classmethod
    def of(cls, points: np.ndarray, groups: np.ndarray) -> "_Rows":
        centred = points - points.mean(axis=0, dtype=np.float64)
        scale = 2.0 ** np.ceil(np.log2(np.abs(centred).max(initial=0.0) or 1.0))
        centred /= scale
        squares = np.einsum("nd,nd->n", centred, centred)
        starts, stops = (np.searchsorted(groups, groups, side) for side in ("left", "right"))
        return cls(points, centred, scale, squares, starts, stops)


def _of_block(rows: _Rows, block: slice, ranks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distances of the rows of a block at some ranks, and their neighbours from near to far."""
    most = CANDIDATES * int(ranks.max())
    low, high, columns = _candidates(rows, block, int(ranks.max()), np.float32)
    if np.count_nonzero(columns >= 0) > most * len(low):
        low, high, columns = _candidates(rows, block, int(ranks.max()), np.float64)
    order = np.argsort(low, axis=1)
    low, high, columns = (np.take_along_axis(part, order, 1) for part in (low, high, columns))
    # The r-th smallest exact value is between the r-th smallest lower bound and the r-th smallest
    # upper one. Where all whose own bounds meet that range are exact, so is the r-th of all.
    exact, ends = np.zeros(low.shape, bool), np.sort(high, axis=1)
    for rank in ranks:
        exact |= (low <= ends[:, [rank - 1]]) & (high >= low[:, [rank - 1]]) & (columns >= 0)
    at, place = np.nonzero(exact)
    low[at, place] = _squared_distances(rows, block.start + at, columns[at, place])
    order = np.argsort(low, axis=1)[:, : ranks.max()]
    low, columns = (np.take_along_axis(part, order, 1) for part in (low, columns))
    return rows.scale * np.sqrt(low[:, ranks - 1]), columns


def _candidates(rows: _Rows, block: slice, rank: int, kind: type):
    """The rows among which the first `rank` neighbours of each row of a block are.

    Returns
    -------
    low, high : (rows, most) float64 arrays
        Bounds of the squared distance; ∞ where a row has fewer candidates than another.
    columns : (rows, most) int array
        Which they are; −1 likewise.
    """
    left = (-2 * rows.centred[block]).astype(kind)
    error = (rows.points.shape[1] + 8) * np.finfo(kind).eps / 2
    low, high, columns = (np.empty((len(left), 0), dtype) for dtype in (kind, kind, np.int64))
    limit = np.full((len(left), 1), np.inf, kind)
    below, above = ((1 + sign * error) * rows.squares for sign in (-1, 1))
    # Beside the error of the bounds themselves; what is lost below the smallest number too.
    margin = (above - below + 1e-30).astype(kind)
    for start in range(0, len(rows.points), BLOCK):
        others = slice(start, min(start + BLOCK, len(rows.points)))
        products = left @ rows.centred[others].astype(kind).T
        products += below[others].astype(kind)
        _leave_out(products, rows, block, others)
        if not start and len(products[0]) > rank:
            limit = np.partition(products + margin[others], rank - 1, axis=1)[:, [rank - 1]]
            limit += margin[block, None]
        at, chosen = np.divmod(np.flatnonzero(products <= limit), products.shape[1])
        bounds = products[at, chosen]
        parts = (bounds, bounds + margin[others][chosen] + margin[block][at], start + chosen)
        low, high, columns = (
            np.concatenate([known, _padded(at, part, len(left), fill)], axis=1)
            for known, part, fill in zip(
                (low, high, columns), parts, (np.inf, np.inf, -1), strict=True
            )
        )
        if low.shape[1] > rank:
            limit = np.minimum(limit, np.partition(high, rank - 1, axis=1)[:, [rank - 1]])
    near = low <= limit
    at, place = np.nonzero(near & (columns >= 0))
    low, high, columns = (
        _padded(at, part[at, place], len(left), fill)
        for part, fill in zip((low, high, columns), (np.inf, np.inf, -1), strict=True)
    )
    shift = below[block, None]
    return low + shift, high + shift, columns


def _leave_out(products, rows: _Rows, block: slice, others: slice) -> None:
    """Set to ∞ what is of the same group."""
    starts = np.maximum(rows.starts[block] - others.start, 0).tolist()
    stops = np.maximum(rows.stops[block] - others.start, 0).tolist()
    for row, start, stop in zip(products, starts, stops, strict=True):
        row[start:stop] = np.inf


def _padded(at: np.ndarray, values: np.ndarray, count: int, fill) -> np.ndarray:
    """Values of rows `at` (rising) as a matrix (count, most of a row), filled up behind them."""
    counts = np.bincount(at, minlength=count)
    table = np.full((count, counts.max(initial=0)), fill, values.dtype)
    table[at, np.arange(len(at)) - np.repeat(np.cumsum(counts) - counts, counts)] = values
    return table


def _squared_distances(rows: _Rows, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Squared distances of pairs of rows, in the scale of the centred ones, from differences."""
    squares = np.empty(len(first))
    for part in _slices(len(first), max(1, PAIR_BYTES // (8 * rows.points.shape[1]))):
        differences = rows.points[first[part]].astype(np.float64)
        differences -= rows.points[second[part]]
        differences /= rows.scale
        squares[part] = np.einsum("nd,nd->n", differences, differences)
    return squares


def _slices(length: int, size: int) -> Iterator[slice]:
    for start in range(0, length, size):
        yield slice(start, start + size)
