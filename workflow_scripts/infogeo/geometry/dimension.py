"""Intrinsic dimension from ratios of distances to neighbours: TwoNN and GRIDE.

Let μ = r_{n₂}/r_{n₁} be the ratio of the distances of a point to its n₂-th and n₁-th neighbour. In
a set of dimension D and locally constant density μ has a known law, in which D is the only unknown.
For n₁ = 1 and n₂ = 2 it is a Pareto law, P(μ > t) = t^−D (Facco et al. 2017); for others see Denti
et al. 2022. Larger ranks look at larger scales.
"""

import numpy as np

from infogeo.geometry.neighbours import fewest_neighbours, merge_duplicates, nearest_neighbours
from infogeo.inference import resampling

LEAST = 20  # distinct rows of which a dimension is measured
SHARE = 0.9  # of the smallest ratios, to which the line of TwoNN is fitted
DRAWS_AT_ONCE = 64  # of the bootstrap
NEWTON = 50  # steps at most; 6 to 8 are taken


def ranks_up_to(most: int) -> list[int]:
    """The ranks n₁ of GRIDE whose n₂ = 2 n₁ is at most `most`: 1, 2, 4, …"""
    return [2**power for power in range(most.bit_length() - 1)]


def two_nn_fit(log_ratios) -> float:
    """TwoNN by the line of the empirical distribution: −ln(1 − i/N) on ln μ₍ᵢ₎, through the origin.

    Parameters
    ----------
    log_ratios : (N,) float array
        ln(r₂/r₁) of every point.

    Notes
    -----
    The smallest int(0.9 N) ratios are used. Source: Facco, d'Errico, Rodriguez, Laio 2017
    (Scientific Reports 7, 12140), where F(μ₍ᵢ₎) = i/N.
    Verified against DADApy 0.3.4, `compute_id_2NN()`, to 1e-10. scikit-dimension takes
    F(μ₍ᵢ₎) = (i − 1)/N, another estimate.
    """
    ratios = np.sort(log_ratios)
    return float(_slopes(ratios, np.ones((1, len(ratios))))[0])


def gride(log_ratios, rank: int) -> float:
    """GRIDE: the dimension of greatest likelihood, of ratios of the ranks n₁ = rank and 2 n₁.

    Parameters
    ----------
    log_ratios : (N,) float array
        ln(r_{2n₁}/r_{n₁}) of every point, not all zero.
    rank : int
        n₁. At 1 this is the estimate of TwoNN by maximum likelihood, (N − 1)/Σ ln μ.

    Notes
    -----
    With x = D ln μ and m = n₂ − n₁ − 1, D solves Σ (n₁ x − m x/(eˣ − 1)) = N − 1. The left side
    rises with D and is concave, so that Newton's steps rise to the root from below. N − 1 in place
    of the N of the likelihood takes the bias out of TwoNN, and is what DADApy has at all ranks.
    Source: Denti, Doimo, Laio, Mira 2022 (Scientific Reports 12, 20005).
    Verified against a root by bisection, and to 1e-10 against DADApy 0.3.4,
    `return_id_scaling_gride(eps=1e-13)`, where that leaves out no ratio. (It drops those beyond
    20 (q95 − q50) + q50, which matters below dimension 3.)
    """
    ratios = np.asarray(log_ratios, float)
    estimate = (rank * len(ratios) - 1) / ((3 * rank - 1) / 2 * ratios.sum())  # from 0, a step
    for _ in range(NEWTON):
        scores, slopes = _scores(ratios, estimate, rank)
        step = (scores.sum() + 1) / slopes.sum()
        estimate -= step
        if abs(step) <= 4 * np.finfo(float).eps * estimate:
            break
    return float(estimate)


def _scores(log_ratios: np.ndarray, dimension: float, rank: int):
    """Each point's part of D times the derivative of the negative log-likelihood, and its slope.

    The parts are n₁ x − m x/(eˣ − 1) − 1, m = n₁ − 1; at the estimate they sum to −1.
    """
    x = dimension * log_ratios
    small = x < 1e-5  # where the quotients below cancel: series
    safe = np.where(small, 1.0, x)
    share = np.where(small, 1 - x / 2, safe / np.expm1(safe))
    slope = np.where(small, x / 6 - 0.5, share * (1 - share) / safe - share)
    return rank * x - (rank - 1) * share - 1, log_ratios * (rank - (rank - 1) * slope)


def _slopes(ratios: np.ndarray, copies: np.ndarray) -> np.ndarray:
    """Slopes of `two_nn_fit` of resamples: rising ratios (N,), and how often each is drawn.

    Of equal ratios, which copies are, each takes the mean of their ranks.
    """
    ranks = np.cumsum(copies, axis=1)
    total = ranks[:, -1:]
    used = copies * (ranks <= (total * SHARE).astype(int))
    ranks = ranks - (copies - 1) / 2
    heights = -np.log1p(-np.where(used > 0, ranks, 0) / total)
    return (used * heights) @ ratios / (used @ ratios**2)


def resampled(log_ratios, nearest, estimates, copies) -> np.ndarray:
    """The estimates of resamples of the points.

    Ratios are resampled, not points: a point drawn twice would have a neighbour at distance zero.
    Points that are drawn together share a source; those near each other share distances too, and
    what that adds to the spread multiplies it: see `_smoothed`.

    Parameters
    ----------
    log_ratios : (N, ranks) float array
        Of n₁ = 1, 2, 4, …
    nearest : (N, largest n₁ or more) int array
        Neighbours of every point, from near to far.
    estimates : (1 + ranks,) float array
        `two_nn_fit`, and `gride` of each column.
    copies : (draws, N) int array
        How often each point is drawn, whole sources at a time; see `resampling.text_copies`.

    Returns
    -------
    (draws, 1 + ranks) float array
        GRIDE by one step of Newton from its estimate, which is exact at n₁ = 1.
    """
    order = np.argsort(log_ratios[:, 0])
    parts = [
        _scores(log_ratios[:, place], estimate, 2**place)
        for place, estimate in enumerate(estimates[1:])
    ]
    scores, slopes = (np.stack(columns, axis=1) for columns in zip(*parts, strict=True))
    scores -= scores.mean(axis=0)
    smoothed = np.stack(
        [_smoothed(column, nearest[:, : 2**place]) for place, column in enumerate(scores.T)], axis=1
    )
    drawn, shared = np.empty((2, len(copies), 1 + len(estimates[1:])))
    for start in range(0, len(copies), DRAWS_AT_ONCE):
        block = slice(start, start + DRAWS_AT_ONCE)
        counts = copies[block].astype(float)
        drawn[block, 0] = _slopes(log_ratios[order, 0], counts[:, order])
        drawn[block, 1:] = estimates[1:] - counts @ scores / (counts @ slopes)
        shared[block, 1:] = counts @ smoothed / (counts @ slopes)
    wider = np.maximum(1, shared[:, 1:].std(axis=0) / drawn[:, 1:].std(axis=0))
    return estimates + (drawn - estimates) * np.concatenate([wider[:1], wider])


def _smoothed(scores: np.ndarray, nearest: np.ndarray) -> np.ndarray:
    """Scores (N,) spread over the neighbours (N, n₁) of each point and itself, squares kept.

    Sums over draws of these vary as sums of scores do of which two are the more correlated the
    more of their neighbours they share: with coefficients |A ∩ B|/(n₁ + 1), A and B being a point
    and its n₁ neighbours.
    """
    spread = np.bincount(
        nearest.ravel(), np.repeat(scores, nearest.shape[1]), minlength=len(scores)
    )
    return (scores + spread) / np.sqrt(1 + nearest.shape[1])


# ---------------------------------------------------------------- of a matrix
def measure(points, sources, *, most: int, draws: int, seed: int) -> list[dict]:
    """Intrinsic dimension of the rows of a matrix, beside random rows of equal spectrum.

    Equal rows are merged. Rows of one source are no neighbours of each other; a merged row that
    occurs in several sources belongs to none of them.

    Parameters
    ----------
    points : (N, d) float array
        Finite.
    sources : (N,) array
        Where each row comes from.
    most : int
        Largest rank of a neighbour, n₂.
    draws, seed : int
        Of the bootstrap over sources; seed also of the random rows. Without draws there are the
        values alone: no intervals, no random rows.

    Returns
    -------
    list of dict
        For each estimator (two_nn, two_nn_fit, gride) and scale (n₂): value with its interval
        (low, high); null, null_low, null_high, the same of as many random rows (see
        `equal_spectrum`) with the same sources; rows, duplicates (how many rows equal an earlier
        one), and the reason where there is no value.
    """
    first, distinct_of = merge_duplicates(points)
    distinct, groups = points[first], _groups(np.asarray(sources), distinct_of)
    ranks = ranks_up_to(min(most, fewest_neighbours(groups)))
    reason = _reason(len(points), len(first))
    shared = {"rows": len(points), "duplicates": len(points) - len(first)}
    columns = {}
    if ranks and not reason:
        copies = resampling.text_copies(groups, draws=draws, seed=seed) if draws else None
        columns = _with_intervals("value low high", distinct, groups, ranks, copies)
        if draws:
            null = equal_spectrum(distinct, seed)
            columns |= _with_intervals("null null_low null_high", null, groups, ranks, copies)
    lines = []
    for place, (estimator, rank) in enumerate(_estimators(most)):
        line = {"estimator": estimator, "scale": 2 * rank} | {
            name: values[place] if rank in ranks and not reason else np.nan
            for name, values in columns.items()
        }
        lacking = reason or _reason_of_rank(rank, ranks, groups, line.get("value", np.nan))
        lines.append(dict.fromkeys(VALUES, np.nan) | line | shared | {"reason": lacking})
    return lines


VALUES = ("value", "low", "high", "null", "null_low", "null_high")


def _estimators(most: int) -> list[tuple[str, int]]:
    """Names and ranks n₁, in the order of the columns of `_with_intervals`."""
    return [("two_nn_fit", 1), ("two_nn", 1), *(("gride", rank) for rank in ranks_up_to(most))]


def _with_intervals(names: str, points, groups, ranks: list[int], copies) -> dict:
    """Estimates, lower and upper ends, under three names, each in the order of `_estimators`."""
    distances, nearest = nearest_neighbours(points, [1, *(2 * rank for rank in ranks)], groups)
    log_ratios = np.log(distances[:, 1:] / distances[:, :-1])
    estimates, ends = np.full(1 + len(ranks), np.nan), np.full((2, 1 + len(ranks)), np.nan)
    if log_ratios.any(axis=0).all():  # else every neighbour of every point is at one distance
        estimates[0] = two_nn_fit(log_ratios[:, 0])
        estimates[1:] = [gride(log_ratios[:, place], rank) for place, rank in enumerate(ranks)]
        if copies is not None:
            ends = resampling.interval(resampled(log_ratios, nearest, estimates, copies))
    values = np.vstack([estimates, ends])[:, [0, 1, *range(1, len(estimates))]]
    return dict(zip(names.split(), values, strict=True))


def _groups(sources: np.ndarray, distinct_of: np.ndarray) -> np.ndarray:
    """A number for the source of each distinct row, its own where it has several."""
    codes = np.unique(sources, return_inverse=True)[1]
    count = distinct_of.max(initial=-1) + 1
    least, largest = np.full(count, len(codes)), np.full(count, -1)
    np.minimum.at(least, distinct_of, codes)
    np.maximum.at(largest, distinct_of, codes)
    return np.where(least == largest, least, len(codes) + np.arange(count))


def _reason(rows: int, distinct: int) -> str:
    """Why rows have no dimension; "" where they may have one."""
    if distinct >= LEAST:
        return ""
    if rows > 1 and distinct == 1:
        return f"all {rows} rows are equal"
    return f"{distinct} distinct rows of {rows}: at least {LEAST} are needed"


def _reason_of_rank(rank: int, ranks, groups, value: float) -> str:
    if rank not in ranks:
        return (
            f"{2 * rank} neighbours of other sources are needed, and a row has "
            f"{fewest_neighbours(groups)}"
        )
    if np.isfinite(value):
        return ""
    return "the distances to all neighbours are equal"


def equal_spectrum(points: np.ndarray, seed: int) -> np.ndarray:
    """As many Gaussian rows, whose covariance has the spectrum of that of the rows.

    Parameters
    ----------
    points : (N, d) float array
    seed : int

    Returns
    -------
    (N, min(N, d)) float64 array
        In the coordinates of the principal axes, which leaves distances as they are.
    """
    centred = points - points.mean(axis=0, dtype=np.float64)
    count, width = centred.shape
    products = centred @ centred.T if count < width else centred.T @ centred
    variances = np.clip(np.linalg.eigvalsh(products) / count, 0, None)
    generator = np.random.default_rng([seed, count, width])
    return generator.standard_normal((count, len(variances))) * np.sqrt(variances)
