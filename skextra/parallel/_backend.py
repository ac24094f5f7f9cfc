"""joblib's contract: what `joblib.Parallel` calls, and when."""

from __future__ import annotations

import collections
import contextlib
import copy
import dataclasses
import itertools
import multiprocessing
import os
import sys
import threading
import warnings
from typing import TYPE_CHECKING, Any

from joblib.parallel import (
    AutoBatchingMixin,
    FallbackToBackend,
    ParallelBackendBase,
    SequentialBackend,
    cpu_count,
)

from skextra.parallel._engines import count_cluster_slots
from skextra.parallel._joblib import dispatch_more, fail_call, has_failed
from skextra.parallel._journal._recorder import Recorder
from skextra.parallel._messages import INITIALIZER, SETTINGS, pack
from skextra.parallel._options import Options
from skextra.parallel._reuse import open_keeper, warn_of_problem
from skextra.parallel._scheduling._cluster import open_cluster_scheduler
from skextra.parallel._scheduling._current import get_scheduler
from skextra.parallel._scheduling._session import SessionOptions, open_session
from skextra.parallel._searches import prefix_of_fit
from skextra.parallel._sharing._contents import ContentStore
from skextra.parallel._sharing._store import Store
from skextra.parallel._worker._loading import check_not_loading
from skextra.parallel._worker._surroundings import Settings
from skextra.parallel._worker._threads import with_more_limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from joblib import Parallel
    from joblib.parallel import BatchedCalls

    from skextra._types import FilePath

# Handing out a batch takes about a quarter of a millisecond, and the last batch keeps the other
# workers waiting: a batch should take about so long. At most so much work per worker is lost if a
# program with a journal is killed.
_BATCH_SECONDS = 0.03
# On a cluster, handing one out takes some milliseconds.
_CLUSTER_BATCH_SECONDS = 0.2
# A cluster without workers gets so many tasks, so that it starts some.
_MIN_CLUSTER_SLOTS = 2
# If `pre_dispatch` is joblib's default, fits that share steps are handed out as if there were so
# many more slots: the session chooses which comes next among those that wait.
_DEFAULT_PRE_DISPATCH = "2*n_jobs"
_N_SLOTS_AHEAD = 1000

_call_numbers = itertools.count()


def _make_store(max_nbytes=2**20, mmap_mode="r", temp_folder=None, cluster=None, **others):
    """Return what shares the large arguments, from joblib's options for that."""
    if cluster is not None:
        if mmap_mode not in ("r", "c", None):
            raise ValueError(
                f"mmap_mode={mmap_mode!r} lets tasks write to arrays of this program, which tasks "
                'on a cluster cannot: leave it at "r", and have them return what they would write.'
            )
        return ContentStore(max_nbytes if mmap_mode is not None else None)
    return Store(max_nbytes, mmap_mode, temp_folder or os.environ.get("JOBLIB_TEMP_FOLDER"))


class SkextraBackend(AutoBatchingMixin, ParallelBackendBase):
    """Run joblib's tasks in worker processes whose death is an error, never a hang.

    ``import skextra`` registers this class with joblib under the name ``"skextra"``; there is no
    need to use it directly.

    Parameters
    ----------
    nesting_level : int, default=None
        How many parallel calls this one is nested in. joblib sets it.
    inner_max_num_threads : int, default=None
        How many threads BLAS, OpenMP and torch may use in each worker. By default the number of
        cores divided by the number of jobs, or what variables such as ``OMP_NUM_THREADS`` say.
    initializer : callable, default=None
        Called once in each worker process before its first task. Workers are kept between calls;
        a call with another initializer, or the same with other arguments, gets new ones.
    initargs : tuple, default=()
        The arguments of `initializer`.
    max_retries : int, default=2
        How many times a call is run again after its worker process died. The last retry runs
        while no other task of the program runs. A call that raised an exception is not repeated.
    task_timeout : float, default=None
        Seconds that one call may take; None for no limit. A call that takes longer is stopped by
        killing its worker, and not repeated.
    journal : path-like, default=None
        A file to which each finished fit of scikit-learn's searches, and of the other functions
        that the guide lists, is written, and from which its result is taken instead of fitting
        again. The file is created if it does not exist.
    devices : sequence of str, default=None
        Names of devices, such as ``["cuda:0", "cuda:1"]``. Each task gets a slot on one of them,
        and `leased_device` says on which.
    tasks_per_device : int, default=1
        How many tasks may use one device at once; on a cluster, on each of its nodes.
    cluster : distributed.Client, str or Dask cluster, default=None
        A Dask cluster whose nodes run the tasks: a client of it, or what `distributed.Client`
        takes as an address. Without `n_jobs`, or with -1, each of its slots is used, also of
        nodes that come later. None for worker processes of this machine.
    patience : float, default=300
        For how many seconds a call waits for a cluster that has no worker.
    reuse_steps : bool, default=False
        Whether steps of scikit-learn's pipelines that are equal, and are fitted to equal data, are
        fitted once for all tasks of a call, on a cluster once per node.
    reuse_bytes : int, default=None
        How much memory the fitted steps and the transformed data may take that are kept for that.
        By default a quarter of the memory that is free when the call starts; on a cluster, on
        each node.

    See Also
    --------
    WorkerCrashError : Raised by a call whose workers died.
    TaskTimeoutError : Raised by a call that takes longer than `task_timeout`.
    Journal : Reads a journal.
    journaled : Marks another function whose results the journal keeps.

    Notes
    -----
    The workers are forked from a server process that has imported, before the first fork, the
    scientific packages that the caller has imported. They stay for 5 minutes after their last
    task and end with the process that started them, however it ends. On systems other than Linux
    they are processes of loky, and make their imports themselves.

    Examples
    --------
    >>> import math
    >>> import skextra
    >>> from joblib import Parallel, delayed, parallel_config
    >>> with parallel_config("skextra", n_jobs=2):
    ...     Parallel()(delayed(math.factorial)(n) for n in range(6))
    [1, 1, 2, 6, 24, 120]
    """

    parallel: Parallel | None

    supports_retrieve_callback = True
    supports_inner_max_num_threads = True

    def __init__(
        self,
        nesting_level: int | None = None,
        inner_max_num_threads: int | None = None,
        initializer: Callable[..., Any] | None = None,
        initargs: tuple[Any, ...] = (),
        max_retries: int = 2,
        task_timeout: float | None = None,
        journal: FilePath | None = None,
        devices: list[str] | tuple[str, ...] | None = None,
        tasks_per_device: int = 1,
        cluster: Any = None,  # what Dask knows as a cluster has no class in common
        patience: float = 300.0,
        reuse_steps: bool = False,
        reuse_bytes: int | None = None,
    ) -> None:
        # What ``parallel_config`` or the caller gave holds for all calls, what ``Parallel`` gives
        # to `configure` for that call only.
        self._configured_options = self._options = Options(
            inner_max_num_threads=inner_max_num_threads,
            initializer=initializer,
            initargs=initargs,
            max_retries=max_retries,
            task_timeout=task_timeout,
            journal=journal,
            devices=devices,
            tasks_per_device=tasks_per_device,
            cluster=cluster,
            patience=patience,
            reuse_steps=reuse_steps,
            reuse_bytes=reuse_bytes,
        )
        super().__init__(nesting_level=nesting_level, inner_max_num_threads=inner_max_num_threads)
        self.parallel = None
        self._is_of_one_parallel = False
        self._recorder = None
        self._unseeded_calls = collections.Counter()  # so far, with this configuration
        self._workers = None  # the session; joblib's tests look at it by this name
        self._sharing = None
        self._cluster_scheduler = None
        self._keeper = None
        self._looks_ahead = False

    @property
    def inner_max_num_threads(self) -> int | None:
        """The limit on threads; ``parallel_config`` sets it on a backend that exists."""
        return self._options.inner_max_num_threads

    @inner_max_num_threads.setter
    def inner_max_num_threads(self, n_threads: int | None) -> None:
        options = dataclasses.replace(self._configured_options, inner_max_num_threads=n_threads)
        self._configured_options = self._options = options

    @property
    def runs_on_this_machine(self) -> bool:
        """Whether its workers are processes of this machine."""
        return self._options.cluster is None

    @property
    def default_n_jobs(self) -> int:
        """How many tasks run at once if the caller does not say."""
        options = self._options
        if options.cluster is not None:
            return -1
        if options.devices is not None:
            return max(2, len(options.devices) * options.tasks_per_device)
        return 2 if options.need_workers else 1

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """Return how many tasks joblib is to hand out at once.

        Parameters
        ----------
        n_jobs : int or None
            As joblib has it: -1 for all cores, None for 1.

        Returns
        -------
        n_jobs : int
            The number; 1 if processes cannot be started or waited for. For 1, joblib runs the
            tasks in this process itself, so that it is at least 2 if options need a worker, even
            with only one core: no more than that run at once.
        """
        n_at_once = self._n_at_once(n_jobs)
        options = self._options
        has_workers = options.need_workers
        if n_jobs == 1:
            has_workers = options.need_workers_for_one_job
        if n_at_once == 1 and n_jobs is not None and has_workers:
            return 2 if self._can_start_processes() else 1
        return n_at_once if n_at_once == 1 or self._can_start_processes() else 1

    def _n_at_once(self, n_jobs):
        cluster = self._options.cluster
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        if n_jobs is None:
            n_jobs = 1 if cluster is None else -1
        if n_jobs < 0:
            n_slots = cpu_count() if cluster is None else count_cluster_slots(cluster)
            least = 1 if cluster is None else _MIN_CLUSTER_SLOTS
            n_jobs = max(n_slots + 1 + n_jobs, least)
        return n_jobs

    def _can_start_processes(self):
        """Return whether to start workers; as loky, warn and do without in odd places.

        Workers could start there, and do if an option means nothing without them.
        """
        if self._options.need_workers:
            return True
        if multiprocessing.current_process().daemon:
            place = "in a daemonic process"
        elif not (self.in_main_thread() or self.nesting_level == 0):
            place = "below threads"
        else:
            return True
        warnings.warn(
            f"Skextra-backed parallel loops cannot be nested {place}, setting n_jobs=1",
            stacklevel=4,
        )
        return False

    def configure(
        self,
        n_jobs: int | None = 1,
        parallel: Parallel | None = None,
        prefer: str | None = None,
        require: str | None = None,
        **options: Any,
    ) -> int:
        """Prepare for the calls of one ``Parallel``.

        Parameters
        ----------
        n_jobs : int, default=1
            What the caller asked for.
        parallel : joblib.Parallel, default=None
            The caller.
        prefer, require : str, default=None
            Hints of the caller; the backend has processes only.
        **options : dict
            The options of this backend that ``Parallel`` was given, and those that joblib gives
            to each backend (`max_nbytes`, `mmap_mode`, `temp_folder`, ...).

        Returns
        -------
        n_jobs : int
            How many tasks run at once.

        Raises
        ------
        TypeError, ValueError
            If an option is unknown or not what it may be.
        FallbackToBackend
            If joblib is to run the tasks elsewhere: in this process, for one task at a time.
        """
        if not self._is_of_one_parallel:
            # joblib hands one backend to every ``Parallel`` of a `parallel_config`, such as those
            # that an iterator of tasks runs, and then asks the one that it gets here.
            backend = copy.copy(self)
            backend._is_of_one_parallel = True
            raise FallbackToBackend(backend)
        self._options = self._configured_options.updated(options)
        # All slots of a cluster, however many there will be.
        follows_cluster = self._options.cluster is not None and n_jobs in (None, -1)
        n_at_once = sys.maxsize if follows_cluster else self._n_at_once(n_jobs)
        n_jobs = self.effective_n_jobs(n_jobs)
        if n_jobs == 1:
            raise FallbackToBackend(SequentialBackend(nesting_level=self.nesting_level))
        check_not_loading()
        self.parallel = parallel
        self._sharing = _make_store(**{**options, "cluster": self._options.cluster})
        try:
            if self._options.cluster is not None:
                self._cluster_scheduler = open_cluster_scheduler(
                    self._options.cluster, self._options.patience, self._dispatch_more
                )
            if self._options.journal is not None:
                self._recorder = self._open_journal()
            if self._options.reuse_steps and self.runs_on_this_machine:
                self._keeper = open_keeper(self._options.reuse_bytes)
            self._workers = self._open_session(n_at_once)
        except BaseException:  # joblib does not come back to close it
            self.terminate()
            raise
        return n_jobs

    def compute_batch_size(self) -> int:
        """Return how many calls joblib is to hand out in one batch.

        Returns
        -------
        n_calls : int
            So many that a batch takes about 30 ms, or 200 ms on a cluster.
        """
        seconds = _BATCH_SECONDS if self.runs_on_this_machine else _CLUSTER_BATCH_SECONDS
        return self._workers.durations.batch_size(seconds)

    def start_call(self) -> None:
        """Forget how long the calls of the last ``Parallel`` took, and what its tasks changed."""
        self._looks_ahead = False
        session = self._workers
        session.start_call(pack(SETTINGS, self._settings(session.max_workers)))

    def stop_call(self) -> None:
        """Stop sharing the arrays of the caller, which may change them from now on."""
        if self._sharing is not None:
            self._sharing.end_call()
        if self._recorder is not None:
            self._recorder.end_call()

    def submit(self, func: BatchedCalls, callback: Callable[[Any], Any] | None = None) -> Any:
        """Queue a batch of tasks.

        Parameters
        ----------
        func : joblib.parallel.BatchedCalls
            The batch.
        callback : callable, default=None
            Called once with the future, when its outcome is known.

        Returns
        -------
        future : Batch
            What `retrieve_result_callback` takes.
        """
        batch = self._workers.submit(func.items, callback)
        if self._keeper is not None:
            self._look_ahead(func.items[0])
        return batch

    def _look_ahead(self, call):
        """Have the fits of a search handed out sooner, so that those that share steps meet.

        Not before it is known that they take so long that each is a batch, and not if the user
        has said how many are to be handed out.
        """
        durations = self._workers.durations
        if self._looks_ahead or durations.seconds_per_call is None:
            return
        pre_dispatch = str(getattr(self.parallel, "pre_dispatch", "")).replace(" ", "")
        is_long = self.compute_batch_size() == 1
        if is_long and pre_dispatch == _DEFAULT_PRE_DISPATCH and prefix_of_fit(call) is not None:
            self._looks_ahead = True
            self._dispatch_more(_N_SLOTS_AHEAD)

    def retrieve_result_callback(self, out: Any) -> list[Any]:
        """Return the results of a finished batch, or raise the error that ended it.

        Parameters
        ----------
        out : Batch
            The future that `submit` returned.

        Returns
        -------
        results : list
            One result per task.
        """
        return out.result()

    def terminate(self) -> None:
        """Give the workers back; they stay warm for the next call."""
        if self._workers is not None:
            self._workers.close()
            self._workers.wait()
            self._workers = None
        problem = None
        scheduler, self._cluster_scheduler = self._cluster_scheduler, None
        if scheduler is not None:
            problem = scheduler.engine.problem
            scheduler.shut_down()
        if self._sharing is not None:
            self._sharing.close()
            self._sharing = None
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.close()
            problem = keeper.problem
        warn_of_problem(problem)
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            recorder.close()
            if not has_failed(self.parallel):
                recorder.report()
        self._options = self._configured_options
        self.reset_batch_stats()

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """Kill the workers that still run tasks of this call.

        Parameters
        ----------
        ensure_ready : bool, default=True
            Whether more tasks may follow.
        """
        n_jobs = self._workers.max_workers
        self._workers.abort()
        self._workers = self._open_session(n_jobs) if ensure_ready else None

    def _open_journal(self):
        options, initializer = self._options, None
        if options.initializer is not None:
            initializer = options.initializer, options.initargs
        return Recorder(options.journal, initializer, self._unseeded_calls)

    def _prepare_worker_env(self, n_jobs):
        n_threads = self._options.inner_max_num_threads
        share = n_threads or max(cpu_count() // n_jobs, 1)
        environment = super()._prepare_worker_env(n_jobs)
        return with_more_limits(environment, share, n_threads is not None)

    def _dispatch_more(self, n_slots):
        """Have joblib hand out more tasks, as for so many more slots."""
        arguments = self.parallel, 2 * n_slots  # joblib's pre_dispatch
        threading.Thread(target=dispatch_more, args=arguments, daemon=True).start()

    def _cluster_settings(self):
        """Return settings in which each node of a cluster fills in what is its own."""
        environment, n_threads = {}, self._options.inner_max_num_threads
        if n_threads is not None:
            limits = self._prepare_worker_env(1).items()
            environment = {name: value for name, value in limits if value == str(n_threads)}
        return Settings(
            environment=environment,
            directory=None,
            sys_path=[],
            nested_backend=self.get_nested_backend(),
            max_nbytes=None,  # results come in messages
            n_call=next(_call_numbers),
            node_keeps_steps=self._options.reuse_steps,
            node_keeps_nbytes=self._options.reuse_bytes,
        )

    def _settings(self, n_jobs):
        if not self.runs_on_this_machine:
            return self._cluster_settings()
        try:
            directory = os.getcwd()
        except OSError:  # removed
            directory = None
        return Settings(
            environment={**os.environ, **self._prepare_worker_env(n_jobs)},
            directory=directory,
            sys_path=list(sys.path),
            nested_backend=self.get_nested_backend(),
            # Small results are not worth a file each.
            max_nbytes=max(self._sharing.max_nbytes, 2**20),
            n_call=next(_call_numbers),
            steps_address=None if self._keeper is None else self._keeper.address,
        )

    def _open_session(self, n_jobs):
        options = self._options
        initializer = None
        if options.initializer is not None:
            initializer = pack(INITIALIZER, (options.initializer, tuple(options.initargs)))
        session_options = SessionOptions(
            pack(SETTINGS, self._settings(n_jobs)),
            initializer,
            thread_limits=tuple(sorted(self._prepare_worker_env(n_jobs).items())),
            max_retries=options.max_retries,
            task_timeout=options.task_timeout,
            devices=None if options.devices is None else tuple(options.devices),
            tasks_per_device=options.tasks_per_device,
            is_journaled=self._recorder is not None,
        )
        return open_session(
            self._cluster_scheduler or get_scheduler(),
            n_jobs,
            session_options,
            self._fail_call,
            sharing=self._sharing,
            recorder=self._recorder,
            shares_steps=self._keeper is not None,
        )

    def _fail_call(self, error):
        """Raise an error that came out of joblib's callback where the call waits for results.

        An iterator of tasks may raise there what joblib does not catch, SystemExit for one. Lost
        in the delivery thread, it would leave the caller waiting for ever.
        """
        if fail_call(self.parallel, error):
            return
        self._workers.abort()  # the call ends with another error, which says less
        with contextlib.suppress(Exception):
            thread = threading.current_thread()
            hook_args = (type(error), error, error.__traceback__, thread)
            threading.excepthook(threading.ExceptHookArgs(hook_args))
