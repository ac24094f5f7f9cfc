"""What the scheduler asks of whoever runs attempts, and all that it knows of them."""

import abc
from dataclasses import dataclass


@dataclass(frozen=True)
class Ended:
    """An attempt has ended, and `Attempt.answer` has received its results or its error.

    Parameters
    ----------
    attempt : Attempt
        The attempt.
    seconds : float
        How long its calls took in the worker; 0 if the worker could not tell.
    failed : bool
        Whether the answer is an error.
    """

    attempt: object
    seconds: float
    failed: bool


@dataclass(frozen=True)
class Died:
    """The worker of an attempt has died.

    Parameters
    ----------
    attempt : Attempt
        The attempt; `Attempt.answer` has received all results that outlived the worker.
    position : int or None
        Which call of the attempt the worker was running, None if it was between two calls.
    death : Death
        How the worker died.
    """

    attempt: object
    position: int | None
    death: object


class Engine(abc.ABC):
    """Runs attempts, on this machine or elsewhere, and says what became of each.

    The dispatcher thread of a `Scheduler` calls every method except `wake`, `kill` and
    `kill_all`, which any thread may call. Only `poll` may wait. Whatever happens to a worker is
    an event: `start` raises only if no attempt can be started at all.

    An engine finds what it needs in the attempt: `Attempt.message` (the pickled calls),
    `Attempt.options` (a `SessionOptions`: settings, initializer, time limit, devices) and
    `Attempt.answer`, which takes the results as they come.

    Attributes
    ----------
    isolates_exclusive : bool
        Whether the engine itself sees to it that an exclusive attempt has a machine to itself. If
        not, the scheduler starts nothing else meanwhile.
    """

    isolates_exclusive = False

    @abc.abstractmethod
    def has_room(self, options):
        """Return whether an attempt with these `SessionOptions` could start now."""

    @abc.abstractmethod
    def start(self, attempt):
        """Start an attempt, or raise the error that prevents it."""

    @abc.abstractmethod
    def poll(self, timeout):
        """Wait for events for at most `timeout` seconds (None: for ever) and yield each.

        An engine forgets an attempt before it yields the `Ended` or `Died` of that attempt, so
        that the scheduler can start the next attempt while it handles the event.
        """

    @abc.abstractmethod
    def cancel(self, attempt):
        """Kill the worker of an attempt; no event follows.

        Results that the worker had already secured still reach `Attempt.answer`, for the journal.
        """

    @abc.abstractmethod
    def kill(self, attempt):
        """Kill the worker of an attempt; a `Died` follows. Any thread may call this."""

    @abc.abstractmethod
    def wake(self):
        """Make a waiting `poll` return soon. Any thread may call this."""

    @abc.abstractmethod
    def shut_down(self):
        """Ask idle workers to end; `poll` until `has_workers` is false."""

    @property
    @abc.abstractmethod
    def has_workers(self):
        """Whether a worker still exists."""

    @abc.abstractmethod
    def kill_all(self):
        """Kill every worker at once. Any thread may call this."""

    @abc.abstractmethod
    def close(self):
        """Kill what is left and free everything; the engine is not used again."""
