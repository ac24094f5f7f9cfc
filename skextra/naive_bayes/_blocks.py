"""Rows in blocks that fit the cache, shared out among threads."""

import contextlib
import itertools
import threading
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
    if n_samples * n_features < _SHARED_FROM:
        n_ranges = 1
    else:
        n_ranges = min(joblib.effective_n_jobs(n_jobs), n_samples)
    with _one_blas_thread(n_samples * n_features):
        if n_ranges == 1:
            return [function(0, n_samples, BLOCK)]
        edges = np.linspace(0, n_samples, n_ranges + 1).astype(int).tolist()
        # joblib says how many, but does not run them: joblib.Parallel looks for results every
        # 10 ms, which is longer than many a whole fit.
        with ThreadPoolExecutor(n_ranges - 1) as threads:
            rest = [
                threads.submit(function, *edge, THREADED_BLOCK)
                for edge in itertools.pairwise(edges[1:])
            ]
            first = function(*edges[:2], THREADED_BLOCK)
            return [first, *(task.result() for task in rest)]


class _BlasLimit:
    """One BLAS thread while any caller is inside, and what was set before after the last one.

    The setting belongs to the process. Of two callers that overlap in different threads, each
    restoring what it found, the one that came second would leave it at one thread for good.
    """

    def __init__(self):
        self._lock, self._inside, self._limiter = threading.Lock(), 0, None

    def __enter__(self):
        with self._lock:
            if self._inside == 0:
                self._limiter = threadpool_controller().limit(limits=1, user_api="blas")
                self._hand_over()
            self._inside += 1

    def __exit__(self, *exception):
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._limiter.restore_original_limits()
                self._hand_over()

    @staticmethod
    def _hand_over():
        # threadpoolctl lets no other thread change the setting until the one that did leaves a
        # context; the last caller to leave here may be another.
        with threadpool_controller().limit(limits=None):
            pass


_BLAS_LIMIT = _BlasLimit()


def _one_blas_thread(n_numbers):
    """Return a context in which small matrices are multiplied without BLAS threads.

    For less than a block BLAS starts none, and changing the setting would cost more.
    """
    return _BLAS_LIMIT if n_numbers >= BLOCK else contextlib.nullcontext()
