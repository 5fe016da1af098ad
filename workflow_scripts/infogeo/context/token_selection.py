"""Which earlier tokens speak for the last one: Lasso, attention and others at equal numbers.

The target is the last token's state, the candidates are the states before it. Everything is done
in Gram form. A path (Lasso's or that of orthogonal matching pursuit) runs on one symmetric tableau
that holds what is needed of its least squares at every point, several problems at once; choosing on
half of the coordinates then costs a Gram of that half and no more.
"""

import numpy as np

from infogeo.files.errors import InfogeoError
from infogeo.geometry.metrics import regularisers
from infogeo.geometry.rows import ROUNDING, check_finite, unit_norm

SINKS = ("free", "forced", "excluded")
ATTENTION = ("attention_mean", "attention_best_head", "attention_rollout")
SELECTORS = ("lasso", "omp", *ATTENTION, "recency", "norm", "random")
SELECTION_COLUMNS = [
    "doc_id", "source", "n", "selector", "sink", "k", "metric", "value", "draws",
]  # fmt: skip
RIDGE_COLUMNS = [
    "doc_id", "source", "n", "regulariser", "lam",
    "participation_ratio", "participation_share", "explained",
]  # fmt: skip
TEXT_COLUMNS = ("doc_id", "source", "selector", "sink", "metric", "regulariser")
WHOLE_COLUMNS = ("n", "k", "draws", "position", "token_start_byte", "token_end_byte")
SIZES = (1, 2, 4, 8, 16, 32)  # over which the best head is chosen unless told otherwise
# Of the largest squared norm: what a token's residual must exceed for it to be more than a
# combination of chosen ones. Of the first correlation: where a path ends, all being explained.
TOLERANCE = 1e-10


def supports(
    Z,
    last_row,
    rollout,
    sizes,
    *,
    sink: str,
    centred: bool,
    draws: int,
    rng,
    head_sizes=SIZES,
) -> dict:
    """The tokens that every selector chooses of one text.

    Parameters
    ----------
    Z : (n, d) ndarray
        Hidden states of the text; the last row is the target.
    last_row : (heads, n) ndarray or None
        Attention of the last token in the last layer; None: selectors by attention are absent.
    rollout : (n,) ndarray or None
        Attention rollout of the last token.
    sizes : list of int
        How many tokens to choose, each in 0…m for m candidates.
    sink : {'free', 'forced', 'excluded'}
        free: all n − 1 earlier tokens are candidates. Else token 0 is none: forced takes it for
        granted (it is in the regression, and the caller adds it to what is chosen), excluded
        leaves it out.
    centred : bool
        Subtract the mean of all earlier tokens from candidates and target first.
    draws : int
        Draws of the random selector.
    rng : numpy.random.Generator
        More draws or other sizes leave the first draws as they are.
    head_sizes : sequence of int
        The best head is the one whose first k tokens explain most in sample, averaged over these
        k, of which those above d/4 or m are left out (if all are, k = 1).

    Returns
    -------
    dict
        (selector, draw) → list of int64 ndarrays, one per size: token indices, most wanted first.
        All draws are 0 except those of 'random', whose supports are nested in size. Lasso: the
        first support of that size on the path, rising. Where a path ends earlier (nothing is left
        to explain, or no direction), its last support, then the rest by |inner product with the
        target|.

    Raises
    ------
    InfogeoError
        Where there is no earlier token, or a size is not in 0…m.

    Notes
    -----
    Verified against scikit-learn's lars_path_gram and OrthogonalMatchingPursuit.
    """
    n, d = Z.shape
    if n < 2:
        raise InfogeoError(f"a text of {n} token(s) has no earlier tokens to choose from.")
    first = _first(sink)
    m = n - 1 - first
    if sizes and not 0 <= min(sizes) <= max(sizes) <= m:
        raise InfogeoError(f"sizes {sizes}: each must be in 0…{m}, the number of candidates.")
    rows = prepared(Z, centred)
    gram = (rows @ rows.T)[None]
    problem = _problem(gram, sink)
    largest = max(sizes, default=0)
    orders = {"omp": pursuit(*problem, largest)[0], **blind_orders(Z, last_row, rollout, first)}
    if last_row is not None:
        heads = head_orders(last_row, first)
        usable = [k for k in head_sizes if k <= min(d / 4, m)] or [min(1, m)]
        shares = [refit(gram, gram, heads[None, :, :k] + first, sink)[0][0] for k in usable]
        orders["attention_best_head"] = heads[np.mean(shares, axis=0).argmax()]
    orders = {(name, 0): order for name, order in orders.items()}
    orders |= {("random", draw): rng.permutation(m) for draw in range(draws)}
    chosen = {key: [order[:k] for k in sizes] for key, order in orders.items()}
    chosen["lasso", 0] = [support[0] for support in lasso(*problem, sizes)[0]]
    return {
        key: [first + np.asarray(support, np.int64) for support in found]
        for key, found in chosen.items()
    }


def prepared(Z, centred: bool) -> np.ndarray:
    """Rows as they are regressed: centred if asked for, then of unit norm. (n, d) float64.

    Rows of squared norm at most 10⁻¹² of the largest become zero; so do rows that differ from the
    mean of the earlier ones by rounding only.
    """
    if not centred:
        return unit_norm(Z)
    rows = np.asarray(Z, np.float64)
    floor = ROUNDING * np.square(rows).sum(axis=1).max()
    return unit_norm(rows - rows[:-1].mean(axis=0), floor)


def blind_orders(Z, last_row, rollout, first: int) -> dict:
    """The candidates, most wanted first, of every selector that does not look at the target.

    Best head and random are left out. Attention is renormalised over the candidates, each head for
    itself.

    Returns
    -------
    dict
        selector → (m,) int64 ndarray of places among the candidates.
    """
    squares = np.square(np.asarray(Z, np.float64)).sum(axis=1)[first:-1]
    orders = {"recency": np.arange(len(squares))[::-1], "norm": _descending(squares)}
    if last_row is not None:
        orders["attention_mean"] = _descending(over_candidates(last_row, first).mean(axis=0))
        orders["attention_rollout"] = _descending(rollout[first:-1])
    return orders


def over_candidates(attention, first: int) -> np.ndarray:
    """Attention (..., n) renormalised over the candidates; zero where they have none. (..., m)."""
    weights = np.asarray(attention, np.float64)[..., first:-1]
    total = weights.sum(axis=-1, keepdims=True)
    return np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)


def head_orders(last_row, first: int) -> np.ndarray:
    """The candidates by the attention of each head, most attended first. (heads, m)."""
    return _descending(np.asarray(last_row)[:, first:-1])


def _descending(values) -> np.ndarray:
    """Order by value, largest first; among equals the earlier token first."""
    return np.argsort(-np.asarray(values), axis=-1, kind="stable")


def _first(sink: str) -> int:
    """The first candidate."""
    if sink not in SINKS:
        raise ValueError(sink)
    return 0 if sink == "free" else 1


def _problem(gram, sink: str):
    """Gram matrices of candidates and target (last), and squares that are rounding only.

    (B, n, n) → (B, m + 1, m + 1), (B, 1)
    """
    first = _first(sink)
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
    return _descending(np.where(_squares(tableau) > floor, products, -1.0))


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
    penalty, so that the next candidate to join or leave is read off the tableau. Efron, Hastie,
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
    found = []
    for k in sizes:
        support = np.empty((problems, k), np.int64)
        for problem in range(problems):
            if k <= reached[problem]:
                support[problem] = np.flatnonzero(members[problem, k])
            else:
                into = np.flatnonzero(last[problem])
                others = rest[problem][~np.isin(rest[problem], into)]
                support[problem] = np.concatenate([into, others])[:k]
                weights[problem, k] = last[problem]
        found.append(support)
    return found, weights[:, sizes]


def _ratio(numerator, denominator, where) -> np.ndarray:
    """The ratio where that is wanted and the denominator is positive, else 0."""
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


def refit(train, test, chosen, sink: str):
    """Least squares of the last token on chosen ones: the share that it explains.

    Parameters
    ----------
    train, test : (B, n, n) ndarray
        Gram matrices of the rows on the coordinates to fit and to score.
    chosen : (B, S, k) int ndarray
        Tokens; token 0 is added where the sink is forced.
    sink : {'free', 'forced', 'excluded'}

    Returns
    -------
    on_train, on_test : (B, S) ndarrays
        1 − RSS/‖y‖²; 0 where the target is zero. Of tokens that are combinations of others, the
        smallest coefficients.

    Notes
    -----
    Verified against numpy.linalg.lstsq on the rows themselves.
    """
    if sink == "forced":
        chosen = np.concatenate([np.zeros_like(chosen[:, :, :1]), chosen], axis=2)
    problem = np.arange(len(train))[:, None, None]
    within = train[problem[..., None], chosen[..., :, None], chosen[..., None, :]]
    # The residual is this combination of the rows.
    combination = np.zeros((*chosen.shape[:2], train.shape[1]))
    np.put_along_axis(combination, chosen, -_solve(within, train[problem, chosen, -1]), axis=2)
    combination[..., -1] = 1
    return tuple(_explained(combination, gram) for gram in (train, test))


def _explained(combination, gram):
    """1 − RSS/‖y‖² of residuals (B, S, n) under Gram matrices (B, n, n); 0 for a zero target."""
    left = np.sum(np.matmul(combination, gram) * combination, axis=2)
    whole = np.broadcast_to(gram[:, -1:, -1], left.shape)
    return np.where(
        whole > 0, 1 - np.divide(left, whole, out=np.ones_like(left), where=whole > 0), 0
    )


def _solve(gram, products) -> np.ndarray:
    """Coefficients (..., k) of least squares from Gram matrices (..., k, k), singular or not."""
    if not gram.shape[-1]:
        return products
    try:
        pivots = np.square(np.diagonal(np.linalg.cholesky(gram), axis1=-2, axis2=-1))
        sound = pivots.min(axis=-1) > TOLERANCE * pivots.max(axis=-1)
    except np.linalg.LinAlgError:
        sound = np.zeros(gram.shape[:-2], bool)
    found = np.empty_like(products)
    found[sound] = np.linalg.solve(gram[sound], products[sound][..., None])[..., 0]
    inverse = np.linalg.pinv(gram[~sound], rcond=TOLERANCE, hermitian=True)
    found[~sound] = np.matmul(inverse, products[~sound][..., None])[..., 0]
    return found


def half_grams(rows, rotations: int, seed: int) -> np.ndarray:
    """Gram matrices of texts on random halves of their coordinates.

    Parameters
    ----------
    rows : (texts, n, d) ndarray
    rotations : int
    seed : int
        Each rotation has a stream of its own, (seed, d, rotation), shared by all texts.

    Returns
    -------
    (texts, 2 rotations, n, n) ndarray
        First the d // 2 first coordinates after each rotation, then the other ones.
    """
    texts, n, d = rows.shape
    grams = np.empty((texts, 2 * rotations, n, n))
    whole = rows @ rows.swapaxes(1, 2)
    for rotation in range(rotations):
        generator = np.random.default_rng([seed, d, rotation])
        # The first half of a random basis spans a random subspace, and the Gram matrix of what is
        # left is the rest: the other half of the basis is never needed.
        basis, _ = np.linalg.qr(generator.standard_normal((d, d // 2)))
        half = rows @ basis
        grams[:, rotation] = half @ half.swapaxes(1, 2)
        grams[:, rotations + rotation] = whole - grams[:, rotation]
    return grams


def scores(Z, last_row, rollout, gram, halves, ks, *, sink: str, draws: int, rng) -> list[dict]:
    """How well every selector's tokens explain the last one of a text.

    Parameters
    ----------
    Z, last_row, rollout, sink, draws, rng
        As for `supports`; attention is needed.
    gram : (n, n) ndarray
        Of the prepared rows.
    halves : (2 R, n, n) ndarray
        Of the prepared rows on halves of the coordinates; R places on is the other half.
    ks : list of int
        Numbers of tokens, rising; those above the number of candidates are left out.

    Returns
    -------
    list of dict
        selector, k, metric, value, draws. Metrics: in_sample, the explained share with all
        coordinates; held_out, its mean over the halves when chosen and fitted on one half and
        scored on the other (lasso, omp and best head choose on the half, the best head at this k;
        the others never look at the target); jaccard with the support of lasso, and
        relative_position, the mean of the chosen (0 the first token, 1 the one before the last),
        both with all coordinates. random: means over the draws.
    """
    n, first = len(Z), _first(sink)
    ks = [k for k in ks if k <= n - 1 - first]
    if not ks:
        return []
    train = np.concatenate([gram[None], halves])
    test = np.concatenate([gram[None], np.roll(halves, len(halves) // 2, axis=0)])
    problem = _problem(train, sink)
    paths, _ = lasso(*problem, ks)
    pursued = pursuit(*problem, ks[-1])
    blind = blind_orders(Z, last_row, rollout, first)
    heads = head_orders(last_row, first)
    random = [rng.permutation(n - 1 - first) for _ in range(draws)]
    orders = np.stack([*blind.values(), *random, *heads])
    names = ["lasso", "omp", *blind]
    found = []
    for k, path in zip(ks, paths, strict=True):
        shared = np.broadcast_to(orders[:, :k], (len(train), len(orders), k))
        chosen = np.concatenate([path[:, None], pursued[:, None, :k], shared], axis=1) + first
        on_train, on_test = refit(train, test, chosen, sink)
        chosen = chosen[0]
        common = (chosen[:, :, None] == chosen[0]).sum(axis=(1, 2))
        values = {
            "held_out": on_test[1:],
            "in_sample": on_test[:1],
            "jaccard": (common / (2 * k - common))[None],
            "relative_position": (chosen.mean(axis=1) / max(n - 2, 1))[None],
        }
        best = len(on_train[0]) - len(heads) + on_train[:, -len(heads) :].argmax(axis=1)
        for metric, value in values.items():
            mean = value.mean(axis=0)
            of_best = best[1:] if metric == "held_out" else best[:1]
            mine = dict(zip(names, mean, strict=False))
            mine["attention_best_head"] = value[np.arange(len(value)), of_best].mean()
            mine["random"] = mean[len(names) : len(names) + draws].mean()
            found += [
                {
                    "selector": selector,
                    "k": k,
                    "metric": metric,
                    "value": mine[selector],
                    "draws": draws if selector == "random" else 1,
                }
                for selector in SELECTORS
            ]
    return found


def ridge_weights(gram, lam: float) -> np.ndarray:
    """Weights of the last token's ridge regression on all earlier ones. (n − 1,)."""
    earlier = gram[:-1, :-1] + lam * np.eye(len(gram) - 1)
    return np.linalg.solve(earlier, gram[:-1, -1])


def spread(gram, weights) -> dict:
    """Over how many tokens the weights of a regression spread, and what they explain.

    Parameters
    ----------
    gram : (n, n) ndarray
    weights : (n − 1,) ndarray
        Of the earlier tokens.

    Returns
    -------
    dict
        participation_ratio (Σw²)²/Σw⁴, from 1 to n − 1 (0 where all weights are), the same as a
        share of n − 1, and the explained share 1 − ‖z − Zᵀw‖²/‖z‖².
    """
    fourth = np.sum(weights**4)
    ratio = np.sum(weights**2) ** 2 / fourth if fourth > 0 else 0.0
    combination = np.append(-weights, 1.0)[None, None]
    return {
        "participation_ratio": ratio,
        "participation_share": ratio / len(weights),
        "explained": _explained(combination, gram[None])[0, 0],
    }


def tables(
    states,
    *,
    n: int,
    ks,
    lambdas,
    eps2,
    headline_eps2: float,
    draws: int,
    rotations: int,
    centred: bool,
    seed: int,
    update=lambda done: None,
) -> tuple:
    """Selection, token weights and ridge regressions of a store's texts with attention.

    Parameters
    ----------
    states : infogeo.states.store.HiddenStates
        Of the texts whose attention is stored, those of exactly n tokens are taken; layer 'final'.
    n : int
    ks : list of int
        Numbers of tokens to choose; those above d/4 are left out.
    lambdas, eps2 : list of float
        The regularisers of the ridge; see `metrics.regularisers`.
    headline_eps2 : float
        The ε² of the ridge weights among the token weights.
    draws, rotations : int
        Of the random selector and of the coordinates.
    centred : bool
        See `prepared`.
    seed : int
        The draws of a text have streams of their own, (seed, its place in the store, sink).
    update : callable
        Called with the number of texts that are done.

    Returns
    -------
    selection : pandas.DataFrame
        doc_id, source, n, selector, sink, k, metric, value, draws; see `scores`.
    tokens : pandas.DataFrame
        doc_id, position (from 0), token_start_byte, token_end_byte and the weights of every
        earlier token for the last one: attention_mean, attention_rollout (over the earlier tokens),
        ridge, and lasso_k for every k (NaN at the last token, and where k is left out).
    ridge : pandas.DataFrame
        doc_id, source, n, regulariser, lam, participation_ratio, participation_share, explained.
        All three are without rows, but with their columns, where no text has n tokens.

    Raises
    ------
    InfogeoError
        Where n is below 2, the layer is not stored, or a state is not finite.
    """
    import pandas as pd

    if n < 2:
        raise InfogeoError(
            f"{states.path}: texts of {n} token have no earlier tokens to choose from. "
            "Set a number above 1 in config spectra.n."
        )
    if "final" not in states.layers:
        raise InfogeoError(
            f"{states.path}: token selection needs layer 'final'; the store holds "
            f"{', '.join(states.layers)}. Add final to config states.layers."
        )
    d, ends = states.widths["final"], states.token_end_byte()
    texts = [text for text in states.attention_texts if states.lengths[text] == n]
    hidden = np.empty((len(texts), n, d), np.float32)
    for place, text in enumerate(texts):
        hidden[place] = states.read(text, "final")
        check_finite(hidden[place], f"{states.path}: text {states.doc_ids[text]!r}, layer final")
    rows = np.array([prepared(Z, centred) for Z in hidden]).reshape(hidden.shape)
    scored = sorted(k for k in ks if k <= d / 4)
    drawn = [k for k in scored if k < n]
    halves = half_grams(rows, rotations, seed) if scored else np.empty((len(texts), 0, n, n))
    named = regularisers(lambdas, eps2, n, d)

    selection, tokens, ridge = [], [], []
    for place, text in enumerate(texts):
        update(place)
        gram = rows[place] @ rows[place].T
        last_row, rollout = states.attention_last_row(text), states.rollout_row(text)
        described = {"doc_id": states.doc_ids[text], "source": states.sources[text], "n": n}
        for index, sink in enumerate(SINKS):
            found = scores(
                hidden[place], last_row, rollout, gram, halves[place], scored,
                sink=sink, draws=draws, rng=np.random.default_rng([seed, text, index]),
            )  # fmt: skip
            selection += [{**described, "sink": sink, **row} for row in found]
        for name, lam in named:
            values = spread(gram, ridge_weights(gram, lam))
            ridge.append({**described, "regulariser": name, "lam": lam, **values})
        _, paths = lasso(*_problem(gram[None], "free"), drawn)
        paths = dict(zip(drawn, paths[0], strict=True))
        weights = {
            "attention_mean": over_candidates(last_row, 0).mean(axis=0),
            "attention_rollout": over_candidates(rollout, 0),
            "ridge": ridge_weights(gram, n * headline_eps2 / d),
            **{f"lasso_{k}": paths.get(k, np.full(n - 1, np.nan)) for k in ks},
        }
        bytes_ = ends[states.offsets[text] : states.offsets[text + 1]]
        tokens.append(
            pd.DataFrame(
                {
                    "doc_id": described["doc_id"],
                    "position": np.arange(n),
                    "token_start_byte": np.append(0, bytes_[:-1]).astype(np.int64),
                    "token_end_byte": bytes_.astype(np.int64),
                    **{name: np.append(values, np.nan) for name, values in weights.items()},
                }
            )
        )
    kinds = {**dict.fromkeys(TEXT_COLUMNS, "str"), **dict.fromkeys(WHOLE_COLUMNS, "int64")}
    places = ["doc_id", "position", "token_start_byte", "token_end_byte"]
    shown = ["attention_mean", "attention_rollout", "ridge", *(f"lasso_{k}" for k in ks)]
    framed = (
        pd.DataFrame(selection, columns=SELECTION_COLUMNS),
        pd.concat(tokens, ignore_index=True) if tokens else pd.DataFrame(columns=[*places, *shown]),
        pd.DataFrame(ridge, columns=RIDGE_COLUMNS),
    )
    # Types are set apart from the values: a table without rows has none to infer them from.
    return tuple(
        frame.astype({name: kinds.get(name, "float64") for name in frame.columns})
        for frame in framed
    )
