"""A calm line on the terminal now and then, while something long runs."""

import sys
import time
from itertools import count


def duration(seconds: float) -> str:
    """Seconds as m:ss or h:mm:ss."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


class Heartbeat:
    """Prints done/total, rate and time to go, at most every ten seconds.

    Parameters
    ----------
    what : str
        What is running, such as the model's slug.
    total : int
        How much there is to do in all.
    unit : str
        What is counted, such as "tokens".
    """

    every = 10.0  # seconds

    def __init__(self, what: str, total: int, unit: str):
        self.what, self.total, self.unit = what, total, unit
        self.start = self.last = time.monotonic()
        self.first: int | None = None  # what was done already when this process began
        self._counter = count()

    def update(self, done: int, note: str = "") -> None:
        """Say that `done` of the total is done; prints only when it is time to."""
        now = time.monotonic()
        if self.first is None:
            self.first = done
            return
        if now - self.last >= self.every:
            self.last = now
            self._print(done, now, note)

    def counted(self, items):
        """Pass items on, each counted as it comes; several threads may do so at once."""
        for item in items:
            self.update(next(self._counter))
            yield item

    def close(self, note: str = "") -> None:
        """Print the closing line."""
        self._print(self.total, time.monotonic(), note)

    def _print(self, done: int, now: float, note: str) -> None:
        elapsed = max(now - self.start, 1e-9)
        rate = (done - (self.first or 0)) / elapsed
        left = (
            f", {duration((self.total - done) / rate)} to go"
            if rate > 0 and done < self.total
            else ""
        )
        note = f", {note}" if note else ""
        print(
            f"{self.what}: {done:,}/{self.total:,} {self.unit} ({done / max(self.total, 1):.0%})"
            f"{note}, {rate:,.0f} {self.unit}/s, {duration(elapsed)}{left}",
            file=sys.stderr,
            flush=True,
        )
