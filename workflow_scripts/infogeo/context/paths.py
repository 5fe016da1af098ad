"""Paths on which tokens are chosen for the last one: Lasso's and orthogonal matching pursuit's.

Everything is done in Gram form. A path runs on one symmetric tableau that holds what is needed of
its least squares at every point, several problems at once; choosing on half of the coordinates
then costs a Gram of that half and no more.
"""

import numpy as np

SINKS = ("free", "forced", "excluded")
# Of the largest squared norm: what a token's residual must exceed for it to be more than a
# combination of chosen ones. Of the first correlation: where a path ends, all being explained.
TOLERANCE = 1e-10


def first_candidate(sink: str) -> int:
    """The first token that may be chosen: with another sink than free, token 0 may not."""
    if sink not in SINKS:
        raise ValueError(sink)
    return 0 if sink == "free" else 1


def tableau_of(gram, sink: str):
    """Gram matrices of candidates and target (last), and squares that are rounding only.

    (B, n, n) → (B, m + 1, m + 1), (B, 1)
    """
    first = first_candidate(sink)
    floor = TOLERANCE * np.diagonal(gram, axis1=1, axis2=2).max(axis=1)[:, None]
    tableau = gram[:, first:, first:].copy()
    if sink == "forced":  # what token 0 explains is taken out of all others
        row, square = gram[:, 0, first:], gram[:, 0, :1]
        scaled = np.divide(row, square, out=np.zeros_like(row), where=square > floor)
        tableau -= row[:, :, None] * scaled[:, None, :]
    return tableau, floor


def _sweep(tableau, pivots, direction) -> None:
    """Move a token of each problem into (direction 1) or out of (−1) its regression, in place.

    For a set A that is in, and J that is not, the tableau holds −C_AA⁻¹, C_JA C_AA⁻¹ and
    C_JJ − C_JA C_AA⁻¹ C_AJ. The target is a column like others: coefficients of least squares in
    rows of A, inner products with the residual in rows of J. A problem of direction 0 is done, and
    what its tableau holds is of no use any more.
    """
    each = np.arange(len(tableau))
    column = tableau[each, :, pivots] * np.abs(direction)[:, None]  # (B, m + 1)
    pivot = np.where(direction, column[each, pivots], 1.0)[:, None]
    scaled = column / pivot
    tableau -= column[:, :, None] * scaled[:, None, :]
    scaled *= direction[:, None]
    tableau[each, :, pivots] = scaled
    tableau[each, pivots, :] = scaled
    tableau[each, pivots, pivots] = -1 / pivot[:, 0]


def _squares(tableau) -> np.ndarray:
    """Squared norms of the candidates' residuals, of those that are not in. (B, m)."""
    return np.diagonal(tableau, axis1=1, axis2=2)[:, :-1]


def _rest(tableau, floor) -> np.ndarray:
    """Candidates by |inner product with the target|, largest first, zero rows last. (B, m)."""
    products = np.abs(tableau[:, :-1, -1])
    return descending(np.where(_squares(tableau) > floor, products, -1.0))


def lasso(tableau, floor, sizes):
    """Supports and coefficients on the Lasso paths of several problems (LARS with drops).

    Parameters
    ----------
    tableau : (B, m + 1, m + 1) ndarray
        Gram matrices of m candidates and the target, which comes last.
    floor : (B, 1) ndarray
        A candidate whose residual's squared norm is at most this is a combination of those in.
    sizes : list of int
        Each in 0…m.

    Returns
    -------
    supports : list of (B, k) int64 ndarrays, one per size
        The first support of k members on the path, rising. Where the path ends earlier: its last
        support, then the other candidates by |inner product with the target|.
    weights : (B, sizes, m) ndarray
        Coefficients at the end of the stretch on which that support holds; where the path ends
        earlier, its last ones.

    Notes
    -----
    On a stretch of the path, coefficients and inner products with the residual are linear in the
    penalty. So the next candidate to join or leave is read off the tableau. Efron, Hastie,
    Johnstone & Tibshirani 2004. Verified against scikit-learn's lars_path_gram.
    """
    rest, most = _rest(tableau, floor), max(sizes, default=0)
    tableau = tableau.copy()
    problems, m = rest.shape
    each = np.arange(problems)
    end = TOLERANCE * np.abs(tableau[:, :-1, -1]).max(axis=1, initial=0)
    penalty = np.full(problems, np.inf)
    signs = np.zeros((problems, m))  # of the members' coefficients; 0: not a member
    reached = np.zeros(problems, np.int64)
    members = np.zeros((problems, most + 1, m), bool)
    weights = np.zeros((problems, most + 1, m))
    last = np.zeros((problems, m))
    running, fresh = reached < most, np.zeros(problems, bool)
    # The bound is for ties that rounding breaks anew each time: they could lead round in circles.
    for _ in range(10 * (m + 1)):
        # Coefficients of members and inner products of others are products + penalty * slopes.
        products = tableau[:, :-1, -1].copy()
        slopes = np.matmul(tableau[:, :-1, :-1], signs[:, :, None])[:, :, 0]
        active = signs != 0
        able = ~active & (_squares(tableau) > floor)
        events = np.maximum(
            _ratio(np.abs(products), 1 - np.sign(products) * slopes, able),  # reaches the penalty
            _ratio(-signs * products, signs * slopes, active),  # a coefficient vanishes
        )
        pivots = events.argmax(axis=1) if m else np.zeros(problems, np.int64)
        penalty = np.minimum(penalty, events[each, pivots] if m else 0.0)
        ended = penalty <= end
        penalty[ended] = 0
        coefficients = np.where(active, products + penalty[:, None] * slopes, 0.0)
        weights[fresh, reached[fresh]] = coefficients[fresh]
        last[running] = coefficients[running]
        running &= ~ended & (reached < most)
        if not running.any():
            break
        leaves = active[each, pivots]
        signs[running, pivots[running]] = np.where(leaves, 0, np.sign(products[each, pivots]))[
            running
        ]
        _sweep(tableau, pivots, np.where(running, np.where(leaves, -1, 1), 0))
        fresh = running & (np.count_nonzero(signs, axis=1) > reached)
        reached += fresh
        members[fresh, reached[fresh]] = signs[fresh] != 0
    supports = [np.empty((problems, k), np.int64) for k in sizes]
    for support, k in zip(supports, sizes, strict=True):
        for problem in range(problems):
            if k <= reached[problem]:
                support[problem] = np.flatnonzero(members[problem, k])
            else:
                into = np.flatnonzero(last[problem])
                others = rest[problem][~np.isin(rest[problem], into)]
                support[problem] = np.concatenate([into, others])[:k]
                weights[problem, k] = last[problem]
    return supports, weights[:, sizes]


def _ratio(numerator, denominator, where) -> np.ndarray:
    """The ratio at `where` if the denominator is positive, else 0."""
    where = where & (denominator > 0)
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=where)


def pursuit(tableau, floor, size: int) -> np.ndarray:
    """Orthogonal matching pursuit of several problems: candidates in the order of their choice.

    Parameters
    ----------
    tableau, floor
        As for `lasso`.
    size : int
        In 0…m.

    Returns
    -------
    (B, size) int64 ndarray
        Where nothing is left to explain, the rest follows by |inner product with the target|.

    Notes
    -----
    Verified against scikit-learn's OrthogonalMatchingPursuit.
    """
    rest = _rest(tableau, floor)
    tableau = tableau.copy()
    problems, m = rest.shape
    each = np.arange(problems)
    end = TOLERANCE * np.abs(tableau[:, :-1, -1]).max(axis=1, initial=0)
    able = np.ones((problems, m), bool)
    running = np.ones(problems, bool)
    orders = [[] for _ in each]
    for _ in range(size):
        products = np.abs(tableau[:, :-1, -1])
        products[~(able & (_squares(tableau) > floor))] = 0
        pivots = products.argmax(axis=1)
        running &= products[each, pivots] > end
        if not running.any():
            break
        able[each, pivots] = False
        for problem in np.flatnonzero(running):
            orders[problem].append(pivots[problem])
        _sweep(tableau, pivots, running.astype(np.int64))
    return np.array(
        [
            np.concatenate([order, others[~np.isin(others, order)]])[:size]
            for order, others in zip(orders, rest, strict=True)
        ],
        np.int64,
    ).reshape(problems, size)


def descending(values) -> np.ndarray:
    """Order by value, largest first; among equals the earlier token first."""
    return np.argsort(-np.asarray(values), axis=-1, kind="stable")
