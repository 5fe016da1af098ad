"""The workflow runs from any working directory, and inside other workflows."""

import json
import os
import shutil
import subprocess
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import warm

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


def dry_run(folder, *arguments, **variables):
    """How many jobs of each rule a dry run lists, and all that it says."""
    done = warm.snakemake(folder, "-n", "--quiet", "rules", *arguments, **os.environ | variables)
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


def hosted(folder: Path) -> dict[str, str]:
    """Variables by which git takes this checkout for a repository of a hosting service."""
    tree = folder / "hub/someone/infogeo"
    for name in ("rules", "workflow_scripts", "config"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(ROOT / "Snakefile", tree)
    author = ("-c", "user.name=someone", "-c", "user.email=someone@example.org")
    for command in (("init", "-q"), ("add", "."), ("commit", "-qm", "all"), ("tag", "v1")):
        subprocess.run(["git", *author, *command], cwd=tree, check=True)
    return {
        "XDG_CACHE_HOME": str(folder / "cache"),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{(folder / 'hub').as_uri()}/.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://github.com/",
    }


# What `snakedeploy deploy-workflow` 0.17.1 writes.
DEPLOYED = """
configfile: "config/config.yaml"

module infogeo:
    snakefile: github("someone/infogeo", path="Snakefile", tag="v1")
    config: config

use rule * from infogeo
"""


def test_a_deployed_workflow_takes_rules_scripts_and_library_of_its_tag(tmp_path):
    shutil.copytree(ROOT / "config", tmp_path / "config")
    (tmp_path / "workflow").mkdir()
    (tmp_path / "workflow/Snakefile").write_text(DEPLOYED)
    jobs, run = dry_run(tmp_path, **hosted(tmp_path))
    assert run.returncode == 0, run.stdout + run.stderr
    assert jobs["train_ladder"] == 13
    (tree,) = filter(Path.is_dir, (tmp_path / ".snakemake/infogeo").iterdir())
    assert (tree / "workflow_scripts/infogeo/__init__.py").exists()


def test_a_snakefile_of_a_web_page_is_refused_with_the_remedy(tmp_path):
    pages = partial(SimpleHTTPRequestHandler, directory=ROOT)
    with ThreadingHTTPServer(("127.0.0.1", 0), pages) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/Snakefile"
        module = f'module infogeo:\n    snakefile: "{address}"\nuse rule * from infogeo\n'
        (tmp_path / "Snakefile").write_text(module)
        _, run = dry_run(tmp_path)
        server.shutdown()
    assert run.returncode == 1
    assert "docs/module.md" in run.stdout + run.stderr


def test_a_commit_of_a_local_repository_is_refused_with_the_remedy(tmp_path):
    hosted(tmp_path)
    address = f"git+file://{tmp_path}/hub/someone/infogeo/Snakefile@v1"
    module = f'module infogeo:\n    snakefile: "{address}"\nuse rule * from infogeo\n'
    (tmp_path / "Snakefile").write_text(module)
    _, run = dry_run(tmp_path)
    assert run.returncode == 1
    assert "docs/module.md" in run.stdout + run.stderr


@pytest.mark.long
def test_the_embedded_default_runs_from_any_working_directory(tmp_path):
    jobs, run = dry_run(tmp_path, "-s", str(ROOT / "Snakefile"), "--", "theory")
    assert run.returncode == 0, run.stdout + run.stderr
    assert jobs["simulate_skills"] == 1
