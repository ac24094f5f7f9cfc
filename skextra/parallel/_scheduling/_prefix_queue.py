"""A queue in which the fits that share the first steps of their pipelines follow one another."""

import collections

from skextra.parallel._searches import prefix_of_fit


class PrefixQueue:
    """Attempts that wait; used as a deque, but not first in, first out.

    scikit-learn hands fits out candidate by candidate, so that the folds alternate. What the first
    steps have computed is needed for a shorter time if all candidates of one fold come one after
    the other; and nobody waits for steps that another worker computes while there is other work.

    Parameters
    ----------
    running : set of Attempt
        The attempts that run; the one who owns the queue keeps it up to date.
    """

    def __init__(self, running):
        self._running = running
        self._by_prefix = {}  # attempts that wait; the prefixes in the order in which they came
        self._begun = set()
        self._n_attempts = 0

    def __len__(self):
        return self._n_attempts

    def append(self, attempt):
        """Add an attempt."""
        self._of(attempt).append(attempt)

    def appendleft(self, attempt):
        """Add an attempt that is to run before others of its prefix."""
        self._of(attempt).appendleft(attempt)

    def popleft(self):
        """Return the attempt that is to run next, and remove it.

        Rather one of a prefix that none of those that run has, and of these rather one whose
        prefix others have had already.
        """
        running = {_prefix_of(attempt) for attempt in self._running} - {None}
        prefix = min(self._by_prefix, key=lambda p: (p in running, p not in self._begun))
        attempts = self._by_prefix[prefix]
        attempt = attempts.popleft()
        self._begun.add(prefix)
        self._n_attempts -= 1
        if not attempts:
            del self._by_prefix[prefix]
        return attempt

    def _of(self, attempt):
        self._n_attempts += 1
        return self._by_prefix.setdefault(_prefix_of(attempt), collections.deque())


def _prefix_of(attempt):
    calls = attempt.batch.calls
    if calls is None or len(attempt.indices) != 1:  # it is over; or short calls, of several folds
        return None
    return prefix_of_fit(calls[attempt.indices[0]])
