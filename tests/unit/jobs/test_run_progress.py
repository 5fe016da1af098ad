import logging
import os
from types import SimpleNamespace

import pytest
from snakemake_interface_logger_plugins.common import LogEvent

import snakemake_logger_plugin_calm as calm
from infogeo.jobs import ending
from infogeo.jobs.logs import TO_LOGS_ALONE
from infogeo.jobs.run_progress import RunProgress


def run_jobs(progress, rule, begin, seconds, first_job=0):
    """The lines of jobs of a rule that run at once."""
    jobs = range(first_job, first_job + len(seconds))
    for job in jobs:
        progress.begin(job, rule, begin)
    return [progress.finish(job, begin + took) for job, took in zip(jobs, seconds, strict=True)]


def test_a_line_is_printed_when_a_rule_is_done():
    progress = RunProgress({"train": 3, "dump": 1}, now=100.0)
    lines = run_jobs(progress, "train", 100.0, [10.0, 20.0, 30.0])
    assert lines[:2] == ["", ""]
    assert lines[2].split() == "0:30 train 3 jobs 3 of 4, about 10 s left".split()
    assert (
        run_jobs(progress, "dump", 130.0, [5.0], 9)[0].split() == "0:35 dump 1 job 4 of 4".split()
    )


def test_a_rule_that_takes_long_has_a_line_a_minute():
    progress = RunProgress({"train": 4}, now=0.0)
    lines = run_jobs(progress, "train", 0.0, [59.0, 61.0, 62.0])
    assert lines[0] == lines[2] == ""
    assert lines[1].split()[:5] == "1:01 train 2 of 4".split()


def test_the_time_left_knows_the_pace_of_each_rule_and_how_many_jobs_run_at_once():
    progress = RunProgress({"slow": 4, "quick": 10}, now=0.0)
    run_jobs(progress, "slow", 0.0, [100.0, 100.0])
    run_jobs(progress, "quick", 0.0, [2.0, 2.0], 5)
    # Of 204 s in 100 s: two at once. To come: 2 slow ones and 8 quick ones.
    assert progress.left(100.0) == pytest.approx((2 * 100 + 8 * 2) / 2.04)
    progress.begin(20, "slow", 100.0)
    assert progress.left(150.0) < progress.left(100.0)


def test_a_job_that_failed_is_not_under_way():
    progress = RunProgress({"dump": 2}, now=0.0)
    progress.begin(1, "dump", 0.0)
    progress.fail(1)
    assert progress.finish(1, 5.0) == ""
    assert progress.running == {}


@pytest.fixture
def handler(monkeypatch):
    monkeypatch.setattr(os, "environ", dict(os.environ))
    return calm.LogHandler(SimpleNamespace(dryrun=False), None)


def record(level=logging.INFO, message="", **extra):
    made = logging.LogRecord("snakemake", level, "", 0, message, None, None)
    vars(made).update(extra)
    return made


def test_the_logger_counts_jobs_and_leaves_targets_and_blocks_out(handler):
    stats = {"compute_spectra": 1, "theory": 1, "total": 2}
    plan = handler.line(record(event=LogEvent.RUN_INFO, stats=stats), 0.0)
    assert plan.startswith("1 jobs of 1 rules")
    block = record(message="a block", event=LogEvent.JOB_INFO, jobid=1, rule_name="compute_spectra")
    assert handler.line(block, 0.0) == ""
    line = handler.line(record(event=LogEvent.JOB_FINISHED, job_id=1), 5.0)
    assert "compute_spectra" in line and "1 of 1" in line
    assert handler.line(record(event=LogEvent.JOB_FINISHED, job_id=2), 5.0) == ""
    assert handler.line(record(message="Select jobs to execute..."), 5.0) == ""


def test_the_logger_names_what_failed_and_shows_warnings(handler):
    job = {"jobid": 1, "rule_name": "dump", "log": ["logs/dump.log"]}
    failed = record(logging.ERROR, event=LogEvent.JOB_ERROR, **job)
    assert "dump: logs/dump.log" in handler.line(failed, 1.0)
    assert handler.line(record(logging.WARNING, "disk is slow"), 1.0) == "disk is slow"


def test_jobs_of_a_run_with_this_logger_print_to_their_logs_alone(handler):
    assert TO_LOGS_ALONE in os.environ


def test_a_run_ends_with_the_claims_the_files_to_open_and_the_time(tmp_path):
    claims = tmp_path / "claims.txt"
    claims.write_text("Claims: two\n")
    text = ending.of_all(claims, {"report.html": "the report", "claims.md": "claims"}, 754.0)
    assert text.splitlines() == [
        "", "Claims: two", "",
        "Open  report.html  the report",
        "      claims.md    claims",
        "Took  12:34",
    ]  # fmt: skip


def test_a_run_of_some_targets_ends_with_the_files_that_it_made(tmp_path):
    old, new, missing = (tmp_path / name for name in ("old.csv", "new.csv", "missing.csv"))
    for path in (old, new):
        path.touch()
    os.utime(old, (0, 0))
    text = ending.of_part([str(old), str(new), str(missing)], begin=100.0, seconds=3.0)
    assert text.splitlines() == ["", f"Made  {new}", "Took  0:03"]
