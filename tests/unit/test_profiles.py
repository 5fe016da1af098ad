"""The two profiles agree where they must; the SLURM profile knows the rules that run a model."""

import re
from pathlib import Path

import pytest
import yaml

from infogeo.planning.job_costs import Job, Summary

ROOT = Path(__file__).parents[2]
DEFAULT, SLURM = (
    yaml.safe_load((ROOT / "profiles" / name / "profile.yaml").read_text())
    for name in ("default", "slurm")
)


def rules() -> dict[str, str]:
    """Name and text of every rule."""
    texts = [path.read_text() for path in sorted((ROOT / "rules").glob("*.smk"))]
    parts = re.split(r"^rule (\w+):$", "\n".join(texts), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_keys_that_both_profiles_set_are_identical():
    shared = DEFAULT.keys() & SLURM.keys()
    assert {"rerun-triggers", "rerun-incomplete", "keep-going", "resources"} <= shared
    common = {key: SLURM[key] for key in shared}
    common["resources"] = {key: common["resources"][key] for key in DEFAULT["resources"]}
    assert {key: DEFAULT[key] for key in shared} == common


def test_the_short_name_of_the_profile_is_the_profile():
    assert (ROOT / "slurm").is_symlink()
    assert (ROOT / "slurm").resolve() == (ROOT / "profiles/slurm").resolve()


def test_the_makefile_repeats_the_limit_that_its_own_resources_replace():
    found = re.search(r"--resources (.+?) --", (ROOT / "Makefile").read_text())[1].split()
    assert [f"{name}={most}" for name, most in DEFAULT["resources"].items()] == found[1:]


def test_what_must_not_be_used_is_not():
    for profile in (DEFAULT, SLURM):
        assert not profile.keys() & {"slurm-array-jobs", "keep-incomplete", "groups"}
        assert not profile.get("resources", {}).keys() & {"gpu", "mem_mb", "runtime"}
    assert SLURM["slurm-status-command"] == "squeue"
    assert SLURM["slurm-status-attempts"] == 1000
    assert SLURM["max-status-checks-per-second"] == 0.5


def test_the_rules_that_run_a_model_are_those_for_which_the_profile_asks_a_gpu():
    texts = "\n".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    recipes = re.findall(r"recipe\(\n    \"(\w+)\",\n(.*?)^\)", texts, re.M | re.S)
    running = {rule for rule, stated in recipes if "    batch_tokens=" in stated}
    assert len(running) >= 4
    assert SLURM["set-resources"].keys() == running
    assert all(asked == {"slurm_partition": "gpu"} for asked in SLURM["set-resources"].values())


BY_TEXTS = ("compute_spectra", "information_gain", "compute_entropy", "sentence_geometry")
BY_TEXTS += ("layer_similarity",)


@pytest.mark.parametrize("rule", [*SLURM["set-resources"], "train_ladder", *BY_TEXTS])
def test_what_such_a_rule_asks_for_follows_from_the_model(rule):
    text = rules()[rule]
    # Workers that share a job share its memory and GPUs too.
    workers = "LOCAL_WORKERS" if "**LAUNCHED" in text else ""
    comma = ", " if workers else ""
    assert f'mem_mb=megabytes("{rule}"{comma}{workers}),' in text
    assert f'runtime=minutes("{rule}"),' in text
    assert (f"gpu=gpus({workers})," in text) == (rule in SLURM["set-resources"])
    assert callable(getattr(Job, rule))


@pytest.mark.parametrize(
    "rule",
    [
        "fit_scaling_laws",
        "write_tables",
        "summarise_context",
        "summarise_sentences",
        "model_similarity",
        "paired_differences",
        "training_paths",
        "sentence_maps",
    ],
)
def test_what_a_job_over_all_models_asks_for_follows_from_their_number(rule):
    text = rules()[rule]
    assert f'mem_mb=megabytes_over_all("{rule}"),' in text
    assert f'runtime=minutes_over_all("{rule}"),' in text
    assert callable(getattr(Summary, rule))


def test_every_job_asks_for_more_memory_when_it_is_tried_again():
    for name, text in rules().items():
        for asked in re.findall(r"mem_mb=(.*),", text):
            assert asked.startswith(("megabytes", "rising(")), name
