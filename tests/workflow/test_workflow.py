"""The workflow on a tiny configuration: what it leaves, and which jobs run after a change.

One file, so that parallel test workers share one run.
"""

import json
import os
import re
import runpy
import shutil
import subprocess
from itertools import pairwise, product
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pandas as pd
import pytest
import yaml

from infogeo.files.fingerprint import digest
from infogeo.geometry.spectra_file import SpectraFile
from infogeo.jobs.binding import parameters
from infogeo.planning.demand import LEAST_MEGABYTES
from infogeo.sources import hub

ROOT = Path(__file__).parents[2]
LAWS = {"fit_scaling_laws", "write_tables"}
FIGURES = {
    "figure_entropy",
    "figure_conditional_entropy",
    "figure_depth",
    "figure_width_pairs",
}
CONTEXT_FIGURES = {
    "figure_information_gain", "figure_token_selection", "figure_token_ablation",
    "figure_layer_prediction",
}  # fmt: skip
CONTEXT = {"summarise_context"} | CONTEXT_FIGURES
DIMENSION = {"summarise_dimension", "figure_dimension"}
SENTENCE_FIGURES = {"figure_sentence_maps", "figure_sentence_distances", "figure_which_layer"}
JUDGED = {"summarise_sentences", "which_layer"} | SENTENCE_FIGURES
SENTENCES = {"sentence_maps", "sentence_view"} | JUDGED
SIMILARITIES = {"model_similarity", "figure_layer_similarity", "figure_model_similarity"}
SKILLS = {"simulate_skills", "figure_skills"}
# Over all models.
AGGREGATES = {"random_null", "text_view", "compare_theory", "write_claims"}
AGGREGATES |= LAWS | FIGURES | CONTEXT | DIMENSION | SENTENCES | SIMILARITIES
MODELS = ("w16-d1", "w16-d2", "w32-d1", "w32-d2")
ENTROPY = (
    "compute_spectra", "untrained_twins", "untrained_entropy", "shuffled_words", "compute_entropy",
)  # fmt: skip
GAIN_TABLES = ("gain", "gain_positions", "gain_relations", "gain_checks", "gain_surprisal")
GAIN_AND_SELECTION = ("information_gain", "token_selection")
GEOMETRY = ("sentence_geometry", "untrained_sentences")
PER_MODEL = ("dump_hidden_states", *ENTROPY, *GAIN_AND_SELECTION, "token_ablation", *GEOMETRY)
PER_MODEL += ("layer_similarity", "intrinsic_dimension")


def jobs(*rules, models=MODELS):
    return {f"{rule} {model}" for rule in rules for model in models}


# ---------------------------------------------------------------- what a run leaves
def test_every_table_and_figure_is_there_and_not_empty(finished):
    names = ("entropy_scaling", "conditional_entropy", "depth", "width_pairs")
    names += ("information_gain", "token_selection", "token_ablation")
    names += ("layer_similarity", "model_similarity", "intrinsic_dimension")
    for name in (*names, "sentence_maps", "sentence_distances"):
        for kind in ("pdf", "png"):
            file = finished.path(f"results/figures/stories/{name}.{kind}")
            assert file.stat().st_size > 5000, file
    laws = pd.read_csv(finished.path("results/tables/scaling_laws.csv"))
    entropy = pd.read_csv(finished.path("results/tables/entropy.csv"))
    assert set(entropy["model"]) == set(MODELS)
    assert laws["headline"].sum() > 0
    assert laws.loc[laws["headline"], "exponent"].notna().all()


def test_the_context_study_covers_every_model(finished):
    gain = pd.read_csv(finished.path("results/tables/information_gain.csv"))
    selection = pd.read_csv(finished.path("results/tables/token_selection.csv"))
    ablation = pd.read_csv(finished.path("results/tables/token_ablation.csv"))
    distribution = pd.read_parquet(finished.path("results/context/distribution.parquet"))
    for table in (gain, selection, ablation, distribution):
        assert set(table["model"]) == set(MODELS)
    assert gain["largest_residual_ridge"].max() <= 1e-10
    assert gain["largest_residual_slogdet"].max() <= 1e-10
    final = gain[(gain["layer"] == "final") & (gain["regulariser"] == "eps2=0.5")]
    entropy = pd.read_csv(finished.path("results/tables/entropy.csv"))
    rate = entropy[
        (entropy["metric"] == "coding_rate[eps2=0.5]")
        & (entropy["n"] == 24)
        & (entropy["layer"] == "final")
        & (entropy["scope"] == "text")
        & (entropy["first"] == "in")
    ].set_index("model")["y"]
    mean = final[final["metric"] == "gain_mean"].set_index("model")["y"]
    # The gains of a text add up to its coding rate; both are means over the same texts.
    assert (mean * 24).to_dict() == pytest.approx(rate.to_dict(), rel=1e-9)
    assert (distribution["gap_residual"] < 1e-4).all()
    assert set(distribution["problem"]) == {""}
    whole = ablation[(ablation["mode"] == "keep") & (ablation["share"] == 1)]
    assert (whole["kl"] < 1e-6).all() and len(whole)


def test_similarities_are_of_every_pair_of_layers_and_models(finished):
    layers = pd.read_csv(finished.path("results/tables/layer_similarity.csv"))
    models = pd.read_csv(finished.path("results/tables/model_similarity.csv"))
    assert set(layers["model"]) == set(MODELS)
    kinds = layers.groupby("model")[["scope", "first", "measure"]].value_counts(dropna=False)
    of_depth = {"w16-d1": 3, "w16-d2": 6, "w32-d1": 3, "w32-d2": 6}  # pairs of 3 or 4 layers
    assert all(kinds[model].tolist() == [pairs] * 6 for model, pairs in of_depth.items())
    assert len(models) == 6 * 6
    compared = models[models["measure"] == "cka"]
    assert compared[["value", "low", "high", "null", "p", "q"]].notna().all(axis=None)
    # Beside untrained twins, at the depths where these keep rows of texts.
    assert compared["untrained"].notna().all()
    assert layers.groupby("model")["untrained"].agg(lambda of: of.notna().any()).all()
    alignment = pd.read_csv(finished.path("results/tables/model_alignment.csv"))
    assert set(alignment["problems"]) == {"4 sizes: 5 are needed"}


def test_the_dimension_of_every_model_stands_beside_its_controls(finished):
    table = pd.read_csv(finished.path("results/tables/intrinsic_dimension.csv"))
    assert set(table["model"]) == set(MODELS)
    assert set(table["scope"]) == {"last", "means", "tokens"}
    of_tokens = table[(table["scope"] == "tokens") & (table["layer"] == "final")]
    assert set(of_tokens["first"]) == {"in", "out"}
    columns = ["value", "low", "high", "null", "untrained"]
    assert of_tokens.loc[of_tokens["scale"] == 2, columns].notna().all(axis=None)
    # Of fewer rows than neighbours there is none, and the table says so.
    missing = table[table["value"].isna()]
    assert len(missing) and missing["reason"].notna().all()


@pytest.mark.parametrize("name", ["text_view", "sentence_view"])
def test_the_pages_are_in_the_report(finished, name):
    page = finished.path(f"results/figures/stories/{name}.html")
    assert page.stat().st_size > 5000
    assert name in finished.path("results/report.html").read_text()


def test_the_study_of_sentences_covers_every_model(finished):
    scores = pd.read_csv(finished.path("results/tables/sentences.csv"))
    assert set(scores["model"]) == set(MODELS)
    assert scores["headline"].sum() == len(MODELS)
    judged = scores[scores["score"] == "auc"]
    assert judged[["value", "low", "high", "p"]].notna().all(axis=None)
    with_twins = judged[judged["distance"].str.startswith(("js", "cosine"))]
    assert with_twins["untrained"].notna().all()
    trends = pd.read_csv(finished.path("results/tables/sentence_trends.csv"))
    headline = trends[trends["headline"]]
    assert set(headline["covariance_verdict"]) <= {"supported", "contradicted", "inconclusive"}
    sample = pd.read_parquet(finished.path("results/sentences/stories/texts.parquet"))
    assert (sample[sample["left_out"] == ""]["label"].value_counts() == 4).all()


def test_the_theory_stands_beside_the_laws(finished):
    theory = pd.read_csv(finished.path("results/tables/theory.csv"))
    assert {"alpha_gamma", "zipf_exponent", "gamma_needed"} <= set(theory["quantity"])
    curve = pd.read_parquet(finished.path("results/theory/curve.parquet"))
    inside = curve["exact_not_understood"].between(
        curve["not_understood_low"], curve["not_understood_high"]
    )
    assert inside.mean() > 0.5


def test_every_claim_of_the_family_has_a_verdict_and_what_cannot_be_judged_says_what_to_add(
    finished,
):
    claims = pd.read_csv(finished.path("results/tables/claims.csv"), keep_default_na=False)
    mine = claims[claims["family"] == "tiny"].set_index("claim")
    assert (mine["verdict"] != "").all() and mine["corpus"].eq("stories").all()
    assert mine.loc["information gain is the ridge form", "verdict"] == "supported"
    # Four sizes are too few for a form.
    forms = mine[mine.index.str.contains("power law")]
    assert set(forms["verdict"]) == {"inconclusive"}
    assert all("3 more sizes: 7 are needed" in words for words in forms["to_add"])
    assert {"cerebras-gpt", "pythia"} <= set(claims["family"])
    assert claims.loc[claims["source"] == "simulated", "claim"].str.startswith("skills").sum() == 2
    tables = finished.path("results/tables")
    assert "as published" in (tables / "claims.md").read_text()
    assert "as published" not in (tables / "claims.txt").read_text()


def test_a_published_value_is_judged_anew_and_nothing_else(checkout):
    checkout.edit("config/published/matrix_entropy.csv", "0.7732", "0.7733")
    assert checkout.planned() == {"fit_published", "write_claims"}


def test_a_wrong_published_table_stops_the_run_before_it_starts(checkout):
    checkout.edit("config/published/matrix_entropy.csv", "0.7732", "none")
    run = checkout.snakemake("--dry-run")
    assert run.returncode != 0
    assert "matrix_entropy.csv: line 30, value: 'none'" in run.stdout + run.stderr


def test_the_report_is_made_after_the_run(finished):
    report = finished.path("results/report.html").read_text()
    front = json.loads(re.search(r"var workflow_desc = (\".*\");?\n", report)[1])
    assert "4 models" in front and "verdict-supported" in front
    assert front.count("data:image/png;base64,") == 5
    categories = json.loads(re.search(r"var categories = (\{.*?\});?\n", report)[1])
    assert min(categories) == "Claims"  # the report sorts its menu
    assert "results/tables/claims.md" in categories["Claims"]["Other"]


def test_the_configuration_that_was_used_lies_beside_the_results(finished):
    used = yaml.safe_load(finished.path("results/config.yaml").read_text())
    assert used["spectra"]["n"] == [8, 24]
    assert used["launch"]["placement"] == "debug"  # a default that the file does not set
    table = finished.path("config/models.tsv").read_text()
    assert finished.path("results/models.tsv").read_text() == table


def test_files_that_are_not_those_of_the_run_stop_their_consumers_with_the_remedy(checkout):
    dump, spectra = "results/hidden_states/stories/{}.h5", "results/spectra/stories/{}.h5"
    # As if a job had outlived its workflow: the file is there and new, its fingerprint is old.
    other = checkout.path(dump.format("w16-d2")).read_bytes()
    checkout.path(dump.format("w16-d1")).write_bytes(other)
    checkout.path(dump.format("w32-d1")).write_text("not an HDF5 file")
    run = checkout.snakemake(spectra.format("w16-d1"), spectra.format("w32-d1"))
    said = run.stdout + run.stderr
    assert run.returncode != 0
    for model in ("w16-d1", "w32-d1"):
        assert f"snakemake -R {dump.format(model)}" in said
        log = checkout.path(f"results/logs/compute_spectra/stories/{model}.log").read_text()
        assert dump.format(model) in log and "Traceback" not in log


# ---------------------------------------------------------------- what a change runs
def test_a_name_of_no_row_is_missing_as_a_model(unrun):
    run = unrun.snakemake("--dry-run", "results/spectra/stories/typo.h5")
    assert run.returncode != 0
    assert "results/models/typo/model.json" in run.stdout + run.stderr


def test_a_finished_workflow_has_nothing_to_do(checkout):
    run = checkout.snakemake()
    assert "Nothing to be done" in run.stdout + run.stderr


def test_touching_every_source_file_reruns_nothing(checkout):
    for folder in ("workflow_scripts", "rules", "profiles", "config"):
        for file in checkout.path(folder).rglob("*"):
            os.utime(file)
    os.utime(checkout.path("Snakefile"))
    assert checkout.planned() == set()


def add_a_copy(checkout) -> None:
    """A model of the same weights as w16-d1, under another name."""
    shutil.copytree(checkout.path("results/models/w16-d1"), checkout.path("mine"))
    with checkout.path("config/models.tsv").open("a") as table:
        table.write("mine\tother\tlocal\tmine\t\tfloat32\t\t\n")


def test_adding_a_model_runs_its_jobs_and_the_aggregates(checkout):
    add_a_copy(checkout)
    expected = {"fetch_model mine", "compare_weights"} | AGGREGATES
    expected |= jobs(*PER_MODEL, models=["mine"])
    assert checkout.planned() == expected

    made = ["results/spectra/stories/mine.h5", "results/context/stories/mine.ablation.parquet"]
    run = checkout.snakemake(*made, "--config", "launch={placement: local, workers: 2}")
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-6000:]
    # The same weights under another name, dumped by two workers: the same numbers.
    one, other = (SpectraFile(checkout.path(f"results/spectra/stories/{name}.h5"))
                  for name in ("mine", "w16-d1"))  # fmt: skip
    for of_one, of_other in zip(one, other, strict=True):
        for key, spectrum in of_one.spectra.items():
            np.testing.assert_array_equal(spectrum.eigenvalues, of_other.spectra[key].eigenvalues)
    mine, same = (
        pd.read_parquet(checkout.path(f"results/context/stories/{name}.ablation.parquet"))
        for name in ("mine", "w16-d1")
    )
    assert len(mine) > 0
    pd.testing.assert_frame_equal(mine, same, check_exact=True)


def test_a_seed_shares_the_twins_of_its_shape(checkout):
    checkout.edit("config/config.yaml", "seeds: [0]", "seeds: [0, 1]")
    with checkout.path("config/models.tsv").open("a") as table:
        table.write("a-seed\ttiny\tladder\ttiny/w16-d1-s1\t\tfloat32\t\t\n")
    own = set(PER_MODEL) - {"untrained_twins", "untrained_entropy", "untrained_sentences"}
    expected = jobs("train_ladder", *own, models=["a-seed"]) | AGGREGATES | {"compare_weights"}
    assert checkout.planned() == expected


def test_without_the_first_row_of_a_group_the_next_one_s_twins_are_measured_and_no_more(checkout):
    checkout.edit("config/config.yaml", "seeds: [0]", "seeds: [0, 1]")
    table, first = checkout.path("config/models.tsv"), "w16-d1\ttiny\tladder\ttiny/w16-d1-s0"
    table.write_text(table.read_text() + "seed\ttiny\tladder\ttiny/w16-d1-s1\t\tfloat32\t\t\n")
    # As if the seed had been measured: its files are those of the first row, which has its twins.
    for path in sorted(checkout.path("results").rglob("*w16-d1*")):
        if not path.name.startswith("w16-d1.untrained") and "figures" not in path.parts:
            new = path.with_name(path.name.replace("w16-d1", "seed"))
            subprocess.run(["cp", "-a", "--", str(path), str(new)], check=True)

    def of_models():
        return {job for job in checkout.planned() if " " in job}

    assert of_models() == set()
    rows = table.read_text().splitlines(keepends=True)
    table.write_text("".join(row for row in rows if not row.startswith(first)))
    # Trainings, dumps and spectra stay; gains of the twins are set against its likelihoods.
    twins = ("untrained_twins", "untrained_entropy", "untrained_sentences")
    assert of_models() == jobs(*twins, "compute_entropy", models=["seed"])


def test_a_sink_is_planted_in_a_trained_member_which_it_stands_beside(checkout):
    checkout.edit("config/config.yaml", "depths: [1, 2]", "depths: [1, 2, 3]")
    checkout.edit("config/models.tsv", "trust_remote_code", "trust_remote_code\tstudies\tpair_with")
    with checkout.path("config/models.tsv").open("a") as table:
        table.write("deep\tdeep\tladder\ttiny/w16-d3-s0\t\t\t\t\tentropy\n")
        table.write("sink\tsink\tladder\ttiny/w16-d3-s0+sink\t\t\t\t\tentropy\tdeep\n")
    planned = checkout.planned()
    of_sink = {job.split()[0] for job in planned if job.endswith(" sink")}
    measured = {"dump_hidden_states", "compute_spectra", "shuffled_words", "compute_entropy"}
    assert of_sink == measured | {"plant_sink"}  # it has the twins of the trained member
    assert {"train_ladder deep", "untrained_twins deep", "paired_differences"} <= planned

    run = checkout.snakemake("results/tables/weights.csv")
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-6000:]
    trained, planted = (
        json.loads(checkout.path(f"results/models/{slug}/model.json").read_text())
        for slug in ("deep", "sink")
    )
    apart = {key for key in trained if trained[key] != planted[key]}
    assert apart == {"slug", "where", "directory", "files", "fingerprint"}


def test_a_row_with_steps_is_a_model_a_step_of_which_each_has_four_jobs(unrun):
    unrun.edit("config/models.tsv", "trust_remote_code", "trust_remote_code\tsteps")
    with unrun.path("config/models.tsv").open("a") as table:
        table.write("p\tother\thub\ta/b\tstep{step}\tfloat32\t\t\t0,8,64\n")
    announced = unrun.planned()
    planned = [job.split() for job in announced if " " in job]
    steps = {m: {rule for rule, model in planned if model == m} for m in ("p@0", "p@8", "p@64")}
    own = {"download_model", "dump_hidden_states", "compute_spectra", "compute_entropy"}
    assert steps["p@0"] == steps["p@8"] == own
    assert steps["p@64"] == own | {"untrained_twins", "untrained_entropy", "shuffled_words"}
    assert {"training_paths", "figure_training"} <= announced


def test_checkpoints_of_a_ladder_are_taken_from_its_training_and_share_its_twins(checkout):
    checkout.edit("config/models.tsv", "trust_remote_code", "trust_remote_code\tsteps")
    with checkout.path("config/models.tsv").open("a") as table:
        table.write("at\ttiny\tladder\ttiny/w16-d1-s0\t\tfloat32\t\t\t0,3\n")
    of_steps = jobs("take_checkpoint", "compute_entropy", models=["at@0", "at@3"])
    planned = checkout.planned()
    assert of_steps == {job for job in planned if " " in job}
    assert {"measure_checkpoints", "fit_scaling_laws", "training_paths"} <= planned

    run = checkout.snakemake("results/entropy/stories/at@0.parquet")
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-6000:]
    made = pd.read_parquet(checkout.path("results/entropy/stories/at@0.parquet"))
    trained = pd.read_parquet(checkout.path("results/entropy/stories/w16-d1.parquet"))
    assert len(made) == len(trained) and not made["value"].equals(trained["value"])
    card = json.loads(checkout.path("results/models/at@0/model.json").read_text())
    assert (card["slug"], card["train_tokens"]) == ("at@0", 0)


def test_an_encoder_has_every_job_but_those_that_need_a_prediction(unrun):
    unrun.edit("config/models.tsv", "trust_remote_code", "trust_remote_code\tkind")
    with unrun.path("config/models.tsv").open("a") as table:
        table.write("bert\tother\thub\tgoogle/bert\t\tfloat32\t\t\tencoder\n")
    planned = [job.split() for job in unrun.planned() if " " in job]
    encoder, causal = ({r for r, model in planned if model == m} for m in ("bert", "w16-d1"))
    assert encoder - causal == {"download_model"}
    assert causal - encoder == {
        "train_ladder", "information_gain", "token_selection", "token_ablation"
    }  # fmt: skip


@pytest.mark.long  # tests/unit/states/test_measurement.py compares every number bit for bit
def test_without_stored_states_one_job_takes_the_place_of_four_and_all_numbers_stay(
    checkout, finished
):
    config = checkout.path("config/config.yaml")
    config.write_text(config.read_text() + "keep_hidden_states: false\n")
    # Twins stay; the rest follows from states of another fingerprint.
    stored = {"dump_hidden_states", "compute_spectra", "information_gain", "intrinsic_dimension"}
    stored |= {"layer_similarity"}  # not available then
    stored |= {"untrained_twins", "untrained_entropy", "untrained_sentences", "shuffled_words"}
    rules = set(PER_MODEL) - stored | {"measure_states"}
    assert checkout.planned() == jobs(*rules) | AGGREGATES - {"random_null"} - SIMILARITIES
    run = checkout.snakemake("--dry-run", "similarity")
    assert run.returncode != 0 and "keep_hidden_states: true" in run.stdout + run.stderr

    # Of one model whatever is made of it: of equal parts the tables over all models are equal.
    of_model = "stories/w32-d2"
    parts = [*GAIN_TABLES, "selection", "selection_tokens", "ridge", "ablation", "ablation_status"]
    parts.append("layer_prediction")
    frames = [f"results/context/{of_model}.{part}.parquet" for part in parts]
    frames += [f"results/entropy/{of_model}.parquet", f"results/dimension/{of_model}.parquet"]
    arrays = [f"results/spectra/{of_model}.h5", f"results/sentences/{of_model}.h5"]
    run = checkout.snakemake("--", *frames, *arrays)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-6000:]
    for name in frames:
        made, expected = (pd.read_parquet(at.path(name)) for at in (checkout, finished))
        pd.testing.assert_frame_equal(made, expected, check_exact=True)
    for name in arrays:
        with h5py.File(checkout.path(name)) as made, h5py.File(finished.path(name)) as expected:

            def compare(key, item, made=made):
                if key.startswith("layer_means/") and key not in made:
                    return  # of a layer that is not stored
                if isinstance(item, h5py.Dataset):
                    np.testing.assert_array_equal(made[key][()], item[()], err_msg=key)

            expected.visititems(compare)
    states = f"results/hidden_states/{of_model}.h5"
    assert checkout.path(states).stat().st_size < finished.path(states).stat().st_size / 2
    assert not checkout.path("scratch").exists()


def test_removing_a_model_runs_the_aggregates(checkout):
    table = checkout.path("config/models.tsv")
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:-1]))
    assert checkout.planned() == AGGREGATES | {"compare_weights"}


def test_changing_a_dtype_runs_that_model_from_its_dump_on_and_the_aggregates(checkout):
    checkout.edit("config/models.tsv", "w32-d1-s0\t\tfloat32", "w32-d1-s0\t\tbfloat16")
    expected = jobs(*PER_MODEL, models=["w32-d1"]) | AGGREGATES - {"random_null"}
    assert checkout.planned() == expected


@pytest.mark.long
def test_layers_side_by_side_make_the_same_bytes(checkout, finished):
    files = ["results/spectra/stories/w32-d2.h5"]
    files += [f"results/context/stories/w32-d2.{name}.parquet" for name in GAIN_TABLES]
    for name in files:
        checkout.path(name).unlink()
    rules = ("compute_spectra", "information_gain")
    threads = ["--cores", "3", "--set-threads", *(f"{rule}=3" for rule in rules)]
    run = checkout.snakemake(*threads, "--", *files)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-6000:]
    assert run.stderr.count("threads: 3") == 2
    for name in files:
        assert checkout.path(name).read_bytes() == finished.path(name).read_bytes(), name


def test_changing_an_eps2_computes_entropies_again_from_the_stored_spectra(checkout):
    checkout.edit("config/config.yaml", "eps2: [0.1, 0.5]", "eps2: [0.2, 0.5]")
    # The twins run again: nothing of them is stored from which other gains would follow; so do
    # the similarities, which are set beside theirs.
    again = ("compute_entropy", "untrained_twins", "untrained_entropy", *GAIN_AND_SELECTION)
    of_entropies = {"which_layer", "figure_which_layer"}
    expected = jobs(*again) | AGGREGATES - (SENTENCES - of_entropies)
    assert checkout.planned() == expected


def test_without_the_control_no_model_reads_shuffled_words(checkout):
    checkout.edit("config/config.yaml", "controls: {", "controls: {shuffled: false, ")
    planned = checkout.planned()
    assert jobs("compute_entropy") | {"fit_scaling_laws"} <= planned
    assert not jobs(*(set(PER_MODEL) - {"compute_entropy"})) & planned


def test_the_number_of_draws_changes_intervals_and_nothing_else(checkout):
    checkout.edit("config/config.yaml", "draws: 99", "draws: 199")
    unchanged = {"random_null", "sentence_maps", "sentence_view"} | SIMILARITIES
    expected = jobs("information_gain", "intrinsic_dimension")
    expected |= {"fit_published"} | AGGREGATES - unchanged
    assert checkout.planned() == expected


def test_a_setting_of_the_sentences_runs_their_study_alone(checkout):
    checkout.edit("config/config.yaml", "n: 8, depths", "n: 7, depths")
    assert checkout.planned() == jobs(*GEOMETRY) | SENTENCES | {"write_claims"}


def test_the_theory_needs_no_model(checkout):
    checkout.edit("config/config.yaml", "theory: {texts: 5000", "theory: {texts: 4000")
    assert checkout.planned() == SKILLS | {"compare_theory", "write_claims"}
    assert checkout.planned("theory") == SKILLS | {"theory"}


def test_a_corpus_without_labels_has_no_study_of_sentences(checkout):
    checkout.edit("config/corpora.tsv", "text\tkind\t", "text\t\t")
    rules = {job.split()[0] for job in checkout.planned()}
    assert rules.isdisjoint({"sentence_sample", *GEOMETRY, *SENTENCES})
    run = checkout.snakemake("--dry-run", "sentences")
    assert run.returncode != 0
    assert "label_column" in run.stdout + run.stderr


def test_too_few_texts_for_two_labels_are_known_before_the_run(checkout):
    checkout.edit("config/config.yaml", "texts_per_label: 4", "texts_per_label: 13")
    assert checkout.planned() == {"write_claims"}
    run = checkout.snakemake("--dry-run", "sentences")
    assert run.returncode != 0
    assert "two labels with 13 each (sentences.texts_per_label) need 26" in run.stderr


@pytest.mark.long
def test_labels_with_too_few_texts_leave_the_study_not_available(checkout):
    checkout.edit("config/config.yaml", "texts_per_label: 4", "texts_per_label: 12")
    run = checkout.snakemake("all")
    assert run.returncode == 0, run.stderr[-4000:]
    log = checkout.path("results/logs/sentence_sample/stories.log").read_text()
    assert "Lower sentences.texts_per_label" in log and "'sea': " in log
    claims = pd.read_csv(checkout.path("results/tables/claims.csv"))
    of_texts = claims[claims["to_add"].fillna("").str.contains("no two texts can be compared")]
    assert len(of_texts) == 4 and set(of_texts["verdict"]) == {"not available"}


def test_the_study_of_sentences_can_be_switched_off(checkout):
    checkout.edit("config/config.yaml", "sentences: {", "sentences: {corpora: [], ")
    assert checkout.planned() == {"write_claims"}
    run = checkout.snakemake("--dry-run", "sentences")
    assert run.returncode != 0 and "the corpus in sentences.corpora" in run.stdout + run.stderr


def test_a_share_of_the_ablation_runs_ablations_and_their_aggregates(checkout):
    checkout.edit("config/config.yaml", "shares: [0.25, 0.5]", "shares: [0.25, 0.75]")
    assert checkout.planned() == jobs("token_ablation") | CONTEXT | {"write_claims"}


def test_comments_and_docstrings_rerun_nothing(checkout):
    for path in ("geometry/spectra.py", "geometry/entropy.py", "inference/regression.py",
                 "sources/ladder.py", "figures/law_panels.py"):  # fmt: skip
        file = f"workflow_scripts/infogeo/{path}"
        checkout.edit(file, '"""', '"""More words. ')
        text = checkout.path(file).read_text()
        checkout.path(file).write_text(text + "\n# A comment at the end.\n")
    assert checkout.planned() == set()


def test_a_constant_in_the_scaling_library_refits_and_nothing_else(checkout):
    path = checkout.path("workflow_scripts/infogeo/inference/regression.py")
    path.write_text(path.read_text() + "\nNEW_CONSTANT = 1\n")
    others = {"compare_theory", "fit_published", "write_claims"}
    assert checkout.planned() == LAWS | FIGURES | CONTEXT | JUDGED | SKILLS | others


def test_a_constant_in_the_spectra_library_computes_spectra_again(checkout):
    path = checkout.path("workflow_scripts/infogeo/geometry/spectra.py")
    path.write_text(path.read_text() + "\nNEW_CONSTANT = 1\n")
    # Published values need none.
    expected = jobs(*ENTROPY, *GEOMETRY) | AGGREGATES - {"text_view"}
    assert checkout.planned() == expected


def test_a_figure_script_draws_its_figure_again(checkout):
    path = checkout.path("workflow_scripts/figure_depth.py")
    path.write_text(path.read_text() + "\nNEW_CONSTANT = 1\n")
    assert checkout.planned() == {"figure_depth"}


def test_where_work_runs_reruns_nothing(checkout):
    text = checkout.path("config/config.yaml").read_text()
    checkout.path("config/config.yaml").write_text(
        text + "launch: {placement: local, workers: 2}\n"
    )
    assert checkout.planned() == set()
    # Only what a job asks for follows: each of its workers holds the model.
    states = "results/hidden_states/stories/w16-d1.h5"
    run = checkout.snakemake("--dry-run", "--force", states)
    assert f"mem_mb={2 * LEAST_MEGABYTES}," in run.stdout


def test_an_edited_corpus_file_runs_everything(checkout):
    path = checkout.path("texts.jsonl")
    path.write_text(path.read_text() + '{"text": "one more", "kind": "sea"}\n')
    once = {"fetch_corpus", "prepare_ladder", "sentence_sample", "compare_weights"}
    expected = jobs("train_ladder", *PER_MODEL) | once | AGGREGATES
    assert checkout.planned() == expected


# ---------------------------------------------------------------- parameters and scripts
def files_of(names: list[str], by_name: dict):
    """Paths by place, by name and as attributes, as Snakemake hands them to a script."""

    class Files(list):
        def items(self):
            return by_name.items()

        def __getitem__(self, key):
            return by_name[key] if isinstance(key, str) else super().__getitem__(key)

    files = Files(names)
    vars(files).update(by_name)
    return files


def call(job: dict) -> None:
    """Call the script of a job as its rule would, in the current folder."""
    named = [files_of(list(job[part].values()), job[part])
             for part in ("params", "wildcards", "resources")]  # fmt: skip
    params = parameters(
        SimpleNamespace(
            **dict(zip(("params", "wildcards", "resources"), named, strict=True)),
            threads=job["threads"],
        )
    )
    main = runpy.run_path(f"workflow_scripts/{job['rule']}.py", run_name="imported")["main"]
    for path in job["output"]:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    main(
        files_of(job["input"], job["input_names"]),
        params,
        files_of(job["output"], job["output_names"]),
    )


@pytest.fixture(scope="session")
def every_job(finished) -> dict[str, list[dict]]:
    """The jobs of a run that stores hidden states and of one that does not."""
    return {
        "stored": finished.jobs(),
        "measured": finished.jobs(keep_hidden_states=False),
    }


@pytest.fixture
def linked(finished, tmp_path, monkeypatch) -> Path:
    """A folder of links to all that the workflow has made, which is the current folder."""
    folder = tmp_path / "linked"
    subprocess.run(["cp", "-as", f"{finished.folder}", str(folder)], check=True)
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("mode", ["stored", "measured"])
def test_a_fingerprint_is_the_hash_of_the_very_params_that_its_rule_states(every_job, mode):
    jobs_with_one = [job for job in every_job[mode] if "fingerprint" in job["params"]]
    assert len({job["rule"] for job in jobs_with_one}) >= 18
    for job in jobs_with_one:
        stated = {key: value for key, value in job["params"].items() if key != "fingerprint"}
        assert job["params"]["fingerprint"] == digest(stated), job["rule"]


def test_rules_agree_on_which_models_are_seeds_of_one_shape(every_job):
    given = {
        job["rule"]: str(job["params"]["replicates"])
        for job in every_job["stored"]
        if "replicates" in job["params"]
    }
    assert {"model_similarity", "summarise_sentences"} <= given.keys()
    assert len(set(given.values())) == 1, given


@pytest.mark.parametrize("mode", ["stored", "measured"])
def test_what_a_job_expects_of_its_inputs_are_the_fingerprints_of_their_makers(every_job, mode):
    # So a param that changes a fingerprint changes those of all consumers.
    made = {
        path: job["params"]["fingerprint"]
        for job in every_job[mode]
        if "fingerprint" in job["params"]
        for path in job["output"]
    }
    checked = 0
    for job in every_job[mode]:
        stated = [value for key, value in job["params"].items() if key.startswith("expected")]
        expected = {
            hash_ for value in stated for hash_ in (value if isinstance(value, list) else [value])
        }
        if job["rule"] != "plan":  # it has no input
            assert expected - {""} <= {made.get(path) for path in job["input"]}, job["rule"]
            checked += len(expected)
    assert checked > 60


# The box of README's drawing to which the rules of a file belong; figures and the plan are in none.
BOXES = {"corpora": "models", "hidden_states": "states", "checkpoints": "states"}
BOXES |= dict.fromkeys(["entropy", "scaling", "training", "differences"], "geometry")
BOXES |= dict.fromkeys(["dimension", "similarity"], "geometry")
BOXES |= {name: name for name in ("models", "context", "sentences", "theory", "claims")}
BOXES |= {"figures": None, "plan": None}


def reachable(arrows: set, box: str) -> set:
    ends = {end for start, end in arrows if start == box}
    return ends.union(*(reachable(arrows, end) for end in ends))


def test_the_arrows_of_the_drawing_in_readme_are_those_between_the_rules(every_job):
    drawing = re.search(r"^```mermaid\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)[1]
    drawn = {
        pair
        for line in re.sub(r"\[.*?\]", "", drawing).splitlines()[1:]
        for ends in pairwise(re.findall(r"\w+", part) for part in line.split("-->"))
        for pair in product(*ends)
    }
    box = {
        rule: BOXES[path.stem]
        for path in (ROOT / "rules").glob("*.smk")
        for rule in re.findall(r"^rule (\w+):", path.read_text(), re.M)
        if path.stem != "measurement"  # in the place of hidden_states
    }
    box |= dict.fromkeys(
        ["untrained_twins", "shuffled_words", "random_null"], "states"
    )  # of the controls
    jobs = every_job["stored"]
    maker = {path: box[job["rule"]] for job in jobs for path in job["output"]}
    real = {
        (maker[path], box[job["rule"]]) for job in jobs for path in job["input"] if path in maker
    }
    real = {(start, end) for start, end in real if start and end and start != end}
    assert drawn <= real
    assert [(start, end) for start, end in sorted(real) if end not in reachable(drawn, start)] == []


# These need the hub, a local model, or a run without stored states; UMAP compiles for ten seconds,
# and repeats bit for bit by a test of its own.
APART = {"download_corpus", "download_model", "fetch_model", "measure_states", "sentence_maps"}
APART |= {"paired_differences", "figure_differences"}  # the models have a law
APART |= {"training_paths", "figure_training"}  # no run has steps: tests/unit
APART |= {"take_checkpoint", "measure_checkpoints"}  # the same
APART |= {"plant_sink"}  # no row has one: tests/unit/sources
APART |= {"describe_states", "import_states"}  # states of other engines: tests/unit/sources
SCRIPTS = sorted(path.stem for path in (ROOT / "workflow_scripts").glob("*.py"))


@pytest.mark.parametrize("script", sorted(set(SCRIPTS) - APART))
def test_a_script_called_without_snakemake_makes_the_same_bytes(
    script, every_job, finished, linked
):
    job = next(job for job in every_job["stored"] if job["rule"] == script)
    for path in job["output"]:
        Path(path).unlink()
    call(job)
    for path in job["output"]:
        assert Path(path).read_bytes() == finished.path(path).read_bytes(), path


def test_a_model_with_a_partner_is_set_beside_it(checkout):
    checkout.edit("config/models.tsv", "trust_remote_code", "trust_remote_code\tpair_with")
    checkout.edit(
        "config/models.tsv", "w32-d2-s0\t\tfloat32\t\t", "w32-d2-s0\t\tfloat32\t\t\tw32-d1"
    )
    assert checkout.planned() == {"paired_differences", "figure_differences"}
    run = checkout.snakemake("differences")
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-6000:]
    table = pd.read_csv(checkout.path("results/tables/paired_differences.csv"))
    assert set(table["model"]) == {"w32-d2"} and set(table["other_model"]) == {"w32-d1"}
    profiles = pd.read_parquet(checkout.path("results/scaling/profiles.parquet"))
    nll = profiles[(profiles["metric"] == "nll") & (profiles["n"] == 24)].set_index("model")["y"]
    row = table[(table["metric"] == "nll") & (table["n"] == 24)].iloc[0]
    assert row["difference"] == pytest.approx(nll["w32-d2"] - nll["w32-d1"])
    assert row["low"] < row["difference"] < row["high"]


def test_measuring_states_without_snakemake_makes_the_tables_of_stored_states(
    every_job, finished, linked
):
    job = next(job for job in every_job["measured"] if job["rule"] == "measure_states")
    for path in job["output"]:
        Path(path).unlink()
    call(job)
    tables = [path for path in job["output"] if path.endswith(".parquet")]
    assert len(tables) == len([*GAIN_TABLES, "dimension"])
    for path in tables:
        made, expected = pd.read_parquet(path), pd.read_parquet(finished.path(path))
        pd.testing.assert_frame_equal(made, expected, check_exact=True)


def made_up(rule: str, output: str, wildcards: dict, **params) -> dict:
    """A job with one output and without input."""
    return {
        "rule": rule, "params": params, "wildcards": wildcards, "resources": {}, "threads": 1,
        "input": [], "input_names": {}, "output": [output], "output_names": {},
    }  # fmt: skip


@pytest.mark.parametrize("script", ["fetch_model", "download_model"])
def test_a_model_that_is_brought_is_described_without_snakemake(script, linked, monkeypatch):
    folder = linked / "results/models/w16-d1"
    facts = {"model.safetensors": {"sha256": "a hash", "bytes": 1}}
    fetched = SimpleNamespace(commit="a commit"), folder, facts
    monkeypatch.setattr(hub, "fetch_model", lambda *_: fetched)
    stated = {"where": str(folder), "revision": "", "kind": "causal"}
    stated |= {"params": None, "params_non_embedding": None}
    call(
        made_up(script, "new/model.json", {"model": "new"}, **stated, trust_remote_code=False,
                fingerprint="of new")
    )  # fmt: skip
    made = json.loads(Path("new/model.json").read_text())
    trained = json.loads((folder / "model.json").read_text())
    assert (made["slug"], made["fingerprint"]) == ("new", "of new")
    assert made["params_total"] == trained["params_total"]


def test_a_corpus_that_is_brought_is_listed_without_snakemake(linked, monkeypatch):
    facts = {"texts.jsonl": {"sha256": "a hash", "bytes": 1}}
    fetched = SimpleNamespace(commit="a commit"), linked, facts
    monkeypatch.setattr(hub, "fetch_dataset", lambda *_: fetched)
    stated = {"where": "some/texts", "revision": "main", "files": "*.jsonl"}
    call(
        made_up("download_corpus", "new/files.json", {"corpus": "new"}, **stated,
                fingerprint="of new")
    )  # fmt: skip
    listing = json.loads(Path("new/files.json").read_text())
    assert listing["files"] == facts and listing["commit"] == "a commit"
    assert listing["fingerprint"] == "of new"
