"""What a forked process does to become a worker: apart from its parent, but never without it."""

import atexit
import contextlib
import faulthandler
import fcntl
import gc
import multiprocessing
import os
import signal
import sys
import threading
from multiprocessing import connection as mp_connection

import numpy as np

from skextra.parallel._joblib import count_as_own_worker


def become_worker(stderr):
    """Prepare a process that the server has just forked.

    Parameters
    ----------
    stderr : multiprocessing.connection.Connection
        Where the standard error stream goes.
    """
    gc.freeze()  # what the server has imported
    gc.enable()
    os.dup2(stderr.fileno(), 2)
    stderr.close()
    _leave_the_terminal()
    _die_with_parent()
    count_as_own_worker()
    _seed_anew()
    # multiprocessing ends its processes without these. What is there already is the server's.
    atexit._clear()


def limit_threads(environment):
    """Hold the libraries already loaded to what the environment says.

    They read the environment once, when they were loaded, which may have been in the fork server;
    those loaded from here on read it themselves.
    """
    from threadpoolctl import threadpool_limits

    def limit(variable):
        # OpenMP takes a list, one number a level of nesting.
        first = environment[variable].split(",")[0]
        return int(first) if first.isdigit() and int(first) > 0 else None

    limits = {
        "openmp": limit("OMP_NUM_THREADS"),
        "blas": limit("OPENBLAS_NUM_THREADS"),
        "mkl_rt": limit("MKL_NUM_THREADS"),
        "libblis": limit("BLIS_NUM_THREADS"),
    }
    threadpool_limits({key: value for key, value in limits.items() if value is not None})
    if "torch" in sys.modules and limits["openmp"] is not None:
        sys.modules["torch"].set_num_threads(limits["openmp"])


def _leave_the_terminal():
    """Ctrl-C is the parent's affair; a crash in compiled code leaves its stack on stderr."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    with contextlib.suppress(OSError, ValueError, AttributeError):  # no usable stderr
        faulthandler.enable(all_threads=False)


def _seed_anew():
    """Draw other numbers than the workers beside it, which were forked from the same state.

    ``random`` of Python does so itself. Not loaded, NumPy's is seeded when it is.
    """
    if "numpy.random" in sys.modules:
        np.random.seed()  # noqa: NPY002  the global one, from the system, as in a new process


def _die_with_parent():
    """Have this process and its children ended when the parent dies, however it dies.

    The pipe that multiprocessing keeps open between the two closes then. On Linux the kernel
    itself answers that with a SIGTERM to the process group, even while compiled code holds the
    interpreter's lock. (Not SIGKILL: resource trackers, which clean up after the others, ignore
    SIGTERM.) A thread watches too: for other systems, for a task that has caught SIGTERM, and for
    a parent whose own forked children still hold the pipe open.
    """
    parent = multiprocessing.parent_process()
    watched = [parent.sentinel]
    if sys.platform == "linux":
        f_setsig = 10  # from <fcntl.h>, the module does not name it
        fcntl.fcntl(parent.sentinel, f_setsig, signal.SIGTERM)
        fcntl.fcntl(parent.sentinel, fcntl.F_SETOWN, -os.getpid())
        flags = fcntl.fcntl(parent.sentinel, fcntl.F_GETFL)
        fcntl.fcntl(parent.sentinel, fcntl.F_SETFL, flags | os.O_ASYNC)
        with contextlib.suppress(OSError):  # already dead: the sentinel is ready too
            watched.append(os.pidfd_open(parent.pid))

    def watch():
        mp_connection.wait(watched)
        with contextlib.suppress(OSError):
            os.killpg(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="skextra-parent-watch", daemon=True).start()
