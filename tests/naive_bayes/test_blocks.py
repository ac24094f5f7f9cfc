"""Blocks cover the rows, and what is set for them is set back."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from skextra.naive_bayes._blocks import blocks, map_rows


def split(*part):
    return part


@pytest.mark.parametrize("n_features", [0, 1, 20, 10**7])
def test_blocks_cover_all_rows_once(n_features):
    covered = [
        row for start, stop in blocks(3, 200, n_features, 2**16) for row in range(start, stop)
    ]
    assert covered == list(range(3, 200))


@pytest.mark.parametrize("n_jobs", [None, 1, 2, 7])
def test_ranges_cover_all_rows_in_order(n_jobs):
    ranges = map_rows(lambda start, stop, local, size: (start, stop), split, 1001, 1e9, n_jobs)
    assert ranges[0][0] == 0
    assert ranges[-1][1] == 1001
    assert all(left[1] == right[0] for left, right in itertools.pairwise(ranges))
    assert len(ranges) >= (n_jobs or 1)


def test_an_error_in_a_thread_reaches_the_caller():
    def fail(start, stop, local, size):
        if start > 0:
            raise ValueError(f"rows to {stop}")

    with pytest.raises(ValueError, match="rows to"):
        map_rows(fail, split, 1001, 1e9, 2)


def test_callers_that_overlap_in_threads_leave_the_blas_threads_as_they_were():
    def threads():
        return [library["num_threads"] for library in threadpool_info()]

    def call(_):
        return map_rows(lambda *_: np.ones((50, 50)) @ np.ones((50, 50)), split, 10, 1e6, n_jobs=1)

    before = threads()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(call, range(400)))
    assert threads() == before
