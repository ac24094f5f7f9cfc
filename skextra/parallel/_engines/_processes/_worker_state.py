"""What the engine knows of each worker process: what it was told, and what it runs."""

import time

from skextra._fingerprint._witness import Held
from skextra.parallel._engines._processes._worker_process import WorkerProcess


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


class Worker:
    """A worker process and its state; only the dispatcher thread touches it.

    Parameters
    ----------
    device : str or None
        The device that its tasks use, for the life of the process.

    Attributes
    ----------
    settings, initializer : buffer or None
        The messages that prepared the process last.
    execution : Execution or None
        What it runs; None if it is idle.
    held : Held
        Which modules of the user's the process has imported.
    deadline : float or None
        When an idle worker is to shut down, or one that shuts down is to be killed.
    """

    def __init__(self, device):
        self.process = WorkerProcess(device)
        self.settings = self.initializer = None
        self.execution = self.deadline = None
        self.shutting_down = False
        self.has_slot = False
        self.held = Held()
        self._files_token = None  # the call for which `held` was compared with the files

    @property
    def device(self):
        """The device of its process."""
        return self.process.device

    def begin(self, attempt):
        """Prepare the process for an attempt, and send it."""
        channel, options = self.process.channel, attempt.options
        if self.settings != options.settings:
            self.settings = options.settings
            channel.send(options.settings)
        if self.initializer != options.initializer:
            self.initializer = options.initializer
            channel.send(options.initializer)
        self.deadline = None
        self.held.is_unexplained |= not options.is_journaled
        attempt.held = self.held
        self.execution = Execution(attempt)
        self.process.progress.reset()
        channel.send(attempt.message())

    def is_fit_for(self, options):
        """Return whether the process may run attempts of a session.

        A process in which another initializer has run, or that holds modules of the user's in an
        older state than their files have now, may not.
        """
        return self.initializer in (None, options.initializer) and self._is_current(options)

    def _is_current(self, options):
        if self._files_token is options.files_token:
            return True
        self._files_token = options.files_token
        if options.is_journaled and self.held.is_unexplained:
            # What an earlier task has imported by a computed name, no key knows.
            return not (self.held.has_users_modules() or self.held.is_stale())
        return not self.held.is_stale()

    def end_execution(self):
        """Forget the attempt, which is over."""
        self.execution = None

    def next_deadline(self):
        """Return when to look at the worker again, or None."""
        return self.deadline if self.execution is None else self.execution.deadline
