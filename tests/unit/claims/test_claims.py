"""A verdict on each claim, by the rules of docs/verdicts.md, and what lacks where there is none."""

import numpy as np
import pandas as pd
import pytest

from infogeo.claims import alignment_claims, claim_rows, claims, report, sentence_claims
from infogeo.claims.claim_rows import (
    BETTER,
    BEYOND,
    COVARIANCES,
    DISTRIBUTED,
    LARGER,
    LASSO,
    MEANS,
    POWER,
    RIDGE,
    Estimate,
)
from infogeo.laws.columns import LAW_COLUMNS, tidy
from infogeo.sentences.trends import not_available
from infogeo.sources.cards import REASONS

LAW = dict.fromkeys(LAW_COLUMNS, np.nan) | {
    "corpus": "c", "family": "f", "scope": "text", "metric": "entropy_over_ln_d",
    "depth": "final", "convention": "centred", "first": "in", "n": 8,
    "axis": "non_embedding", "headline": True,
    "points": 9, "widths": 3, "models": 9, "texts": 40,
    "exponent": -0.07, "exponent_low": -0.09, "exponent_high": -0.05,
    "excess_width": -0.03, "excess_width_low": -0.05, "excess_width_high": -0.01,
    "excess_untrained": -0.02, "excess_untrained_low": -0.05, "excess_untrained_high": -0.005,
    "depth_exponent": -0.04, "depth_exponent_low": -0.06, "depth_exponent_high": -0.02,
    "controls_applied": "width law, untrained twins, fixed width",
    "falls_verdict": "supported", "falls_false_supported": 0.02, "falls_false_artefact": 0.01,
    "rises_false": 0.024, "form_verdict": "supported", "form_false_supported": 0.03,
    "form_false_rejected": 0.04, "form_power": 0.6, "problems": "",
}  # fmt: skip
RATES = pd.DataFrame(
    [
        ("lasso", "supported", 0.03), ("lasso", "supported", 0.05), ("lasso", "contradicted", 0.02),
        ("distributed", "supported", 0.06), ("distributed", "contradicted", 0.01),
        ("separation", "supported", 0.02), ("covariance", "supported", 0.025),
        ("larger", "supported", 0.015),
    ],
    columns=["rule", "verdict", "rate"],
)  # fmt: skip


def judged(claim, **law):
    rows = claims.of_laws(tidy(pd.DataFrame([LAW | law])), claim_rows.MEASURED)
    return next(row for row in rows if row["claim"] == claim)


# ---------------------------------------------------------------- scaling laws


@pytest.mark.parametrize(
    ("law", "verdict", "rate"),
    [
        ({}, "supported", 0.03),
        ({"form_verdict": "inconclusive"}, "inconclusive", 0.03),
        ({"form_verdict": "not supported"}, "contradicted", 0.04),
        ({"exponent_high": 0.01}, "inconclusive", 0.03),  # a power law that need not fall
        ({"exponent": 0.03, "exponent_low": 0.01, "exponent_high": 0.05}, "contradicted", 0.024),
        ({"exponent": np.nan, "exponent_low": np.nan, "exponent_high": np.nan,
          "form_verdict": "not available"}, "not available", np.nan),
    ],
)  # fmt: skip
def test_falls_as_a_power_law(law, verdict, rate):
    row = judged(POWER, **law)
    assert row["verdict"] == verdict
    assert row["false_rate"] == pytest.approx(rate, nan_ok=True)


@pytest.mark.parametrize(
    ("law", "verdict", "rate"),
    [
        ({}, "supported", 0.02),
        ({"falls_verdict": "width artefact"}, "width artefact", 0.01),
        ({"falls_verdict": "inconclusive"}, "inconclusive", 0.02),
        ({"falls_verdict": "inconclusive", "exponent_low": 0.01}, "contradicted", 0.024),
    ],
)
def test_falls_beyond_the_controls(law, verdict, rate):
    row = judged(BEYOND, **law)
    assert (row["verdict"], row["false_rate"]) == (verdict, rate)


def test_the_control_beside_a_fall_is_the_one_that_is_beaten_least():
    row = judged(BEYOND)
    assert (row["control"], row["control_estimate"]) == ("untrained twins", -0.02)
    assert (row["control_low"], row["control_high"]) == (-0.05, -0.005)
    assert row["to_add"] == ""


@pytest.mark.parametrize(
    ("claim", "law", "words"),
    [
        (POWER, {"points": 5, "form_verdict": "inconclusive"}, "2 more sizes: 7 are needed"),
        (POWER, {"form_verdict": "inconclusive"}, "recognised in 60.0 %"),
        (BEYOND, {"points": 2, "exponent_high": np.nan}, "1 more size: 3 are needed"),
        (BEYOND, {"controls_applied": "width law"}, "a second depth at two widths"),
        (BEYOND, {"controls_applied": "width law", "widths": 1}, "a second width"),
        (BEYOND, {"excess_untrained_high": np.nan}, "untrained twins of every model"),
        (POWER, {"exponent_high": np.nan, "problems": "all points have the same N"},
         "the same N"),
        (POWER, {"points": 5, "exponent_high": np.nan, "problems": "models of one shape"},
         "models of one shape"),  # two more sizes would not help
        (BEYOND, {"points": 0, "exponent_high": np.nan, "problems": "other tokenizers"},
         "other tokenizers"),
    ],
)  # fmt: skip
def test_what_cannot_be_judged_says_what_to_add(claim, law, words):
    assert words in judged(claim, **law)["to_add"]


def test_a_law_that_is_not_fitted_names_its_problem_and_no_control():
    row = judged(BEYOND, exponent_high=np.nan, controls_applied="",
                 falls_verdict="not available", problems="models of one shape: a, b")  # fmt: skip
    assert row["to_add"] == "models of one shape: a, b"


def test_exploratory_laws_and_raw_entropies_make_no_claim():
    frame = tidy(pd.DataFrame([LAW | {"headline": False}, LAW | {"metric": "entropy"}]))
    assert claims.of_laws(frame, claim_rows.MEASURED) == []


def test_a_family_without_a_headline_law_says_which_metrics_would_make_one():
    frame = tidy(pd.DataFrame([LAW]))
    rows = claims.without_law(frame, [("c", "f")])
    assert [(row["metric"], row["verdict"]) for row in rows] == 2 * [("nll", "not available")]
    assert "headline.metrics" in rows[0]["to_add"]
    assert len(claims.without_law(frame, [("c", "other")])) == 4


# ---------------------------------------------------------------- context


def context(residual=1e-13, wins=((0.8, 0.6, 32), (0.9, 0.7, 32)),
            shares=((0.7, 0.55, 0.8), (0.8, 0.6, 0.9)), steps=None):  # fmt: skip
    about = {"corpus": "c", "family": "f", "run": "", "step": pd.NA}
    at = [{"run": "r", "step": step} for step in steps or ()] or [{}] * 9
    gain = pd.DataFrame([
        about | {"metric": metric, "y": 0.5, "checked_tokens": 40,
                 "largest_residual_ridge": residual, "largest_residual_slogdet": np.nan}
        for metric in ("gain_mean", "rho_mean")
    ])  # fmt: skip
    selection = pd.DataFrame([
        about | {"selector": "attention_mean", "sink": "free", "k": 8, "model": f"m{i}",
                 "lasso_wins": share, "lasso_wins_low": low, "lasso_wins_high": 1.0, "texts": n,
                 "sources": n} | at[i]
        for i, (share, low, n) in enumerate(wins)
    ])  # fmt: skip
    distribution = pd.DataFrame([
        about | {"model": f"m{i}", "share90": value, "share90_low": low, "share90_high": high,
                 "share90_random": 0.95, "share90_random_low": 0.9, "share90_random_high": 1.0,
                 "texts": 32, "problem": "3 texts" if np.isnan(low) else "",
                 "verdict": "not available" if np.isnan(low) else
                 "distributed" if low > 0.5 else "concentrated" if high < 0.5 else "inconclusive"
                 } | at[i]
        for i, (value, low, high) in enumerate(shares)
    ])  # fmt: skip
    rows = claims.of_context(gain, selection, distribution, RATES)
    return {row["claim"]: row for row in rows}


@pytest.mark.parametrize("reason", REASONS)
def test_claims_that_need_a_prediction_are_not_available_without_one_with_the_reason(reason):
    models = pd.DataFrame([
        {"corpus": "c", "family": "e", "model": "bert", "problem": reason, "run": "", "step": None,
         "verdict": "not available"},
    ])  # fmt: skip
    nothing = pd.DataFrame(columns=["corpus", "family", "k", "run", "step"])
    rows = claims.of_context(nothing, nothing, models, RATES)
    assert rows == claims.without_prediction([("c", "e")], reason)
    assert [row["claim"] for row in rows] == [
        RIDGE,
        LASSO,
        DISTRIBUTED,
    ]
    assert {(row["verdict"], row["to_add"]) for row in rows} == {("not available", reason)}


def test_of_a_run_the_last_step_alone_is_judged():
    wins, shares = ((0.1, 0.0, 32), (0.9, 0.7, 32)), ((0.2, 0.1, 0.3), (0.8, 0.6, 0.9))
    both = context(wins=wins, shares=shares)
    assert both[LASSO]["verdict"] != "supported" and both[DISTRIBUTED]["verdict"] != "supported"
    of_run = context(wins=wins, shares=shares, steps=[0, 1000])
    last = context(wins=wins[1:], shares=shares[1:])
    assert of_run[LASSO]["verdict"] == last[LASSO]["verdict"] == "supported"
    for claim in (LASSO, DISTRIBUTED):
        assert of_run[claim]["estimate"] == last[claim]["estimate"]
        assert of_run[claim]["verdict"] == last[claim]["verdict"]


def test_the_layer_that_a_measure_chooses_is_asked_of_the_last_step_of_a_run():
    rows = pd.DataFrame({
        "corpus": "c", "family": "f", "model": ["m0", "m1"], "headline": True, "layers": 6,
        "texts": 40.0, "verdict": ["contradicted", "supported"], "rho": [0.1, 0.9],
        "rho_low": 0.0, "rho_high": 1.0, "untrained": 0.1, "problems": "", "run": "r",
        "step": [0, 1000],
    })  # fmt: skip
    (row,) = sentence_claims.of_layers(rows, claim_rows.error_rates())
    assert row["verdict"] == "supported" and "m1, least of 1 of 1 models" in row["rests_on"]


@pytest.mark.parametrize(
    ("verdicts", "verdict", "first"),
    [
        (["supported", "supported"], "supported", "without"),
        (["supported", "inconclusive"], "inconclusive", "without"),
        (["contradicted", "contradicted"], "contradicted", "with"),
        (["not available", "not available"], "not available", None),
    ],
)
def test_models_are_more_alike_where_they_are_with_the_first_token_and_without(
    verdicts, verdict, first
):
    table = pd.DataFrame({
        "corpus": "c", "family": "f", "first": ["in", "out"], "points": 7, "models": 9,
        "texts": 40, "slope": [0.3, 0.2], "slope_low": [0.2, 0.1], "slope_high": [0.4, 0.3],
        "excess_slope": 0.2, "excess_slope_low": [0.1, 0.05], "excess_slope_high": 0.3,
        "verdict": verdicts, "problems": "4 sizes: 5 are needed" if first is None else "",
    })  # fmt: skip
    (row,) = alignment_claims.of_alignment(table, claim_rows.error_rates())
    assert row["verdict"] == verdict
    if first is None:
        assert row["to_add"] == "4 sizes: 5 are needed" and np.isnan(row["false_rate"])
    else:
        assert row["rests_on"] == f"7 sizes, 9 models, 40 texts, {first} the first token"
        assert row["control"] == "beyond untrained twins" and row["false_rate"] > 0


def test_an_identity_holds_to_rounding_or_not():
    assert context()[RIDGE]["verdict"] == "supported"
    assert context()[RIDGE]["control_estimate"] == 0.5
    assert context(residual=1e-6)[RIDGE]["verdict"] == "contradicted"
    assert context(residual=np.nan)[RIDGE]["verdict"] == "not available"


@pytest.mark.parametrize("texts", [1, 2, 3, 4, 7])
def test_lasso_has_no_verdict_from_fewer_texts_than_ablation_needs(texts):
    assert claims.lasso_verdict(1.0, 1.0, texts) == "not available"
    row = context(wins=((1.0, 1.0, 32), (1.0, 1.0, texts)))[LASSO]
    assert (row["verdict"], row["estimate_of"]) == ("not available", "")
    assert row["to_add"].startswith(f"m1: {texts} texts of {texts} sources: at least 8 texts")


def test_lasso_needs_texts_of_several_sources_and_the_exact_end_above_a_half():
    assert claims.lasso_verdict(1.0, 1.0, 8) == "supported"
    assert claims.lasso_verdict(1.0, 1.0, 8, sources=3) == "not available"
    assert claims.lasso_verdict(7 / 8, 0.6, 8) == "inconclusive"  # 0.47 by the binomial


@pytest.mark.parametrize(
    ("wins", "verdict", "rate"),
    [
        (((0.8, 0.6, 32), (0.9, 0.7, 32)), "supported", 0.05),
        (((0.8, 0.6, 32), (0.6, 0.4, 32)), "inconclusive", 0.05),
        (((0.0, 0.0, 200), (0.01, 0.0, 200)), "contradicted", 0.02),
        (((0.0, 0.0, 32), (0.0, 0.0, 32)), "inconclusive", 0.05),  # 0 of 32 may be 5 %
        (((np.nan, np.nan, 0),), "not available", np.nan),
    ],
)
def test_lasso_has_to_beat_attention_in_every_model(wins, verdict, rate):
    row = context(wins=wins)[LASSO]
    assert row["verdict"] == verdict
    assert row["false_rate"] == pytest.approx(rate, nan_ok=True)


def test_the_model_that_speaks_least_for_the_verdict_is_shown():
    row = context()[DISTRIBUTED]
    assert (row["verdict"], row["estimate"], row["false_rate"]) == ("supported", 0.7, 0.06)
    few = context(shares=((0.1, 0.05, 0.2), (0.2, 0.1, 0.3)))[DISTRIBUTED]
    assert (few["verdict"], few["estimate"], few["false_rate"]) == ("contradicted", 0.2, 0.01)
    assert "m1" in few["rests_on"]
    mixed = context(shares=((0.1, 0.05, 0.2), (0.7, 0.6, 0.8)))[DISTRIBUTED]
    assert mixed["verdict"] == "inconclusive"
    unknown = context(shares=((0.1, 0.05, 0.2), (np.nan, np.nan, np.nan)))[DISTRIBUTED]
    assert unknown["verdict"] == "not available"
    assert unknown["to_add"] == "m1: 3 texts"
    assert np.isnan(unknown["false_rate"])


# ---------------------------------------------------------------- sentences


def test_a_verdict_that_is_not_available_has_no_error_rate():
    names = ("value", "slope", "excess_slope", *sentence_claims.BASELINES, "minus_cosine",
             "minus_cosine_centred")  # fmt: skip
    trend = {f"{name}{end}": np.nan for name in names for end in ("", "_low", "_high")} | {
        "corpus": "c", "family": "f", "depth": "final", "first": "in", "score": "auc",
        "headline": True,
        "points": 2, "models": 2, "texts": 9, "covariance_verdict": "not available",
        "trend_verdict": "not available", "problems": "2 points: a law needs at least 3",
    }  # fmt: skip
    trends = pd.DataFrame([
        trend | {"distance": "js_centred"}, trend | {"distance": "cosine", "headline": False},
    ])  # fmt: skip
    rows = sentence_claims.of_sentences(trends, RATES)
    assert [row["verdict"] for row in rows] == 4 * ["not available"]
    assert np.isnan([row["false_rate"] for row in rows]).all()
    assert "% wrong" not in report.terminal_text(claim_rows.table(rows), [])


@pytest.mark.parametrize(
    ("claim", "columns", "words"),
    [
        (LARGER, {"points": 2}, "1 more size: 3 are needed"),
        (LARGER, {"problems": "models with different tokenizers are not compared"},
         "models with different tokenizers are not compared"),
        (LARGER, {"slope_high": 0.1}, "untrained twins of every model at this depth"),
        (LARGER, {"slope_high": 0.1, "excess_slope_high": 0.1},
         "more sizes, or more texts with labels, of more sources"),
        (BETTER, {"points": 2}, "at this depth, of every model: cosine, cosine_centred"),
        (BETTER, {"points": 2, "minus_cosine_low": -0.1, "minus_cosine_centred_low": -0.1},
         "more texts with labels, of more sources"),
        (COVARIANCES, {"points": 2, "minus_length_low": 0.1, "minus_bag_of_words_low": 0.1},
         "at this depth, of every model: untrained twins"),
        (COVARIANCES, {"points": 2, **{f"{name}_low": -0.1 for name in sentence_claims.BASELINES}},
         "more texts with labels, of more sources"),
    ],
)  # fmt: skip
def test_a_claim_on_sentences_says_what_would_decide_it(claim, columns, words):
    names = ("value", "slope", "excess_slope", *sentence_claims.BASELINES, "minus_cosine",
             "minus_cosine_centred")  # fmt: skip
    trend = {f"{name}{end}": np.nan for name in names for end in ("", "_low", "_high")} | {
        "corpus": "c", "family": "f", "depth": "final", "first": "in", "score": "auc",
        "headline": True,
        "points": 3, "models": 3, "texts": 9, "covariance_verdict": "inconclusive",
        "trend_verdict": "inconclusive", "problems": "2 points: a law needs at least 3",
        "distance": "js_centred",
    }  # fmt: skip
    rows = sentence_claims.of_sentences(pd.DataFrame([trend | columns]), RATES)
    assert [row["to_add"] for row in rows if row["claim"] == claim] == [words]


@pytest.mark.parametrize(
    ("value", "gaps", "verdict"),
    [
        ((0.55, 0.6), ((0.01, 0.1), (0.02, 0.1)), "supported"),
        ((0.55, 0.6), ((0.01, 0.1), (-0.02, 0.1)), "inconclusive"),
        ((0.55, 0.6), ((0.01, 0.1), (np.nan, np.nan)), "inconclusive"),
        ((0.49, 0.6), ((0.01, 0.1), (0.02, 0.1)), "inconclusive"),
        ((0.4, 0.49), ((0.01, 0.1), (0.02, 0.1)), "contradicted"),
        ((np.nan, np.nan), ((0.01, 0.1), (0.02, 0.1)), "not available"),
    ],
)
def test_a_distance_separates_meaning_only_beyond_every_control(value, gaps, verdict):
    ends = [Estimate("", 0.5, *pair) for pair in (value, *gaps)]
    assert sentence_claims.separation_verdict(ends[0], ends[1:]) == verdict


def test_a_corpus_without_labels_cannot_be_judged_by_them():
    rows = sentence_claims.not_judged([("c", "f"), ("d", "f")], {"c": "labels", "d": ""})
    assert {row["verdict"] for row in rows} == {"not available"}
    assert [row["to_add"] for row in rows] == 5 * ["labels"] + 5 * [sentence_claims.DEPTHS]


@pytest.mark.parametrize(
    ("verdicts", "rhos", "verdict", "model"),
    [
        (["supported", "supported"], [0.9, 0.7], "supported", "m1"),
        (["supported", "supported"], [0.9, -0.7], "inconclusive", "m1"),
        (["contradicted", "contradicted"], [0.1, -0.3], "contradicted", "m1"),
        (["supported", "inconclusive"], [0.9, 0.7], "inconclusive", "m1"),
        (["not available", "supported"], [np.nan, 0.7], "supported", "m1"),
        (["not available", "not available"], [np.nan, np.nan], "not available", None),
    ],
)
def test_a_measure_chooses_the_layer_where_it_does_in_every_model_with_one_sign(
    verdicts, rhos, verdict, model
):
    rows = pd.DataFrame({
        "corpus": "c", "family": "f", "model": ["m0", "m1"], "headline": True, "layers": 6,
        "texts": 40.0, "verdict": verdicts, "rho": rhos, "rho_low": rhos, "rho_high": rhos,
        "untrained": 0.1, "problems": "3 layers", "run": "", "step": None,
    })  # fmt: skip
    (row,) = sentence_claims.of_layers(rows, claim_rows.error_rates())
    assert row["verdict"] == verdict
    if model is None:
        assert row["to_add"] == "3 layers"
    else:
        assert model in row["rests_on"] and " 40 texts," in row["rests_on"]
        assert row["false_rate"] > 0


def test_a_claim_on_sentences_says_what_the_same_rule_finds_without_the_first_token():
    columns = {f"{name}_{end}": sign for name, sign in (("value", 0.6), ("slope", 0.1), *(
        (name, 0.1) for name in (*sentence_claims.BASELINES, "excess_slope", "minus_cosine",
                                 "minus_cosine_centred"))) for end in ("low", "high")}  # fmt: skip
    columns |= {name.removesuffix("_low"): value for name, value in columns.items()}
    trend = columns | {
        "corpus": "c", "family": "f", "depth": "final", "first": "in", "score": "auc",
        "distance": "js_centred", "headline": True, "points": 3, "models": 3, "texts": 9,
        "covariance_verdict": "supported", "trend_verdict": "supported", "problems": "",
    }  # fmt: skip
    out = trend | {"first": "out", "headline": False, "value_low": 0.4,
                   "covariance_verdict": "contradicted"}  # fmt: skip
    rows = sentence_claims.of_sentences(pd.DataFrame([trend, out]), RATES)
    found = {row["claim"]: row["rests_on"].rpartition("; ")[2] for row in rows}
    assert found[COVARIANCES] == "without the first token inconclusive"
    assert found[BETTER] == "without the first token contradicted"
    assert found[LARGER] == "without the first token supported"


def test_texts_that_cannot_be_judged_make_every_claim_on_them_not_available():
    models = [{"slug": "m", "family": "f"}]
    trends = not_available("c", models, "no two texts", headline_depth="final")
    rows = sentence_claims.of_sentences(trends, claim_rows.error_rates())
    assert [row["claim"] for row in rows] == [MEANS, COVARIANCES, BETTER,
                                              LARGER]  # fmt: skip
    assert {row["verdict"] for row in rows} == {"not available"}
    assert {row["to_add"] for row in rows} == {"no two texts"}


# ---------------------------------------------------------------- theory


def test_the_lemma_holds_where_the_interval_does_and_the_theorem_where_all_are_covered():
    curve = pd.DataFrame({"exponent": [-0.49], "exponent_low": [-0.51], "exponent_high": [-0.48],
                          "used": [True]})  # fmt: skip
    recovery = pd.DataFrame({"n_low": [1, 100, 100], "coverage": [0.2, 0.94, 0.96],
                             "coverage_error": 0.01})  # fmt: skip
    lemma, theorem = claims.of_skills(curve, recovery, 0.5)
    assert (lemma["verdict"], lemma["control_estimate"]) == ("supported", -0.5)
    assert (theorem["verdict"], theorem["estimate"]) == ("supported", 0.94)
    lemma, theorem = claims.of_skills(curve, recovery.assign(coverage=[0.2, 0.91, 0.96]), 0.55)
    assert lemma["verdict"] == theorem["verdict"] == "contradicted"
    unfitted = curve.assign(exponent_low=np.nan, exponent_high=np.nan)
    assert "theory.texts" in claims.of_skills(unfitted, recovery, 0.5)[0]["to_add"]


# ---------------------------------------------------------------- the table


def everything():
    measured = tidy(pd.DataFrame([LAW, LAW | {"metric": "nll", "convention": ""}]))
    published = measured.assign(family="p", table="p.csv", texts=pd.NA)
    rows = claims.of_laws(published, "published") + list(context().values())
    rows += claims.of_laws(measured, claim_rows.MEASURED) + sentence_claims.not_judged(
        [("c", "f")], {"c": "labels of the texts"}
    )
    return claim_rows.table(rows)


def test_measured_claims_come_first_in_the_order_of_the_paper():
    frame = everything()
    assert frame["source"].tolist()[-4:] == 4 * ["p.csv"]
    measured = frame[frame["source"] == claim_rows.MEASURED]["claim"]
    order = [claim_rows.CLAIMS.index(claim) for claim in measured]
    of_labels = claim_rows.CLAIMS.index(claim_rows.LAYER)
    assert order == sorted(order) and set(order) == {*range(9), of_labels}


def test_the_texts_hold_every_claim_its_verdict_and_its_rate():
    frame = everything()
    terminal, markdown = report.terminal_text(frame, []), report.markdown_text(frame)
    assert max(map(len, terminal.splitlines())) <= 110
    for text in (" ".join(terminal.split()), markdown):
        assert "f on c" in text
        assert "nan" not in text
        for _, row in frame.iterrows():
            assert row["claim"] in text and row["verdict"] in text.casefold()
        assert "3.0 %" in text  # the form's rate
    assert "p on c, as published (p.csv)" in markdown
    assert "published" not in terminal  # a run ends with its own claims
    assert "not available (labels of the texts): mean" in " ".join(terminal.split())
    assert "\n\nNot available (labels of the texts): mean" in markdown
    assert not [line for line in markdown.splitlines() if line[:1] == "|" and "available" in line]


def test_what_has_no_claim_to_show_has_no_table():
    frame = everything()
    text = report.markdown_text(frame[frame["verdict"] == report.NOT_AVAILABLE])
    assert "## f on c\n\nNot available (" in text and "|" not in text


def test_a_run_ends_with_the_families_that_a_user_brought():
    mine = everything()
    ladder = mine[mine["source"] == claim_rows.MEASURED].assign(family="a ladder")
    frame = pd.concat([ladder, mine])
    text = report.terminal_text(frame, ["a ladder"])
    assert text.index("f on c") < text.index("a ladder on c")
    own = report.own_claims(frame, ["a ladder"])
    assert list(dict.fromkeys(own["family"])) == ["f", "a ladder"]
    lacking = own.loc[own["family"] == "f", "verdict"] == "not available"
    assert lacking.is_monotonic_increasing and lacking.any()
    # What lacks the same is one line.
    assert text.count("(labels of the texts)") == 2


def test_the_rates_of_every_rule_are_kept_with_their_programs():
    rates = claim_rows.error_rates()
    assert set(rates["rule"]) >= {"lasso", "distributed", "separation", "covariance", "larger"}
    assert rates["rate"].between(0, 1).all()
    for rule in ("lasso", "distributed", "separation", "covariance", "larger"):
        assert {"supported", "contradicted"} <= set(rates.loc[rates["rule"] == rule, "verdict"])


def valleys(*verdicts):
    """A model each, with a valley of 2 nats of which 0.1 or 1.5 is left."""
    columns = ("valley", "valley_low", "valley_high", "out", "out_low", "out_high",
               "beyond_half_low", "beyond_half_high")  # fmt: skip
    planted = {
        "supported": (2.0, 1.8, 2.2, 0.1, 0.0, 0.2, -1.1, -0.7),
        "contradicted": (2.0, 1.8, 2.2, 1.5, 1.4, 1.6, 0.3, 0.7),
        "not available": (0.0, -0.1, 0.1, 0.0, -0.1, 0.1, -0.1, 0.1),
    }
    return pd.DataFrame([
        {"corpus": "c", "family": "f", "model": f"m{i}", "texts": 40, "layer": "3",
         "verdict": verdict, "problem": "no valley"}
        | dict(zip(columns, planted[verdict], strict=True))
        for i, verdict in enumerate(verdicts)
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("verdicts", "verdict"),
    [
        (("supported", "supported", "not available"), "supported"),
        (("contradicted",), "contradicted"),
        (("supported", "contradicted"), "inconclusive"),
        (("not available",), "not available"),
    ],
)
def test_a_valley_is_the_first_token_where_it_is_in_every_model_that_has_one(verdicts, verdict):
    (row,) = claims.of_valleys(valleys(*verdicts), claim_rows.error_rates())
    assert row["verdict"] == verdict
    if verdict == "not available":
        assert row["to_add"] == "no valley"
    else:
        assert row["estimate"] == 2.0
        assert row["control_estimate"] in (0.1, 1.5)
        assert 0 <= row["false_rate"] < 0.1


@pytest.mark.parametrize(("verdict", "texts"), [("supported", 41), ("contradicted", 42)])
def test_the_claim_on_valleys_shows_the_model_that_speaks_least_for_the_verdict(verdict, texts):
    models = valleys(verdict, verdict, verdict)
    models["texts"] = [40, 41, 42]
    models[["beyond_half_low", "beyond_half_high"]] += np.array([0.0, 0.1, -0.1])[:, None]
    (row,) = claims.of_valleys(models, claim_rows.error_rates())
    assert row["rests_on"].startswith(f"{texts} texts, m{texts - 40}")
