"""The workflow runs from any working directory, and inside other workflows."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

CALLER = f"""
import yaml

EMBEDDED = yaml.safe_load(open("{ROOT}/config/config.yaml"))
CORPORA = "slug\\tsource\\twhere\\ttext_column\\nmine\\tlocal\\ttexts.jsonl\\ttext\\n"
open("corpora.tsv", "w").write(CORPORA)

module infogeo:
    snakefile: "{ROOT}/Snakefile"
    config: EMBEDDED

use rule * from infogeo as infogeo_*

module other:
    snakefile: "{ROOT}/Snakefile"
    config: EMBEDDED | {{"corpora": "corpora.tsv", "models": "models.tsv", "seed": 1}}
    prefix: "other"

use rule * from other as other_*

rule compare:
    default_target: True
    input:
        "results/tables/skills.csv",
        "other/results/spectra/mine/m.h5",
        "other/results/tables/scaling_laws.csv",
        "{{model}}.named".format(model="a-model-of-the-caller"),
    output: "compared.txt"
    shell: "cat {{input}} > {{output}}"

rule named:
    output: "{{model}}.named"
    shell: "touch {{output}}"
"""


def dry_run(folder, *arguments):
    """How many jobs of each rule a dry run lists, and all that it says."""
    run = [sys.executable, "-m", "snakemake", "-n", "--quiet", "rules", *arguments]
    done = subprocess.run(run, cwd=folder, capture_output=True, text=True, check=False)
    words = [line.split() for line in done.stdout.splitlines()]
    return {w[0]: int(w[1]) for w in words if len(w) == 2 and w[1].isdigit()}, done


@pytest.fixture
def folder(tmp_path, tiny_model_dir):
    where = tiny_model_dir()
    (tmp_path / "Snakefile").write_text(CALLER)
    (tmp_path / "texts.jsonl").write_text('{"text": "a b c"}\n')
    (tmp_path / "models.tsv").write_text(
        f"slug\tfamily\tsource\twhere\nm\tf\tlocal\t{where}\ngiven\tf\tstates\tgiven\n",
        encoding="utf-8",
    )
    (tmp_path / "given/mine").mkdir(parents=True)
    (tmp_path / "given/mine/a.npz").touch()
    sizes = dict.fromkeys(("params_total", "params_non_embedding", "width", "layers"), 8)
    description = json.dumps({"model": sizes, "dtype": "float32"})
    (tmp_path / "given/mine/states.json").write_text(description)
    return tmp_path


def test_two_modules_of_different_configurations_share_a_workflow_with_rules_of_the_caller(folder):
    jobs, run = dry_run(folder)
    assert run.returncode == 0, run.stdout + run.stderr
    assert jobs["compare"] == jobs["named"] == 1
    assert jobs["infogeo_simulate_skills"] == 1
    assert (jobs["other_fetch_model"], jobs["other_compute_spectra"]) == (1, 2)
    assert "other_train_ladder" not in jobs
    assert "infogeo_fetch_model" not in jobs
    # States of another engine are described, imported and measured, and have no twins.
    assert (jobs["other_describe_states"], jobs["other_import_states"]) == (1, 1)
    assert (jobs["other_compute_entropy"], jobs["other_untrained_twins"]) == (2, 1)


@pytest.mark.long
def test_the_embedded_default_runs_from_any_working_directory(tmp_path):
    jobs, run = dry_run(tmp_path, "-s", str(ROOT / "Snakefile"), "--", "theory")
    assert run.returncode == 0, run.stdout + run.stderr
    assert jobs["simulate_skills"] == 1
