"""The contract between joblib and the pool of worker processes."""

import collections
import contextlib
import multiprocessing
import os
import sys
import threading
import warnings

from joblib.parallel import (
    AutoBatchingMixin,
    BatchCompletionCallBack,
    FallbackToBackend,
    ParallelBackendBase,
    SequentialBackend,
    cpu_count,
)

from skextra.parallel._journal._recorder import Recorder
from skextra.parallel._messages import INITIALIZER, SETTINGS, pack
from skextra.parallel._options import check_options, known_options
from skextra.parallel._scheduling._scheduler import get_pool
from skextra.parallel._sharing._store import Store
from skextra.parallel._worker._main import Settings

# Handing out a batch takes about a quarter of a millisecond, and the last one keeps the others
# waiting, and so much is lost at most, for each worker, if a program with a journal is killed: so
# long one should take, and so many times the largest so far it may have.
_BATCH_SECONDS = 0.03
_BATCH_GROWTH = 8


def _store(max_nbytes=2**20, mmap_mode="r", temp_folder=None, **others):
    """Make what shares the large arguments, from joblib's options for that."""
    return Store(max_nbytes, mmap_mode, temp_folder or os.environ.get("JOBLIB_TEMP_FOLDER"))


def _large_result(max_nbytes):
    """Say from which size on results are shared: small ones are not worth a file each."""
    return max(max_nbytes, 2**20)


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
    max_retries : int, default=2
        How often a call is repeated whose worker process died, the last time with no other task
        of the program beside it. Exceptions are not repeated.
    task_timeout : float, default=None
        How many seconds one call may take. Its worker is killed then, and the call not repeated.
    journal : path-like, default=None
        A file to which each fit of scikit-learn's searches and the like is written when it is
        done, and from which it is taken instead of being done again. It is made if need be.
    devices : sequence of str, default=None
        Names of devices, such as ``["cuda:0", "cuda:1"]``. Each task has a slot on one of them,
        which `leased_device` names.
    tasks_per_device : int, default=1
        How many tasks may be on one device at once.

    See Also
    --------
    WorkerCrashError : What a call raises when its workers die.
    TaskTimeoutError : What a call raises that takes longer than `task_timeout`.
    Journal : Reads what is in a journal.
    journaled : Marks another function as one to be written to the journal.

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
        self,
        nesting_level=None,
        inner_max_num_threads=None,
        initializer=None,
        initargs=(),
        max_retries=2,
        task_timeout=None,
        journal=None,
        devices=None,
        tasks_per_device=1,
    ):
        super().__init__(nesting_level=nesting_level, inner_max_num_threads=inner_max_num_threads)
        self.initializer = initializer
        self.initargs = initargs
        self.max_retries = max_retries
        self.task_timeout = task_timeout
        self.journal = journal
        self.devices = devices
        self.tasks_per_device = tasks_per_device
        self.parallel = None
        self._recorder = None
        self._unseeded_calls = collections.Counter()  # so far, with this configuration
        self._workers = None
        self._sharing = None

    @property
    def default_n_jobs(self):
        """How many tasks run at once if the caller does not say."""
        if self.devices is not None:
            return max(2, len(self.devices) * self.tasks_per_device)
        return 2 if self._needs_processes else 1

    @property
    def _needs_processes(self):
        """Whether there are options that mean nothing without worker processes."""
        options = (self.journal, self.task_timeout, self.devices)
        return any(option is not None for option in options)

    def effective_n_jobs(self, n_jobs):
        """Return how many tasks joblib is to hand out at once.

        Parameters
        ----------
        n_jobs : int or None
            As joblib has it: -1 for all cores, None for 1.

        Returns
        -------
        n_jobs : int
            The number; 1 where processes cannot be started or waited for. For 1, joblib runs the
            tasks in this process itself, so that it is at least 2 where options need a worker,
            even if there is only one core: no more than that are at work at once.
        """
        n_at_once = self._n_at_once(n_jobs)
        has_workers = self.journal is not None if n_jobs == 1 else self._needs_processes
        if n_at_once == 1 and n_jobs is not None and has_workers:
            return 2 if self._can_start_processes() else 1
        return n_at_once if n_at_once == 1 or self._can_start_processes() else 1

    @staticmethod
    def _n_at_once(n_jobs):
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        if n_jobs is None:
            return 1
        if n_jobs < 0:
            n_jobs = max(cpu_count() + 1 + n_jobs, 1)
        return n_jobs

    def _can_start_processes(self):
        if multiprocessing.current_process().daemon:
            reason = "in a daemonic process"
        elif not (self.in_main_thread() or self.nesting_level == 0):
            reason = "below threads"
        else:
            return True
        warnings.warn(
            f"Skextra-backed parallel loops cannot be nested {reason}, setting n_jobs=1",
            stacklevel=4,
        )
        return False

    def configure(self, n_jobs=1, parallel=None, prefer=None, require=None, **options):
        """Prepare for the calls of one ``Parallel`` and return how many tasks run at once."""
        self._take_options(options)
        n_at_once = self._n_at_once(n_jobs)
        n_jobs = self.effective_n_jobs(n_jobs)
        if n_jobs == 1:
            raise FallbackToBackend(SequentialBackend(nesting_level=self.nesting_level))
        self.parallel = parallel
        self._sharing = _store(**options)
        if self.journal is not None:
            initializer = None if self.initializer is None else (self.initializer, self.initargs)
            self._recorder = Recorder(self.journal, initializer, self._unseeded_calls)
        try:
            self._workers = self._open_session(n_at_once)
        except BaseException:  # joblib does not come back to close it
            self.terminate()
            raise
        return n_jobs

    def compute_batch_size(self):
        """Return how many calls joblib is to hand out in one batch."""
        seconds, largest = self._workers.seconds_per_call, self._workers.largest_run
        if seconds is None:
            return 1
        return int(min(max(1, _BATCH_SECONDS / seconds), _BATCH_GROWTH * largest))

    def start_call(self):
        """Learn anew how long calls take, and which workers hold older files."""
        self._workers.forget_times()
        self._workers.look_at_files()

    def stop_call(self):
        """Let the caller have its arrays back, to change them if it will."""
        if self._sharing is not None:
            self._sharing.end_call()
        if self._recorder is not None:
            self._recorder.end_call()

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
            self._workers.wait()
            self._workers = None
        if self._sharing is not None:
            self._sharing.close()
            self._sharing = None
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            recorder.close()
            if not getattr(self.parallel, "_exception", False):
                recorder.report()
        self.reset_batch_stats()

    def abort_everything(self, ensure_ready=True):
        """Kill the workers that still run tasks of this call."""
        n_jobs = self._workers.n_workers
        self._workers.abort()
        self._workers = self._open_session(n_jobs) if ensure_ready else None

    def _take_options(self, options):
        """Take what was given to ``Parallel``; it goes before what the constructor got."""
        for name, value in known_options(options).items():
            setattr(self, name, value)
        check_options(self)

    def _open_session(self, n_jobs):
        settings = Settings(
            environment={**os.environ, **self._prepare_worker_env(n_jobs)},
            directory=os.getcwd(),
            sys_path=list(sys.path),
            nested_backend=self.get_nested_backend(),
            max_nbytes=_large_result(self._sharing.max_nbytes),
        )
        initializer = None
        if self.initializer is not None:
            initializer = pack(INITIALIZER, (self.initializer, tuple(self.initargs)))
        return get_pool().open_session(
            n_jobs,
            pack(SETTINGS, settings),
            initializer,
            self._fail_call,
            max_retries=self.max_retries,
            task_timeout=self.task_timeout,
            sharing=self._sharing,
            recorder=self._recorder,
            devices=None if self.devices is None else tuple(self.devices),
            tasks_per_device=self.tasks_per_device,
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
            self._workers.abort()  # an error too, if one that says less
            with contextlib.suppress(Exception):
                threading.excepthook(
                    threading.ExceptHookArgs(
                        (type(error), error, error.__traceback__, threading.current_thread())
                    )
                )
