"""The tiny configuration from texts to figures and the report."""

import pandas as pd
import pytest
import yaml
from conftest import MODELS

pytestmark = pytest.mark.xdist_group("workflow")  # they share one run


def test_every_table_and_figure_is_there_and_not_empty(finished):
    for name in ("entropy_scaling", "conditional_entropy", "depth", "width_pairs"):
        for kind in ("pdf", "png"):
            file = finished.path(f"results/figures/stories/{name}.{kind}")
            assert file.stat().st_size > 5000, file
    laws = pd.read_csv(finished.path("results/tables/scaling_laws.csv"))
    entropy = pd.read_csv(finished.path("results/tables/entropy.csv"))
    assert set(entropy["model"]) == {"w16-d1", "w16-d2", "w32-d1", "w32-d2", "w32-d2-s1"}
    assert laws["headline"].sum() > 0
    assert laws.loc[laws["headline"], "exponent"].notna().all()


def test_the_report_is_made_after_the_run(finished):
    report = finished.path("results/report.html").read_text()
    assert "entropy_scaling" in report


def test_the_configuration_that_was_used_lies_beside_the_results(finished):
    used = yaml.safe_load(finished.path("results/config.yaml").read_text())
    assert used["spectra"]["n"] == [8, 24]
    assert used["launch"]["placement"] == "debug"  # a default that the file does not set
    assert finished.path("results/models.tsv").read_text() == MODELS


def test_a_file_made_from_other_settings_stops_its_consumer_with_the_remedy(checkout):
    # As if a job had outlived its workflow: the file is there and new, its fingerprint is old.
    states = checkout.path("results/hidden_states/stories/w16-d1.h5")
    states.write_bytes(checkout.path("results/hidden_states/stories/w16-d2.h5").read_bytes())
    run = checkout.snakemake()
    said = run.stdout + run.stderr
    assert run.returncode != 0
    assert "results/hidden_states/stories/w16-d1.h5" in said
    assert "snakemake -R results/hidden_states/stories/w16-d1.h5" in said


def test_a_foreign_file_in_the_place_of_a_dump_is_named(checkout):
    checkout.path("results/hidden_states/stories/w16-d1.h5").write_text("not an HDF5 file")
    run = checkout.snakemake()
    assert run.returncode != 0
    assert "w16-d1.h5" in run.stdout + run.stderr
    assert "Traceback" not in run.stderr.split("Error in compute_spectra")[-1].split("\n\n")[0]
