"""Rows in blocks that fit the cache, shared out among threads or joblib's workers."""

import contextlib
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
from joblib.parallel import get_active_backend

from skextra._sklearn import threadpool_controller

# Doubles in a block. Of 2**15 to 2**19, on 200,000 rows of 20 and 50 features, 2**17 was fastest
# or within 10 % of it in one thread. Threads hand the interpreter's lock to each other after
# every operation of a block, and waking one that waits takes tens of microseconds: on 2 cores
# blocks of 2**16 made two threads 1.0 to 1.3 times as fast as one, blocks of 2**18 1.4 to 1.7.
BLOCK = 2**17
THREADED_BLOCK = 2**18
# Starting a thread and waiting for it takes 0.1 to 0.2 ms: each is to have this many nanoseconds.
_WORTH_A_THREAD = 4e5


def blocks(start, stop, n_features, size, at_least=1):
    """Yield (start, stop) of consecutive blocks of rows of about `size` numbers.

    `at_least` rows are asked for where results the size of a model are added up for each block;
    8 MiB is the limit nevertheless.
    """
    width = max(n_features, 1)
    step = max(1, size // width, min(at_least, 2**20 // width))
    for first in range(start, stop, step):
        yield first, min(first + step, stop)


def map_rows(kernel, split, n_rows, nanoseconds, n_jobs):
    """Call a kernel on parts that cover all rows; return what it returns, in their order.

    joblib says how many parts there are and, where a backend of processes or of a cluster is
    active, runs them. Its threads are started here: `joblib.Parallel` looks for results every
    10 ms, which is longer than many a whole fit.

    Parameters
    ----------
    kernel : callable
        Called as ``kernel(*split(start, stop, local), size)``; works in blocks of `size` numbers.
    split : callable
        Returns the kernel's arguments for rows `start` to `stop`; with `local` false they are
        sent to another process, and what the kernel writes into them is lost.
    n_rows : int
        The number of rows.
    nanoseconds : float
        About how long one thread would take: too little is not worth a second one.
    n_jobs : int or None
        As joblib has it.

    Returns
    -------
    list
        What the kernel returned.
    """
    n_parts = 1
    if nanoseconds >= 2 * _WORTH_A_THREAD:
        n_parts = min(joblib.effective_n_jobs(n_jobs), n_rows, int(nanoseconds / _WORTH_A_THREAD))
    if n_parts <= 1:
        with _one_blas_thread(nanoseconds):
            return [kernel(*split(0, n_rows, True), BLOCK)]
    edges = np.linspace(0, n_rows, n_parts + 1).astype(int).tolist()
    parts = list(itertools.pairwise(edges))
    backend, _ = get_active_backend(prefer="threads")
    if not getattr(backend, "supports_sharedmem", False):
        return joblib.Parallel(n_jobs=n_parts)(
            joblib.delayed(kernel)(*split(*part, False), BLOCK) for part in parts
        )
    with _BLAS_LIMIT, ThreadPoolExecutor(n_parts - 1) as threads:
        rest = [threads.submit(kernel, *split(*part, True), THREADED_BLOCK) for part in parts[1:]]
        first = kernel(*split(*parts[0], True), THREADED_BLOCK)
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


def _one_blas_thread(nanoseconds):
    """Return a context in which small matrices are multiplied without BLAS threads.

    For very little work BLAS starts none, and changing the setting would cost more.
    """
    return _BLAS_LIMIT if nanoseconds >= 1e5 else contextlib.nullcontext()
