"""Private names of joblib, and what differs between its versions.

Everything that the package takes from joblib beyond its documented interface comes through here,
so that a change in joblib is mended in one place.
"""

import contextlib

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
