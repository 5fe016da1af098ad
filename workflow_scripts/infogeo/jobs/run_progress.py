"""How far a run of many jobs is: a calm line when a rule is done, with the time left."""

from collections import defaultdict
from statistics import fmean, median

from infogeo.jobs.progress import duration


class RunProgress:
    """Counts the jobs of a run by rule, and says how far it is.

    Times are seconds of one clock that never goes back.

    Parameters
    ----------
    counts : dict
        Name of each rule → the number of its jobs.
    now : float
        When the run began.
    """

    longest_silence = 60.0  # seconds without a line while jobs end

    def __init__(self, counts: dict[str, int], now: float):
        self.counts, self.start, self.last = counts, now, now
        self.running: dict[int, tuple[str, float]] = {}  # job → its rule and begin
        self.seconds = defaultdict(list)  # rule → of its finished jobs

    def begin(self, job: int, rule: str, now: float) -> None:
        """A job begins, perhaps once more."""
        self.running[job] = rule, now

    def fail(self, job: int) -> None:
        """A job has failed."""
        self.running.pop(job, None)

    def finish(self, job: int, now: float) -> str:
        """The line to print when a job is done; "" unless its rule is, or a minute has passed."""
        rule, begin = self.running.pop(job, ("", now))
        if rule not in self.counts:
            return ""
        self.seconds[rule].append(now - begin)
        done, of = len(self.seconds[rule]), self.counts[rule]
        if done < of and now - self.last < self.longest_silence:
            return ""
        self.last = now
        jobs = f"{done} of {of}" if done < of else f"{done}"
        finished, total = sum(map(len, self.seconds.values())), sum(self.counts.values())
        left = f", about {_spoken(self.left(now))} left" if finished < total else ""
        line = (
            f"{duration(now - self.start):>8}  {rule:<26} {jobs:>9} {'job' if of == 1 else 'jobs'}"
        )
        return f"{line:<52}{finished} of {total}{left}"

    def left(self, now: float) -> float:
        """Seconds to the end, were the other jobs to take as long as those of their rule so far.

        A rule of which none has finished counts as the median rule, and as many jobs run at once
        as have so far.
        """
        means = {rule: fmean(seconds) for rule, seconds in self.seconds.items()}
        usual = median(means.values())
        to_come = sum(
            (count - len(self.seconds.get(rule, ()))) * means.get(rule, usual)
            for rule, count in self.counts.items()
        )
        under_way = [now - begin for rule, begin in self.running.values() if rule in self.counts]
        worked = sum(map(sum, self.seconds.values())) + sum(under_way)
        at_once = max(worked / max(now - self.start, 1e-9), 1e-9)
        return max(to_come - sum(under_way), 0) / at_once


def _spoken(seconds: float) -> str:
    """A rough time: 40 s, 12 min, 3 h 20 min."""
    if seconds < 60:
        return f"{max(round(seconds, -1), 10):.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
