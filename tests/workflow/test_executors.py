"""Schedulers other than SLURM, by Snakemake's generic plugin and a scheduler that is a script."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs/clusters.md"
SCHEDULER = """#!/bin/bash
echo "$*" >> {asked}
bash "${{!#}}" > /dev/null 2>&1 &
echo "Job <$!> is submitted"
"""


@pytest.mark.long
def test_the_command_of_the_page_submits_jobs_with_what_they_ask_for(unrun, tmp_path):
    scheduler = tmp_path / "bin/bsub"
    scheduler.parent.mkdir()
    scheduler.write_text(SCHEDULER.format(asked=tmp_path / "asked"))
    scheduler.chmod(0o755)
    (command,) = re.findall(r"```bash\n(snakemake.*?)```", PAGE.read_text(), re.S)
    arguments = shlex.split(command.replace("\\\n", ""))[1:]
    run = subprocess.run(
        [sys.executable, "-m", "snakemake", "results/theory/curve.parquet", *arguments],
        cwd=unrun.folder, capture_output=True, text=True, check=False,
        env=os.environ | {"PATH": f"{scheduler.parent}:{os.environ['PATH']}"},
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-4000:]
    assert unrun.path("results/theory/curve.parquet").exists()
    asked = (tmp_path / "asked").read_text()
    assert asked.startswith("-J simulate_skills -n 1 -M 1500MB -W 60 -gpu num=0 ")
