"""A batch of calls, on its way to workers and back."""

import pickle

from skextra.parallel._errors import describe_call
from skextra.parallel._messages import ERROR, TASK, pack, unpack, unpack_error
from skextra.parallel._searches import failed_fit, lean


class Task:
    """What joblib gets for a batch it submits: a future of the list of results.

    Parameters
    ----------
    calls : list of (function, args, kwargs)
        The batch.
    callback : callable or None
        Called once with the task, when its outcome is known.
    sharing : Store or None
        Where the large arrays among the arguments go.
    """

    def __init__(self, calls, callback, sharing=None):
        self.calls = calls
        self.sharing = sharing
        self.callback = callback
        self.deaths = {}  # how many workers died in a call, by its index
        self.done = False  # the outcome is known
        self._n_left = len(calls)
        self.entries = {}  # where the journal has a place for the result, by the index of the call
        self.held = {}  # what the workers that answered had imported, by the index of the call
        self.failures = {}  # errors in place of results, with their call, by its index
        self._answers = []  # the indices of calls and the message with their results
        self._known = self._results = None
        self._error = None

    @property
    def failed(self):
        """Whether the task has ended by an error that no worker sent."""
        return self._error is not None

    @property
    def complete(self):
        """Whether the outcome of every call is known."""
        return self._n_left == 0

    def describe(self, index):
        """Write one of the calls out, short enough for an error message."""
        try:
            return describe_call(*self.calls[index])
        except Exception:  # something of the user's that cannot even be looked at
            return "a call"

    def answer(self, indices, message, held=None):
        """Take what a worker sent for some of the calls, and what it had imported."""
        self._answers.append((indices, message))
        self.held.update(dict.fromkeys(indices, held))
        self._n_left -= len(indices)

    def replace(self, index, error):
        """Take an error in place of the result of a fit that has a score for this case."""
        self.failures[index] = (self.calls[index], error)
        self._n_left -= 1

    def fail(self, error):
        """Take an error as the outcome."""
        self._error = error

    def deliver(self):
        """Tell the caller that the outcome is known; whatever its callback raises comes out."""
        callback, self.callback = self.callback, None
        self.calls = None
        if callback is not None:
            callback(self)

    def result(self):
        """Return the results of the calls, or raise the error that ended them."""
        if self.failed:
            raise self._error
        if self._results is None:
            self._results = self._read()
            self._known = None
            self._answers.clear()
        return self._results

    def known(self):
        """Return the results that have come, by the index of the call, whatever the outcome."""
        if self._known is None:
            self._known = {}
            for indices, message in self._answers:
                if message[:1] != ERROR:
                    self._known.update(zip(indices, unpack(message), strict=True))
        return self._known

    def _read(self):
        for _, message in self._answers:
            if message[:1] == ERROR:
                raise unpack_error(message)
        results = dict(self.known())
        for index, (call, error) in self.failures.items():
            results[index] = failed_fit(call, error)
        return [results[index] for index in range(len(results))]


class Run:
    """Calls of one task that a worker gets in one message.

    At first that is the whole task. When a worker dies, the call it was in and those it had not
    begun are runs of their own.

    Parameters
    ----------
    task : Task
        The task.
    indices : sequence of int
        Which of its calls.
    alone : bool
        Whether nothing else may run meanwhile.
    """

    def __init__(self, task, indices, alone=False):
        self.task = task
        self.indices = indices
        self.alone = alone
        self.n_known = 0  # of how many calls the results have come, in order
        self.losses = 0  # how many workers died that had it and were in none of its calls
        self.held = None  # what the worker that has it says that it has imported
        self._message = None

    def message(self):
        """Pickle the calls, once; None and a failed task if that is impossible."""
        if self._message is None and not self.task.failed:
            try:
                calls = [lean(self.task.calls[index]) for index in self.indices]
                self._message = pack(TASK, calls, self.task.sharing)
            except BaseException as error:  # SystemExit in somebody's __reduce__, say
                text = f"could not pickle the task to send to a worker: {self._describe()}: "
                failure = pickle.PicklingError(f"{text}{type(error).__name__}: {error}")
                failure.__cause__ = error
                self.task.fail(failure)
        return self._message

    def _describe(self):
        return self.task.describe(self.indices[0])

    def answer(self, message, n_known=None):
        """Take the results of the next calls, up to a number, or of all that are left."""
        n_known = len(self.indices) if n_known is None else n_known
        self.task.answer(self.indices[self.n_known : n_known], message, self.held)
        self.n_known = n_known

    def recover(self, progress):
        """Take the results that a worker has kept where it shares memory with the pool.

        Some may be later than those of a message that has still to come: they have time.
        """
        for first, end, message in progress.kept():
            if first == self.n_known and end <= len(self.indices):
                self.answer(message, end)

    def position(self, progress):
        """Return the call that a dead worker was in, by its place in the run; None if in none."""
        return progress.index if self.n_known <= progress.index < len(self.indices) else None

    def rest(self, start, stop=None):
        """Return the run of some of the calls only."""
        return Run(self.task, self.indices[start:stop], alone=self.alone)
