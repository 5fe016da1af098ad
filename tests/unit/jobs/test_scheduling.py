"""Snakemake's scheduler looks again by the clock only where a limit holds it back."""

import time
from types import SimpleNamespace

import pytest

from infogeo.jobs.scheduling import look_again_only_when_limited


@pytest.fixture
def scheduler():
    """One that may start two jobs in three seconds, and notes when it would look again."""
    looks = []
    limiter = SimpleNamespace(timespan=3, max_jobs=2, _jobs=[time.time()])
    return SimpleNamespace(
        looks=looks,
        running={"a job"},
        job_rate_limiter=limiter,
        _schedule_reevalutation=looks.append,
    )


def test_it_does_not_look_again_while_jobs_may_start_at_once(scheduler):
    look_again_only_when_limited(scheduler)
    scheduler._schedule_reevalutation(3)
    assert scheduler.looks == []


def test_it_looks_again_after_the_timespan_where_the_limit_is_reached(scheduler):
    look_again_only_when_limited(scheduler)
    scheduler.job_rate_limiter._jobs.append(time.time())
    scheduler._schedule_reevalutation(3)
    assert scheduler.looks == [3]


def test_it_looks_again_where_the_limit_was_reached_and_submitting_took_longer_than_the_timespan():
    from snakemake.scheduling.job_scheduler import JobRateLimiter
    from snakemake.settings.types import MaxJobsPerTimespan

    looks, limiter = [], JobRateLimiter(MaxJobsPerTimespan(2, "1s"))
    scheduler = SimpleNamespace(
        running={"a job"}, job_rate_limiter=limiter, _schedule_reevalutation=looks.append
    )
    look_again_only_when_limited(scheduler)
    assert limiter.get_free_jobs() == 2
    limiter.register_jobs(2)
    for place in range(2):
        limiter._jobs[place] -= 5  # of the jobs that are ready these two were submitted for so long
    scheduler._schedule_reevalutation(limiter.timespan)
    assert looks == [1]


def test_it_looks_again_where_nothing_runs_since_nothing_will_end(scheduler):
    look_again_only_when_limited(scheduler)
    scheduler.running.clear()
    scheduler._schedule_reevalutation(3)
    assert scheduler.looks == [3]


def test_it_looks_again_for_every_other_reason(scheduler):
    look_again_only_when_limited(scheduler)
    scheduler._schedule_reevalutation(10)  # more input may be in a queue
    assert scheduler.looks == [10]


def test_a_scheduler_without_a_limit_stays_as_it_is(scheduler):
    scheduler.job_rate_limiter = None
    before = scheduler._schedule_reevalutation
    look_again_only_when_limited(scheduler)
    assert scheduler._schedule_reevalutation == before


def test_a_scheduler_of_another_version_stays_as_it_is(scheduler):
    before = scheduler._schedule_reevalutation
    del scheduler.job_rate_limiter._jobs
    look_again_only_when_limited(scheduler)
    assert scheduler._schedule_reevalutation == before
    look_again_only_when_limited(None)


def test_the_scheduler_of_this_snakemake_has_the_names_that_are_used():
    from snakemake.scheduling.job_scheduler import JobRateLimiter, JobScheduler

    assert callable(JobScheduler._schedule_reevalutation)
    assert isinstance(JobRateLimiter.timespan, property)
    assert isinstance(JobRateLimiter.max_jobs, property)
