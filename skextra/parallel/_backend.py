"""The contract between joblib and the pool of worker processes."""

import contextlib
import multiprocessing
import os
import sys
import threading
import warnings
from numbers import Integral

from joblib.parallel import (
    AutoBatchingMixin,
    BatchCompletionCallBack,
    FallbackToBackend,
    ParallelBackendBase,
    SequentialBackend,
    cpu_count,
)

from skextra.parallel._messages import INITIALIZER, SETTINGS, pack
from skextra.parallel._pool import get_pool
from skextra.parallel._worker import Settings

# What joblib.Parallel passes to every backend, needed or not.
_FROM_JOBLIB = {"max_nbytes", "temp_folder", "mmap_mode", "verbose", "context"}


class SkextraBackend(AutoBatchingMixin, ParallelBackendBase):
    """Run joblib's tasks in worker processes whose death is only an error.

    ``import skextra`` registers this class with joblib under the name ``"skextra"``; there is no
    need to use it directly.

    Parameters
    ----------
    nesting_level : int, default=None
        How many parallel calls this one is inside of. joblib sets it.
    inner_max_num_threads : int, default=None
        Limit on the threads that BLAS, OpenMP and torch use in each worker. By default every
        worker gets its share of the cores, or what variables such as ``OMP_NUM_THREADS`` say.
    initializer : callable, default=None
        Called once in each worker process before its first task. Workers are kept between calls;
        a call with another initializer, or the same with other arguments, gets new ones.
    initargs : tuple, default=()
        The arguments of `initializer`.

    See Also
    --------
    WorkerCrashError : What a call raises when a worker process dies.

    Notes
    -----
    The workers are forked from a server process that has imported, before the first fork, the
    scientific packages that the caller has imported. They stay for 5 minutes after their last
    task and end with the process that started them, however it ends.

    Examples
    --------
    >>> import math
    >>> import skextra
    >>> from joblib import Parallel, delayed, parallel_config
    >>> with parallel_config("skextra", n_jobs=2):
    ...     Parallel()(delayed(math.factorial)(n) for n in range(6))
    [1, 1, 2, 6, 24, 120]
    """

    supports_retrieve_callback = True
    supports_inner_max_num_threads = True

    def __init__(
        self, nesting_level=None, inner_max_num_threads=None, initializer=None, initargs=()
    ):
        super().__init__(nesting_level=nesting_level, inner_max_num_threads=inner_max_num_threads)
        self.initializer = initializer
        self.initargs = initargs
        self.parallel = None
        self._workers = None

    def effective_n_jobs(self, n_jobs):
        """Return how many tasks run at once.

        Parameters
        ----------
        n_jobs : int or None
            As joblib has it: -1 for all cores, None for 1.

        Returns
        -------
        n_jobs : int
            The number; 1 where processes cannot be started or waited for.
        """
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        if n_jobs is None:
            return 1
        if n_jobs < 0:
            n_jobs = max(cpu_count() + 1 + n_jobs, 1)
        if n_jobs == 1:
            return 1
        if multiprocessing.current_process().daemon:
            reason = "in a daemonic process"
        elif not (self.in_main_thread() or self.nesting_level == 0):
            reason = "below threads"
        else:
            return n_jobs
        warnings.warn(
            f"Skextra-backed parallel loops cannot be nested {reason}, setting n_jobs=1",
            stacklevel=3,
        )
        return 1

    def configure(self, n_jobs=1, parallel=None, prefer=None, require=None, **options):
        """Prepare for the calls of one ``Parallel`` and return how many tasks run at once."""
        self._take_options(options)
        n_jobs = self.effective_n_jobs(n_jobs)
        if n_jobs == 1:
            raise FallbackToBackend(SequentialBackend(nesting_level=self.nesting_level))
        self.parallel = parallel
        self._workers = self._open_session(n_jobs)
        return n_jobs

    def submit(self, func, callback=None):
        """Queue a batch; `callback` is called once with the future that this returns."""
        return self._workers.submit(func.items, callback)

    def retrieve_result_callback(self, out):
        """Return the results of a finished batch, or raise what ended it."""
        return out.result()

    def terminate(self):
        """Give the workers back; they stay warm for the next call."""
        if self._workers is not None:
            self._workers.close()
            self._workers = None
        self.reset_batch_stats()

    def abort_everything(self, ensure_ready=True):
        """Kill the workers that still run tasks of this call."""
        n_jobs = self._workers.n_workers
        self._workers.abort()
        self._workers = self._open_session(n_jobs) if ensure_ready else None

    def _take_options(self, options):
        """Take what was given to ``Parallel``; it goes before what the constructor got."""
        known = {"inner_max_num_threads", "initializer", "initargs"}
        unknown = sorted(options.keys() - known - _FROM_JOBLIB)
        if unknown:
            raise TypeError(
                f'the "skextra" backend has no option {", ".join(map(repr, unknown))}; it has '
                f"{', '.join(map(repr, sorted(known)))}"
            )
        for name in known & options.keys():
            setattr(self, name, options[name])
        threads = self.inner_max_num_threads
        if threads is not None and not (isinstance(threads, Integral) and threads > 0):
            raise ValueError(f"inner_max_num_threads must be a positive integer, got {threads!r}")
        if self.initializer is not None and not callable(self.initializer):
            raise TypeError(f"initializer must be callable, got {self.initializer!r}")

    def _open_session(self, n_jobs):
        settings = Settings(
            environment={**os.environ, **self._prepare_worker_env(n_jobs)},
            directory=os.getcwd(),
            sys_path=list(sys.path),
            nested_backend=self.get_nested_backend(),
        )
        initializer = None
        if self.initializer is not None:
            initializer = pack(INITIALIZER, (self.initializer, tuple(self.initargs)))
        return get_pool().open_session(
            n_jobs, pack(SETTINGS, settings), initializer, self._fail_call
        )

    def _fail_call(self, error):
        """Raise an error that came out of joblib's callback where the call waits for results.

        An iterator of tasks may raise there what joblib does not catch, SystemExit for one. Lost
        in the dispatcher thread, it would leave the caller waiting for ever.
        """
        try:
            tracker = BatchCompletionCallBack(0, 1, self.parallel)
            self.parallel._register_new_job(tracker)
            tracker._register_outcome({"result": error, "status": "Error"})
        except AttributeError:  # joblib has renamed its own
            with contextlib.suppress(Exception):
                threading.excepthook(
                    threading.ExceptHookArgs(
                        (type(error), error, error.__traceback__, threading.current_thread())
                    )
                )
