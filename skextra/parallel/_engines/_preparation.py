"""What a worker process was told and has imported, which decides what else it may run."""

from skextra._fingerprint._witness import Held


class Preparation:
    """What a worker process was told and has imported, in its whole life.

    Attributes
    ----------
    settings, initializer : buffer or None
        The messages that prepared the process last.
    thread_limits : tuple or None
        Those of the process, for its life: libraries read them once. None before its first task.
    held : Held
        Which modules of the user's the process has imported.
    """

    def __init__(self):
        self.settings = self.initializer = self.thread_limits = None
        self.held = Held()
        self._files_token = None  # the call for which `held` was compared with the files

    def fits(self, options):
        """Return whether the process may run attempts with these `SessionOptions`.

        A process in which another initializer has run, which has other thread limits, or which
        holds modules of the user's in an older state than their files have now, may not.
        """
        return (
            self.initializer in (None, options.initializer)
            and self.thread_limits in (None, options.thread_limits)
            and self._is_current(options)
        )

    def update(self, attempt):
        """Take note of an attempt that begins, and return the messages that prepare it."""
        options, messages = attempt.options, []
        if self.settings != options.settings:
            self.settings = options.settings
            self.thread_limits = options.thread_limits
            messages.append(options.settings)
        if self.initializer != options.initializer:
            self.initializer = options.initializer
            messages.append(options.initializer)
        self.held.is_unexplained |= not options.is_journaled
        attempt.held = self.held
        return messages

    def _is_current(self, options):
        if self._files_token is options.files_token:
            return True
        self._files_token = options.files_token
        if options.is_journaled and self.held.is_unexplained:
            # What an earlier task has imported by a computed name, no key knows.
            return not (self.held.has_users_modules() or self.held.is_stale())
        return not self.held.is_stale()


def choose_idle(idle, device, options):
    """Return an idle worker for attempts with these `SessionOptions`, and those in their way.

    Parameters
    ----------
    idle : list
        Idle workers, the most recently used last: its caches are warm.
    device : str or None
        The device that the worker is to have.
    options : SessionOptions
        Those of the attempts.

    Returns
    -------
    worker : object or None
        None if none fits.
    unfit : list
        Then those of the device, which hold another initializer, thread limits or older code.
    """
    candidates = [worker for worker in idle if worker.device == device]
    for worker in reversed(candidates):
        if worker.preparation.fits(options):
            return worker, []
    return None, candidates
