"""Snakemake's scheduler looks again by the clock only where a limit holds it back."""

from types import SimpleNamespace

import pytest

from infogeo.jobs.scheduling import look_again_only_when_limited


@pytest.fixture
def scheduler():
    """One that may start two jobs in three seconds, and notes when it would look again."""
    looks = []
    limiter = SimpleNamespace(timespan=3, free=2)
    limiter.get_free_jobs = lambda: limiter.free
    return SimpleNamespace(
        looks=looks, job_rate_limiter=limiter, _schedule_reevalutation=looks.append
    )


def test_it_does_not_look_again_while_jobs_may_start_at_once(scheduler):
    look_again_only_when_limited(scheduler)
    scheduler._schedule_reevalutation(3)
    assert scheduler.looks == []


def test_it_looks_again_after_the_timespan_where_the_limit_is_reached(scheduler):
    look_again_only_when_limited(scheduler)
    scheduler.job_rate_limiter.free = 0
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


def test_the_scheduler_of_this_snakemake_has_the_names_that_are_used():
    from snakemake.scheduling.job_scheduler import JobRateLimiter, JobScheduler

    assert callable(JobScheduler._schedule_reevalutation)
    assert callable(JobRateLimiter.get_free_jobs)
    assert isinstance(JobRateLimiter.timespan, property)
