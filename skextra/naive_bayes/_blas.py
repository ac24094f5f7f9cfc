"""Work that calls BLAS: with one BLAS thread, and never in the middle of a fork."""

import functools
import os
import threading

from skextra._sklearn import threadpool_controller

# For less work BLAS starts no threads, and changing the setting would cost more than it saves.
_WORTH_A_LIMIT = 5e4
# A fork waits for work in other threads, but not for ever.
_LONGEST_WAIT_SECONDS = 30.0
# OpenBLAS's names of the kernels for AVX-512.
_AVX512 = {"skylakex", "cooperlake", "sapphirerapids"}


class _Blas:
    """Who is inside work that calls BLAS; one BLAS thread while any of it is large.

    The setting belongs to the process. Of two callers that overlap in different threads, each
    restoring what it found, the one that came second would leave it at one thread for good.

    A fork waits until no other thread is inside, and who wants to enter waits for the fork. The
    child would not have those threads, but find the locks that they hold, which belong to OpenBLAS
    (around its buffers) and to threadpoolctl, and wait for them for ever.
    """

    def __init__(self):
        self._changed, self._of_thread = threading.Condition(), threading.local()
        self._inside = self._limiting = self._forking = 0
        self._settings = ()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=self._before_fork,
                after_in_parent=self._after_fork,
                after_in_child=self._after_fork_in_child,
            )

    def work(self, nanoseconds):
        """Return a context for work of about so many nanoseconds."""
        return _Work(self, nanoseconds >= _WORTH_A_LIMIT)

    def enter(self, limits):
        with self._changed:
            while self._forking:
                self._changed.wait()
            if limits and self._limiting == 0:
                # The limiter of threadpoolctl looks at all libraries, which takes a third of a
                # small prediction.
                libraries = _blas_libraries()
                self._settings = [(each, each.get_num_threads()) for each in libraries]
                _set((each, 1) for each in libraries)
            self._limiting += limits
            self._inside += 1
            self._of_thread.depth = self._depth() + 1

    def leave(self, limits):
        with self._changed:
            self._of_thread.depth -= 1
            self._inside -= 1
            self._limiting -= limits
            if limits and self._limiting == 0:
                _set(self._settings)
            if self._forking:
                self._changed.notify_all()

    def _depth(self):
        """Return how often the current thread itself is inside."""
        return getattr(self._of_thread, "depth", 0)

    def _before_fork(self):
        self._changed.acquire()
        self._forking += 1
        # A signal's handler may fork in a thread that is inside.
        self._changed.wait_for(lambda: self._inside <= self._depth(), _LONGEST_WAIT_SECONDS)

    def _after_fork(self):
        self._forking -= 1
        self._changed.notify_all()
        self._changed.release()

    def _after_fork_in_child(self):
        self._changed, self._forking = threading.Condition(), 0
        self._inside = self._depth()
        self._limiting = min(self._limiting, self._inside)


class _Work:
    """The context of one piece of work."""

    def __init__(self, blas, limits):
        self._blas, self._limits = blas, limits

    def __enter__(self):
        self._blas.enter(self._limits)

    def __exit__(self, *exception):
        self._blas.leave(self._limits)


def _blas_libraries():
    """Return the controllers of the BLAS libraries in this process."""
    controllers = threadpool_controller().lib_controllers
    return [library for library in controllers if library.user_api == "blas"]


@functools.cache
def multiplies_narrow_matrices():
    """Whether BLAS multiplies rows by a few columns without copying the rows first.

    OpenBLAS has such kernels for AVX-512.
    """
    return any(getattr(each, "architecture", "").lower() in _AVX512 for each in _blas_libraries())


def _set(settings):
    for library, n_threads in settings:
        library.set_num_threads(n_threads)
        # Some versions of threadpoolctl let no other thread change OpenBLAS's setting until the
        # one that did hands over; the last caller to leave here may be another.
        if hasattr(library, "clear_controlling_thread"):
            library.clear_controlling_thread()


BLAS = _Blas()
