"""A batch: the calls that joblib submits together, and a future of their results."""

from skextra.parallel._errors import describe_call
from skextra.parallel._messages import ERROR, unpack, unpack_error
from skextra.parallel._searches import failed_fit


class Batch:
    """A future of the list of results of a batch of calls.

    Parameters
    ----------
    calls : list of (function, args, kwargs)
        The calls.
    callback : callable or None
        Called once with the batch, when its outcome is known.
    options : SessionOptions, default=None
        Those of its session.
    sharing : Store or None, default=None
        Where the large arrays among the arguments go.

    Attributes
    ----------
    done : bool
        Whether the outcome is known.
    n_deaths : dict of int to int
        How many workers died in a call, by the index of the call.
    entries : dict of int to Entry
        Where the journal has a place for the result of a call, by the index of the call.
    held : dict of int to Held
        What the worker that answered a call had imported, by the index of the call; empty if the
        journal has no place for any of the results.
    """

    def __init__(self, calls, callback, options=None, sharing=None):
        self.calls = calls
        self.options = options
        self.sharing = sharing
        self.done = False
        self.n_deaths = {}
        self.entries = {}
        self.held = {}
        self._callback = callback
        self._answers = _Answers(len(calls))
        self._error = None

    @property
    def failed(self):
        """Whether the batch has ended by an error that no worker sent."""
        return self._error is not None

    @property
    def complete(self):
        """Whether the outcome of every call is known."""
        return self._answers.n_missing == 0

    def describe(self, index):
        """Describe one of the calls, short enough for an error message."""
        try:
            return describe_call(*self.calls[index])
        except Exception:  # something of the user's that cannot even be looked at
            return "a call"

    def answer(self, indices, message, held=None):
        """Take what a worker sent for some of the calls, and what it had imported."""
        self._answers.add(indices, message)
        if self.entries:
            self.held.update(dict.fromkeys(indices, held))

    def replace(self, index, error):
        """Take an error in place of the result of a fit whose search has an `error_score`."""
        self._answers.replace(index, self.calls[index], error)

    def fail(self, error):
        """Take an error as the outcome."""
        self._error = error

    def deliver(self):
        """Call the callback, once; whatever it raises comes out."""
        callback, self._callback = self._callback, None
        self.calls = None
        if callback is not None:
            callback(self)

    def result(self):
        """Return the results of the calls, or raise the error that ended them."""
        if self.failed:
            raise self._error
        return self._answers.results()

    def known(self):
        """Return the results that have come, by the index of the call, whatever the outcome."""
        return self._answers.known()


class _Answers:
    """The messages with the results of a batch, unpacked when somebody asks."""

    def __init__(self, n_calls):
        self.n_missing = n_calls
        self._messages = []  # the indices of calls and the message with their results
        self._replaced = {}  # by index: the call, and the error in place of its result
        self._known = self._results = None

    def add(self, indices, message):
        self._messages.append((indices, message))
        self.n_missing -= len(indices)

    def replace(self, index, call, error):
        self._replaced[index] = call, error
        self.n_missing -= 1

    def known(self):
        if self._known is None:
            self._known = {}
            for indices, message in self._messages:
                if message[:1] != ERROR:
                    self._known.update(zip(indices, unpack(message), strict=True))
        return self._known

    def results(self):
        if self._results is None:
            self._results = self._read()
            self._known = None
            self._messages.clear()
        return self._results

    def _read(self):
        for _, message in self._messages:
            if message[:1] == ERROR:
                raise unpack_error(message)
        if len(self._messages) == 1 and not self._replaced and self._known is None:
            return unpack(self._messages[0][1])  # of all calls, in order
        results = dict(self.known())
        for index, (call, error) in self._replaced.items():
            results[index] = failed_fit(call, error)
        return [results[index] for index in range(len(results))]
