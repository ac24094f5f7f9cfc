"""Rows in blocks that fit the cache, shared out among threads or joblib's workers."""

import itertools
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
from joblib.parallel import (
    LokyBackend,
    MultiprocessingBackend,
    ThreadingBackend,
    get_active_backend,
)

from skextra.naive_bayes._blas import BLAS

# Doubles in a block. Of 2**15 to 2**19, on 200,000 rows of 20 and 50 features, 2**17 was fastest
# or within 10 % of it in one thread. Threads hand the interpreter's lock to each other after
# every operation of a block, and waking one that waits takes tens of microseconds: on 2 cores
# blocks of 2**16 made two threads 1.0 to 1.3 times as fast as one, blocks of 2**18 1.4 to 1.7.
BLOCK = 2**17
_THREADED_BLOCK = 2**18
# Doubles in the blocks of all threads together: a kernel has up to six arrays of the size of its
# block at once, and the guide promises less than 32 MiB.
_ALL_BLOCKS = 2**19
_SMALLEST_BLOCK = 2**13
# Starting a thread and waiting for it takes 0.1 to 0.2 ms, the interpreter's lock about as much
# again, and far more beside busy processes: each thread is to have this many nanoseconds. Where
# two cores are threads of one, as on many cloud servers, less work was slower in two than in one.
_WORTH_A_THREAD = 2e6
# Threads fetch their next part when they are done with one, so that a core that another process
# uses too delays the end by one part, not by half of all rows. Each part makes its own buffers.
_PARTS_PER_THREAD = 4
_WORTH_A_PART = 2e6


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

    joblib says how many jobs there are and, if a backend of processes of this machine is active,
    runs them. To a cluster nothing is sent: the rows would travel longer than they are worked on.
    Its threads are started here: `joblib.Parallel` looks for results every 10 ms,
    which is longer than many a whole fit.

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
    n_workers = _n_workers(n_rows, nanoseconds, n_jobs)
    if n_workers <= 1:
        with BLAS.work(nanoseconds):
            return [kernel(*split(0, n_rows, True), BLOCK)]
    if _has_processes_here():
        return joblib.Parallel(n_jobs=n_workers)(
            joblib.delayed(kernel)(*split(*part, False), BLOCK)
            for part in _parts(n_rows, n_workers)
        )
    each = min(_PARTS_PER_THREAD, max(1, int(nanoseconds / n_workers / _WORTH_A_PART)))
    parts = deque(enumerate(_parts(n_rows, min(n_rows, each * n_workers))))
    results = [None] * len(parts)
    size = max(_SMALLEST_BLOCK, min(_THREADED_BLOCK, _ALL_BLOCKS // n_workers))

    def work():
        while True:
            try:
                place, part = parts.popleft()  # one operation of the interpreter: no lock
            except IndexError:
                return
            try:
                results[place] = kernel(*split(*part, True), size)
            except BaseException:
                parts.clear()
                raise

    with BLAS.work(nanoseconds), ThreadPoolExecutor(n_workers - 1) as threads:
        others = [threads.submit(work) for _ in range(n_workers - 1)]
        work()
        for other in others:
            other.result()
    return results


def _has_processes_here():
    """Whether the active backend of joblib runs tasks in other processes of this machine."""
    backend, _ = get_active_backend(prefer="threads")
    # Exactly these types: backends of clusters derive from them.
    is_local = type(backend) in (LokyBackend, MultiprocessingBackend)
    return is_local or getattr(backend, "runs_on_this_machine", False)


def _n_workers(n_rows, nanoseconds, n_jobs):
    """Return by how many threads or processes the rows are worked on."""
    if nanoseconds < 2 * _WORTH_A_THREAD:
        return 1
    backend, _ = get_active_backend(prefer="threads")
    # A task of another parallel call has a core, and its neighbours have the others.
    if getattr(backend, "nesting_level", None):
        return 1
    n_workers = joblib.effective_n_jobs(n_jobs)
    if not (_has_processes_here() or isinstance(backend, ThreadingBackend)):
        n_workers = min(n_workers, joblib.cpu_count())  # it may count the cores of a cluster
    return min(n_workers, n_rows, int(nanoseconds / _WORTH_A_THREAD))


def _parts(n_rows, n_parts):
    """Return (start, stop) of parts of about the same number of rows."""
    edges = np.linspace(0, n_rows, n_parts + 1).astype(int).tolist()
    return list(itertools.pairwise(edges))
