"""The report of a finished run: one page, which another Snakemake renders."""

import shlex
import subprocess
import sys

from infogeo.files.errors import InfogeoError

LAST_LINES = 8


def render(page, snakefile, configuration, stylesheet) -> None:
    """Render the report.

    Parameters
    ----------
    page : path-like
        The HTML file to write.
    snakefile : path-like
        The workflow's Snakefile.
    configuration : path-like
        The configuration that was really used.
    stylesheet : path-like
        Laid over Snakemake's own.

    Raises
    ------
    InfogeoError
        With the last lines of what Snakemake printed, and the command that renders again.
    """
    arguments = ["--configfile", str(configuration), "--report", str(page)]
    arguments += ["--report-stylesheet", str(stylesheet)]
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile), "--nolock"]
    run = subprocess.run(
        [*command, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if run.returncode:
        lines = [line for line in run.stdout.splitlines() if line.strip()][-LAST_LINES:]
        raise InfogeoError(
            f"{page} was not rendered; tables and figures are complete. Snakemake's last lines:\n"
            + "".join(f"  {line}\n" for line in lines)
            + f"Mend the cause and render again: {shlex.join(['snakemake', *arguments])}"
        )
