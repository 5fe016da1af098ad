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
    "token_ablation",
    "train_ladder",
    "untrained_gain",
    "untrained_sentences",
    "untrained_twins",
}


def test_every_rule_has_a_script_of_its_name_and_every_script_a_rule():
    text = "".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    pairs = re.findall(r"^rule (\w+):.*?workflow_scripts/(\w+)\.py", text, re.M | re.S)
    assert all(rule == script for rule, script in pairs)
    assert {script for _, script in pairs} == {path.stem for path in SCRIPTS}


@pytest.mark.parametrize(
    "script", [path for path in SCRIPTS if path.stem not in WITH_TORCH], ids=lambda path: path.stem
)
def test_jobs_that_need_no_torch_do_not_import_it(script):
    # Torch costs seconds in every job. Importing a script runs all of its imports and no more.
    code = (
        "import runpy, sys\n"
        f"sys.path.insert(0, {str(script.parent)!r})\n"
        f"runpy.run_path({str(script)!r}, run_name='imported')\n"
        "print(sorted({'torch', 'transformers'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
