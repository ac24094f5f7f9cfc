"""An attempt: calls of one batch that a worker gets in one message."""

import pickle

from skextra.parallel._messages import TASK, pack
from skextra.parallel._searches import lean, place_of_fit


class Attempt:
    """Calls of one batch, sent to one worker once.

    The first attempt of a batch holds all of its calls. If the worker dies, the call that it was
    running and those that it had not begun become attempts of their own.

    Parameters
    ----------
    batch : Batch
        The batch.
    indices : sequence of int
        Which calls of the batch.
    exclusive : bool, default=False
        Whether no other attempt may run meanwhile.
    n_unread : int, default=0
        How many workers in a row have died with these calls before they began the first one.

    Attributes
    ----------
    n_known : int
        Of how many calls, in order, the results have come.
    held : Held or None
        Which modules of the user's the worker that runs it has imported; an engine sets it.
    """

    def __init__(self, batch, indices, exclusive=False, n_unread=0):
        self.batch = batch
        self.indices = indices
        self.exclusive = exclusive
        self.n_unread = n_unread
        self.n_known = 0
        self.held = None
        self._message = None

    @property
    def options(self):
        """The `SessionOptions` of its session."""
        return self.batch.options

    @property
    def name(self):
        """A short name for displays: the function of its first call, and which fit that is."""
        function, _, kwargs = self.batch.calls[self.indices[0]]
        name = getattr(function, "__name__", type(function).__name__)
        return "-".join([name, *place_of_fit(function, kwargs)])

    def message(self):
        """Pickle the calls, once; return None and fail the batch if that is impossible."""
        if self._message is None and not self.batch.failed:
            try:
                calls = lean([self.batch.calls[index] for index in self.indices])
                self._message = pack(TASK, calls, self.batch.sharing)
            except BaseException as error:  # SystemExit in somebody's __reduce__, say
                call = self.batch.describe(self.indices[0])
                text = f"could not pickle the task to send to a worker: {call}: "
                failure = pickle.PicklingError(f"{text}{type(error).__name__}: {error}")
                failure.__cause__ = error
                self.batch.fail(failure)
        return self._message

    def answer(self, message, n_known=None):
        """Take a message with the results of the next calls.

        Parameters
        ----------
        message : bytes-like
            The results, or an error.
        n_known : int, default=None
            Up to how many calls the results are known with it; None for all calls.
        """
        n_known = len(self.indices) if n_known is None else n_known
        self.batch.answer(self.indices[self.n_known : n_known], message, self.held)
        self.n_known = n_known

    def recover(self, records):
        """Take the results that a worker has kept in the memory that it shares with the engine.

        Parameters
        ----------
        records : list of (int, int, bytes)
            The first call, the call after the last, and the message with their results. Records
            that come after a message still to be received are left for later.
        """
        for first, end, message in records:
            if first == self.n_known and end <= len(self.indices):
                self.answer(message, end)

    def position(self, index):
        """Return the position of the call that a dead worker was in, or None if it was in none.

        Parameters
        ----------
        index : int
            The call that the worker began last; anything, if it died while it wrote that.
        """
        return index if self.n_known <= index < len(self.indices) else None

    def part(self, start, stop=None):
        """Return an attempt at some of the calls only."""
        return Attempt(self.batch, self.indices[start:stop], exclusive=self.exclusive)
