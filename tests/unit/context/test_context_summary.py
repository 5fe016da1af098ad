"""From the tables of the context study to means, intervals and texts for readers."""

import json
from itertools import product
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

import summarise_context
from infogeo.context import corpus_tables, layer_prediction
from infogeo.context.ablation_summary import recovery, summarise_ablation
from infogeo.context.gain_summary import GAIN_COLUMNS, summarise_gain
from infogeo.context.selection_summary import summarise_selection
from infogeo.context.shared_texts import SharedTexts
from infogeo.files import artefacts
from infogeo.files.errors import InfogeoError
from infogeo.inference import resampling
from infogeo.sources.cards import NO_PREDICTION

N, TEXTS, DRAWS, SEED = 21, 12, 199, 3
SELECTORS = ("lasso", "attention_mean", "recency", "random")
SHAPES = [("a-small", "a", 8, 1), ("a-large", "a", 16, 2), ("b-only", "b", 8, 2)]
LAYERS = ("0", "1", "final")
FOR_READERS = ("gain", "selection", "ablation", "layer_prediction")
OUTPUTS = (*FOR_READERS, "distribution", *corpus_tables.AT_FINAL)
REGULARISERS = (("lambda=0.1", 0.1), ("eps2=0.5", 1.3))


class Outputs(dict):
    """Named outputs, as Snakemake's."""

    __getattr__ = dict.__getitem__


def texts(slug):
    """doc_id, source: a-large lacks the first text; the last has no source."""
    frame = pd.DataFrame({"doc_id": [f"t{i}" for i in range(TEXTS)]})
    frame["source"] = [f"s{i // 2}" for i in range(TEXTS - 1)] + [""]
    return frame.iloc[1:] if slug == "a-large" else frame


def crossed(left, **columns):
    """Every row of left with every combination of the columns."""
    right = pd.DataFrame(list(product(*columns.values())), columns=list(columns))
    return left.merge(right, how="cross")


def tables_of(slug, rng):
    """One model's tables in the formats of the producers, filled with random numbers."""
    documents = texts(slug)
    place = crossed(pd.DataFrame(REGULARISERS, columns=["regulariser", "lam"]), layer=LAYERS)
    place = place.assign(n=N)

    def uniform(frame, *names):
        return frame.assign(**{name: rng.uniform(0.1, 1, len(frame)) for name in names})

    gain = crossed(documents.merge(place, how="cross"),
                   metric=("gain_mean", "rho_mean", "ridge_share"))  # fmt: skip
    relation = ("surprisal", "predictive_entropy")
    relations = crossed(place, relation=relation)
    twins = crossed(place, relation=relation, draw=(0, 1, 2))
    numbers = ("partial_spearman", "low", "high", "within_position", "spearman")
    metrics = ("held_out", "in_sample", "jaccard", "relative_position")
    selection = crossed(documents, selector=SELECTORS, sink=("free", "forced"), k=(1, 2, 4),
                        metric=metrics)  # fmt: skip
    return {
        "gain": uniform(gain, "value"),
        "gain_positions": uniform(crossed(place, position=(1, 2), quantity=("gain",)), "mean"),
        "gain_relations": uniform(relations, *numbers).assign(tokens=200, texts=TEXTS),
        "gain_checks": uniform(crossed(place, doc_id=("t1", "t2"), position=(3, 9)),
                               "residual_ridge", "residual_slogdet"),
        "gain_surprisal": uniform(crossed(place, bin=range(3)), "gain"),
        "untrained_gain": uniform(crossed(gain, draw=(0, 1, 2)), "value"),
        "untrained_relations": uniform(twins, *numbers).assign(tokens=200, texts=TEXTS),
        "crossed_relations": uniform(twins, "partial_spearman").assign(tokens=200, texts=TEXTS),
        "selection": uniform(selection, "value").assign(n=N),
        "ridge": uniform(crossed(documents, regulariser=[name for name, _ in REGULARISERS]),
                         "participation_share"),
        "ablation": ablated(documents, rng),
        "ablation_status": pd.DataFrame({"gap_residual": [1e-7], "problem": [""]}),
        "layer_prediction": uniform(
            crossed(documents, layer=("0", "final")), "nll", "predictive_entropy", "correlation"
        ).assign(n=N, problem=""),
    }  # fmt: skip


def ablated(documents, rng):
    """KL divergences that fall with the share of tokens kept, three draws of random."""
    shares = (0.0, 0.25, 0.5, 0.75, 1.0)
    frame = crossed(documents, selector=SELECTORS, sink=("free", "forced"),
                    mode=("keep", "drop"), share=shares, draw=(0, 1, 2))  # fmt: skip
    frame = frame[(frame["selector"] == "random") | (frame["draw"] == 0)]
    frame["k"] = (frame["share"] * (N - 1)).round().astype(int)
    kept = np.where(frame["mode"] == "keep", frame["share"], 1 - frame["share"])
    base = 1 + frame["doc_id"].str[1:].astype(int) + (frame["sink"] == "forced")
    noise = rng.uniform(0.9, 1.1, len(frame))
    frame["kl"] = base * (1 - kept) * np.where(kept == 0, 1, noise)
    for name in ("delta_nll", "cosine_mean", "cosine_last"):
        frame[name] = rng.uniform(0.1, 1, len(frame))
    return frame.assign(n=N)


def random_null():
    draws = np.arange(50)
    rows = product((8, 16), (7, N), ("unit", "centred"), ("in", "out"),
                   ("coding_rate[eps2=0.5]", "mean_gain[lambda=0.1]", "entropy"))  # fmt: skip
    return pd.concat(
        pd.DataFrame({"d": d, "n": n, "convention": convention, "first": first,
                      "metric": metric, "draw": draws,
                      "value": d + n + len(metric) + draws
                      + 1000 * (convention != "unit") + 5000 * (first == "out")})
        for d, n, convention, first, metric in rows
    )  # fmt: skip


MODELS = [
    {"slug": slug, "family": family, "params_non_embedding": 12 * width**2 * layers,
     "params_total": 13 * width**2 * layers, "width": width, "final_width": width,
     "layers": layers, "commit": f"commit of {slug}", "kind": "causal",
     "replicate": ("small", 3) if slug == "a-large" else None, "source": "hub"}
    for slug, family, width, layers in SHAPES
]  # fmt: skip


@pytest.fixture(scope="module")
def read():
    """Name → slug → table."""
    rng = np.random.default_rng(0)
    found = {slug: tables_of(slug, rng) for slug, *_ in SHAPES}
    return {name: {slug: found[slug][name] for slug in found} for name in found["b-only"]}


@pytest.fixture(scope="module")
def gain(read):
    return summarise_gain("c", MODELS, read, random_null(), draws=DRAWS, seed=SEED)


@pytest.fixture(scope="module")
def selection(read):
    return summarise_selection("c", MODELS, read["selection"], draws=DRAWS, seed=SEED)


@pytest.fixture(scope="module")
def ablation(read):
    return summarise_ablation("c", MODELS, read["ablation"], draws=DRAWS, seed=SEED)


def one(frame, **where):
    """The single row with these values."""
    found = frame[np.logical_and.reduce([frame[name] == value for name, value in where.items()])]
    assert len(found) == 1
    return found.iloc[0]


def interval(values, sources):
    weights = resampling.text_weights(np.array(sources), draws=DRAWS, seed=SEED)
    return resampling.percentiles(weights @ values)


# ---------------------------------------------------------------- texts


def test_texts_are_those_that_every_model_with_any_has():
    a, b = texts("a-small"), texts("a-large")
    sample = SharedTexts([a, b, a.iloc[:0]], draws=5, seed=0)
    assert sample.doc_ids == [f"t{i}" for i in range(1, TEXTS)]
    assert sample.clusters[0] == "s0"
    assert sample.clusters[-1] == "t11"  # no source: a cluster of its own
    assert sample.weights.shape == (5, TEXTS - 1)


def test_values_stand_in_the_row_of_their_text_whatever_the_order():
    frame = crossed(texts("b-only"), k=(2, 1))
    frame["value"] = frame["doc_id"].str[1:].astype(int) * 10 + frame["k"]
    shuffled = frame.sample(frac=1, random_state=0)
    index, values = SharedTexts([frame], draws=5, seed=0).wide(shuffled, ["k"], "value")
    np.testing.assert_array_equal(values, 10 * np.arange(TEXTS)[:, None] + index["k"].to_numpy())


def test_a_text_given_twice_is_an_error():
    frame = texts("b-only").assign(k=1, value=0.5)
    with pytest.raises(InfogeoError, match="value twice"):
        SharedTexts([frame], draws=5, seed=0).wide(pd.concat([frame, frame]), ["k"], "value")


def test_a_mean_leaves_out_missing_values_and_has_no_interval_where_a_resample_may_be_empty():
    sample = SharedTexts([texts("b-only")], draws=DRAWS, seed=SEED)
    values = np.arange(float(TEXTS))
    some, one_only = values.copy(), np.full(TEXTS, np.nan)
    some[0], one_only[4] = np.nan, 4.0
    mean, low, high = sample.mean(np.stack([values, some, one_only, np.full(TEXTS, np.nan)], 1))
    np.testing.assert_allclose(mean, [values.mean(), values[1:].mean(), 4, np.nan])
    np.testing.assert_allclose([low[0], high[0]], interval(values, sample.clusters))
    assert low[1] < mean[1] < high[1]
    assert np.isnan([low[2:], high[2:]]).all()


# ---------------------------------------------------------------- gain


def test_gain_is_the_mean_over_shared_texts_with_an_interval_over_clusters(read, gain):
    place = {"layer": "1", "regulariser": "eps2=0.5", "metric": "ridge_share"}
    row = one(gain, model="a-small", **place)
    frame = read["gain"]["a-small"]
    some = (frame[list(place)] == pd.Series(place)).all(axis=1) & (frame["doc_id"] != "t0")
    frame = frame[some]
    sources = np.where(frame["source"] == "", frame["doc_id"], frame["source"])
    assert row["texts"] == len(frame) == TEXTS - 1  # t0 is not in a-large
    assert row["y"] == pytest.approx(frame["value"].mean())
    assert (row["low"], row["high"]) == pytest.approx(interval(frame["value"], sources))
    assert one(gain, model="b-only", **place)["texts"] == TEXTS  # another family's texts
    assert (row["relative_depth"], row["N"], row["lam"]) == (1.0, 12 * 64, 1.3)


def test_twins_stand_beside_their_model_over_the_same_texts(read, gain):
    place = {"layer": "final", "regulariser": "lambda=0.1", "metric": "gain_mean"}
    row = one(gain, model="a-small", **place)
    frame = read["untrained_gain"]["a-small"]
    frame = frame[(frame[list(place)] == pd.Series(place)).all(axis=1) & (frame["doc_id"] != "t0")]
    means = frame.groupby("draw")["value"].mean()
    found = row[["untrained", "untrained_low", "untrained_high"]].to_list()
    assert found == pytest.approx([means.mean(), means.min(), means.max()])


def test_the_random_null_is_per_token_and_in_the_models_width(gain):
    values = 16 + N + np.arange(50)
    for regulariser, metric, scale in (("eps2=0.5", "coding_rate[eps2=0.5]", N),
                                       ("lambda=0.1", "mean_gain[lambda=0.1]", 1)):  # fmt: skip
        row = one(gain, model="a-large", layer="0", regulariser=regulariser, metric="gain_mean")
        null = (values + len(metric)) / scale
        found = row[["random", "random_low", "random_high"]].to_list()
        assert found == pytest.approx([null.mean(), *np.quantile(null, [0.025, 0.975])])
    assert gain.loc[gain["metric"] != "gain_mean", "random"].isna().all()


def test_a_random_null_that_was_made_for_other_widths_is_refused(read):
    null = random_null()
    with pytest.raises(InfogeoError, match=r"random\.parquet: no rows of d = 16, n = 21"):
        summarise_gain("c", MODELS, read, null[null["d"] == 8], draws=9, seed=0)


def test_relations_keep_their_intervals_and_twins_are_told_by_whose_likelihood(read, gain):
    place = {"layer": "final", "regulariser": "eps2=0.5"}
    row = one(gain, model="b-only", metric="partial_surprisal", **place)
    own = one(read["gain_relations"]["b-only"], relation="surprisal", **place)
    assert (row["y"], row["low"]) == (own["partial_spearman"], own["low"])
    assert row["within_position"] == own["within_position"]
    place["relation"] = "surprisal"

    def mean(name):
        twins = read[name]["b-only"]
        return twins.loc[
            (twins[list(place)] == pd.Series(place)).all(axis=1), "partial_spearman"
        ].mean()

    assert row["untrained"] == pytest.approx(mean("untrained_relations"))
    assert row["untrained_on_trained"] == pytest.approx(mean("crossed_relations"))


def test_the_largest_residual_is_in_every_row_of_its_layer_and_regulariser(read, gain):
    checks = read["gain_checks"]["b-only"]
    checks = checks[(checks["layer"] == "1") & (checks["regulariser"] == "eps2=0.5")]
    rows = gain[(gain["model"] == "b-only") & (gain["layer"] == "1")
                & (gain["regulariser"] == "eps2=0.5")]  # fmt: skip
    assert len(rows) == 5  # three metrics, two relations
    assert (rows["largest_residual_ridge"] == checks["residual_ridge"].max()).all()
    assert (rows["largest_residual_slogdet"] == checks["residual_slogdet"].max()).all()
    assert (rows["checked_tokens"] == 4).all()


def test_a_model_without_texts_of_n_tokens_takes_nothing_from_its_family(read):
    empty = {name: frames | {"a-large": frames["a-large"].iloc[:0]}
             for name, frames in read.items()}  # fmt: skip
    found = summarise_gain("c", MODELS, empty, random_null(), draws=9, seed=0)
    assert set(found["model"]) == {"a-small", "b-only"}
    small = found[(found["model"] == "a-small") & (found["metric"] == "gain_mean")]
    assert (small["texts"] == TEXTS).all()


# ---------------------------------------------------------------- selection


def paired(read, slug, selector, sink, k):
    """held_out of lasso and of a selector, (texts,) each, over the texts of the family."""
    frame = read["selection"][slug]
    frame = frame[(frame["metric"] == "held_out") & (frame["sink"] == sink) & (frame["k"] == k)]
    wide = frame.pivot(index="doc_id", columns="selector", values="value")
    wide = wide.drop(index="t0", errors="ignore") if slug.startswith("a") else wide
    return wide["lasso"], wide[selector]


def test_wins_and_signed_rank_test_against_lasso_with_the_same_sink_and_k(read, selection):
    row = one(selection, model="a-small", selector="recency", sink="forced", k=2)
    lasso, rival = paired(read, "a-small", "recency", "forced", 2)
    assert row["held_out"] == pytest.approx(rival.mean())
    assert row["lasso_wins"] == pytest.approx((lasso > rival).mean())
    assert row["median_difference"] == pytest.approx((lasso - rival).median())
    assert row["wilcoxon_p"] == pytest.approx(stats.wilcoxon(lasso, rival).pvalue)
    assert 0 <= row["lasso_wins_low"] <= row["lasso_wins"] <= row["lasso_wins_high"] <= 1


def test_holm_runs_over_k_alone(read, selection):
    rows = selection[(selection["model"] == "b-only") & (selection["selector"] == "random")
                     & (selection["sink"] == "free")]  # fmt: skip
    p = [stats.wilcoxon(*paired(read, "b-only", "random", "free", k)).pvalue for k in rows["k"]]
    assert list(rows["k"]) == [1, 2, 4]
    np.testing.assert_allclose(rows["wilcoxon_p_holm"], multipletests(p, method="holm")[1])


def test_lasso_is_not_compared_with_itself(selection):
    rows = selection[selection["selector"] == "lasso"]
    assert rows["held_out"].notna().all()
    columns = ["lasso_wins", "lasso_wins_low", "median_difference", "wilcoxon_p", "wilcoxon_p_holm"]
    assert rows[columns].isna().all(axis=None)


def test_ties_are_no_wins_and_no_evidence(read):
    frame = read["selection"]["b-only"]
    tied = frame.assign(value=0.5)
    found = summarise_selection("c", MODELS[2:], {"b-only": tied}, draws=9, seed=0)
    row = one(found, selector="recency", sink="free", k=1)
    assert (row["lasso_wins"], row["lasso_wins_high"], row["wilcoxon_p"]) == (0, 0, 1)
    # One text in which lasso is ahead is a win, and still no evidence.
    first = (tied["selector"] == "lasso") & (tied["doc_id"] == "t3")
    tied.loc[first, "value"] = 0.6
    found = summarise_selection("c", MODELS[2:], {"b-only": tied}, draws=9, seed=0)
    row = one(found, selector="recency", sink="free", k=1)
    assert (row["lasso_wins"], row["wilcoxon_p"]) == (1 / TEXTS, 1)


def test_a_k_that_no_text_allows_has_no_row_and_hurts_no_other(read):
    frame = read["selection"]["b-only"]
    without = frame[(frame["k"] < 4) | (frame["selector"] != "lasso")]
    found = summarise_selection("c", MODELS[2:], {"b-only": without}, draws=9, seed=0)
    row = one(found, selector="recency", sink="free", k=4)
    assert np.isfinite(row["held_out"])
    assert np.isnan([row["lasso_wins"], row["wilcoxon_p"], row["wilcoxon_p_holm"]]).all()
    two = one(found, selector="recency", sink="free", k=2)
    assert two["wilcoxon_p_holm"] <= min(1, 2 * two["wilcoxon_p"]) + 1e-12  # two tests, not three


# ---------------------------------------------------------------- ablation


def test_random_is_averaged_over_draws_before_texts(read, ablation):
    frame = read["ablation"]["b-only"]
    where = {"selector": "random", "sink": "free", "mode": "keep", "share": 0.5}
    row = one(ablation, model="b-only", **where)
    rows = frame[(frame[list(where)] == pd.Series(where)).all(axis=1)]
    per_text = rows.groupby("doc_id", sort=False)["kl"].mean()
    sources = [f"s{i // 2}" for i in range(TEXTS - 1)] + ["t11"]
    assert row["texts"] == TEXTS
    assert row["kl"] == pytest.approx(per_text.mean())
    assert (row["kl_low"], row["kl_high"]) == pytest.approx(interval(per_text, sources))


def test_recovery_compares_means_with_those_of_nothing_kept_under_the_same_sink(read, ablation):
    frame = read["ablation"]["a-small"]
    frame = frame[frame["doc_id"] != "t0"]
    for sink, mode in product(("free", "forced"), ("keep", "drop")):
        where = {"selector": "recency", "sink": sink, "mode": mode}
        rows = frame[(frame[list(where)] == pd.Series(where)).all(axis=1)]
        quarter = rows.loc[rows["share"] == 0.25, "kl"].mean()
        kept = frame[(frame["k"] == 0) & (frame["mode"] == "keep") & (frame["sink"] == sink)]
        row = one(ablation, model="a-small", share=0.25, **where)
        expected = 1 - quarter / kept.groupby("doc_id")["kl"].mean().mean()
        assert row["recovery"] == pytest.approx(expected)
        assert row["recovery_low"] < row["recovery"] < row["recovery_high"]


def test_recovery_runs_from_nothing_to_everything(ablation):
    for mode, share, expected in (("keep", 0, 0), ("keep", 1, 1), ("drop", 0, 1), ("drop", 1, 0)):
        rows = ablation[(ablation["mode"] == mode) & (ablation["share"] == share)]
        columns = ["recovery", "recovery_low", "recovery_high"]
        np.testing.assert_allclose(rows[columns], expected, atol=1e-12)


def test_texts_are_resampled_together_in_numerator_and_denominator():
    # Each text recovers one half; that texts differ in scale is no uncertainty of the share.
    base = np.arange(1.0, 9)[:, None]
    weights = resampling.text_weights(np.arange(8), draws=50, seed=0)
    np.testing.assert_allclose(recovery(weights, base / 2, base), 0.5)


def test_nothing_to_recover_is_not_a_number():
    zero = np.zeros((4, 1))
    assert np.isnan(recovery(np.ones((1, 4)), zero, zero)).all()


def test_an_unknown_next_token_is_left_out_of_delta_nll_alone(read):
    frame = read["ablation"]["b-only"].copy()
    frame.loc[frame["doc_id"] == "t5", "delta_nll"] = np.nan
    found = summarise_ablation("c", MODELS[2:], {"b-only": frame}, draws=DRAWS, seed=SEED)
    where = {"selector": "lasso", "sink": "free", "mode": "keep", "share": 0.5}
    row = one(found, **where)
    rows = frame[(frame[list(where)] == pd.Series(where)).all(axis=1)]
    assert row["delta_nll"] == pytest.approx(rows["delta_nll"].mean())  # pandas leaves out NaN
    assert row["texts"] == TEXTS


# ---------------------------------------------------------------- the script and the texts


@pytest.fixture(scope="module")
def run(read, tmp_path_factory):
    """The script's outputs for two corpora, b-only unable to be ablated in the second."""
    folder = tmp_path_factory.mktemp("run")
    files = {"models": [], "null": folder / "random.parquet"}
    artefacts.write_table(random_null(), files["null"], "null")
    for model in MODELS:
        path = folder / f"{model['slug']}.json"
        path.write_text(json.dumps(model))
        files["models"].append(path)
    problem = pd.DataFrame({"gap_residual": [np.nan], "problem": ["its window counts kept tokens"]})
    for name, rule in corpus_tables.MAKERS.items():
        files[name] = []
        for corpus, (slug, frame) in product(("c1", "c2"), read[name].items()):
            if (corpus, slug) == ("c2", "b-only") and rule == "ablation":
                frame = problem if name == "ablation_status" else frame.iloc[:0]
                if name == "layer_prediction":
                    frame = layer_prediction.none("its window counts kept tokens")
            files[name].append(folder / f"{corpus}.{slug}.{name}.parquet")
            artefacts.write_table(frame, files[name][-1], f"{rule} {slug}")
    expected = {
        f"expected_{rule}": [f"{rule} {slug}" for slug, *_ in SHAPES] * 2
        for rule in ("gain", "untrained", "crossed", "selection", "ablation")
    }
    params = SimpleNamespace(
        corpora=["c1", "c2"], models=[slug for slug, *_ in SHAPES],
        families=[family for _, family, *_ in SHAPES], headline_eps2=0.5, n=N,
        replicates=[model["replicate"] for model in MODELS],
        studies=[["gain", "context"]] * len(MODELS),
        runs=[None, None, "b"], steps=[None, None, 1000],
        draws=DRAWS, seed=SEED, fingerprint="f", expected_null="null", **expected,
        places_of_twins=list(range(2 * len(SHAPES))),
    )  # fmt: skip
    names = {name: f"{name}.parquet" for name in OUTPUTS}
    names |= {f"{name}_table": f"{name}.csv" for name in FOR_READERS}
    names |= {"markdown": "context.md", "terminal": "context.txt"}
    output = Outputs({name: folder / file for name, file in names.items()})
    summarise_context.main(SimpleNamespace(**files), params, output)
    return SimpleNamespace(files=files, params=params, output=output)


def test_the_script_writes_every_corpus_and_model_of_every_table(run, gain):
    for name in OUTPUTS:
        found = artefacts.read_table(run.output[name], "f")
        pairs = set(zip(found["corpus"], found["model"], strict=True))
        assert len(pairs) == (5 if name == "ablation" else 6), name
        steps = found.groupby("model")[["run", "step"]].first()
        assert list(steps["run"]) == ["", "", "b"] and steps.loc["b-only", "step"] == 1000, name
        assert found.loc[found["model"] != "b-only", "step"].isna().all(), name
    found = artefacts.read_table(run.output.gain)
    assert (found.pop("commit") == "commit of " + found["model"]).all()
    assert list(found.columns) == GAIN_COLUMNS
    assert set(found.loc[found["model"] == "a-large", "replicate"]) == {"small/3"}
    first = found[found["corpus"] == "c1"].assign(corpus="c", run="", step=gain["step"])
    pd.testing.assert_frame_equal(first, gain, check_dtype=False)


def test_an_encoder_is_in_every_table_for_readers_with_the_reason_and_moves_no_other_row(
    run, tmp_path
):
    bert = MODELS[0] | {"slug": "bert", "family": "e", "kind": "encoder", "commit": "c"}
    (tmp_path / "bert.json").write_text(json.dumps(bert))
    files = run.files | {"models": [*run.files["models"], tmp_path / "bert.json"]}
    lists = {"models": [*run.params.models, "bert"], "families": [*run.params.families, "e"]}
    lists["replicates"] = [*run.params.replicates, None]
    lists["studies"] = [*run.params.studies, ["gain", "context"]]
    lists |= {"runs": [*run.params.runs, None], "steps": [*run.params.steps, None]}
    output = Outputs({name: tmp_path / path.name for name, path in run.output.items()})
    params = SimpleNamespace(**vars(run.params) | lists)
    summarise_context.main(SimpleNamespace(**files), params, output)
    for name in FOR_READERS:
        table, usual = (pd.read_csv(out[f"{name}_table"]) for out in (output, run.output))
        of_bert = table[table["model"] == "bert"]
        assert of_bert["problem"].tolist() == [NO_PREDICTION] * 2  # of each corpus one
        pd.testing.assert_frame_equal(table.drop(of_bert.index), usual, check_dtype=False)
        assert len(artefacts.read_table(output[name])) == len(usual)
    assert f"- bert: not available ({NO_PREDICTION})." in output.markdown.read_text()
    assert "\nbert " in output.terminal.read_text()


def test_the_per_token_tables_hold_the_last_layer_and_name_their_model(run):
    for name in ("gain_positions", "gain_checks", "gain_surprisal"):
        found = artefacts.read_table(run.output[name])
        assert set(found["layer"]) == {"final"}
        assert list(found.columns[:5]) == ["corpus", "family", "model", "N", "width"]
        assert set(found.loc[found["model"] == "a-large", "N"]) == {12 * 256 * 2}


def test_tables_of_another_run_are_refused(run):
    params = SimpleNamespace(**vars(run.params) | {"expected_selection": ["old"] * 6})
    with pytest.raises(InfogeoError, match=r"c1\.a-small\.selection\.parquet"):
        summarise_context.main(SimpleNamespace(**run.files), params, run.output)


def test_the_terminal_has_two_narrow_lines_for_each_model(run):
    lines = run.output.terminal.read_text().splitlines()
    assert max(map(len, lines)) <= 110
    assert len(lines) == 7 + 2 * (3 + 2 * 3)  # title, legend; blank, corpus, head, models
    assert "c1, texts of 21 tokens" in lines
    place = next(at for at, line in enumerate(lines) if line.startswith("a-large"))
    row, below = lines[place], lines[place + 1]
    gain = artefacts.read_table(run.output.gain)
    shown = one(gain, corpus="c1", model="a-large", layer="final", regulariser="eps2=0.5",
                metric="gain_mean")  # fmt: skip
    assert f" 6.14k  {shown['y']:.3f} " in row
    selection = artefacts.read_table(run.output.selection)
    wins = one(selection, corpus="c1", model="a-large", selector="attention_mean", sink="free",
               k=4)  # fmt: skip
    assert "lasso k=4" in lines[3]
    assert f" {100 * wins['lasso_wins']:.0f} % " in row
    assert f" p {wins['wilcoxon_p_holm']:.3f} " in below
    distribution = artefacts.read_table(run.output.distribution)
    best = one(distribution, corpus="c1", model="a-large")
    assert row.endswith(best["verdict"]) and below.endswith(best["best_selector"])
    assert lines[-8].endswith("n/a")  # b-only on c2


def test_markdown_has_every_sentence_and_whole_tables(run):
    lines = run.output.markdown.read_text().splitlines()
    sentences = artefacts.read_table(run.output.distribution)["sentence"]
    assert all(f"- {sentence}" in lines for sentence in sentences)
    assert "- b-only: not available (its window counts kept tokens)." in lines
    head = next(line for line in lines if line.startswith("| model | N |"))
    rows = [line for line in lines if line.startswith("| a-small |") and line.count("|") > 8]
    assert {line.count("|") for line in rows} == {head.count("|")}


def test_csv_tables_hold_what_the_parquet_tables_hold(run):
    for name in ("gain", "selection", "ablation"):
        table = artefacts.read_table(run.output[name])
        found = pd.read_csv(run.output[f"{name}_table"])
        assert list(found.columns) == [*table.columns, "problem"]
        assert len(found) == len(table)
