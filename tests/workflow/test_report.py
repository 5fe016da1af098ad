"""What the report embeds of large configurations."""

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))
import startup


@pytest.mark.parametrize(("models", "embedded"), [(25, True), (26, False)])  # on four corpora
def test_long_tables_are_in_the_report_only_where_a_browser_opens_it(models, embedded, tmp_path):
    startup.checkout(tmp_path / "project", models)
    program = """
from pathlib import Path
from snakemake.api import SnakemakeApi
from snakemake.settings.types import ConfigSettings, OutputSettings, ResourceSettings
with SnakemakeApi(OutputSettings()) as api:
    config = ConfigSettings(configfiles=[Path("config/config.yaml")])
    given = {"resource_settings": ResourceSettings(cores=1), "config_settings": config}
    for rule in api.workflow(snakefile=Path("Snakefile"), **given)._workflow.rules:
        print(*(path for path in rule.output if "report" in getattr(path, "flags", {})))
"""
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path / "project", capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    reported = run.stdout.split()
    assert "results/tables/claims.csv" in reported
    assert ("results/tables/entropy.csv" in reported) == embedded
