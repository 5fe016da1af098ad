"""Snakemake's logger `calm`: a line a rule with the time left in place of blocks of every job.

Snakemake finds it where this folder is on the path: PYTHONPATH=workflow_scripts. What jobs print
goes to their logs alone; errors and warnings stay on the terminal.
"""

import logging
import os
import sys
import time
from pathlib import Path

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from infogeo.jobs.logs import TO_LOGS_ALONE
from infogeo.jobs.run_progress import RunProgress

SCRIPTS = Path(__file__).parents[1]


class LogHandler(LogHandlerBase):
    """Writes the lines of a run to the terminal."""

    writes_to_stream = True
    writes_to_file = False
    has_filter = False
    has_formatter = False
    needs_rulegraph = False

    def __post_init__(self) -> None:
        self.progress = RunProgress({}, time.monotonic())
        self.planned = False
        os.environ[TO_LOGS_ALONE] = "yes"  # of the jobs, which inherit it

    def emit(self, record: logging.LogRecord) -> None:
        line = self.line(record, time.monotonic())
        if line:
            print(line, file=sys.stderr, flush=True)

    def line(self, record: logging.LogRecord, now: float) -> str:
        """What a record of Snakemake's is to the reader; "" where nothing."""
        event = getattr(record, "event", None)
        if event == LogEvent.RUN_INFO:
            return self._plan(record, now)
        if event == LogEvent.JOB_INFO:
            self.progress.begin(record.jobid, record.rule_name, now)
            return ""
        if event == LogEvent.JOB_FINISHED:
            return self.progress.finish(record.job_id, now)
        if event == LogEvent.JOB_ERROR:
            self.progress.fail(record.jobid)
            return f"  failed  {record.rule_name}: {', '.join(record.log)}"
        if record.levelno >= logging.WARNING:
            return self.format(record)
        message = str(record.msg)
        return message if message.startswith(("Nothing to be done", "This was a dry-run")) else ""

    def _plan(self, record: logging.LogRecord, now: float) -> str:
        if self.common_settings.dryrun:
            first, self.planned = not self.planned, True  # it comes before and after the blocks
            return str(record.msg) if first else ""
        # Targets, and the total, have no script.
        counts = {
            rule: count for rule, count in record.stats.items() if (SCRIPTS / f"{rule}.py").exists()
        }
        self.progress = RunProgress(counts, now)
        return f"{sum(counts.values())} jobs of {len(counts)} rules; their logs: results/logs/"
