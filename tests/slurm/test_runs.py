"""The workflow on a private SLURM: what it submits, and where jobs run.

The last file: the runs that its tests share come beside those of the others.
"""

import shutil

import pytest
from cluster import missing
from harness import DUMP, TARGETS, done, submitted

pytestmark = pytest.mark.skipif(
    bool(missing()), reason=f"SLURM is not installed here: no {', '.join(missing())}"
)

GPU_RULES = {
    "dump_hidden_states", "untrained_twins", "untrained_sentences", "shuffled_words",
    "token_ablation",
}  # fmt: skip
PER_MODEL = GPU_RULES | {
    "train_ladder", "compute_spectra", "compute_entropy", "untrained_entropy", "information_gain",
    "token_selection", "sentence_geometry", "layer_similarity", "intrinsic_dimension",
}  # fmt: skip
# Over all models; write_tables and write_claims stay with the head.
SUMMARIES = {
    "random_null", "fit_scaling_laws", "summarise_context", "summarise_sentences", "compare_theory",
    "model_similarity", "summarise_dimension", "which_layer",
}  # fmt: skip
DRAWN = {
    "figure_entropy", "figure_conditional_entropy", "figure_depth", "figure_width_pairs",
    "figure_information_gain", "figure_token_selection", "figure_token_ablation",
    "figure_sentence_maps", "figure_sentence_distances", "sentence_maps", "sentence_view",
    "figure_which_layer", "figure_layer_prediction", "text_view", "figure_layer_similarity",
    "figure_model_similarity",
    "figure_dimension",
}  # fmt: skip
OF_PAIRS = {"paired_differences"}  # two sizes have no law; three have one
ONCE = {"fetch_corpus", "sentence_sample", "prepare_ladder", "simulate_skills", "fit_published"}
# Of the figures, each of which costs seconds, the run that the tests share makes one.
ONE_FIGURE = {"sentence_maps", "figure_sentence_maps"}
SPELLINGS = (
    ("--profile", "slurm"),
    ("--workflow-profile", "slurm"),
    ("--profile", "profiles/slurm"),
)


def rule_and_model(comment: str) -> str:
    """'rule model' or 'rule' from the comment that the plugin gives a job."""
    rule, _, wildcards = comment.removeprefix("rule_").partition("_wildcards_")
    return f"{rule} {wildcards.split('_')[-1]}" if rule in PER_MODEL else rule


def test_every_table_is_that_of_the_local_run_byte_for_byte(local, finished):
    tables = sorted(path.name for path in local.path("results/tables").glob("*.csv"))
    assert len(tables) >= 5
    for name in tables:
        theirs, ours = (run.path(f"results/tables/{name}") for run in (finished, local))
        assert theirs.read_bytes() == ours.read_bytes(), name


def test_jobs_that_run_a_model_hold_a_gpu_and_the_others_none(finished):
    rows = done(finished.cluster, finished.ids)
    assert {row["state"] for row in rows} == {"COMPLETED"}
    rules = {rule_and_model(row["rule"]).split()[0] for row in rows}
    assert rules == ONCE | PER_MODEL | SUMMARIES | OF_PAIRS | ONE_FIGURE
    for row in rows:
        on_gpu = rule_and_model(row["rule"]).split()[0] in GPU_RULES
        assert row["node"] in (("node1", "node2") if on_gpu else ("node3",)), row
        assert row["tres"].count("gres/gpu=1") == on_gpu and "gres/gpu=2" not in row["tres"], row


@pytest.mark.parametrize("profile", SPELLINGS, ids="=".join)
def test_no_spelling_of_the_profile_reruns_anything_after_touch(finished, profile, tmp_path):
    checkout = finished.copy(tmp_path / "checkout")
    for folder in ("rules", "workflow_scripts", "profiles", "envs"):
        for path in checkout.path(folder).rglob("*"):
            path.touch()
    checkout.path("Snakefile").touch()
    run = checkout.slurm("--dry-run", *TARGETS, profile=profile)
    assert run.returncode == 0, run.stderr
    assert "Nothing to be done" in run.stdout + run.stderr
    # And the check can fail: a changed parameter is seen under each.
    checkout.edit("config/config.yaml", "shares: [0.25, 0.5]", "shares: [0.25, 0.75]")
    run = checkout.slurm("--dry-run", *TARGETS, profile=profile)
    assert "rule token_ablation:" in run.stdout + run.stderr


@pytest.mark.long
def test_every_figure_is_drawn_by_a_job_and_stands_in_the_report(finished, tmp_path):
    checkout = finished.copy(tmp_path / "checkout")
    run = checkout.slurm()
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-6000:]
    found = {rule_and_model(row["rule"]) for row in done(finished.cluster, submitted(run))}
    assert found == DRAWN - ONE_FIGURE | {"figure_skills", "figure_differences"}
    assert "entropy_scaling" in checkout.path("results/report.html").read_text()


@pytest.mark.long  # four minutes; all rules are submitted above, tests/workflow plans a new model
def test_a_new_model_submits_its_jobs_and_the_aggregates(finished, tmp_path):
    checkout = finished.copy(tmp_path / "checkout")
    table = checkout.path("config/models.tsv")
    table.write_text(table.read_text() + "w32-d2\ttiny\tladder\ttiny/w32-d2-s0\t\tfloat32\t\t\n")
    run = checkout.slurm("tables")
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-6000:]
    found = sorted(rule_and_model(row["rule"]) for row in done(finished.cluster, submitted(run)))
    assert found == sorted(SUMMARIES | {f"{rule} w32-d2" for rule in PER_MODEL})
    assert checkout.planned() == DRAWN | {"figure_skills"}


def test_what_sbatch_refuses_is_said_once_and_the_other_jobs_go_on(finished, tmp_path):
    checkout = finished.copy(tmp_path / "checkout")
    shutil.rmtree(checkout.path("results/hidden_states"))
    # MB: no node has so much.
    refused = "mem_mb: \"10**6 if wildcards.model == 'w32-d1' else 1000\""
    rule = "  dump_hidden_states:\n"
    checkout.edit("profiles/slurm/profile.yaml", rule, f"{rule}    {refused}\n")
    run = checkout.slurm("hidden_states")
    said = run.stdout + run.stderr
    assert run.returncode != 0
    assert not checkout.path(DUMP).exists()
    assert checkout.path(DUMP.replace("w32-d1", "w16-d1")).exists()
    found = [rule_and_model(row["rule"]) for row in done(finished.cluster, submitted(run))]
    assert found == ["dump_hidden_states w16-d1"]
    message = said[said.index("SLURM refused submissions") :]
    assert message.count("Memory specification can not be satisfied") == 1
    assert "profiles/slurm/profile.yaml" in message
