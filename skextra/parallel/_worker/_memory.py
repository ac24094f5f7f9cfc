"""Whether a worker holds much more memory than it did after its first task: something leaks."""

import contextlib
import ctypes
import gc
import os
import time

# As in loky: a worker may grow by so much, and is looked at so often.
_MAX_GROWTH_NBYTES = 300_000_000
_SECONDS_BETWEEN = 1


class MemoryWatch:
    """Compares the private memory of this process with that after its first task."""

    def __init__(self):
        self._reference = None
        self._next = 0

    def has_grown(self):
        """Return whether the process has grown too much; call it between two tasks.

        Memory that it shares, such as large arguments, does not count.
        """
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + _SECONDS_BETWEEN
        nbytes = private_nbytes()
        if self._reference is None:
            self._reference = nbytes
        if nbytes - self._reference < _MAX_GROWTH_NBYTES:
            return False
        gc.collect()
        with contextlib.suppress(AttributeError, OSError):  # a C library without it
            ctypes.CDLL(None).malloc_trim(0)
        return private_nbytes() - self._reference >= _MAX_GROWTH_NBYTES


def private_nbytes():
    """Return the bytes in memory that are this process's own; 0 if the system does not tell."""
    try:
        with open("/proc/self/statm") as file:
            _, resident, shared, *_ = map(int, file.read().split())
    except OSError:  # no Linux
        return _by_psutil()
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE")


def _by_psutil():
    try:
        import psutil

        return psutil.Process().memory_full_info().uss
    except Exception:  # it is not installed, or the system does not tell
        return 0
