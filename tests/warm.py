"""Dry runs of Snakemake in forks of a process that has imported it: half of one is that import."""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from multiprocessing.reduction import DupFd
from pathlib import Path

ROOT = Path(__file__).parents[1]
LONGEST = 300  # seconds
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["snakemake.cli"])


def dry_run(folder, *arguments: str) -> subprocess.CompletedProcess:
    """What snakemake does in a folder, given arguments with --dry-run."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        files = DupFd(out.fileno()), DupFd(err.fileno())
        fork = FORKS.Process(target=_run, args=(str(folder), arguments, dict(os.environ), *files))
        fork.start()
        fork.join(LONGEST)
        if fork.exitcode is None:
            fork.kill()
            raise TimeoutError(f"a dry run in {folder} took over {LONGEST} s")
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode())
    return subprocess.CompletedProcess(arguments, fork.exitcode, *texts)


def _run(folder: str, arguments: tuple[str, ...], environment: dict[str, str], out, err) -> None:
    from snakemake.cli import main

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
