"""Private names of joblib, and what differs between its versions.

Everything that the package takes from joblib beyond its documented interface comes through here,
so that a change in joblib is mended in one place.
"""

import atexit
import contextlib
import queue
import threading

from joblib.parallel import BatchCompletionCallBack, ThreadingBackend


def fail_call(parallel, error):
    """Make a running ``Parallel`` raise an error where it waits for results.

    Parameters
    ----------
    parallel : joblib.Parallel
        The call.
    error : BaseException
        What it is to raise.

    Returns
    -------
    done : bool
        False if this joblib has renamed what is needed for that.
    """
    try:
        tracker = BatchCompletionCallBack(0, 1, parallel)
        parallel._register_new_job(tracker)
        tracker._register_outcome({"result": error, "status": "Error"})
    except AttributeError:
        return False
    return True


def has_failed(parallel):
    """Return whether a ``Parallel`` is about to raise an error."""
    return getattr(parallel, "_exception", False)


def count_as_own_worker():
    """Make joblib take this process for its own worker, in which "multiprocessing" never forks."""
    with contextlib.suppress(ImportError, AttributeError):
        from joblib.externals.loky import process_executor

        process_executor._CURRENT_DEPTH += 1


def remove_folder_at_death(folder):
    """Have a folder removed when this process dies, however it dies."""
    from joblib.externals.loky.backend import resource_tracker

    resource_tracker.register(folder, "folder")


def forget_folder(folder):
    """Take `remove_folder_at_death` back: the folder is removed already."""
    from joblib.externals.loky.backend import resource_tracker

    resource_tracker.unregister(folder, "folder")


def watch_memory_without_loky():
    """In a worker process of loky: keep loky from ending it when its memory grows.

    loky does that at any moment, with a warning if the next task is on its way already.
    """
    with contextlib.suppress(ImportError, AttributeError):
        from joblib.externals.loky import process_executor

        process_executor._USE_PSUTIL = False


def process_of(executor):
    """Return the process of a loky executor that has one worker."""
    return next(iter(executor._processes.values()), None)


def end_executor(executor, kill):
    """Have a loky executor end, once its process is idle or at once.

    Parameters
    ----------
    executor : ProcessPoolExecutor
        The executor; nobody submits to it any more.
    kill : bool
        Whether to kill its process.
    """
    if kill:
        # Else loky forgets the calls that it has not begun, looks for them, and its thread ends
        # with a KeyError.
        with contextlib.suppress(AttributeError, queue.Empty):
            while True:
                executor._work_ids.get_nowait()
    executor.shutdown(wait=False, kill_workers=kill)


def at_exit_before_loky(function):
    """Call a function when the interpreter exits, before loky waits for its executors.

    Call this when an executor has started its process: what is registered last is called first.
    """
    # As loky and concurrent.futures do; `atexit` comes after that.
    getattr(threading, "_register_atexit", atexit.register)(function)


def thread_limits(n_jobs):
    """Return the variables that limit the threads of each of so many worker processes."""
    return ThreadingBackend()._prepare_worker_env(n_jobs)


def dispatch_more(parallel, n_batches):
    """Have a running ``Parallel`` hand out more batches than it has been told to at its start.

    Parameters
    ----------
    parallel : joblib.Parallel
        The call.
    n_batches : int
        How many more, if there are so many.
    """
    for _ in range(n_batches):
        # None when all is handed out; with a joblib that has renamed it, no more than before.
        if getattr(parallel, "_original_iterator", None) is None:
            return
        parallel.dispatch_next()
