"""Snakemake whose SLURM plugin asks for the states of jobs each second.

Where none has ended since the last question the plugin waits ten seconds longer before the next
one, up to three minutes; here jobs take seconds.
"""

import asyncio
import sys

from snakemake.cli import main
from snakemake_executor_plugin_slurm import Executor


async def _one_second(_) -> None:
    await asyncio.sleep(1)


if __name__ == "__main__":
    Executor.sleep = _one_second
    main(sys.argv[1:])
