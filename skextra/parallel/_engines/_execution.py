"""An attempt in progress at a worker, and whether its present call takes too long."""

import time


class Execution:
    """An attempt in progress at a worker.

    Parameters
    ----------
    attempt : Attempt
        The attempt.

    Attributes
    ----------
    deadline : float or None
        When to check whether a call takes too long, by the monotonic clock.
    overdue : int or None
        The index of the call that took too long, for which the worker was killed.
    n_announced : int or None
        If the last message was PARTIAL, how many calls the next message holds results up to.
    """

    def __init__(self, attempt):
        self.attempt = attempt
        self.overdue = self.n_announced = None
        limit = attempt.options.task_timeout
        self.deadline = None if limit is None else time.monotonic() + limit

    def is_overdue(self, progress, now):
        """Return whether the present call takes too long; if not, set the next deadline."""
        index = progress.index
        # Before the first call, the worker reads the message, or still starts.
        since = progress.started if index >= 0 else now
        self.deadline = since + self.attempt.options.task_timeout
        if self.deadline > now:
            return False
        self.deadline, self.overdue = None, index
        return True
