"""Snakemake's scheduler without its polling: it looks for jobs to start when one has ended."""

OF_LIMITER = ("_jobs", "max_jobs", "timespan")


def look_again_only_when_limited(scheduler) -> None:
    """Let a scheduler look again by the clock only where its limit of jobs holds it back.

    Snakemake 9.27 looks again a second after each look, and once more for each job that ends. After
    a hundred jobs it looks a hundred times a second, at all jobs that are ready: 100 s after the
    start of the default that takes 18 % of a core, and it grows. The limit
    (`--max-jobs-per-timespan`) stays: where a look reaches it, jobs may start later without another
    having ended. So it does where nothing runs.

    Parameters
    ----------
    scheduler : snakemake.scheduling.job_scheduler.JobScheduler
        Before its first look. One without the names that are used here stays as it is.
    """
    limiter = getattr(scheduler, "job_rate_limiter", None)
    look_again = getattr(scheduler, "_schedule_reevalutation", None)
    if look_again is None or not all(hasattr(limiter, name) for name in OF_LIMITER):
        return

    def when_limited(delay):
        # As the look has left it: by now the timespan may be over, since submitting takes a while.
        reached = len(limiter._jobs) >= limiter.max_jobs
        if reached or not getattr(scheduler, "running", None) or delay != limiter.timespan:
            look_again(delay)

    scheduler._schedule_reevalutation = when_limited
