"""A task: one batch of calls, on its way to a worker and back."""

import pickle

from skextra.parallel._errors import describe_call
from skextra.parallel._messages import ERROR, TASK, pack, unpack, unpack_error


class Task:
    """What joblib gets for a batch it submits: a future of the list of results.

    Parameters
    ----------
    calls : list of (function, args, kwargs)
        The batch.
    callback : callable or None
        Called once with the task, when its outcome is known.
    """

    def __init__(self, calls, callback):
        self.calls = calls
        self.callback = callback
        self.losses = 0  # how often a worker died that had the task and had not begun it
        self._message = None
        self._answer = None
        self._error = None

    @property
    def failed(self):
        """Whether the task ended before a worker could answer."""
        return self._error is not None

    def message(self):
        """Pickle the calls, once; None and a failed task if that is impossible."""
        if self._message is None and not self.failed:
            try:
                self._message = pack(TASK, self.calls)
            except Exception as error:
                text = f"could not pickle the task to send to a worker: {self.describe(0)}: "
                failure = pickle.PicklingError(f"{text}{type(error).__name__}: {error}")
                failure.__cause__ = error
                self._error = failure
        return self._message

    def describe(self, index):
        """Write one of the calls out, short enough for an error message."""
        return describe_call(*self.calls[index])

    def answer(self, message):
        """Take the answer of the worker as the outcome."""
        self._answer = message

    def fail(self, error):
        """Take an error as the outcome."""
        self._error = error

    def deliver(self):
        """Tell the caller that the outcome is known; whatever its callback raises comes out."""
        callback, self.callback = self.callback, None
        self.calls = self._message = None
        if callback is not None:
            callback(self)

    def result(self):
        """Return the results of the calls, or raise the error that ended them."""
        if self.failed:
            raise self._error
        answer, self._answer = self._answer, None
        if answer[:1] == ERROR:
            raise unpack_error(answer)
        return unpack(answer)
