"""The number of BLAS threads while blocks of rows are multiplied, kept right across forks."""

import contextlib
import os
import threading

from skextra._sklearn import threadpool_controller

# For less work BLAS starts no threads, and changing the setting would cost more than it saves.
_WORTH_A_LIMIT = 5e4


class _BlasLimit:
    """One BLAS thread while any caller is inside, and the earlier setting after the last one.

    The setting belongs to the process. Of two callers that overlap in different threads, each
    restoring what it found, the one that came second would leave it at one thread for good.
    """

    def __init__(self):
        self._lock, self._inside, self._before = threading.Lock(), 0, ()
        if hasattr(os, "register_at_fork"):
            # The lock is taken for the time of a fork: no other thread is then halfway through
            # changing the setting, neither here nor inside threadpoolctl, which has a lock too.
            os.register_at_fork(
                before=self._lock.acquire,
                after_in_parent=self._lock.release,
                after_in_child=self._forget_other_threads,
            )

    def __enter__(self):
        with self._lock:
            if self._inside == 0:
                # The limiter of threadpoolctl looks at all libraries, which takes a third of a
                # small prediction.
                libraries = _blas_libraries()
                self._before = [(each, each.get_num_threads()) for each in libraries]
                self._set((each, 1) for each in libraries)
            self._inside += 1

    def __exit__(self, *exception):
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._restore()

    def _forget_other_threads(self):
        """Restore the setting in a forked child, which has none of the threads inside."""
        try:
            if self._inside:
                self._inside = 0
                self._restore()
        finally:
            self._lock.release()

    def _restore(self):
        self._set(self._before)

    @staticmethod
    def _set(settings):
        for library, n_threads in settings:
            library.set_num_threads(n_threads)
            # From 3.7 on threadpoolctl lets no other thread change OpenBLAS's setting until the
            # one that did hands over; the last caller to leave here may be another.
            if hasattr(library, "clear_controlling_thread"):
                library.clear_controlling_thread()


def _blas_libraries():
    """Return the controllers of the BLAS libraries in this process."""
    controllers = threadpool_controller().lib_controllers
    return [library for library in controllers if library.user_api == "blas"]


BLAS_LIMIT = _BlasLimit()


def one_blas_thread(nanoseconds):
    """Return a context for work of about so many nanoseconds that BLAS must not divide."""
    return BLAS_LIMIT if nanoseconds >= _WORTH_A_LIMIT else contextlib.nullcontext()
