"""Snakemake in forks of a process that has imported it: most of a dry run is imports."""

import gc
import multiprocessing
import os
import subprocess
import sys
import tempfile
from multiprocessing.reduction import DupFd
from pathlib import Path

ROOT = Path(__file__).parents[1]
LONGEST = 1200  # seconds
FORKS = multiprocessing.get_context("forkserver")
# Snakemake, and what it and this workflow import on the way to the jobs of a dry run.
FORKS.set_forkserver_preload(
    "snakemake.cli snakemake.report.html_reporter smart_open nbformat jsonschema h5py "
    "pyarrow.parquet".split()
)


def snakemake(folder, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    """What snakemake does in a folder, given arguments and, where not this one, an environment."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        files = DupFd(out.fileno()), DupFd(err.fileno())
        environment = environment or dict(os.environ)
        fork = FORKS.Process(target=_run, args=(str(folder), arguments, environment, *files))
        fork.start()
        fork.join(LONGEST)
        if fork.exitcode is None:
            fork.kill()
            raise TimeoutError(f"a run in {folder} took over {LONGEST} s")
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode())
    return subprocess.CompletedProcess(arguments, fork.exitcode, *texts)


def _run(folder: str, arguments: tuple[str, ...], environment: dict[str, str], out, err) -> None:
    from snakemake.cli import main

    gc.freeze()  # what was imported is never garbage, and stays in the memory that forks share
    os.environ.clear()
    os.environ.update(environment)  # of the test, and not of the first
    os.dup2(out.detach(), 1)
    os.dup2(err.detach(), 2)
    os.chdir(folder)
    # The library is that of the folder: the one beside these tests would be found by Snakemake's
    # search for plugins.
    ours = {str(ROOT / "workflow_scripts"), str(ROOT / "tests")}
    sys.path[:] = ["", *(path for path in sys.path if path not in ours)]
    main(list(arguments))
