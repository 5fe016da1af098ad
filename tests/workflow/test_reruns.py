"""Which jobs run after a change: exactly those whose numbers can differ."""

import os
import shutil

import pytest

pytestmark = pytest.mark.xdist_group("workflow")  # they share one run

LAWS = {"fit_scaling_laws", "write_tables"}
FIGURES = {
    "figure_entropy",
    "figure_conditional_entropy",
    "figure_depth",
    "figure_width_pairs",
}
AGGREGATES = {"random_null"} | LAWS | FIGURES  # over all models
MODELS = ("w16-d1", "w16-d2", "w32-d1", "w32-d2", "w32-d2-s1")
PER_MODEL = ("dump_hidden_states", "compute_spectra", "untrained_twins", "compute_entropy")


def jobs(*rules, models=MODELS):
    return {f"{rule} {model}" for rule in rules for model in models}


def test_a_finished_workflow_has_nothing_to_do(checkout):
    run = checkout.snakemake()
    assert "Nothing to be done" in run.stdout + run.stderr


def test_touching_every_source_file_reruns_nothing(checkout):
    for folder in ("workflow_scripts", "rules", "profiles", "config"):
        for file in checkout.path(folder).rglob("*"):
            os.utime(file)
    os.utime(checkout.path("Snakefile"))
    assert checkout.planned() == set()


def test_adding_a_model_runs_its_jobs_and_the_aggregates(checkout):
    shutil.copytree(checkout.path("results/models/w16-d1"), checkout.path("mine"))
    with checkout.path("config/models.tsv").open("a") as table:
        table.write("mine\tother\tlocal\tmine\t\tfloat32\t\t\n")
    expected = {"fetch_model mine"} | jobs(*PER_MODEL, models=["mine"]) | AGGREGATES
    assert checkout.planned() == expected


def test_removing_a_model_runs_the_aggregates(checkout):
    table = checkout.path("config/models.tsv")
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:-1]))
    assert checkout.planned() == AGGREGATES


def test_changing_a_dtype_runs_that_model_from_its_dump_on_and_the_aggregates(checkout):
    checkout.edit("config/models.tsv", "w32-d1-s0\t\tfloat32", "w32-d1-s0\t\tbfloat16")
    expected = jobs(*PER_MODEL, models=["w32-d1"]) | LAWS | FIGURES
    assert checkout.planned() == expected


def test_changing_an_eps2_computes_entropies_again_from_the_stored_spectra(checkout):
    checkout.edit("config/config.yaml", "eps2: [0.1, 0.5]", "eps2: [0.2, 0.5]")
    assert checkout.planned() == jobs("compute_entropy") | AGGREGATES


def test_a_scaling_setting_refits_and_nothing_else(checkout):
    checkout.edit("config/config.yaml", "draws: 99", "draws: 199")
    assert checkout.planned() == LAWS | FIGURES


@pytest.mark.parametrize("module", ["spectra", "entropy", "scaling", "ladder", "plotting"])
def test_a_comment_or_a_docstring_reruns_nothing(checkout, module):
    path = f"workflow_scripts/infogeo/{module}.py"
    checkout.edit(path, '"""', '"""More words. ')
    text = checkout.path(path).read_text()
    checkout.path(path).write_text(text + "\n# A comment at the end.\n")
    assert checkout.planned() == set()


def test_a_constant_in_the_scaling_library_refits_and_nothing_else(checkout):
    path = checkout.path("workflow_scripts/infogeo/scaling.py")
    path.write_text(path.read_text() + "\nNEW_CONSTANT = 1\n")
    assert checkout.planned() == LAWS | FIGURES


def test_a_constant_in_the_spectra_library_computes_spectra_again(checkout):
    path = checkout.path("workflow_scripts/infogeo/spectra.py")
    path.write_text(path.read_text() + "\nNEW_CONSTANT = 1\n")
    expected = jobs("compute_spectra", "untrained_twins", "compute_entropy") | AGGREGATES
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


def test_an_edited_corpus_file_runs_everything(checkout):
    path = checkout.path("texts.jsonl")
    path.write_text(path.read_text() + '{"text": "one more", "kind": "sea"}\n')
    expected = jobs("train_ladder", *PER_MODEL) | {"fetch_corpus", "prepare_ladder"} | AGGREGATES
    assert checkout.planned() == expected
