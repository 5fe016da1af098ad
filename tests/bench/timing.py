"""Medians of processor time, which is wall-clock time where one thread has an idle machine."""

import statistics
import time
from collections.abc import Callable

REPEATS = 5
PATIENCE = 5.0  # seconds; what takes longer is called once


def once(function: Callable) -> tuple[float, object]:
    """Seconds of one call, and what it gave."""
    start = time.process_time()
    found = function()
    return time.process_time() - start, found


def median(function: Callable, first: float | None = None) -> float:
    """The median of calls that take half a second together, of five at least.

    `first` is the time of a call already made: one beyond `PATIENCE` stands alone.
    """
    times = [] if first is None else [first]
    while not times or (max(times) < PATIENCE and (len(times) < REPEATS or sum(times) < 0.5)):
        times.append(once(function)[0])
    return statistics.median(times)
