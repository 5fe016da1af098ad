"""Layers side by side, in threads whose number changes no bit of a result."""

import contextlib
from concurrent.futures import ThreadPoolExecutor

from threadpoolctl import threadpool_limits


@contextlib.contextmanager
def side_by_side(threads: int):
    """A `map` that calls its function in so many threads, in each of which BLAS has one.

    Products differ in their last bits between numbers of BLAS's threads. Results come in order, as
    soon as they are there.
    """
    with (
        threadpool_limits(1, user_api="blas"),
        ThreadPoolExecutor(max_workers=threads) as pool,
    ):
        yield pool.map
