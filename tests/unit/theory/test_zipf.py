"""The Zipf exponent of tokens: planted exponents, the noise of ranking, coverage, bad input."""

import tracemalloc

import numpy as np
import pytest
from scipy import optimize

from infogeo.files.errors import InfogeoError
from infogeo.inference import resampling
from infogeo.theory import zipf

SOURCES, PER_TEXT = 100, 400


def corpus(s, seed, types=5000, bursty=False, sources=SOURCES):
    """Token ids and offsets: one text per source; bursty sources repeat themselves."""
    rng = np.random.default_rng(seed)
    p = np.arange(1, types + 1.0) ** -s
    p /= p.sum()
    ids = []
    for _ in range(sources):
        q = rng.gamma(PER_TEXT * p) if bursty else p
        ids.append(rng.choice(types, PER_TEXT, p=q / q.sum()))
    return np.concatenate(ids), np.arange(sources + 1) * PER_TEXT


def fitted(ids, offsets, seed=0, draws=199, special=None):
    names = [f"text {i}" for i in range(len(offsets) - 1)]
    special = np.zeros(len(ids), bool) if special is None else special
    return zipf.exponent(ids, offsets, names, [""] * len(names), special, draws=draws, seed=seed)


@pytest.mark.parametrize("s", [0.8, 1.0, 1.3])
def test_a_planted_exponent_is_recovered_and_head_and_tail_agree(s):
    found = fitted(*corpus(s, seed=1), draws=999)
    assert found.low <= s <= found.high
    assert found.high - found.low < 0.04
    for value, low, high in (found.head, found.tail):
        assert low <= s <= high
        assert low < value < high
    assert found.tokens == SOURCES * PER_TEXT
    assert found.sources == SOURCES
    assert 60 < found.ranks < 1000
    assert found.problem == ""


def test_two_exponents_show_in_head_and_tail():
    rng = np.random.default_rng(0)
    rank = np.arange(1, 3001.0)
    p = np.where(rank <= 15, rank**-0.7, 15**0.6 * rank**-1.3)
    ids = rng.choice(3000, 40_000, p=p / p.sum())
    found = fitted(ids, np.arange(SOURCES + 1) * PER_TEXT)
    assert found.head[0] == pytest.approx(0.7, abs=0.05)
    assert found.tail[0] == pytest.approx(1.3, abs=0.1)
    assert found.head[2] < found.tail[1]


@pytest.mark.parametrize("bursty", [False, True])
def test_counting_both_halves_removes_the_bias_that_either_half_alone_has(bursty):
    s, laws = 1.0, 12 if bursty else 40
    gaps = {"own half": [], "other half": [], "both": []}
    for seed in range(laws):
        ids, _ = corpus(s, seed, types=20_000, bursty=bursty)
        half = np.arange(len(ids)) < len(ids) // 2
        ranks = zipf._ranks(ids[half], 20_000)
        logs = np.log(np.maximum(ranks, 1))
        for name, counted in (("own half", half), ("other half", ~half), ("both", half | ~half)):
            mean = logs[ids[counted & (ranks[ids] > 0)]].mean()
            gaps[name].append(float(zipf.solve(mean, 1, ranks.max())) - s)
    mean = {name: np.mean(values) for name, values in gaps.items()}
    error = {name: np.std(values, ddof=1) / np.sqrt(laws) for name, values in gaps.items()}
    assert mean["own half"] < -4 * error["own half"]
    assert mean["other half"] > 4 * error["other half"]
    assert abs(mean["both"]) < 3 * error["both"]
    assert abs(mean["both"]) < min(-mean["own half"], mean["other half"]) / 3


@pytest.mark.parametrize("bursty", [False, True])
def test_the_estimate_is_unbiased_and_the_interval_covers(bursty):
    """95 % nominal; 60 corpora have a Monte-Carlo error of 2.8 points. Sources that repeat
    themselves are covered because whole sources are resampled."""
    found = [
        fitted(*corpus(1.1, seed, types=3000, bursty=bursty, sources=60), seed=seed)
        for seed in range(60)
    ]
    assert np.mean([z.low <= 1.1 <= z.high for z in found]) >= 0.95 - 3 * 0.028
    values = np.array([z.exponent for z in found])
    assert abs(values.mean() - 1.1) < 3 * values.std(ddof=1) / np.sqrt(len(values))


def test_solve_is_the_maximum_of_the_multinomial_likelihood():
    counts = np.random.default_rng(0).integers(1, 200, 60)
    for first, last in ((1, 60), (8, 60)):
        ranks = np.arange(first, last + 1)
        k = counts[first - 1 : last]

        def minus_likelihood(s, k=k, ranks=ranks):
            return k.sum() * np.log((ranks**-s).sum()) + s * (k @ np.log(ranks))

        best = optimize.minimize_scalar(minus_likelihood, bounds=(-3, 5), method="bounded",
                                        options={"xatol": 1e-10}).x  # fmt: skip
        found = zipf.solve(k @ np.log(ranks) / k.sum(), first, last)
        assert found == pytest.approx(best, abs=1e-6)


def test_solve_inverts_the_mean_of_ln_r_for_many_at_once():
    s = np.array([[-1.0, 0.0, 0.5], [1.0, 2.0, 6.0]])
    r = np.arange(3, 500)
    p = r ** -s[..., None]
    found = zipf.solve((p @ np.log(r)) / p.sum(-1), 3, 499)
    np.testing.assert_allclose(found, s, atol=1e-10)


def test_special_tokens_and_the_names_of_tokens_play_no_part():
    ids, offsets = corpus(1.1, seed=3)
    plain = fitted(ids, offsets)
    renamed = np.random.default_rng(0).permutation(5000)[ids]
    assert fitted(renamed, offsets).exponent == pytest.approx(plain.exponent, abs=2e-3)

    grown = np.insert(ids.reshape(SOURCES, -1), 0, 9999, axis=1)  # a token before each text
    special = (grown == 9999).ravel()
    found = fitted(grown.ravel(), np.arange(SOURCES + 1) * (PER_TEXT + 1), special=special)
    assert found == plain
    counted = fitted(grown.ravel(), np.arange(SOURCES + 1) * (PER_TEXT + 1))
    assert counted.types == plain.types + 1


def test_halves_are_alike_in_tokens_and_follow_the_seed():
    tokens = np.random.default_rng(0).integers(1, 1000, 101)
    first = zipf._halves(tokens, seed=0)
    assert abs(tokens[first].sum() - tokens[~first].sum()) <= tokens.max()
    np.testing.assert_array_equal(first, zipf._halves(tokens, seed=0))
    assert (first != zipf._halves(tokens, seed=1)).any()


def test_the_estimate_is_the_mean_of_two_rankings_by_halves_of_the_sources():
    ids, offsets = corpus(1.1, seed=5)
    sources = [f"s{i // 2}" for i in range(SOURCES)]  # two texts each
    names = [str(i) for i in range(SOURCES)]
    special = np.zeros(len(ids), bool)
    found = zipf.exponent(ids, offsets, names, sources, special, draws=199, seed=0)
    assert found.sources == SOURCES // 2

    order = np.unique(sources, return_inverse=True)[1]  # of the source of each text
    first = zipf._halves(np.full(SOURCES // 2, 2 * PER_TEXT), seed=0)[order]
    texts = ids.reshape(SOURCES, PER_TEXT)
    counts = np.bincount(ids, minlength=5000)
    ways = []
    for half in (first, ~first):
        own = np.bincount(texts[half].ravel(), minlength=5000)
        types = sorted(np.flatnonzero(own >= 10), key=lambda k: (-own[k], k))
        middle = int(len(types) ** 0.5)
        rows = []
        for low, high in ((0, len(types)), (0, middle), (middle, len(types))):
            k, logs = counts[types[low:high]], np.log(np.arange(low + 1, high + 1))
            rows.append(optimize.brentq(
                lambda s, k=k, logs=logs: np.average(logs, weights=np.exp(-s * logs))
                - np.average(logs, weights=k), -2, 6, xtol=1e-13,
            ))  # fmt: skip
        ways.append(rows)
    expected = np.mean(ways, axis=0)
    assert (found.exponent, found.head[0], found.tail[0]) == pytest.approx(expected, abs=1e-9)


def test_resamples_of_sources_are_weighed_in_blocks_and_fill_no_memory():
    sources, draws = 4000, 999
    ids = np.random.default_rng(0).choice(40, sources * 5, p=np.full(40, 1 / 40))
    tracemalloc.start()
    found = fitted(ids, np.arange(sources + 1) * 5, draws=draws)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert np.isfinite(found.low)
    assert peak < 3000 * sources  # a matrix of all resamples takes 19,000


def test_blocks_of_resamples_give_the_bits_of_the_whole_matrix():
    rng = np.random.default_rng(3)
    codes, of_token = rng.integers(0, 50, 9000), rng.integers(0, 37, 9000)
    ranks = np.arange(1, 51)
    means = zipf._mean_logs(codes, of_token, [(ranks, 5, 40)], 37, draws=203, seed=0)
    weights = resampling.text_weights(np.arange(37), draws=203, seed=0)
    weights = np.concatenate([np.full((1, 37), 1 / 37), weights])
    sums, counts = zipf._sums(codes, of_token, ranks, 5, 40, 37)
    np.testing.assert_array_equal(means[0], (weights @ sums) / (weights @ counts))


def test_too_little_is_said_and_is_no_number():
    ids, offsets = corpus(1.1, seed=0, sources=9)
    found = fitted(ids, offsets)
    assert np.isnan([found.exponent, found.low, *found.head, *found.tail]).all()
    assert "9 sources" in found.problem

    few = fitted(np.arange(4000) % 5, np.arange(11) * 400)
    assert "5 types occur 10 times" in few.problem
    assert np.isnan(few.exponent)
    assert few.types == 5

    assert "0 sources" in fitted(np.zeros(0, int), np.zeros(1, int)).problem


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sources": ["a"]}, "1 sources for 2 texts"),
        ({"offsets": [0, 2, 5]}, "rise from 0 to the 4 tokens"),
        ({"offsets": [0, 5, 4]}, "rise from 0"),
        ({"special": [False]}, "special tokens"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(change, message):
    arguments = {
        "token_ids": [1, 2, 3, 4], "offsets": [0, 2, 4], "doc_ids": ["a", "b"],
        "sources": ["", ""], "special": [False] * 4,
    } | change  # fmt: skip
    with pytest.raises(InfogeoError, match=message):
        zipf.exponent(**arguments, draws=9, seed=0)
