"""The turn of an attempt that is to have the machine to itself, while others run."""

import time

# An exclusive attempt waits so many seconds for the attempts that run already, and those of other
# sessions then wait so long for it.
PATIENCE_SECONDS = 60


class ExclusiveTurn:
    """Which exclusive attempt runs or waits to run, and since when.

    Waiting has an end on both sides: attempts may be long, and those of another session may even
    wait for something that cannot begin meanwhile.
    """

    def __init__(self):
        self.attempt = None  # the one that runs
        self._owner = None  # the session whose exclusive attempt runs, or waits to run
        self._since = None  # when that began to run, or to wait

    def request(self, session):
        """Take note of the first session with an exclusive attempt that waits, None for none."""
        if self.attempt is None:
            self._owner = session
            self._since = None if session is None else self._since or time.monotonic()

    def begin(self, attempt):
        """Begin the turn of an exclusive attempt that was started."""
        self.attempt = attempt
        self._since = time.monotonic()

    def end(self, attempt):
        """End the turn, if the attempt that has ended is the exclusive one."""
        if attempt is self.attempt:
            self.attempt = self._owner = self._since = None

    def holds_back(self, session):
        """Whether a session may not start its ordinary attempts now."""
        if self._since is None:
            return False
        return session is self._owner or not self.is_out_of_patience()

    def is_out_of_patience(self):
        """Whether whoever waits has waited long enough."""
        return time.monotonic() >= self._since + PATIENCE_SECONDS

    def seconds_left(self):
        """Return how long until patience ends; None if nobody waits, or it has ended."""
        if self._since is None or self.is_out_of_patience():
            return None
        return max(0, self._since + PATIENCE_SECONDS - time.monotonic())
