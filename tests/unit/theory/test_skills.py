"""The skills model against mpmath, direct sums, literal loops over texts, and bounds on codes."""

import itertools

import mpmath
import numpy as np
import pytest
from scipy import optimize, special, stats

from infogeo.files.errors import InfogeoError
from infogeo.theory import skills as module
from infogeo.theory.skills import (
    code_length,
    conditional_entropy,
    divergence,
    entropy,
    exponent,
    graph,
    huffman_lengths,
    needed,
    not_understood,
    shannon_lengths,
    simulate,
    tail,
)

TRUE, BACKGROUND = [0.6, 0.3, 0.1], [0.2, 0.3, 0.5]
SIZES = [0, 1, 2, 8, 9, 10, 11, 100, 12345, 10**6, 99_999_999, 10**8, 10**9]
TEXTS = [(1, 1.0), (4, 1.0), (5, 0.5), (20, 0.7)]  # skills per text, share


def weights(alpha, last):
    """p_1 … p_last."""
    return np.arange(1, last + 1.0) ** -(1 + alpha) / special.zeta(1 + alpha)


def laws(seed, count=200):
    """Random pairs of distributions, flat and steep, of 2 to 12 outcomes."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        size, steep = rng.integers(2, 13), rng.choice([0.1, 1.0, 10.0])
        P, Q = (rng.dirichlet(np.full(size, steep)) + 1e-12 for _ in range(2))
        yield P / P.sum(), Q / Q.sum()


def slope(x, y):
    return np.polyfit(x, y, 1)[0]


# Exact


@pytest.mark.parametrize("alpha", [0.01, 0.25, 0.5, 1.0, 2.0, 8.0])
def test_tail_and_entropy_equal_mpmath_at_50_digits(alpha):
    with mpmath.workdps(50):
        s = 1 + mpmath.mpf(alpha)
        expected = [mpmath.zeta(s, n + 1) / mpmath.zeta(s) for n in SIZES]
        apart = [
            abs(float(found / exact - 1))
            for found, exact in zip(tail(SIZES, alpha), expected, strict=True)
        ]
        assert max(apart) < 1e-14
        entropies = conditional_entropy(SIZES, alpha, 0.7, 1.3)
        for found, t in zip(entropies, expected, strict=True):
            assert abs(float(found / (mpmath.mpf(0.7) + mpmath.mpf(1.3) * t) - 1)) < 1e-14


@pytest.mark.parametrize("alpha", [0.3, 1.0, 2.5])
def test_tail_equals_direct_sums(alpha):
    last = 2000
    summed = 1 - np.concatenate([[0], np.cumsum(weights(alpha, last))])
    np.testing.assert_allclose(tail(np.arange(last + 1), alpha), summed, rtol=0, atol=1e-13)


@pytest.mark.parametrize("alpha", [0.25, 1.0, 2.0])
def test_tail_lies_between_the_bounds_of_its_integral(alpha):
    # docs/theory.md, Lemma 3.6: the step that makes a power law of the sum, and its error.
    n = np.append(np.arange(100), np.geomspace(100, 1e9, 50).round())
    power = (n + 0.5) ** -alpha / (alpha * special.zeta(1 + alpha))
    share = tail(n, alpha) / power
    rounding = 1e-14
    assert (share < 1 + rounding).all()
    assert (share > 1 - alpha * (1 + alpha) / (24 * (n + 0.5) ** 2) - rounding).all()
    assert (share[:100] < 1).all()


def test_no_skill_and_every_skill():
    h1, h0 = entropy(TRUE), entropy(TRUE) + divergence(TRUE, BACKGROUND)
    found = conditional_entropy([0, 1e9], 1.0, h1, h0 - h1, 4, 0.5)
    assert found == pytest.approx([h0, h1], rel=1e-14)
    # Entropy falls with every skill.
    assert (np.diff(conditional_entropy(np.arange(500), 0.5, h1, h0 - h1)) < 0).all()


def test_exponent_from_n_and_from_n_plus_a_half():
    n = 2 ** np.arange(7)
    y = np.log(conditional_entropy(n, 1.0, 0.4, 2.0) - 0.4)
    assert slope(np.log(n), y) == pytest.approx(-0.91, abs=0.005)
    assert slope(np.log(n + 0.5), y) == pytest.approx(-0.99, abs=0.005)
    for alpha in (0.25, 0.5, 1.0):
        assert slope(np.log(n + 0.5), np.log(tail(n, alpha))) == pytest.approx(-alpha, rel=0.01)


@pytest.mark.parametrize("alpha", [0.25, 0.5, 1.0, 2.0])
def test_exponent_is_minus_alpha_up_to_a_thousand_million_skills(alpha):
    n = np.geomspace(1e3, 1e9, 60).round()
    y = np.log(conditional_entropy(n, alpha, 0.0, 1.0))
    assert slope(np.log(n + 0.5), y) == pytest.approx(-alpha, rel=1e-7)
    assert exponent(alpha) == -alpha


@pytest.mark.parametrize(("m", "share"), TEXTS)
def test_share_of_texts_not_understood_is_a_binomial_tail(m, share):
    r = needed(m, share)
    with mpmath.workdps(50):
        for n in (0, 1, 3, 50, 10**5):
            t = mpmath.mpf(float(tail(n, 0.6)))
            fewer = sum(mpmath.binomial(m, j) * (1 - t) ** j * t ** (m - j) for j in range(r))
            assert abs(float(mpmath.mpf(float(not_understood(n, 0.6, m, share))) / fewer - 1)) < (
                1e-14
            )


@pytest.mark.parametrize(("m", "share"), TEXTS)
def test_exponent_where_a_share_of_the_skills_will_do(m, share):
    # Not −α: m − r + 1 rare skills must meet in one text.
    n = np.geomspace(1e5, 1e6, 20).round()
    found = slope(np.log(n + 0.5), np.log(not_understood(n, 0.5, m, share)))
    assert found == pytest.approx(exponent(0.5, m, share), rel=0.01)
    assert exponent(0.5, m, share) == -0.5 * (m - needed(m, share) + 1)


def test_how_many_skills_a_share_is():
    assert [needed(4, share) for share in (0.01, 0.25, 0.26, 0.5, 0.75, 0.76, 1.0)] == [
        1, 1, 2, 2, 3, 4, 4,
    ]  # fmt: skip
    # Shares that float64 has not exactly.
    for m in (10, 100, 1000):
        assert [needed(m, k / m) for k in range(1, m + 1)] == list(range(1, m + 1))
    assert 0.07 * 100 > 7
    assert needed(100, 0.07) == 7


def test_entropy_and_divergence():
    for P, Q in laws(0):
        assert entropy(P) == pytest.approx(stats.entropy(P), rel=1e-12)
        assert divergence(P, Q) == pytest.approx(stats.entropy(P, Q), rel=1e-9)
        assert divergence(P, P) == 0
    assert entropy(np.full(8, 1 / 8)) == pytest.approx(np.log(8), rel=1e-15)
    assert entropy([0, 1]) == 0
    assert divergence([0, 1], [0.5, 0.5]) == pytest.approx(np.log(2), rel=1e-15)
    assert divergence([0, 1], [0, 1]) == 0  # no mass where both have none


# Codes


def words(lengths):
    """Kraft's sum over the outcomes that have a word."""
    return (2.0 ** -lengths[lengths > 0]).sum()


def test_expected_lengths_lie_within_the_bounds():
    for P, Q in laws(1):
        H, KL = entropy(P) / np.log(2), divergence(P, Q) / np.log(2)
        huffman, shannon, wrong = huffman_lengths(P), shannon_lengths(P), shannon_lengths(Q)
        assert words(huffman) == 1  # complete
        assert words(shannon) <= 1
        assert words(wrong) <= 1
        assert H - 1e-12 <= P @ huffman <= P @ shannon < H + 1
        assert H + KL - 1e-12 <= P @ wrong < H + KL + 1


def test_dyadic_laws_are_coded_at_their_entropy():
    P, Q = np.array([1 / 2, 1 / 8, 1 / 4, 1 / 8]), np.array([1 / 16, 1 / 2, 1 / 16, 3 / 8])
    assert huffman_lengths(P).tolist() == shannon_lengths(P).tolist() == [1, 3, 2, 3]
    assert P @ huffman_lengths(P) == entropy(P) / np.log(2) == 1.75
    assert shannon_lengths(Q).tolist() == [4, 1, 4, 2]
    n = [0, 1, 10, 1000]
    Q = P[::-1]
    H = conditional_entropy(n, 1.0, entropy(P), divergence(P, Q), 3, 0.5) / np.log(2)
    np.testing.assert_allclose(code_length(n, 1.0, P, Q, 3, 0.5), H, rtol=1e-14)


def test_shannon_lengths_are_exact_at_powers_of_two():
    for k in range(1, 60):
        for Q in (2.0**-k, np.nextafter(2.0**-k, 0), np.nextafter(2.0**-k, 1)):
            # ⌈−log₂ Q⌉ is the least l with 2^−l ≤ Q.
            length = shannon_lengths([Q, 1 - Q])[0]
            assert 2.0**-length <= Q < 2.0 ** (1 - length)


def test_huffman_is_the_best_of_all_codes():
    for P, _ in laws(2, 60):
        P = np.sort(P[:5])[::-1] / P[:5].sum()
        options = (np.array(x) for x in itertools.product(range(1, 5), repeat=len(P)))
        best = min(P @ lengths for lengths in options if (2.0**-lengths).sum() <= 1)
        assert P @ huffman_lengths(P) == pytest.approx(best, rel=1e-12)


def test_outcomes_that_cannot_occur_have_no_word():
    assert huffman_lengths([0.5, 0, 0.5]).tolist() == [1, 0, 1]
    assert shannon_lengths([0.5, 0, 0.5]).tolist() == [1, 0, 1]
    assert huffman_lengths([0, 1]).tolist() == shannon_lengths([0, 1]).tolist() == [0, 0]


@pytest.mark.parametrize(("m", "share"), TEXTS)
def test_code_length_stays_within_a_bit_of_the_entropy(m, share):
    n = np.arange(60)
    for P, Q in laws(3, 20):
        H = conditional_entropy(n, 0.8, entropy(P), divergence(P, Q), m, share) / np.log(2)
        found = code_length(n, 0.8, P, Q, m, share)
        assert (found >= H - 1e-12).all()
        assert (found < H + 1).all()
        ends = P @ shannon_lengths(Q), P @ huffman_lengths(P)
        assert code_length([0, 1e300], 0.8, P, Q, m, share) == pytest.approx(ends, rel=1e-12)


# Simulated texts


def literal(n, texts, alpha, m, share, seed):
    """Skill by skill and text by text: (texts not understood, mean and sd of code lengths)."""
    numbers = np.random.default_rng(seed).random((texts, m + 1))
    above = 1 - np.cumsum(weights(alpha, 10**4))
    lengths, missed = [], 0
    for row in numbers:
        X, left = 0, row[0]
        while left >= TRUE[X]:
            left -= TRUE[X]
            X += 1
        comprehended = 0
        for number in row[1:]:
            skill = 1 + np.flatnonzero(above < 1 - number)[0]
            comprehended += skill <= n
        understood = comprehended >= share * m
        missed += not understood
        lengths.append(-np.log((TRUE if understood else BACKGROUND)[X]))
    return missed, np.mean(lengths), np.std(lengths, ddof=1)


@pytest.mark.parametrize(("m", "share"), [(1, 1.0), (3, 1.0), (4, 0.5), (5, 0.2)])
def test_simulation_equals_a_literal_loop_over_texts_and_skills(m, share):
    n, texts = [0, 1, 2, 7, 30], 150
    table = simulate(
        n, texts=texts, alpha=1.5, true=TRUE, background=BACKGROUND, skills_per_text=m,
        share=share, seed=m,
    )  # fmt: skip
    half = stats.norm.ppf(0.975) / np.sqrt(texts)
    for row in table.itertuples():
        missed, mean, sd = literal(row.n, texts, 1.5, m, share, m)
        assert row.not_understood == missed / texts
        assert row.entropy == pytest.approx(mean, rel=1e-12)
        assert row.entropy_high - mean == pytest.approx(half * sd, rel=1e-9)
        assert mean - row.entropy_low == pytest.approx(half * sd, rel=1e-9)
        low, high = stats.binomtest(missed, texts).proportion_ci(method="exact")
        assert row.not_understood_low == pytest.approx(low, rel=1e-9)
        assert row.not_understood_high == pytest.approx(high, rel=1e-9)


def test_simulation_reads_the_texts_of_the_graph():
    n, texts, alpha = [0, 1, 5, 100, 10**5], 70_000, 0.4  # more than a chunk
    skills = graph(texts, alpha=alpha, skills_per_text=4, seed=8)
    table = simulate(
        n, texts=texts, alpha=alpha, true=TRUE, background=BACKGROUND, skills_per_text=4,
        share=0.75, seed=8,
    )  # fmt: skip
    for row in table.itertuples():
        missed = np.count_nonzero((skills <= row.n).sum(axis=1) < 3)
        assert row.not_understood == missed / texts


@pytest.mark.parametrize(("m", "share"), [(1, 1.0), (3, 1.0), (4, 0.5)])
def test_intervals_cover_the_exact_law(m, share):
    draws, n = 600, [0, 1, 4, 20]
    inside = np.zeros((2, len(n)))
    for seed in range(draws):
        table = simulate(
            n, texts=2000, alpha=1.0, true=TRUE, background=BACKGROUND, skills_per_text=m,
            share=share, seed=seed,
        )  # fmt: skip
        for place, name in enumerate(("entropy", "not_understood")):
            exact, low, high = table[f"exact_{name}"], table[f"{name}_low"], table[f"{name}_high"]
            inside[place] += (low <= exact) & (exact <= high)
    covered = inside / draws  # standard error 0.009
    assert (np.abs(covered[0] - 0.95) < 0.025).all(), covered
    # Clopper–Pearson never covers less than it says; at n = 0 there is nothing to estimate.
    assert (covered[1] > 0.93).all(), covered
    assert covered[1][0] == 1
    assert (covered[1][1:] < 0.985).all(), covered


def test_an_empty_count_still_has_an_interval():
    table = simulate(
        [10**9], texts=1000, alpha=2.0, true=TRUE, background=BACKGROUND, skills_per_text=2,
        share=1.0, seed=0,
    )  # fmt: skip
    assert table["not_understood"].tolist() == table["not_understood_low"].tolist() == [0]
    assert table["not_understood_high"].tolist() == pytest.approx([1 - 0.025**0.001], rel=1e-9)


@pytest.mark.parametrize("chunk", [1, 7, 999, 10**6])
def test_chunks_do_not_matter(chunk, monkeypatch):
    about = {
        "texts": 1000, "alpha": 0.7, "true": TRUE, "background": BACKGROUND, "skills_per_text": 3,
        "share": 0.6, "seed": 4,
    }  # fmt: skip
    whole = simulate([0, 1, 10, 100], **about)
    skills = graph(1000, alpha=0.7, skills_per_text=3, seed=4)
    monkeypatch.setattr(module, "CHUNK", chunk)
    assert simulate([0, 1, 10, 100], **about).equals(whole)
    np.testing.assert_array_equal(graph(1000, alpha=0.7, skills_per_text=3, seed=4), skills)


def test_more_texts_and_other_models_leave_the_first_texts_alone():
    fewer, more = (graph(texts, alpha=1.0, skills_per_text=3, seed=2) for texts in (50, 90))
    np.testing.assert_array_equal(more[:50], fewer)
    about = {
        "texts": 500, "alpha": 1.0, "true": TRUE, "background": BACKGROUND, "skills_per_text": 3,
        "share": 1.0, "seed": 2,
    }  # fmt: skip
    few, many = simulate([3], **about), simulate([0, 3, 9], **about)
    assert many.iloc[[1]].reset_index(drop=True).equals(few)
    assert not simulate([3], **about | {"seed": 3}).equals(few)


def test_what_is_impossible_never_occurs(monkeypatch):
    # The least and the largest number that is drawn; the probabilities sum to 1 − 1e-10.
    ends = np.array([0.0, np.nextafter(1.0, 0)])
    monkeypatch.setattr(module, "_draws", lambda *_: [(ends, np.full((2, 1), 0.5))])
    P = np.array([0, *[0.25] * 3, 0.25 - 1e-10, 0])
    Q = np.array([0.1, 0.4, 0.1, 0.1, 0.2, 0.1])
    table = simulate(
        [0], texts=2, alpha=1.0, true=P, background=Q, skills_per_text=1, share=1.0, seed=1,
    )  # fmt: skip
    assert table["entropy"].tolist() == pytest.approx([-np.log([0.4, 0.2]).mean()])


# The graph


@pytest.mark.parametrize("alpha", [0.3, 1.0, 2.0])
def test_degrees_of_skills_follow_the_zipf_law(alpha):
    skills = graph(100_000, alpha=alpha, skills_per_text=3, seed=5)
    assert skills.shape == (100_000, 3)
    assert skills.min() == 1
    last = 1500  # beyond the table of the inverse transform
    counts = np.bincount(np.minimum(skills.ravel(), last + 1))[1:]
    expected = skills.size * np.append(weights(alpha, last), tail(last, alpha))
    # Cells of at least ten expected edges; the rest is one cell more.
    enough = expected >= 10
    enough[-1] = expected[-1] >= 10
    observed = np.append(counts[: len(enough)][enough[: len(counts)]], 0)
    observed[-1] = skills.size - observed.sum()
    cells = np.append(expected[enough], 0)
    cells[-1] = skills.size - cells.sum()
    assert stats.chisquare(observed, cells).pvalue > 0.01


def test_exponent_of_the_degrees():
    # Maximum likelihood of s in p ∝ k^−s: the mean of ln k is −ζ′(s)/ζ(s).
    logs = np.log(graph(200_000, alpha=1.0, skills_per_text=2, seed=6))

    def gap(s, step=1e-5):
        both = np.log([special.zeta(s + step), special.zeta(s - step)])
        return -(both[0] - both[1]) / (2 * step) - logs.mean()

    found = optimize.brentq(gap, 1.2, 4)
    error = 1 / np.sqrt(logs.size * logs.var())
    assert found == pytest.approx(2.0, abs=3 * error)
    assert error < 0.003


@pytest.mark.parametrize("alpha", [0.1, 0.5, 1.0, 3.0])
def test_every_named_skill_is_where_the_exact_tail_says(alpha):
    # Down to the smallest numbers, where skills are far beyond the table.
    edges = tail(np.append(np.arange(3000), np.geomspace(3000, 9e8, 2000).round()), alpha)
    V = np.concatenate([np.geomspace(2.0**-30, 1, 4000), edges, np.nextafter(edges, 1)[1:]])
    skills = module._zipf(V, alpha)
    checked = skills < 10**9
    assert checked.sum() > 9000
    assert (tail(skills[checked], alpha) < V[checked]).all()
    assert (V[checked] <= tail(skills[checked] - 1, alpha)).all()
    assert (np.diff(skills[:4000]) <= 0).all()
    assert (skills >= 1).all()


def test_skills_beyond_63_bits_are_one():
    V = np.array([2.0**-53, 0.5, 2.0**-20])
    assert module._zipf(V, 0.05).tolist()[::2] == [2**63 - 1, 2**63 - 1]


@pytest.mark.parametrize("beyond", [10**3, 10**4, 10**6])
def test_rare_skills_are_as_frequent_as_they_should_be(beyond):
    skills = graph(300_000, alpha=0.3, skills_per_text=1, seed=7)
    count = np.count_nonzero(skills > beyond)
    assert stats.binomtest(count, 300_000, float(tail(beyond, 0.3))).pvalue > 0.01


# Bad input

SIMULATION = {
    "n": [1, 2], "texts": 10, "alpha": 1.0, "true": TRUE, "background": BACKGROUND,
    "skills_per_text": 2, "share": 1.0, "seed": 0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("alpha", 0.0, r"alpha = 0\.0"),
        ("alpha", -1.0, r"alpha = -1\.0"),
        ("alpha", np.nan, "alpha = nan"),
        ("alpha", 1e-17, "alpha = 1e-17"),
        ("n", [-1, 2], r"n = -1\.0"),
        ("n", [2, 1], "ascending"),
        ("n", [1, 1], "ascending"),
        ("n", [], "ascending"),
        ("n", [0.5], "whole"),
        ("n", [np.nan], "whole"),
        ("n", [np.inf], "n finite"),
        ("texts", 1, r"texts = 1\. .* at least 2"),
        ("texts", 2.5, r"texts = 2\.5"),
        ("skills_per_text", 0, "skills_per_text = 0"),
        ("skills_per_text", 1.5, r"skills_per_text = 1\.5"),
        ("share", 0.0, r"share = 0\.0"),
        ("share", 1.01, r"share = 1\.01"),
        ("share", np.nan, "share = nan"),
        ("true", [0.6, 0.3, 0.2], r"true = .* sums to 1\.1"),
        ("true", [1.2, -0.2, 0.0], "true = .* none negative"),
        ("true", [np.nan, 0.5, 0.5], "true = "),
        ("true", [], "true = "),
        ("true", [[0.5, 0.5]], "true = "),
        ("background", [0.5, 0.5], "3 outcomes and background 2"),
        ("background", [0.5, 0.5, 0.0], r"background is 0 at outcome 2, where true is 0\.1"),
        ("background", [0.5, 0.4, 0.0], r"background = .* sums to 0\.9"),
    ],
)
def test_bad_input_is_refused_by_name(key, value, message):
    with pytest.raises(InfogeoError, match=message):
        simulate(**SIMULATION | {key: value})
    if key in ("true", "background"):
        chosen = SIMULATION | {key: value}
        with pytest.raises(InfogeoError, match=message):
            code_length([1], 1.0, chosen["true"], chosen["background"])
        with pytest.raises(InfogeoError, match=message):
            divergence(chosen["true"], chosen["background"])


def test_bad_input_of_the_exact_part():
    with pytest.raises(InfogeoError, match=r"n = -0\.5"):
        tail([1, -0.5], 1.0)
    with pytest.raises(InfogeoError, match="h1 = -1"):
        conditional_entropy([1], 1.0, -1, 1)
    with pytest.raises(InfogeoError, match="delta = inf"):
        conditional_entropy([1], 1.0, 1, np.inf)
    with pytest.raises(InfogeoError, match="share = 0"):
        conditional_entropy([1], 1.0, 1, 1, 3, 0)
    with pytest.raises(InfogeoError, match="true = "):
        entropy([0.5, 0.6])
    with pytest.raises(InfogeoError, match="true = "):
        huffman_lengths([0.5, 0.6])
    with pytest.raises(InfogeoError, match="background = "):
        shannon_lengths([0.5, 0.6])
    with pytest.raises(InfogeoError, match=r"texts = 0\. .* at least 1"):
        graph(0, alpha=1.0, skills_per_text=1, seed=0)
    with pytest.raises(InfogeoError, match="alpha = 0"):
        graph(3, alpha=0, skills_per_text=1, seed=0)
