"""Laws of the skills model: known exponents found again, profile intervals, tables beside data."""

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, special

from infogeo.files.errors import InfogeoError
from infogeo.inference import forms, regression
from infogeo.theory import beside_data, known_exponents, report, shifted_power, skills, spending
from infogeo.theory.zipf import Zipf

# ---------------------------------------------------------------- the laws


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
def test_seen_equals_the_direct_sum(alpha):
    k = np.arange(1, 2e6)
    p = k ** -(1 + alpha) / special.zeta(1 + alpha)
    for samples in (1, 2, 3.5, 100, 1e4):
        beyond = samples * special.zeta(1 + alpha, 2e6) / special.zeta(1 + alpha)
        direct = -np.expm1(samples * np.log1p(-p)).sum() + beyond  # D p is small there
        assert spending.seen(samples, alpha) == pytest.approx(direct, rel=1e-8)


def test_seen_equals_simulated_samples():
    rng = np.random.default_rng(0)
    counts = [len(np.unique(rng.zipf(1.8, 5000))) for _ in range(400)]
    error = np.std(counts) / 20
    assert abs(np.mean(counts) - spending.seen(5000, 0.8)) < 3 * error


@pytest.mark.parametrize("alpha", [0.3, 1.0, 2.0])
def test_seen_tends_to_its_power_law_less_one_half(alpha):
    power = 1 / (1 + alpha)
    for samples in (1e8, 1e12, 1e16):
        law = special.gamma(1 - power) * (samples / special.zeta(1 + alpha)) ** power - 0.5
        assert spending.seen(samples, alpha) == pytest.approx(law, rel=1e-7)
    assert spending.seen(np.array([[1.0, 10.0]]), alpha).shape == (1, 2)


def test_what_is_not_seen_has_the_exponent_of_the_first_n():
    """The skills seen are not exactly the first n: the chance of one that is not seen falls
    with the same exponent, from a higher level."""
    alpha, samples = 0.8, np.geomspace(1e4, 1e6, 9)
    k = np.arange(1, 1_000_001.0)
    p = k ** -(1 + alpha) / special.zeta(1 + alpha)
    missing = np.array([(p * np.exp(samples_ * np.log1p(-p))).sum() for samples_ in samples])
    missing += special.zeta(1 + alpha, 1_000_001) / special.zeta(1 + alpha)
    ideal = skills.tail(spending.seen(samples, alpha), alpha)
    for tail in (missing, ideal):
        slope = regression.least_squares(regression.design(np.log(samples)), np.log(tail))[0]
        assert slope == pytest.approx(-alpha / (1 + alpha), rel=2e-3)
    assert (missing > ideal).all()


@pytest.mark.parametrize("variant", spending.VARIANTS)
def test_the_cost_buys_n_skills_and_no_split_of_the_compute_buys_more(variant):
    alpha, gamma = 0.6, 0.7
    n = np.array([1.0, 2.5, 50.0, 3e4])
    x = spending.cost(variant, n, alpha, gamma)
    if variant == "parameter_limited":
        np.testing.assert_allclose(x**gamma, n)
    elif variant == "data_limited":
        np.testing.assert_allclose(spending.seen(x, alpha), n, rtol=1e-10)
    else:
        for compute, most in zip(x, n, strict=True):
            N = np.geomspace(1, compute, 4001)[:-1]
            found = np.minimum(N**gamma, spending.seen(compute / N, alpha))
            assert found.max() <= most * (1 + 1e-9)
            assert found.max() == pytest.approx(most, rel=0.01)


@pytest.mark.parametrize("variant", spending.VARIANTS)
@pytest.mark.parametrize(("alpha", "gamma"), [(0.3, 1.0), (1.0, 0.5), (1.5, 2.0)])
def test_finite_curves_approach_the_exponent(variant, alpha, gamma):
    expected = spending.exponent(variant, alpha, gamma)
    gaps = []
    for start in (1e1, 1e3, 1e5):
        n = np.geomspace(start, 10 * start, 5)
        x = np.log(spending.cost(variant, n, alpha, gamma))
        y = np.log(skills.conditional_entropy(n, alpha, 0.0, 1.0))
        gaps.append(abs(regression.least_squares(regression.design(x), y)[0] / expected - 1))
    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[0] < 0.03
    assert gaps[2] < 1e-5


def test_bad_arguments_of_the_laws_are_named():
    with pytest.raises(InfogeoError, match=r"alpha = 0"):
        spending.seen(10, 0)
    with pytest.raises(InfogeoError, match=r"samples from 0.5"):
        spending.seen([10, 0.5], 1)
    with pytest.raises(InfogeoError, match="'time_limited': there are parameter_limited"):
        spending.cost("time_limited", [1.0], 1, 1)
    with pytest.raises(InfogeoError, match="gamma = 0"):
        spending.cost("parameter_limited", [1.0], 1, 0)
    with pytest.raises(InfogeoError, match=r"n from 0.0"):
        spending.cost("parameter_limited", [2.0, 0.0], 1, 1)


# ---------------------------------------------------------------- recovery and lemma


@pytest.fixture(scope="module")
def recovered():
    return known_exponents.recovery(laws=500, seed=0)


def test_the_interval_covers_the_known_exponent_where_the_law_is_a_power(recovered):
    """92 to 98 % of 500 tables; the standard error of a share is 1 point."""
    rows = recovered[recovered["n_low"] == 100]
    assert set(rows["variant"]) == set(spending.VARIANTS)
    assert set(rows["points"]) == {5, 8, 10}
    assert rows["coverage"].between(0.92, 0.98).all()
    assert (rows["exponent_curve"] / rows["exponent_true"] - 1).abs().max() < 1e-3
    spread = rows["width"] / 4 / np.sqrt(500)
    assert ((rows["exponent_mean"] - rows["exponent_curve"]).abs() < 4 * spread).all()


def test_from_the_first_skill_on_the_known_exponent_is_missed(recovered):
    """The finite curve is flatter: an honest interval around its slope leaves the limit out."""
    rows = recovered[recovered["n_low"] == 1]
    assert (rows["exponent_curve"] > rows["exponent_true"]).all()
    ten = rows[(rows["points"] == 10) & (rows["variant"] == "parameter_limited")]
    assert (ten["coverage"] < 0.95 - 3 * ten["coverage_error"]).all()
    assert (rows["coverage_curve"] >= 0.92).all()


def test_recovery_repeats_and_its_rows_have_noise_of_their_own():
    first, second = (known_exponents.recovery(laws=5, seed=3) for _ in range(2))
    pd.testing.assert_frame_equal(first, second)
    gaps = (first["exponent_mean"] - first["exponent_curve"]) / first["width"]
    assert np.diff(np.sort(gaps)).min() > 1e-7  # the same noise on like curves would give like gaps
    assert first["coverage_error"].iloc[0] == pytest.approx(np.sqrt(0.95 * 0.05 / 5))


def test_the_lemma_s_exponent_is_found_with_half_a_skill_added():
    table = known_exponents.lemma().set_index(["alpha", "n_low", "n_high"])
    far = table.xs((100, 10**9), level=("n_low", "n_high"))
    np.testing.assert_allclose(far["shifted"], -far.index, rtol=1e-5)
    for alpha in known_exponents.LEMMA_ALPHAS:
        near = table.loc[(alpha, 1, 100)]
        assert abs(near["plain"] / -alpha - 1) > 0.06
        assert abs(near["shifted"] / -alpha - 1) < 0.008
    # DESIGN's −0.91 and −0.99 for α = 1 are the slopes over the decades 1, 10, 100.
    n = np.array([1.0, 10.0, 100.0])
    y = np.log(skills.tail(n, 1.0))
    slopes = [regression.least_squares(regression.design(np.log(m)), y)[0] for m in (n, n + 0.5)]
    assert slopes == pytest.approx([-0.91, -0.99], abs=0.005)


def simulated(seed, alpha=0.7, m=1, share=1.0):
    n = np.unique(np.geomspace(1, 1e6, 25).round())
    return skills.simulate(n, texts=50_000, alpha=alpha, true=[0.5, 0.5], background=[0.9, 0.1],
                           skills_per_text=m, share=share, seed=seed)  # fmt: skip


@pytest.mark.parametrize(("m", "alpha"), [(1, 0.7), (3, 0.7)])
def test_the_power_law_of_the_simulated_curve_covers_the_exponent(m, alpha):
    """95 % nominal, 100 simulations: the Monte-Carlo error is 2.2 points."""
    rows = [
        known_exponents.curve(simulated(seed, alpha, m), h1=0.7, delta=0.5).iloc[0]
        for seed in range(100)
    ]
    held = np.mean([row["exponent_low"] <= -alpha <= row["exponent_high"] for row in rows])
    assert abs(held - 0.95) < 3 * 0.022
    found = np.array([row["exponent"] for row in rows])
    assert abs(found.mean() + alpha) < 3 * found.std() / 10


def test_the_simulated_curve_is_fitted_where_it_has_texts():
    table = known_exponents.curve(simulated(seed=0), h1=0.7, delta=0.5)
    used = table[table["used"]]
    assert used["n"].min() >= 10
    assert (used["not_understood"] * 50_000).min() >= 100
    assert used["not_understood"].max() <= 0.02
    assert 3 < len(used) < len(table) - 5
    law = 0.5 * (table["n"] + 0.5) ** table["exponent"]
    np.testing.assert_allclose((table["fitted"] - 0.7) / law, (used["fitted"].iloc[0] - 0.7)
                               / law[used.index[0]], rtol=1e-9)  # fmt: skip
    first = used.iloc[0]
    assert first["fitted"] == pytest.approx(0.7 + 0.5 * first["not_understood"])

    # Two n between which no text is understood: an increment of 0 that is still uncertain.
    equal = simulated(seed=0)
    rows = used.index[1:3]
    equal.loc[rows, "not_understood"] = used["not_understood"].iloc[1]
    found = known_exponents.curve(equal, h1=0.7, delta=0.5).iloc[0]
    assert found["exponent_low"] < table["exponent"].iloc[0] < found["exponent_high"]

    nothing = known_exponents.curve(simulated(seed=0).head(2), h1=0.7, delta=0.5)
    assert not nothing["used"].any()
    assert nothing[["fitted", "exponent", "exponent_low"]].isna().all(axis=None)


# ---------------------------------------------------------------- the shifted power

X = np.log(np.geomspace(1e4, 1e9, 9))
Z = X - X.mean()


def shifted(c, b, noise=0.0, seed=0, z=Z):
    y = np.log(c + 2 * np.exp(-b * z))
    return y + noise * np.random.default_rng(seed).standard_normal(len(z))


@pytest.mark.parametrize(("c", "b"), [(1.7, 0.3), (2.0, 0.7), (0.5, 0.1), (3.0, 1.5)])
def test_exact_curves_are_found_exactly(c, b):
    found = shifted_power.fit(X, shifted(c, b))
    assert found.exponent == pytest.approx(b, rel=1e-5)
    assert found.limit == pytest.approx(c, rel=1e-4)
    assert found.low <= found.exponent <= found.high
    assert found.problem == ""


@pytest.mark.parametrize("seed", range(5))
def test_the_fit_agrees_with_curve_fit_and_with_fit_shifted(seed):
    y = shifted(1.7, 0.3, 0.01, seed)
    found = shifted_power.fit(X, y)

    def curve(x, c, log_a, b):
        return np.log(c + np.exp(log_a - b * Z))

    (c, _, b), covariance = optimize.curve_fit(
        curve, X, y, p0=(1.0, 0.0, 0.5), bounds=([0, -9, 0], [9, 9, 3]), xtol=1e-14, ftol=1e-14,
        gtol=1e-14,
    )  # fmt: skip
    assert (found.exponent, found.limit) == pytest.approx((b, c), rel=1e-5)
    fits = forms.fit_forms(X, y)
    assert found.exponent == pytest.approx(fits["shifted_b"], rel=1e-5)
    assert found.limit == pytest.approx(fits["shifted_c"], rel=1e-5)
    # Where the curve is nearly linear in its parameters the profile is the t interval.
    half = regression.t_quantile(6) * np.sqrt(np.diag(covariance))
    assert (found.low, found.high) == pytest.approx((b - half[2], b + half[2]), abs=0.06 * half[2])
    assert (found.limit_low, found.limit_high) == pytest.approx(
        (c - half[0], c + half[0]), abs=0.06 * half[0]
    )


def test_the_ends_are_where_the_profile_crosses_the_f_limit():
    y = shifted(1.7, 0.3, 0.02, seed=2)
    found = shifted_power.fit(X, y)

    def rss(free, value, name):
        c, b = (value, free[1]) if name == "c" else (np.exp(free[1]), value)
        gap = y - np.log(c + np.exp(free[0] - b * Z))
        return (gap**2).sum()

    def profile(value, name):
        start = [np.log(2), 0.3 if name == "c" else np.log(1.7)]
        options = {"xatol": 1e-9, "fatol": 1e-13, "maxiter": 4000}
        return optimize.minimize(rss, start, (value, name), "Nelder-Mead", options=options).fun

    least = profile(found.exponent, "b")
    assert profile(found.limit, "c") == pytest.approx(least, rel=1e-6)
    most = least * (1 + 5.987377607 / 6)  # F(1, 6), 95 %
    for value, name in (
        (found.low, "b"), (found.high, "b"), (found.limit_low, "c"), (found.limit_high, "c"),
    ):  # fmt: skip
        assert profile(value, name) == pytest.approx(most, rel=1e-5)


def test_the_profile_interval_covers():
    """95 % nominal, 200 laws: the Monte-Carlo error is 1.5 points. More: tests/bench/theory.py."""
    held = np.zeros((200, 2), bool)
    for seed in range(200):
        found = shifted_power.fit(X, shifted(1.7, 0.3, 0.01, seed))
        held[seed] = found.low <= 0.3 <= found.high, found.limit_low <= 1.7 <= found.limit_high
    assert (np.abs(held.mean(axis=0) - 0.95) < 3 * 0.0154).all()


def test_a_pure_power_law_has_no_limit_and_its_exponent_as_least_b():
    ends = 0
    for seed in range(8):
        y = 1.0 - 0.1 * X + 0.01 * np.random.default_rng(seed).standard_normal(9)
        found = shifted_power.fit(X, y)
        power = -regression.least_squares(regression.design(X), y)[0]
        assert found.limit_low == 0
        assert found.exponent >= power * (1 - 1e-6)
        if forms.fit_forms(X, y)["shifted_c"] < 0:  # a negative entropy is what would fit best
            ends += 1
            assert found.limit == 0
            assert found.exponent == pytest.approx(power, rel=1e-6)
            assert found.low < power < found.high
    assert ends >= 2
    exact = shifted_power.fit(X, 1.0 - 0.1 * X)
    assert exact.exponent == pytest.approx(0.1, rel=1e-7)
    assert exact.limit == pytest.approx(0, abs=1e-6)


def test_a_step_has_no_upper_end():
    y = np.full(9, np.log(3.0))
    y[0] += 0.2
    y += 1e-3 * np.random.default_rng(0).standard_normal(9)
    found = shifted_power.fit(X, y)
    assert found.high == np.inf
    assert 0 < found.low < 3
    assert np.isnan(found.exponent)
    assert "no upper end" in found.problem
    assert "at the bound b = 3" in found.problem
    assert found.limit == pytest.approx(3, rel=2e-3)
    assert found.limit_low < found.limit < found.limit_high < 3.01


def test_noise_alone_leaves_every_b_open():
    y = np.log(4) + 0.02 * np.random.default_rng(4).standard_normal(9) - 1e-3 * Z
    found = shifted_power.fit(X, y)
    assert (found.low, found.high) == (0, np.inf)
    assert "a constant fits as well" in found.problem
    assert "every b up to 3 fits" in found.problem
    assert found.limit_low == 0
    assert found.limit_high > 4


@pytest.mark.parametrize(
    ("x", "y", "problem"),
    [
        (X[:4], shifted(1.7, 0.3)[:4], "4 points: a shifted power law needs at least 5"),
        (X[:2], shifted(1.7, 0.3)[:2], "2 points: a law needs at least 3"),
        (X, 0.1 * X, "y does not fall with N"),
        (X, np.where(X > 12, np.nan, 1.0), "not every point is finite"),
        (np.ones(9), shifted(1.7, 0.3), "the same N"),
    ],
)
def test_what_cannot_be_fitted_says_why(x, y, problem):
    found = shifted_power.fit(x, y)
    assert np.isnan(found[:6]).all()
    assert problem in found.problem


# ---------------------------------------------------------------- beside data


def points(laws):
    """A points table of one NLL law per family, and rows that must be passed over."""
    parts = []
    for family, y in laws.items():
        N = np.exp(X[: len(y)])
        base = {"corpus": "docs", "family": family, "N": N}
        for metric, n, axis, factor in (
            ("nll", 128, "non_embedding", 1), ("nll", 32, "non_embedding", 2),
            ("nll", 128, "total", 3), ("entropy", 128, "non_embedding", 4),
        ):  # fmt: skip
            frame = pd.DataFrame(base | {"y": factor * np.exp(y) ** factor, "fitted": 1.0})
            parts.append(frame.assign(metric=metric, n=n, axis=axis))
    return pd.concat(parts, ignore_index=True)


def tokens(s, half=0.02, steeper=1, problem=""):
    whole, tail = ((value, value - half, value + half) for value in (s, s + steeper))
    return Zipf(*whole, whole, tail, 300, 40_000, 2000, 250, problem)


def laws(problems):
    """The table of NLL laws with the problems of each family, and a row that is passed over."""
    rows = [{"corpus": "docs", "family": f, "problems": text} for f, text in problems.items()]
    own = pd.DataFrame(rows).assign(metric="nll", n=128, axis="non_embedding")
    return pd.concat([own.assign(n=32, problems="of another n"), own], ignore_index=True)


def implied(curves, problems=None):
    """What the NLL laws of these families imply."""
    problems = dict.fromkeys(curves, "") | (problems or {})
    families = [("docs", family) for family in problems]
    return beside_data.implied(
        points(curves), laws(problems), families, n=128, axis="non_embedding"
    )  # fmt: skip


def test_implied_takes_the_headline_nll_alone():
    found = implied({"a": shifted(1.7, 0.3), "b": shifted(1.0, 0.5)[:4]})
    assert found["family"].tolist() == ["a", "b"]
    assert found["points"].tolist() == [9, 4]
    assert found["exponent"].iloc[0] == pytest.approx(0.3, rel=1e-5)
    assert found["limit"].iloc[0] == pytest.approx(1.7, rel=1e-4)
    assert found["problem"].tolist() == ["", "4 points: a shifted power law needs at least 5"]


def test_where_the_law_itself_is_not_fitted_nothing_is_implied():
    curves, why = {"a": shifted(1.7, 0.3)}, {"a": "two models of one shape"}
    found = beside_data.implied(
        points(curves).assign(fitted=np.nan), laws(why), [("docs", "a")],
        n=128, axis="non_embedding",
    )  # fmt: skip
    assert found["problem"].tolist() == [beside_data.NOT_FITTED + "two models of one shape"]
    assert np.isnan(found["exponent"][0])


MIXED = "models of different dtypes (bfloat16, float32) are not compared"


def test_a_family_without_points_is_not_available_and_says_why(recovered):
    """One family of two dtypes, whose NLL law is not fitted: the run ends well all the same."""
    found = implied({"b": shifted(1.7, 0.3)}, {"a": MIXED})
    assert found.set_index("family")["points"].to_dict() == {"a": 0, "b": 9}
    table = beside_data.comparison(found, {("docs", "a"): tokens(1.3), ("docs", "b"): tokens(1.3)})
    of_a = table[table["family"] == "a"].set_index("quantity")
    assert of_a.loc["alpha_gamma", "problems"] == beside_data.NOT_FITTED + MIXED
    assert of_a.loc["gamma_needed", "problems"].startswith("not available")
    assert of_a.loc["zipf_exponent", "value"] == 1.3
    for text in (report.markdown_text(table, recovered), report.terminal_text(table, recovered)):
        assert "different dtypes" in text and "nan" not in text


def test_not_one_family_with_points_is_no_error():
    found = beside_data.implied(
        points({"a": X})[:0], laws({"a": MIXED}), [("docs", "a")], n=128, axis="non_embedding"
    )
    assert found["problem"].tolist() == [beside_data.NOT_FITTED + MIXED]


def test_a_family_whose_models_have_no_likelihoods_says_so():
    found = beside_data.implied(
        points({"a": X}), laws({"a": ""}), [("docs", "encoders")], n=128, axis="non_embedding"
    )
    assert found["problem"].tolist() == [beside_data.NOT_FITTED + beside_data.NO_LIKELIHOOD]


def compared(s, y=None, **keywords):
    y = shifted(1.7, 0.3, 0.01) if y is None else y
    laws = implied({"a": y})
    table = beside_data.comparison(laws, {("docs", "a"): tokens(s, **keywords)})
    return laws.iloc[0], table.set_index("quantity")


def test_comparison_divides_opposite_ends():
    law, table = compared(1.5)
    assert table.loc["alpha_tokens", ["value", "low", "high"]].tolist() == pytest.approx(
        [0.5, 0.48, 0.52]
    )
    assert table.loc["gamma_needed", ["value", "low", "high"]].tolist() == pytest.approx(
        [law.exponent / 0.5, law.low / 0.52, law.high / 0.48]
    )
    assert table.loc["zipf_tail", "value"] == 2.5
    assert table.loc["limit", "high"] == law.limit_high
    assert (table["problems"] == "").all()


@pytest.mark.parametrize(
    ("keywords", "ends", "problem"),
    [
        ({"s": 0.9}, (np.nan, np.nan), "not defined: s − 1 is not above 0"),
        ({"s": 1.01}, (0.27 / 0.03, np.inf), "no upper end: s − 1 may be 0"),
        ({"s": np.nan, "problem": "9 sources"}, (np.nan, np.nan), "not available"),
        ({"s": 1.5, "y": 0.1 * X}, (np.nan, np.nan), "not available"),
    ],
)
def test_a_quotient_without_value_or_end_says_why(keywords, ends, problem):
    _, table = compared(**keywords)
    row = table.loc["gamma_needed"]
    assert (row["low"], row["high"]) == pytest.approx(ends, rel=0.1, nan_ok=True)
    assert problem in row["problems"]


def test_the_quotient_covers_when_both_intervals_do():
    """2000 draws of two independent normal estimates with 95 % intervals of their own."""
    rng = np.random.default_rng(0)
    above, below = 0.3 + 0.02 * rng.standard_normal(2000), 0.5 + 0.03 * rng.standard_normal(2000)
    held = 0
    for a, b in zip(above, below, strict=True):
        (_, low, high), _ = beside_data._quotient((a, a - 0.0392, a + 0.0392),
                                             (b, b - 0.0588, b + 0.0588))  # fmt: skip
        held += low <= 0.6 <= high
    assert held / 2000 >= 0.95


def test_sentences_say_in_numbers_what_agrees():
    def said(**keywords):
        _, table = compared(**keywords)
        return " ".join(report.sentences(table.reset_index()))

    assert "αγ = 0.29" in said(s=1.3)
    assert "γ = 1, a fixed number of parameters per skill, is in that interval" in said(s=1.3)
    assert "is not in that interval" in said(s=1.9)
    assert "the two do not agree at any γ" in said(s=0.8)
    assert "one exponent does not hold" in said(s=1.3)  # the tail's s is 1 above the head's
    assert "one exponent does not hold" in said(s=1.3, steeper=-1)
    assert "one exponent is compatible" in said(s=1.3, half=0.6)
    assert "The tokens give no Zipf exponent: 9 sources" in said(s=np.nan, problem="9 sources")
    assert "The NLL law gives no αγ: y does not fall with N" in said(s=1.3, y=0.1 * X)
    assert "∞)" in said(s=1.3, y=np.log(4) + 0.02 * np.sin(5 * X) - 1e-3 * Z)


def test_texts_hold_every_family_and_fit_the_terminal(recovered):
    table = beside_data.comparison(
        implied({"a": shifted(1.7, 0.3, 0.01), "b": 0.1 * X}),
        {("docs", "a"): tokens(1.3), ("docs", "b"): tokens(0.8)},
    )
    assert table.columns.tolist() == beside_data.COMPARISON_COLUMNS
    terminal = report.terminal_text(table, recovered)
    markdown = report.markdown_text(table, recovered)
    assert max(map(len, terminal.splitlines())) <= 110
    assert "a on docs" in terminal
    assert "## b on docs" in markdown
    for text in (terminal, markdown):
        assert text.endswith("\n")
        assert "nan" not in text
        flat = " ".join(text.split())
        for sentence in report.sentences(table[table["family"] == "a"]):
            assert sentence in flat
        assert "n from 100 to 1,000,000" in flat
