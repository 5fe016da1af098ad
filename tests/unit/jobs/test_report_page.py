"""Rendering the report, and what is reported where that fails."""

import pytest

from infogeo.files.errors import InfogeoError
from infogeo.jobs.report_page import render


def test_a_failed_rendering_names_its_cause_and_how_to_render_again(tmp_path):
    snakefile, settings = tmp_path / "Snakefile", tmp_path / "config.yaml"
    snakefile.write_text("raise WorkflowError('no caption of entropy.png')\n")
    settings.write_text("{}\n")
    with pytest.raises(InfogeoError) as error:
        render(tmp_path / "report.html", snakefile, settings, tmp_path / "report.css")
    message = str(error.value)
    assert "no caption of entropy.png" in message
    assert f"snakemake --configfile {settings} --report {tmp_path / 'report.html'}" in message
