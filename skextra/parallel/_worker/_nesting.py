"""How deep this process is in a tree of workers, and how fast the deep part of the tree grows.

Calls nested without end, such as a task that calls ``Parallel`` with itself as the task, would
start workers of workers until the machine stands still.
"""

import fcntl
import os
import struct
import time
from multiprocessing import reduction

from skextra.parallel._worker._progress import nameless_file

# Two levels have work for every core many times over. So many more may start within a minute
# below them, in the whole tree: three levels of three, and on large machines four a core.
_FREE_LEVELS = 2
_MAX_STARTS = max(32, 4 * (os.cpu_count() or 1))
_WINDOW_SECONDS = 60
_COUNT = struct.Struct("<dq")  # when the window began, and the starts in it


class Nesting:
    """The level of a process in its tree of workers, and what all of the tree counts in.

    Parameters
    ----------
    level : int, default=0
        Of how many workers, one started by the other, this process is the last.
    descriptor : int, default=None
        A file without a name; a new one by default.
    """

    def __init__(self, level=0, descriptor=None):
        self._level = level
        self._descriptor = nameless_file("starts") if descriptor is None else descriptor

    def count_start(self):
        """Count a worker more of this process, or raise a RuntimeError if there are too many."""
        if self._level < _FREE_LEVELS:
            return
        # The lock ends with its holder.
        fcntl.lockf(self._descriptor, fcntl.LOCK_EX)
        try:
            now, found = time.monotonic(), os.pread(self._descriptor, _COUNT.size, 0)
            began, n_starts = _COUNT.unpack(found) if found else (now, 0)
            if now - began > _WINDOW_SECONDS:
                began, n_starts = now, 0
            is_free = n_starts < _MAX_STARTS
            os.pwrite(self._descriptor, _COUNT.pack(began, n_starts + is_free), 0)
        finally:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN)
        if not is_free:
            raise RuntimeError(
                f"{n_starts} workers were started by workers of workers within "
                f"{_WINDOW_SECONDS} seconds: calls of Parallel seem to be nested without end. If "
                "a module calls Parallel when it is imported, guard the call with "
                '`if __name__ == "__main__":` or move it into a function; a function that runs '
                "as a task must not call Parallel with itself as the task."
            )

    def __getstate__(self):
        """Take it along to a worker that this process starts."""
        return self._level + 1, reduction.DupFd(self._descriptor)

    def __setstate__(self, state):
        """Receive it there."""
        self._level, descriptor = state
        self._descriptor = descriptor.detach()


_nesting = None


def nesting():
    """Return that of this process."""
    global _nesting
    if _nesting is None:
        _nesting = Nesting()
    return _nesting


def bind(received):
    """Have a new worker process know what it was started with."""
    global _nesting
    _nesting = received
