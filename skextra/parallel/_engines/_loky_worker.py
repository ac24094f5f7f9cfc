"""One worker of the loky engine: an executor of loky with one process."""

import contextlib
import os
import secrets
import signal
import threading
import time

from joblib.externals.loky import ProcessPoolExecutor
from joblib.externals.loky.backend import get_context

from skextra.parallel._engines._execution import Execution
from skextra.parallel._engines._preparation import Preparation
from skextra.parallel._joblib import end_executor, process_of
from skextra.parallel._worker._loky import run, start
from skextra.parallel._worker._progress import make_progress_file, map_progress_file

# After so long without an attempt loky ends a process whose engine no longer looks after it.
_ORPHANED_SECONDS = 600
# A process that was asked to end and has not after so many seconds is killed.
SHUTDOWN_SECONDS = 1
_SECONDS_BETWEEN_LOOKS = 0.005


class Worker:
    """An executor and its state; only the dispatcher thread touches it, except for `end`.

    Parameters
    ----------
    device : str or None
        The device that its tasks use, for the life of the worker.
    thread_limits : tuple
        The variables that libraries read when they are loaded.
    folder : str
        Where the file lies that the process shares with the engine.

    Attributes
    ----------
    preparation : Preparation
        What the process was told, and which modules of the user's it has imported.
    progress : Progress
        Memory that the process shares with the engine.
    execution : Execution or None
        What it runs; None if it is idle.
    deadline : float or None
        When an idle worker is to end, by the monotonic clock.
    is_ending : bool
        Whether `end` was called, or is about to be.
    gone : threading.Event
        Set when the process has ended.
    exit_code : int or None
        How it has ended.
    """

    def __init__(self, device, thread_limits, folder):
        self.device = device
        self.preparation = Preparation()
        self.execution = self.deadline = self.exit_code = None
        self.is_ending = self.has_slot = False
        self.gone = threading.Event()
        self._path = os.path.join(folder, secrets.token_hex(8))
        make_progress_file(self._path)
        self.progress = map_progress_file(self._path)
        self._process = None
        self._executor = ProcessPoolExecutor(
            max_workers=1,
            timeout=_ORPHANED_SECONDS,
            context=get_context("loky"),
            initializer=start,
            initargs=(os.getpid(), device),
            env=dict(thread_limits),
        )

    def begin(self, attempt):
        """Send an attempt to the process and return the future of its answer."""
        options = attempt.options
        self.preparation.update(attempt)
        self.execution = Execution(attempt)
        self.progress.reset()
        initializer = None if options.initializer is None else bytes(options.initializer)
        settings, message = bytes(options.settings), bytes(attempt.message())
        future = self._executor.submit(run, self._path, settings, initializer, message)
        self._process = process_of(self._executor)
        return future

    def next_deadline(self):
        """Return when to look at the worker again, or None."""
        return self.deadline if self.execution is None else self.execution.deadline

    @property
    def has_died(self):
        """Whether the process has ended; loky misses it if a fork of the process lives on."""
        return self._process is not None and self._process.exitcode is not None

    def end(self, kill):
        """End the process, at once or when it is idle, and wait until it is gone."""
        process = process_of(self._executor) or self._process
        end_executor(self._executor, kill)
        if process is not None:
            self.exit_code = _exit_code(process)
            if self.exit_code is None:
                process.kill()
                self.exit_code = _exit_code(process)
            if hasattr(os, "killpg"):  # the processes that it has started
                with contextlib.suppress(OSError):
                    os.killpg(process.pid, signal.SIGTERM)

    def close(self):
        """Free what a process that is gone has shared."""
        self.progress = None
        with contextlib.suppress(OSError):  # Windows: something still has it mapped
            os.unlink(self._path)


def _exit_code(process):
    """Wait a little for the exit code of a process, for which another thread waits as well."""
    deadline = time.monotonic() + SHUTDOWN_SECONDS
    while process.exitcode is None and time.monotonic() < deadline:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    return process.exitcode
