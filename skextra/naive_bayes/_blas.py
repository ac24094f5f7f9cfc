"""The number of BLAS threads while blocks of rows are multiplied, kept right across forks."""

import contextlib
import os
import threading

from skextra._sklearn import threadpool_controller

# For less work BLAS starts no threads, and changing the setting would cost more than it saves.
_WORTH_A_LIMIT = 1e5


class _BlasLimit:
    """One BLAS thread while any caller is inside, and the earlier setting after the last one.

    The setting belongs to the process. Of two callers that overlap in different threads, each
    restoring what it found, the one that came second would leave it at one thread for good.
    """

    def __init__(self):
        self._lock, self._inside, self._limiter = threading.Lock(), 0, None
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
                self._limiter = threadpool_controller().limit(limits=1, user_api="blas")
                self._hand_over()
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
        self._limiter.restore_original_limits()
        self._hand_over()

    @staticmethod
    def _hand_over():
        # threadpoolctl lets no other thread change the setting until the one that did leaves a
        # context; the last caller to leave here may be another.
        with threadpool_controller().limit(limits=None):
            pass


BLAS_LIMIT = _BlasLimit()


def one_blas_thread(nanoseconds):
    """Return a context for work of about so many nanoseconds that BLAS must not divide."""
    return BLAS_LIMIT if nanoseconds >= _WORTH_A_LIMIT else contextlib.nullcontext()
