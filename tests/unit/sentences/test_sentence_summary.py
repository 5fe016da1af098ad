"""Scores of all models of a corpus, the two claims about a family, and the texts for readers."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from infogeo.files.errors import InfogeoError
from infogeo.inference import regression
from infogeo.sentences import report
from infogeo.sentences.scores import SCORES
from infogeo.sentences.separation import Separation
from infogeo.sentences.study import judge_corpus
from infogeo.sentences.summary import SCORE_COLUMNS, score_table, with_q_values
from infogeo.sentences.trends import TREND_COLUMNS, grows, says_more, trend_table
from infogeo.sources import replicates

LABELS, PER_LABEL, SOURCES = 3, 12, 6  # sources of each label
TEXTS = LABELS * PER_LABEL
NEIGHBOURS, PERMUTATIONS, DRAWS, SEED = 5, 49, 199, 3
SHAPES = [("a-1", 8, 1), ("a-2", 8, 2), ("a-3", 16, 1), ("a-4", 16, 2), ("a-5", 32, 1),
          ("a-6", 32, 2), ("a-6-s1", 32, 2)]  # fmt: skip
BASELINES = ("bag_of_words", "length")


def model(slug, width, layers, family="a"):
    N = 12 * width**2 * layers
    return {"slug": slug, "family": family, "params_total": N + 100, "params_non_embedding": N,
            "width": width, "layers": layers,
            "replicate": ("a", int(slug.endswith("-s1"))), "dtype": "float32",
            "tokenizer_sha256": "t", "source": "hub"}  # fmt: skip


def about():
    """Label and source of each text, as numbers."""
    label = np.repeat(np.arange(LABELS), PER_LABEL)
    source = label * SOURCES + np.tile(np.arange(PER_LABEL) % SOURCES, LABELS)
    return label, source


def distance(rng, noise):
    """Distances of texts around the mean of their label."""
    label, source = about()
    points = 1.2 * np.random.default_rng(7).standard_normal((LABELS, 4))[label]
    points = points + 0.5 * np.random.default_rng(8).standard_normal((source.max() + 1, 4))[source]
    points = points + noise * rng.standard_normal(points.shape)
    return np.linalg.norm(points[:, None] - points, axis=-1)


def sentences(distances, keep=None):
    """What infogeo.sentences.file.load gives, of the texts `keep`."""
    label, source = about()
    keep = np.arange(TEXTS) if keep is None else np.array(keep)
    return SimpleNamespace(
        doc_ids=[f"t{i}" for i in keep], labels=[f"l{label[i]}" for i in keep],
        sources=[f"s{source[i]}" for i in keep], left_out={}, n=8,
        distances={key: d[np.ix_(keep, keep)] for key, d in distances.items()},
    )  # fmt: skip


def corpus(noise, twins=True, seed=0, shapes=SHAPES):
    """models, trained, untrained; noise(rank of the model's size, name) of its distances."""
    rng = np.random.default_rng(seed)
    baselines = {(0, "", "", name): distance(np.random.default_rng(9), 4) for name in BASELINES}
    models, trained, untrained = [model(*shape) for shape in shapes], {}, {}
    sizes = sorted({m["params_non_embedding"] for m in models})
    for m in models:
        rank = sizes.index(m["params_non_embedding"])
        out = distance(np.random.default_rng([10, rank]), 0.5)
        trained[m["slug"]] = sentences({
            (0, depth, "in", name): distance(rng, noise(rank, name))
            for depth in ("0.5", "final") for name in ("js_centred", "cosine", "cosine_centred")
        } | {(0, "final", "out", "js_centred"): out} | baselines)  # fmt: skip
        if twins:
            untrained[m["slug"]] = sentences({
                (draw, depth, "in", name): distance(rng, 4)
                for draw in range(2) for depth in ("0.5", "final")
                for name in ("js_centred", "cosine")
            })  # fmt: skip
    return models, trained, untrained


def run(models, trained, untrained):
    return judge_corpus(
        "c", models, trained, untrained,
        neighbours=NEIGHBOURS, permutations=PERMUTATIONS, seed=SEED,
    )  # fmt: skip


def trends_of(study):
    return trend_table(study, headline_depth="final", draws=DRAWS, seed=SEED)


@pytest.fixture(scope="module")
def made():
    """A corpus in which larger models, and covariance, are less noisy."""
    return corpus(lambda rank, name: 3.6 * 0.66**rank + 1.5 * (name != "js_centred"))


@pytest.fixture(scope="module")
def study(made):
    return run(*made)


@pytest.fixture(scope="module")
def scores(study):
    found = score_table(study, headline_depth="final")
    return with_q_values(found)


@pytest.fixture(scope="module")
def trends(study):
    return with_q_values(trends_of(study))


def one(frame, **where):
    """The single row with these values, with the first token unless they say otherwise."""
    where = {"first": "" if where["depth"] == "" else "in"} | where
    found = frame[np.logical_and.reduce([frame[name] == value for name, value in where.items()])]
    assert len(found) == 1
    return found.iloc[0]


def judge():
    label, source = about()
    names = [f"l{x}" for x in label], [f"s{x}" for x in source]
    return Separation(*names, neighbours=NEIGHBOURS, permutations=PERMUTATIONS, seed=SEED)


# ---------------------------------------------------------------- scores


def test_there_is_a_row_for_each_model_depth_distance_and_score(scores):
    assert list(scores.columns) == SCORE_COLUMNS
    assert len(scores) == len(SHAPES) * (2 * 3 + 1 + 2) * len(SCORES)
    keys = ["model", "depth", "first", "distance", "score"]
    assert not scores.duplicated(keys).any()
    assert set(scores.loc[scores["depth"] == "", "distance"]) == set(BASELINES)
    assert (scores[["texts", "labels", "sources"]] == [TEXTS, 3, 18]).all().all()


def test_values_intervals_and_p_are_those_of_separation(made, scores):
    _, trained, _ = made
    judged = judge().judge(trained["a-3"].distances[0, "0.5", "in", "cosine"])
    for at, score in enumerate(SCORES):
        row = one(scores, model="a-3", depth="0.5", distance="cosine", score=score)
        low, high = judge().interval(judged.values[at], judged.influence[:, at])
        assert row["value"] == pytest.approx(judged.values[at])
        assert (row["p"], row["chance"]) == pytest.approx((judged.p[at], judged.chance[at]))
        assert row["low"] == pytest.approx(max(low, -1 if score == "silhouette" else 0))
        assert row["high"] == pytest.approx(min(high, 1))


def test_intervals_stay_within_what_a_score_can_be():
    frame = score_table(
        run(*corpus(lambda rank, name: 0.1, twins=False, shapes=SHAPES[:1])),
        headline_depth="final",
    )
    rows = frame[(frame["score"] == "precision_1") & (frame["distance"] == "js_centred")]
    rows = rows[rows["first"] == "in"]
    assert (rows["value"] < 1).all()
    assert (rows["high"] == 1).all()  # value + t × error is beyond
    assert (frame["low"] <= frame["value"]).all()
    assert (frame["value"] <= frame["high"]).all()


def test_differences_are_paired_and_absent_from_the_reference_itself(made, scores):
    _, trained, _ = made
    separation, at = judge(), SCORES.index("auc")
    of = {
        name: separation.judge(trained["a-2"].distances[key])
        for name, key in (("js", (0, "final", "in", "js_centred")),
                          ("mean", (0, "final", "in", "cosine")),
                          ("words", (0, "", "", "bag_of_words")))
    }  # fmt: skip
    row = one(scores, model="a-2", depth="final", distance="js_centred", score="auc")
    for name, column in (("mean", "minus_cosine"), ("words", "minus_bag_of_words")):
        gap = of["js"].influence[:, at] - of[name].influence[:, at]
        half = stats.t.ppf(0.975, 18 - 3) * np.sqrt((gap**2).sum())
        value = of["js"].values[at] - of[name].values[at]
        expected = value, value - half, value + half
        assert tuple(row[[column, f"{column}_low", f"{column}_high"]]) == pytest.approx(expected)
    itself = one(scores, model="a-2", depth="final", distance="cosine", score="auc")
    assert np.isnan(itself["minus_cosine"])
    assert np.isfinite(itself["minus_cosine_centred"])
    baseline = one(scores, model="a-2", depth="", distance="length", score="auc")
    assert np.isnan(baseline["minus_cosine"])
    assert baseline["minus_bag_of_words"] == 0  # the same matrix here


def test_with_the_first_token_and_without_are_compared_on_the_same_texts(made, scores, trends):
    _, trained, _ = made
    separation, at = judge(), SCORES.index("auc")
    both = [separation.judge(trained["a-2"].distances[0, "final", first, "js_centred"])
            for first in ("in", "out")]  # fmt: skip
    gap = both[0].influence[:, at] - both[1].influence[:, at]
    half = stats.t.ppf(0.975, 18 - 3) * np.sqrt((gap**2).sum())
    value = both[0].values[at] - both[1].values[at]
    row = one(scores, model="a-2", depth="final", distance="js_centred", score="auc")
    ends = tuple(row[["minus_out", "minus_out_low", "minus_out_high"]])
    assert ends == pytest.approx((value, value - half, value + half))
    out = one(scores, model="a-2", depth="final", first="out", distance="js_centred", score="auc")
    assert (out["value"], out["headline"]) == (pytest.approx(both[1].values[at]), False)
    assert np.isnan([out["minus_out"], out["minus_cosine"]]).all()
    assert one(trends, depth="final", first="out", distance="js_centred", score="auc")["points"]


def test_twins_are_the_mean_least_and_largest_of_their_draws(made, scores):
    _, _, untrained = made
    values = [judge().values(untrained["a-1"].distances[draw, "final", "in", "cosine"])[0]
              for draw in range(2)]  # fmt: skip
    row = one(scores, model="a-1", depth="final", distance="cosine", score="auc")
    found = tuple(row[["untrained", "untrained_low", "untrained_high"]])
    assert found == pytest.approx((np.mean(values), min(values), max(values)))
    none = scores[
        scores["distance"].isin(["cosine_centred", *BASELINES]) | (scores["first"] == "out")
    ]
    assert none["untrained"].isna().all()


def test_only_the_headline_has_no_q_and_q_is_benjamini_hochbergs(scores, trends):
    declared = (scores["distance"] == "js_centred") & (scores["score"] == "auc")
    declared &= (scores["depth"] == "final") & (scores["first"] == "in")
    assert (scores["headline"] == declared).all()
    assert (scores["q"].isna() == declared).all()
    expected = stats.false_discovery_control(scores.loc[~declared, "p"])
    np.testing.assert_allclose(scores.loc[~declared, "q"], expected)
    assert trends["headline"].sum() == 1
    assert trends.loc[trends["headline"], ["trend_q", "covariance_q"]].isna().all().all()
    assert trends.loc[~trends["headline"], "trend_q"].notna().all()


# ---------------------------------------------------------------- which texts


def test_texts_are_those_of_every_model_whatever_their_order(made):
    models, trained, untrained = made[0][:2], made[1], {}
    rng = np.random.default_rng(4)
    moved = dict(trained)
    whole = trained["a-1"].distances
    moved["a-1"] = sentences(whole, rng.permutation(TEXTS))
    again = score_table(run(models, moved, untrained), headline_depth="final")
    expected = score_table(run(models, trained, untrained), headline_depth="final")
    again, expected = (
        f.set_index(["model", "depth", "first", "distance", "score"]) for f in (again, expected)
    )
    np.testing.assert_allclose(again["value"], expected.loc[again.index, "value"], atol=1e-12)

    moved["a-1"] = sentences(whole, np.arange(2, TEXTS))
    fewer = run(models, moved, untrained)
    assert len(fewer.separation.texts) == TEXTS - 2
    assert (trends_of(fewer)["texts_left_out"] == 2).all()


def test_no_shared_text_and_disagreeing_labels_are_errors(made):
    models, trained, _ = made
    whole = trained["a-1"].distances
    halves = trained | {"a-1": sentences(whole, range(18)), "a-2": sentences(whole, range(18, 36))}
    with pytest.raises(
        InfogeoError, match=r"no text is in every one of the 7 models.*sentences\.n"
    ):
        run(models, halves, {})
    other = sentences(whole)
    other.labels[4] = "l2"
    with pytest.raises(InfogeoError, match="'t4' has another label or source"):
        run(models, trained | {"a-1": other}, {})


def test_a_text_without_source_is_its_own(made):
    models, trained, _ = made
    lone = sentences(trained["a-1"].distances)
    lone.sources = [""] * TEXTS
    study = run(models[:1], {"a-1": lone}, {})
    assert len(study.separation.texts.members) == TEXTS


# ---------------------------------------------------------------- claims


def points(models):
    """Slugs of the models of each point."""
    grouped, _ = replicates.points(models, "non_embedding")
    return [[models[position]["slug"] for position in point] for point in grouped]


def test_models_of_one_shape_that_are_no_seeds_have_no_trend():
    models, trained, untrained = corpus(lambda rank, name: 3.6 * 0.66**rank)
    models[-1]["replicate"] = None  # a-6-s1
    row = one(trends_of(run(models, trained, untrained)),
              depth="final", distance="js_centred", score="auc")  # fmt: skip
    assert "a-6, a-6-s1" in row["problems"]
    assert "column replicate" in row["problems"]
    assert row["trend_verdict"] == "not available"
    assert np.isnan(row[["slope", "excess_slope", "trend_p"]].astype(float)).all()
    assert row["points"] == 7


def test_models_of_other_vocabularies_are_points_of_their_own_as_in_laws():
    models, trained, untrained = corpus(lambda rank, name: 3.6 * 0.66**rank)
    models[-1]["params_total"] += 1000
    row = one(trends_of(run(models, trained, untrained)),
              depth="final", distance="js_centred", score="auc")  # fmt: skip
    assert row["points"] == 7
    assert np.isfinite(row["slope"])


@pytest.mark.parametrize(
    ("field", "reason"), [("tokenizer_sha256", "different tokenizers"), ("dtype", "dtypes")]
)
def test_larger_models_are_compared_within_one_tokenizer_and_dtype_alone(field, reason):
    models, trained, untrained = corpus(lambda rank, name: 3.6 * 0.66**rank)
    models[0][field] = "other"
    row = one(trends_of(run(models, trained, untrained)),
              depth="final", distance="js_centred", score="auc")  # fmt: skip
    assert (row["trend_verdict"], row["points"]) == ("not available", 6)
    assert np.isnan([row["slope"], row["excess_slope"]]).all()
    assert reason in row["problems"]
    assert np.isfinite(row["minus_cosine"])  # each model's own


def test_a_planted_trend_is_found_as_scaling_finds_it(study, scores, trends):
    row = one(trends, depth="final", distance="js_centred", score="auc")
    assert list(trends.columns) == TREND_COLUMNS
    assert (row["models"], row["points"], row["models_left_out"]) == (7, 6, 0)
    assert row["trend_verdict"] == "supported"
    auc = scores[(scores["depth"] == "final") & (scores["distance"] == "js_centred")]
    auc = (
        auc[(auc["score"] == "auc") & (auc["first"] == "in")].groupby("N")["value"].mean()
    )  # ascending in N
    line = stats.linregress(np.log(auc.index), auc)
    expected = line.slope
    assert row["slope"] == pytest.approx(line.slope)
    assert row["trend_p"] < 0.05
    assert row["slope_low"] < expected < row["slope_high"]

    influence = np.stack([
        np.mean([study.cells[s, "final", "in", "js_centred"].influence[:, 0] for s in g], axis=0)
        for g in points(study.models)
    ], axis=1)  # fmt: skip
    shifts = study.separation.shifts(influence, draws=DRAWS, seed=SEED)
    X = regression.design(np.log(auc.index))
    found = regression.slope(X, auc.to_numpy(), shifts, judge().texts.df)
    assert (row["slope_low"], row["slope_high"]) == pytest.approx((found.low, found.high))
    without = regression.slope(X, auc.to_numpy())
    assert (found.low, found.high) != (without.low, without.high)


def test_covariance_less_the_mean_is_the_mean_over_sizes(study, scores, trends):
    row = one(trends, depth="final", distance="js_centred", score="auc")
    assert row["covariance_verdict"] == "supported"
    for name in ("cosine", "cosine_centred", "length", "bag_of_words"):
        rows = scores[(scores["depth"] == "final") & (scores["distance"] == "js_centred")]
        rows = rows[(rows["score"] == "auc") & (rows["first"] == "in")]
        expected = rows.groupby("N")[f"minus_{name}"].mean().mean()
        assert row[f"minus_{name}"] == pytest.approx(expected)
        assert row[f"minus_{name}_low"] < expected < row[f"minus_{name}_high"]
    twins = rows["value"] - rows["untrained"]
    assert row["minus_untrained"] == pytest.approx(twins.groupby(rows["N"]).mean().mean())
    assert row["covariance_p"] < 0.025
    other = one(trends, depth="final", distance="cosine", score="auc")
    assert (other["covariance_verdict"], other["problems"]) == ("", "")
    assert np.isnan(other["minus_cosine"])


def test_the_difference_from_the_twins_holds_the_sources_influence_on_both(made, trends):
    models, trained, untrained = made
    separation, gaps = judge(), []
    for slugs in points(models):
        gap = [
            separation.influence(trained[s].distances[0, "final", "in", "js_centred"])
            - np.mean(
                [separation.influence(untrained[s].distances[draw, "final", "in", "js_centred"])
                 for draw in range(2)], axis=0)
            for s in slugs
        ]  # fmt: skip
        gaps.append(np.mean(gap, axis=0)[:, SCORES.index("auc")])
    half = stats.t.ppf(0.975, 18 - 3) * np.sqrt((np.mean(gaps, axis=0) ** 2).sum())
    row = one(trends, depth="final", distance="js_centred", score="auc")
    assert row["minus_untrained_high"] - row["minus_untrained"] == pytest.approx(half)


def test_covariance_p_is_the_larger_of_two_and_agrees_with_the_verdict(trends):
    rows = trends[(trends["covariance_verdict"] != "") & (trends["first"] == "in")]
    assert len(rows) == 2 * len(SCORES)
    above = (rows["minus_cosine_low"] > 0) & (rows["minus_cosine_centred_low"] > 0)
    assert ((rows["covariance_p"] < 0.025) == above).all()
    assert ((rows["covariance_verdict"] == "supported") == above).all()
    one_sided = []
    for name in ("minus_cosine", "minus_cosine_centred"):
        error = (rows[f"{name}_high"] - rows[name]) / stats.t.ppf(0.975, 18 - 3)
        one_sided.append(stats.t.sf(rows[name] / error, 18 - 3))
    np.testing.assert_allclose(rows["covariance_p"], np.maximum(*one_sided))


def test_where_nothing_differs_nothing_is_supported_and_where_it_falls_it_is_contradicted():
    found = trends_of(run(*corpus(lambda rank, name: 1.5, seed=1)))
    row = one(found, depth="final", distance="js_centred", score="auc")
    assert row["trend_verdict"] == row["covariance_verdict"] == "inconclusive"
    worse = corpus(
        lambda rank, name: (0.1 + 0.1 * rank) * (1 + 2 * (name == "js_centred")), twins=False
    )
    row = one(trends_of(run(*worse)), depth="final", distance="js_centred", score="auc")
    assert row["trend_verdict"] == row["covariance_verdict"] == "contradicted"
    assert np.isnan(row["minus_untrained"])
    assert row["problems"] == "not every model has untrained twins at this depth"


@pytest.mark.parametrize(
    ("slope", "excess", "expected"),
    [
        ((0.01, 0.02), (0.001, 0.02), "supported"),
        ((0.01, 0.02), (-0.001, 0.02), "inconclusive"),  # the twins rise as well
        ((0.01, 0.02), (np.nan, np.nan), "inconclusive"),
        ((-0.02, -0.01), (0.001, 0.02), "contradicted"),
        ((-0.01, 0.01), (0.001, 0.02), "inconclusive"),
        ((0.0, 0.1), (0.001, 0.02), "inconclusive"),
        ((np.nan, np.nan), (np.nan, np.nan), "not available"),
    ],
)
def test_rule_of_larger_models(slope, excess, expected):
    assert grows(*(regression.Slope(0, *ends, 0.5) for ends in (slope, excess))) == expected


@pytest.mark.parametrize(
    ("cosine", "centred", "expected"),
    [
        ((0.01, 0.03), (0.02, 0.04), "supported"),
        ((0.01, 0.03), (-0.01, 0.04), "inconclusive"),
        ((0.01, 0.03), (-0.04, -0.01), "contradicted"),
        ((-0.04, -0.01), (0.01, 0.03), "contradicted"),
        ((-0.01, 0.01), (-0.01, 0.01), "inconclusive"),
        ((0.01, 0.03), (np.nan, np.nan), "not available"),
    ],
)
def test_rule_of_covariance(cosine, centred, expected):
    assert says_more(cosine, centred) == expected


def test_a_single_model_and_a_missing_depth_say_so():
    models, trained, untrained = corpus(lambda rank, name: 1.5, shapes=SHAPES[:3])
    for slug in ("a-1", "a-2"):
        del trained[slug].distances[0, "0.5", "in", "js_centred"]
    del trained["a-3"].distances[0, "final", "in", "cosine"]
    found = trends_of(run(models, trained, untrained))
    row = one(found, depth="0.5", distance="js_centred", score="auc")
    assert (row["models"], row["models_left_out"], row["points"]) == (1, 2, 1)
    assert row["trend_verdict"] == "not available"
    assert row["problems"] == "1 point: a law needs at least 3"
    assert row["covariance_verdict"] != "not available"  # one model has both
    row = one(found, depth="final", distance="js_centred", score="auc")
    assert row["covariance_verdict"] == "not available"
    assert row["problems"] == "not every model has cosine at this depth"


# ---------------------------------------------------------------- for readers


def test_terminal_text_has_a_line_per_model_and_the_verdicts_and_fits(scores, trends):
    text = report.terminal_text(scores, trends)
    lines = text.splitlines()
    assert max(map(len, lines)) <= 110
    assert [line.split()[0] for line in lines[4:11]] == [name for name, *_ in SHAPES]
    row = one(scores, model="a-4", depth="final", distance="js_centred", score="auc")
    line = next(line for line in lines if line.startswith("a-4"))
    out = one(scores, model="a-4", depth="final", first="out", distance="js_centred", score="auc")
    shown = f"{row['value']:.3f} [{row['low']:.3f}, {row['high']:.3f}]  {out['value']:.3f}"
    assert f"{shown}  {row['untrained']:.3f}" in line
    assert "a on c: 36 texts of 3 labels and 18 sources, depth final" in text
    text = " ".join(text.split())
    assert "Larger models separate meaning better: supported. Per tenfold N" in text
    claim = one(trends, depth="final", distance="js_centred", score="auc")
    assert f"{claim['slope'] * np.log(10):+.3f}" in text
    assert "Covariance says more than the mean: supported." in text
    assert "The first token of each text matters: with it the AUC of covariance is " in text
    shown = f"covariance is {claim['minus_out']:+.3f} [{claim['minus_out_low']:+.3f}"
    assert shown.replace("-", "−") in text
    assert f"{claim['minus_cosine']:+.3f} [{claim['minus_cosine_low']:+.3f}" in text
    assert "(6 sizes, 7 models)" in text


def test_markdown_has_every_distance_of_the_headline_depth(scores, trends):
    text = report.markdown_text(scores, trends)
    assert text.count("\n| a-") == 7
    for name in ("js_centred", "cosine", "cosine_centred"):
        row = one(trends, depth="final", distance=name, score="auc")
        assert (
            f"| {name} | in | {row['value']:.3f} [{row['value_low']:.3f}, {row['value_high']:.3f}] "
            in text
        )
    assert text.count("supported") == 2
    assert "nan" not in text


def test_texts_say_what_is_missing():
    study = run(*corpus(lambda rank, name: 1.5, twins=False, shapes=SHAPES[:1]))
    frames = score_table(study, headline_depth="final"), trends_of(study)
    for write in (report.terminal_text, report.markdown_text):
        text = " ".join(write(*frames).split())
        assert "Larger models separate meaning better: not available." in text
        assert "1 point: a law needs at least 3; not every model has untrained twins" in text
        assert "1 size, 1 model" in text
        assert "nan" not in text
    nowhere = trends_of(study).assign(headline=False)
    assert report.NOTHING in report.terminal_text(frames[0], nowhere)
    assert report.NOTHING in report.markdown_text(frames[0], nowhere)


def test_two_corpora_stand_one_below_the_other(scores, trends):
    both = [pd.concat([frame, frame.assign(corpus="d")]) for frame in (scores, trends)]
    text = report.terminal_text(*both)
    assert text.index("a on c:") < text.index("a on d:")
    assert text.count("Larger models") == 2
    assert text.count("\na-1 ") == 2
