"""The share of tokens that carries 90 % of the information, and the verdict on it."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from infogeo.context import distribution
from infogeo.context.distribution import Curves, needed, tokens_needed, verdict
from infogeo.context.shared_texts import SharedTexts

GRID = np.array([0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1])


# ---------------------------------------------------------------- the share of one curve


@pytest.mark.parametrize(
    ("recovered", "share"),
    [
        ([0, 0.5, 0.8, 1.0], 0.75),  # half way from 0.8 to 1
        ([0, 0.9, 0.95, 1.0], 0.2),
        ([0, 0.95, 0.85, 1.0], 0.5 + 0.5 / 3),  # what is reached must last
        ([0, 0.45, 0.9, 0.9], 0.5),
        ([0.95, 0.95, 0.95, 0.95], 0),
    ],
)
def test_the_share_from_which_recovery_stays_above_nine_tenths(recovered, share):
    grid = np.array([0, 0.2, 0.5, 1.0])
    low, high = needed(np.array(recovered), grid)
    assert low == high == pytest.approx(share)


def test_a_share_that_is_not_reached_is_known_to_lie_between_the_grids_end_and_all():
    low, high = needed(np.array([[0, 0.5, 0.89], [0, 0.95, 0.89]]), np.array([0, 0.2, 0.4]))
    np.testing.assert_array_equal(low, [0.4, 0.4])
    np.testing.assert_array_equal(high, [1, 1])


def test_an_unknown_recovery_makes_the_share_unknown():
    assert np.isnan(needed(np.array([0, np.nan, 1]), np.array([0, 0.5, 1]))).all()


def test_many_curves_at_once_are_as_each_alone():
    rng = np.random.default_rng(0)
    recovered = np.sort(rng.uniform(0, 1.2, (5, 4, 6)), axis=-1) - 0.1
    shares = np.sort(rng.uniform(size=(4, 6)), axis=-1)
    together = np.stack(needed(recovered, shares))
    for i, j in np.ndindex(5, 4):
        alone = np.stack(needed(recovered[i, j], shares[j]))
        np.testing.assert_array_equal(together[:, i, j], alone)


# ---------------------------------------------------------------- the best selector


def curves(exponents, texts=32, noise=0.1, grid=GRID, seed=0):
    """KL = (1 − share)^exponent times a text's scale: (selector, sink) → exponent."""
    rng = np.random.default_rng(seed)
    base = rng.lognormal(0, 0.5, texts)
    powers = np.array(list(exponents.values())) * np.exp(
        noise * rng.standard_normal((texts, len(exponents)))
    )
    kl = base[:, None, None] * (1 - grid) ** powers[..., None]
    shares = np.broadcast_to(grid, kl.shape[1:])
    return Curves(list(exponents), shares, kl, np.repeat(base[:, None], len(exponents), 1))


def clusters(texts=32):
    return np.array([f"s{i // 2}" for i in range(texts)])


def exponent(share):
    """Of the curve that recovers 90 % at this share."""
    return np.log(0.1) / np.log(1 - share)


def test_the_best_selector_beside_random_with_the_same_sink():
    found = tokens_needed(
        curves({
            ("lasso", "free"): exponent(0.6), ("recency", "forced"): exponent(0.3),
            ("random", "free"): exponent(0.2), ("random", "forced"): exponent(0.8),
        }, noise=0.02),
        clusters(), seed=0,
    )  # fmt: skip
    assert (found["best_selector"], found["best_sink"]) == ("recency", "forced")
    assert found["share90"] == pytest.approx(0.3, abs=0.02)
    assert found["share90_random"] == pytest.approx(0.8, abs=0.02)
    assert found["gap"] == pytest.approx(found["share90_random"] - found["share90"])
    for name in ("share90", "share90_random", "gap"):
        assert found[f"{name}_low"] < found[name] < found[f"{name}_high"]
    assert not found["censored"]


def test_the_best_is_scored_on_texts_that_did_not_choose_it():
    # Equal selectors, noisy texts: on the texts that chose it, the best of twelve looks better.
    same = {(f"s{i}", "free"): exponent(0.5) for i in range(12)}
    estimates = [
        tokens_needed(curves(same, texts=16, noise=0.6, seed=seed), clusters(16),
                      seed=seed)["share90"]
        for seed in range(60)
    ]  # fmt: skip
    alone = [
        tokens_needed(curves({("s", "free"): exponent(0.5)}, texts=16, noise=0.6, seed=seed),
                      clusters(16), seed=seed)["share90"]
        for seed in range(60)
    ]  # fmt: skip
    assert np.mean(estimates) == pytest.approx(np.mean(alone), abs=0.02)


def test_ends_are_where_a_t_test_over_clusters_turns():
    data, groups = (
        curves({("a", "free"): 3.0, ("random", "free"): 1.0}, texts=12, noise=0.4),
        (np.repeat(np.arange(6), 2)),
    )
    found = tokens_needed(data, groups, seed=7)

    def t(share):
        kl = [np.interp(share, GRID, row) for row in data.kl[:, 0]]
        sums = (kl - 0.1 * data.base[:, 0]).reshape(6, 2).sum(1)
        return stats.ttest_1samp(sums, 0).statistic

    q = stats.t.ppf(0.975, 5)
    assert t(found["share90_low"]) == pytest.approx(q, abs=0.02)
    assert t(found["share90_high"]) == pytest.approx(-q, abs=0.02)
    assert found["share90_low"] < found["share90"] < found["share90_high"]


def test_the_gap_has_the_jackknife_interval_over_clusters():
    data, groups = (
        curves({("a", "free"): 3.0, ("random", "free"): 1.5}, texts=12, noise=0.4),
        (np.repeat(np.arange(6), 2)),
    )
    found = tokens_needed(data, groups, seed=7)

    def gap(keep):
        recovered = 1 - data.kl[keep].mean(0) / data.base[keep].mean(0)[:, None]
        a, random = needed(recovered, data.shares)[0]
        return random - a

    left = np.array([gap(groups != group) for group in range(6)])
    half = stats.t.ppf(0.975, 5) * np.sqrt(5 / 6 * ((left - left.mean()) ** 2).sum())
    assert found["gap"] == pytest.approx(gap(groups >= 0), abs=1e-3)
    assert found["gap_high"] - found["gap"] == pytest.approx(half, rel=0.02)


def test_the_lower_end_is_that_of_the_selector_that_may_need_least():
    """However clearly another one is chosen: what needs less might be the best."""
    rng = np.random.default_rng(0)
    data = curves({("a", "free"): exponent(0.6), ("b", "free"): exponent(0.62)}, texts=40, noise=0)
    data.kl[:, 1, 1:-1] *= np.exp(rng.standard_normal((40, 1)) - 0.5)  # b needs more, unsurely
    both = tokens_needed(data, clusters(40), seed=0)
    alone = tokens_needed(
        data._replace(names=data.names[:1], kl=data.kl[:, :1], base=data.base[:, :1],
                      shares=data.shares[:1]),
        clusters(40), seed=0,
    )  # fmt: skip
    assert both["share90_low"] < alone["share90_low"] - 0.01


def test_not_reached_on_the_grid_is_censored_with_ends_that_claim_no_more_than_is_known():
    short = GRID[:6]  # up to 0.3
    found = tokens_needed(
        curves({("lasso", "free"): exponent(0.6), ("random", "free"): exponent(0.7)}, grid=short),
        clusters(), seed=0,
    )  # fmt: skip
    assert found["censored"]
    assert np.isnan([found["share90"], found["gap"]]).all()
    assert (found["share90_low"], found["share90_high"]) == (0.3, 1.0)
    assert (found["gap_low"], found["gap_high"]) == pytest.approx((-0.7, 0.7))
    assert verdict(found["share90_low"], found["share90_high"]) == "inconclusive"


def test_without_random_the_gap_alone_is_unknown():
    found = tokens_needed(curves({("lasso", "free"): 3.0}), clusters(), seed=0)
    assert np.isfinite(found["share90"])
    assert np.isnan([found["share90_random"], found["gap"], found["gap_low"]]).all()


def test_halves_share_no_cluster_and_leave_out_no_text():
    groups = np.array([*"aaaabbccddddeefg"])
    first, second = distribution.halves(groups, seed=1)
    assert sorted([*first, *second]) == list(range(16))
    assert not set(groups[first]) & set(groups[second])
    assert (len(set(groups[first])), len(set(groups[second]))) == (3, 4)
    assert [*first] == [*distribution.halves(groups, seed=1)[0]]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.51, 0.9, "distributed"),
        (0.5, 0.9, "inconclusive"),
        (0.2, 0.5, "inconclusive"),
        (0.2, 0.49, "concentrated"),
        (np.nan, np.nan, "not available"),
    ],
)
def test_verdict(low, high, expected):
    assert verdict(low, high) == expected


# ---------------------------------------------------------------- from tables


def long_table(texts=16, sources=8, grid=GRID, earlier=100):
    """An ablation table: lasso needs 0.4 of the tokens, random 0.8; three draws of random."""
    rows = []
    for i in range(texts):
        for selector, share, draws in (("lasso", 0.4, 1), ("random", 0.8, 3)):
            for sink in ("free", "forced"):
                k = np.round(grid * earlier).astype(int)
                kept = np.minimum(k + (sink == "forced"), earlier) / earlier
                kl = (1 - kept) ** exponent(share) * (1 + i)
                for draw in range(draws):
                    rows.append(pd.DataFrame({
                        "doc_id": f"t{i}", "source": f"s{i % sources}", "selector": selector,
                        "sink": sink, "mode": "keep", "share": grid, "k": k, "draw": draw,
                        "kl": np.where(k == 0, 1 + i, kl * (1 + (draw - (draws - 1) / 2) / 50)),
                    }))  # fmt: skip
    frame = pd.concat(rows, ignore_index=True)
    return frame.assign(delta_nll=0.0, cosine_mean=0.0, cosine_last=0.0)


MODEL = {"slug": "m", "family": "f", "params_non_embedding": 10, "params_total": 20, "width": 4,
         "layers": 2}  # fmt: skip


def judged(frame, problem="", ridge=None):
    """The row of one model with these tables."""
    if ridge is None:
        ridge = pd.DataFrame({
            "doc_id": [f"t{i}" for i in range(16)] * 2, "source": [f"s{i}" for i in range(16)] * 2,
            "regulariser": np.repeat(["lambda=1", "eps2=0.5"], 16),
            "participation_share": np.linspace(0, 1, 32),
        })  # fmt: skip
    status = pd.DataFrame({"gap_residual": [1e-6], "problem": [problem]})
    read = {name: {"m": table} for name, table in
            (("ablation", frame), ("ablation_status", status), ("ridge", ridge))}  # fmt: skip
    found = distribution.distribution(
        "c", [MODEL], read, n=101, headline_eps2=0.5, draws=99, seed=0
    )
    assert list(found.columns) == distribution.COLUMNS
    return found.iloc[0]


def test_one_plain_sentence_with_the_verdict():
    row = judged(long_table())
    assert (row["verdict"], row["problem"], row["texts"]) == ("concentrated", "", 16)
    assert row["share90"] == pytest.approx(0.4, abs=0.01)
    assert row["share90_random"] == pytest.approx(0.8, abs=0.01)
    assert row["sentence"] == (
        "m: 90 % of the effect of the earlier tokens on the next-token prediction needs "
        f"40 % [40 %, 40 %] of them under lasso (first token {row['best_sink']}), "
        "80 % [80 %, 80 %] under random: concentrated."
    )


def test_participation_is_that_of_the_headline_regulariser():
    row = judged(long_table())
    assert row["participation_share"] == pytest.approx(np.linspace(0, 1, 32)[16:].mean())
    assert row["participation_low"] < row["participation_share"] < row["participation_high"]


def test_a_forced_first_token_counts_as_kept():
    frame = long_table(grid=np.array([0, 0.1, 0.5, 1.0]), earlier=10)
    shared = SharedTexts([frame], draws=9, seed=0)
    curves, _ = distribution.curves_of(shared, frame[frame.draw == 0], 11)
    shares = dict(zip(curves.names, curves.shares.tolist(), strict=True))
    assert shares["lasso", "free"] == [0, 0.1, 0.5, 1]
    assert shares["lasso", "forced"] == [0.1, 0.2, 0.6, 1]


def test_a_text_that_lacks_a_point_is_left_out_of_all_curves():
    frame = long_table()
    gap = (frame["doc_id"] == "t3") & (frame["selector"] == "lasso") & (frame["share"] == 0.2)
    assert judged(frame[~gap])["texts"] == 15


@pytest.mark.parametrize(
    ("frame", "problem", "why"),
    [
        (long_table(), "its window counts kept tokens", "its window counts kept tokens"),
        (long_table().iloc[:0], "", "no text was ablated"),
        (long_table(texts=7), "", "7 texts of 7 sources: at least 8 texts of 4 sources are needed"),
        (long_table(sources=3), "", "16 texts of 3 sources"),
        (long_table().assign(kl=0.0), "", "mean KL_0 is 0"),
        (long_table().assign(selector="random").drop_duplicates(
            ["doc_id", "sink", "share", "draw"]), "", "no selector besides random"),
    ],
    ids=["status", "no rows", "few texts", "few sources", "no effect", "random alone"],
)  # fmt: skip
def test_what_cannot_be_judged_says_why(frame, problem, why):
    row = judged(frame, problem)
    assert row["verdict"] == "not available"
    assert why in row["problem"]
    assert row["sentence"] == f"m: not available ({row['problem']})."
    assert np.isnan([row["share90"], row["share90_low"], row["gap_high"]]).all()


def test_a_model_without_ridge_weights_still_has_a_verdict():
    ridge = pd.DataFrame(columns=["doc_id", "source", "regulariser", "participation_share"])
    row = judged(long_table(), ridge=ridge)
    assert row["verdict"] == "concentrated"
    assert np.isnan(row["participation_share"])
