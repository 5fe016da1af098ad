"""What every rule's script has in common."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted((ROOT / "workflow_scripts").glob("*.py"))
WITH_TORCH = {
    "dump_hidden_states",
    "measure_states",
    "shuffled_words",
    "token_ablation",
    "train_ladder",
    "untrained_sentences",
    "untrained_twins",
}


def test_every_rule_has_a_script_of_its_name_and_every_script_a_rule():
    text = "".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    pairs = re.findall(r"^rule (\w+):.*?workflow_scripts/(\w+)\.py", text, re.M | re.S)
    assert all(rule == script for rule, script in pairs)
    assert {script for _, script in pairs} == {path.stem for path in SCRIPTS}


def test_jobs_that_need_no_torch_do_not_import_it():
    # Torch costs seconds in every job. Importing a script runs all of its imports and no more.
    code = (
        "import runpy, sys\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "for script in sys.argv[2:]:\n"
        "    runpy.run_path(f'{sys.argv[1]}/{script}.py', run_name='imported')\n"
        "    if {'torch', 'transformers'} & set(sys.modules):\n"
        "        sys.exit(f'{script} imports torch')\n"
    )
    light = [path.stem for path in SCRIPTS if path.stem not in WITH_TORCH]
    assert len(light) > 20
    command = [sys.executable, "-c", code, str(ROOT / "workflow_scripts"), *light]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize(
    ("script", "unneeded"),
    [
        ("compute_entropy", {"scipy", "matplotlib"}),
        ("compute_spectra", {"scipy", "pandas"}),
        ("layer_similarity", {"scipy.stats", "matplotlib"}),
        ("sentence_geometry", {"scipy", "pandas"}),
        ("take_checkpoint", {"numpy"}),
    ],
)
def test_a_job_of_each_model_does_not_start_with_what_it_does_not_need(script, unneeded):
    code = f"import sys, {script}; print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=SCRIPTS[0].parent,
        capture_output=True,
        check=True,
        text=True,
    )
    assert not unneeded & set(run.stdout.split())
