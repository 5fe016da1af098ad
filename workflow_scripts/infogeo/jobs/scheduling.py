"""Snakemake's scheduler without its polling: it looks for jobs to start when one has ended."""


def look_again_only_when_limited(scheduler) -> None:
    """Let a scheduler look again by the clock only where its limit of jobs holds it back.

    Snakemake 9.27 looks again a second after each look, and once more for each job that ends. After
    a hundred jobs it looks a hundred times a second, at all jobs that are ready: 100 s after the
    start of the default that takes 18 % of a core, and it grows. The limit
    (`--max-jobs-per-timespan`) stays: where it is reached, jobs may start later without another
    having ended.

    Parameters
    ----------
    scheduler : snakemake.scheduling.job_scheduler.JobScheduler
        Before its first look. One without the two names that are used here stays as it is.
    """
    limiter = getattr(scheduler, "job_rate_limiter", None)
    look_again = getattr(scheduler, "_schedule_reevalutation", None)
    if limiter is None or look_again is None:
        return

    def when_limited(delay):
        if delay != limiter.timespan or not limiter.get_free_jobs():
            look_again(delay)

    scheduler._schedule_reevalutation = when_limited
