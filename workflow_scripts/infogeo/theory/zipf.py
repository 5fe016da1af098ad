"""Zipf's law of a corpus's own tokens: p_r ∝ r^−s over ranks, with the noise of ranking undone.

One exponent, not the two parameters of Zipf-Mandelbrot: the skills law that s is set beside, p_k ∝
k^−(1+α), has one. Over the few hundred ranks that a corpus can separate, the shift of Mandelbrot
and s replace each other. Separate fits of the first and the last ranks show whether one exponent is
enough.
"""

from typing import NamedTuple

import numpy as np

from infogeo.files.errors import InfogeoError
from infogeo.inference import resampling

MIN_COUNT = 10  # occurrences, in the half that ranks, of a type that is ranked
MIN_RANKS = 20
MIN_SOURCES = 10
STEEPEST = 20.0  # |s|; the mean of ln r fixes s, and beyond this one rank holds everything


class Zipf(NamedTuple):
    """A rank-frequency exponent s with its 95 % interval, and what it rests on."""

    exponent: float
    low: float
    high: float
    head: tuple[float, float, float]  # s and interval over the first ranks, up to the √R-th
    tail: tuple[float, float, float]  # over the ranks beyond
    ranks: int  # R, mean of the two halves
    tokens: int
    types: int
    sources: int
    problem: str = ""


def exponent(token_ids, offsets, doc_ids, sources, special, *, draws: int, seed: int) -> Zipf:
    """The exponent s of p_r ∝ r^−s by multinomial maximum likelihood.

    Parameters
    ----------
    token_ids : (T,) int array
        Tokens of all texts, one text after the other.
    offsets : (texts + 1,) int array
        Where each text begins.
    doc_ids, sources : sequences of str, one per text
    special : (T,) bool array
        Tokens that the tokenizer added: left out.
    draws, seed : int
        Of the bootstrap over sources, ranks fixed; the seed also halves the sources.

    Returns
    -------
    Zipf
        NaN with a `problem` below 10 sources or 20 ranks in a half.

    Raises
    ------
    InfogeoError
        Where the arrays do not fit together.

    Notes
    -----
    Ranks from the same counts that are then fitted are biased: among rare types the luckiest come
    first, the counts of the ranks come out too high and s too low. Ranks from one half of the
    sources and counts from the other are biased as much the other way: lucky types regress to
    their mean. For Poisson counts c the other half expects c − 1/s, while the law has c − 1/(2s)
    at that rank. To first order in the variance of the noise, whatever its form, the two biases are
    equal. So the types with 10 occurrences in one half are ranked by it and counted over both. s is
    the mean of the two ways.

    The model is an exponential family with the mean of ln r as its statistic: s solves
    Σ_r r^−s ln r / Σ_r r^−s = mean of ln r (Clauset, Shalizi & Newman 2009, eq. 3.5, with an upper
    end). Every resample of sources has its own mean; the interval is percentile.

    Verified against planted exponents (bias, coverage, sources that repeat themselves) and scipy's
    numerical maximum of the likelihood.
    """
    token_ids, offsets = np.asarray(token_ids), np.asarray(offsets)
    special = np.asarray(special, bool)
    _check(token_ids, offsets, doc_ids, sources, special)
    clusters = np.unique(resampling.clusters(doc_ids, sources), return_inverse=True)[1]
    of_token = np.repeat(clusters, np.diff(offsets))[~special]  # (tokens,)
    types, codes = np.unique(token_ids[~special], return_inverse=True)
    size = int(clusters.max(initial=-1)) + 1
    facts = {"tokens": len(codes), "types": len(types), "sources": size}
    if size < MIN_SOURCES:
        return _none(f"{size} sources: at least {MIN_SOURCES} are needed", 0, facts)

    in_first = _halves(np.bincount(of_token, minlength=size), seed)  # (sources,)
    rankings = [_ranks(codes[in_first[of_token] == half], len(types)) for half in (True, False)]
    few = min(int((ranks > 0).sum()) for ranks in rankings)
    if few < MIN_RANKS:
        problem = f"{few} types occur {MIN_COUNT} times in half of the sources: {MIN_RANKS} needed"
        return _none(problem, few, facts)

    ranges = [(ranks, *ends) for ranks in rankings for ends in _ranges(ranks)]
    means = _mean_logs(codes, of_token, ranges, size, draws=draws, seed=seed)
    fits = [solve(mean, first, last) for mean, (_, first, last) in zip(means, ranges, strict=True)]
    both_ways = np.reshape(fits, (len(rankings), -1, 1 + draws)).mean(axis=0)  # (ranges, 1 + draws)
    all_ranks, head, tail = (
        (float(row[0]), *map(float, resampling.interval(row[1:]))) for row in both_ways
    )
    largest = [int(ranks.max()) for ranks in rankings]
    return Zipf(*all_ranks, head, tail, round(np.mean(largest)), **facts)


def _check(token_ids, offsets, doc_ids, sources, special) -> None:
    texts = len(offsets) - 1
    if not len(doc_ids) == len(sources) == texts:
        raise InfogeoError(
            f"Zipf exponent: {len(doc_ids)} doc_ids and {len(sources)} sources for {texts} texts "
            "(offsets less one). Pass those of one hidden-state store."
        )
    if (
        texts < 0
        or offsets[0] != 0
        or offsets[-1] != len(token_ids)
        or (np.diff(offsets) < 0).any()
    ):
        raise InfogeoError(
            f"Zipf exponent: the offsets must rise from 0 to the {len(token_ids)} tokens. "
            "Pass the offsets and tokens of one hidden-state store."
        )
    if special.shape != token_ids.shape:
        raise InfogeoError(
            f"Zipf exponent: {special.shape} marks of special tokens for {token_ids.shape} tokens. "
            "Pass the special_mask of the same hidden-state store."
        )


def _none(problem: str, ranks: int, facts: dict) -> Zipf:
    nothing = (np.nan, np.nan, np.nan)
    return Zipf(*nothing, nothing, nothing, ranks, **facts, problem=problem)


def _halves(tokens, seed: int) -> np.ndarray:
    """Which sources (sources,) belong to the first half: alike in tokens, as the noise must be."""
    first, sizes = np.zeros(len(tokens), bool), [0, 0]
    for source in np.random.default_rng(seed).permutation(len(tokens)):
        first[source] = sizes[0] <= sizes[1]
        sizes[0 if first[source] else 1] += tokens[source]
    return first


def _ranks(codes, types: int) -> np.ndarray:
    """Rank of each type (types,) by its count in `codes`; 0 below `MIN_COUNT`."""
    counts = np.bincount(codes, minlength=types)
    order = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts >= MIN_COUNT)]
    ranks = np.zeros(types, np.int64)
    ranks[order] = np.arange(1, len(order) + 1)
    return ranks


def _ranges(ranks) -> list[tuple[int, int]]:
    """First and last rank of all, the head and the tail: halves of the ranks on a log scale."""
    last = int(ranks.max())
    middle = int(np.sqrt(last))
    return [(1, last), (1, middle), (middle + 1, last)]


def _mean_logs(codes, of_token, ranges, size: int, *, draws: int, seed: int) -> np.ndarray:
    """Mean of ln r over the ranks first … last of each of `ranges`, (ranges, 1 + draws).

    The first is that of the sources as they are, the others those of their resamples.
    """
    of_sources = [_sums(codes, of_token, *each, size) for each in ranges]
    blocks = [
        [(weights @ sums) / (weights @ counts) for sums, counts in of_sources]
        for weights in resampling.weights_in_blocks(size, draws=draws, seed=seed)
    ]
    return np.concatenate(blocks, axis=-1)


def _sums(codes, of_token, ranks, first: int, last: int, size: int):
    """Of each source (sources,): sum of ln r over its tokens of rank first … last; their number."""
    rank = ranks[codes]
    inside = (first <= rank) & (rank <= last)
    source = of_token[inside]
    sums = np.bincount(source, np.log(rank[inside]), minlength=size)
    return sums, np.bincount(source, minlength=size)


def solve(mean_log, first: int, last: int) -> np.ndarray:
    """The s at which p_r ∝ r^−s on ranks first … last has these means of ln r.

    Parameters
    ----------
    mean_log : (...) array
        Between ln first and ln last.

    Returns
    -------
    (...) float64 array
        By bisection to the last bit; ±20 where one end of the ranks holds every token.
    """
    mean_log = np.asarray(mean_log, float)
    logs = np.log(np.arange(first, last + 1)) - np.log(first)
    targets = mean_log.ravel() - np.log(first)
    blocks = np.split(targets, range(resampling.BLOCK, len(targets), resampling.BLOCK))
    return np.concatenate([_bisected(block, logs) for block in blocks]).reshape(mean_log.shape)


def _bisected(targets, logs) -> np.ndarray:
    """The s at which Σ r^−s ln r / Σ r^−s are the targets (values,), of ln r (ranks,)."""
    low, high = np.full(targets.shape, -STEEPEST), np.full(targets.shape, STEEPEST)
    for _ in range(56):
        middle = (low + high) / 2
        exponents = -middle[:, None] * logs  # (values, ranks)
        p = np.exp(exponents - exponents.max(-1, keepdims=True))
        too_flat = (p @ logs) / p.sum(-1) > targets
        low, high = np.where(too_flat, middle, low), np.where(too_flat, high, middle)
    return (low + high) / 2
