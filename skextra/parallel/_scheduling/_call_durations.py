"""How long the calls of a session take lately, from which the size of a batch follows."""

# The largest batch is so many times as large as the largest one that has ended.
_GROWTH = 8
# More calls at once save no time, and the garbage collector of the caller looks at all that wait.
_MAX_CALLS = 512


class CallDurations:
    """A moving average of the seconds that a call takes in its worker."""

    def __init__(self):
        self.reset()

    def reset(self):
        """Forget all calls: those to come may be quite different."""
        self.seconds_per_call, self._largest_attempt = None, 1

    def record(self, n_calls, seconds):
        """Record how long the calls of an attempt took in the worker."""
        if not seconds > 0:  # the worker ended before it could tell
            return
        self._largest_attempt = max(self._largest_attempt, n_calls)
        before, now = self.seconds_per_call, seconds / n_calls
        # A rise is believed sooner: too large a batch keeps the other workers waiting.
        weight = 0.5 if before is None or now > before else 0.2
        self.seconds_per_call = now if before is None else before + weight * (now - before)

    def batch_size(self, seconds):
        """Return how many calls take about so many seconds."""
        if self.seconds_per_call is None:
            return 1
        n_calls = max(1, seconds / self.seconds_per_call)
        return int(min(n_calls, _GROWTH * self._largest_attempt, _MAX_CALLS))
