"""Rows in blocks that fit the cache, shared out among threads."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np

from skextra._sklearn import threadpool_controller

# Doubles in a block. Of 2**15 to 2**18, on 200,000 rows of 20 and 100 features, 2**16 was fastest
# or within 10 % of it: blocks of 512 KiB stay in the L2 cache with a copy of themselves.
BLOCK = 2**16
# Threads hand the interpreter's lock to each other after every operation of a block; on 2 cores,
# blocks of 2**16 doubles made two threads no faster than one, and these 1.4 times.
THREADED_BLOCK = 2**17
# Below this many numbers a second thread costs more than it brings.
_SHARED_FROM = 2**22


def blocks(start, stop, n_features, size, at_least=1):
    """Yield (start, stop) of consecutive blocks of rows of about `size` numbers.

    `at_least` rows are asked for where results the size of a model are added up for each block;
    8 MiB is the limit nevertheless.
    """
    width = max(n_features, 1)
    n_rows = max(1, size // width, min(at_least, 2**20 // width))
    for first in range(start, stop, n_rows):
        yield first, min(first + n_rows, stop)


def map_rows(function, n_samples, n_features, n_jobs):
    """Call ``function(start, stop, size)`` on ranges that cover all rows; return what it returns.

    Parameters
    ----------
    function : callable
        Works on rows ``start`` to ``stop`` in blocks of `size` numbers.
    n_samples, n_features : int
        The shape of the data: too little of it is not worth a second thread.
    n_jobs : int or None
        Threads, as joblib has it.

    Returns
    -------
    list
        In the order of the rows.
    """
    n_ranges = 1
    if n_samples * n_features >= _SHARED_FROM:
        n_ranges = min(joblib.effective_n_jobs(n_jobs), n_samples)
    edges = itertools.pairwise(np.linspace(0, n_samples, n_ranges + 1).astype(int).tolist())
    # Small matrices are multiplied; BLAS starting threads of its own would cost more.
    with threadpool_controller().limit(limits=1, user_api="blas"):
        if n_ranges == 1:
            return [function(0, n_samples, BLOCK)]
        # joblib says how many, but does not run them: joblib.Parallel looks for results every
        # 10 ms, which is longer than many a whole fit.
        with ThreadPoolExecutor(n_ranges) as threads:
            return list(threads.map(lambda edge: function(*edge, THREADED_BLOCK), edges))
