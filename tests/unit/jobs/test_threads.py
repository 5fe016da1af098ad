"""Layers side by side."""

import threading

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from infogeo.jobs.threads import side_by_side


def test_each_thread_has_one_of_blas():
    def blas_threads(_):
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    np.ones((2, 2)) @ np.ones((2, 2))  # BLAS is loaded
    with threadpool_limits(2, user_api="blas"), side_by_side(2) as each:
        assert {threads for pools in each(blas_threads, range(4)) for threads in pools} == {1}


def test_results_come_in_order_though_they_are_made_side_by_side():
    together = threading.Barrier(3, timeout=10)  # three at once, or an error

    def wait(number):
        together.wait()
        return number

    with side_by_side(3) as each:
        assert list(each(wait, range(6))) == list(range(6))
