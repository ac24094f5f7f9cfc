"""The scheduler that all calls of this process share."""

import os
import threading
from multiprocessing import util

from skextra.parallel._engines import forget_local_engines, local_engine, stop_local_engines
from skextra.parallel._scheduling._scheduler import Scheduler

_scheduler = None
_lock = threading.Lock()
_exiting = False


def get_scheduler():
    """Return the scheduler of this process, with an engine on this machine."""
    global _scheduler
    with _lock:
        if _exiting:
            raise RuntimeError("no worker process can be started while the interpreter exits")
        if _scheduler is None:
            # Before multiprocessing waits for the children of this process, the workers included.
            util.Finalize(None, _shut_down, exitpriority=100)
        if _scheduler is None or not _scheduler.usable:
            _scheduler = Scheduler(local_engine())
        return _scheduler


def _shut_down():
    global _exiting
    _exiting = True
    _scheduler.shut_down()
    stop_local_engines()


def _forget_after_fork():
    # The dispatcher and the workers belong to the parent, and a thread may hold the lock there.
    global _scheduler, _lock
    _scheduler, _lock = None, threading.Lock()
    forget_local_engines()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
