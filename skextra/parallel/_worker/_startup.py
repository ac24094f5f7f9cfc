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
    # multiprocessing ends its processes without these. What is there already is the server's.
    atexit._clear()


def _leave_the_terminal():
    """Ctrl-C is the parent's affair; a crash in compiled code leaves its stack on stderr."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    with contextlib.suppress(OSError, ValueError, AttributeError):  # no usable stderr
        faulthandler.enable(all_threads=False)


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
        # Dead already, in which case the sentinel is ready too, or a Python without it.
        with contextlib.suppress(OSError, AttributeError):
            watched.append(os.pidfd_open(parent.pid))

    def watch():
        mp_connection.wait(watched)
        with contextlib.suppress(OSError):
            os.killpg(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="skextra-parent-watch", daemon=True).start()
