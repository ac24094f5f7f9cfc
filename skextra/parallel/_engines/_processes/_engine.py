"""The engine of Linux: a set of worker processes, and what each says on its pipe."""

import contextlib
import os
import selectors
import signal
import threading
import time

from skextra.parallel._engines._engine import Died, Ended, Engine
from skextra.parallel._engines._processes._channel import drain
from skextra.parallel._engines._processes._out_of_memory import oom_kills
from skextra.parallel._engines._processes._worker_set import WorkerSet
from skextra.parallel._errors import Death
from skextra.parallel._messages import ERROR, NOT_READY, PARTIAL, WITNESS, unpack

IDLE_SECONDS = 300


class ProcessEngine(Engine):
    """Runs attempts in worker processes of this machine, which stay warm between them.

    Parameters
    ----------
    idle_seconds : float, default=300
        A worker shuts down after so many seconds without an attempt.
    """

    def __init__(self, idle_seconds=IDLE_SECONDS):
        self._worker_set = WorkerSet(idle_seconds, self._on_channel, self._on_exit)
        self._worker_of = {}  # by attempt
        self._oom_kills = oom_kills()
        self._wake_lock = threading.Lock()  # another thread may wake an engine that closes
        self._wake_reader, self._wake_writer = os.pipe()
        for descriptor in (self._wake_reader, self._wake_writer):
            os.set_blocking(descriptor, False)
        self._worker_set.selector.register(self._wake_reader, selectors.EVENT_READ, self._on_wake)

    @property
    def workers(self):
        """The workers, a set."""
        return self._worker_set.workers

    @property
    def has_workers(self):
        """Whether a worker process still exists."""
        return bool(self.workers)

    def has_room(self, options):
        """Return whether a device has a free slot, if the call uses devices."""
        return options.devices is None or self._worker_set.free_device(options) is not None

    def start(self, attempt):
        """Send an attempt to an idle worker, or to a new one."""
        self._worker_of[attempt] = self._worker_set.start(attempt)

    def poll(self, timeout):
        """Wait for messages, deaths and deadlines; yield what they mean for attempts."""
        deadline = self._worker_set.next_deadline()
        if deadline is not None:
            left = max(0, deadline - time.monotonic())
            timeout = left if timeout is None else min(timeout, left)
        for key, events in self._worker_set.selector.select(timeout):
            yield from key.data(events)
        self._worker_set.check_deadlines()

    def cancel(self, attempt):
        """Kill the worker of an attempt that nobody waits for any more."""
        worker = self._worker_of.pop(attempt)
        worker.end_execution()
        attempt.recover(worker.process.progress.kept())
        worker.shutting_down = True
        worker.process.kill()

    def kill(self, attempt):
        """Kill the worker of an attempt."""
        worker = self._worker_of.get(attempt)
        if worker is not None:
            worker.process.kill()

    def wake(self):
        """Make a waiting `poll` return."""
        with self._wake_lock, contextlib.suppress(BlockingIOError):  # full: `poll` returns anyway
            if self._wake_writer is not None:
                os.write(self._wake_writer, b".")

    def shut_down(self):
        """Ask idle workers to end."""
        self._worker_set.shut_down_idle()

    def kill_all(self):
        """Kill every worker."""
        for worker in list(self.workers):
            worker.process.kill()

    def close(self):
        """Kill the workers that are left, and close the selector."""
        self.kill_all()
        for worker in list(self.workers):
            with contextlib.suppress(Exception):
                self._worker_set.remove(worker)
        self._worker_of.clear()
        self._worker_set.selector.close()
        with self._wake_lock:
            os.close(self._wake_reader)
            os.close(self._wake_writer)
            self._wake_writer = None

    def _on_wake(self, events):
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_reader, 65536)
        return ()

    def _on_channel(self, worker, events):
        """Yield what the messages of a worker mean for its attempt."""
        if events & selectors.EVENT_WRITE:
            self._worker_set.flush(worker)
        channel = worker.process.channel
        # The exit of the worker may have been handled first in the same round.
        if not events & selectors.EVENT_READ or channel.closed:
            return
        try:
            messages = channel.receive()
        except BlockingIOError:
            return
        except (EOFError, OSError):
            # The pipe is closed, or a message broke off: the worker is dead or as good as dead,
            # and its sentinel follows.
            self._worker_set.stop_listening(worker)
            worker.process.kill()
            return
        for message in messages:
            yield from self._on_message(worker, message)

    def _on_message(self, worker, message):
        if message[:1] == WITNESS:
            worker.preparation.held.update(unpack(message))
            return
        execution = worker.execution
        if execution is None:  # its attempt was cancelled meanwhile
            return
        kind, attempt = message[:1], execution.attempt
        if kind == PARTIAL:
            execution.n_announced = int.from_bytes(message[1:], "little")
            return
        attempt.recover(worker.process.progress.kept())
        if execution.n_announced is not None:
            attempt.answer(message, execution.n_announced)
            execution.n_announced = None
            return
        self._forget(worker)
        if kind == NOT_READY:
            worker.shutting_down = True
            self._worker_set.free_slot(worker)
            self._worker_set.shut_down(worker)
            message, kind = message[1:], ERROR
        else:
            self._worker_set.keep(worker)
        attempt.answer(message)
        yield Ended(attempt, worker.process.progress.seconds, kind == ERROR)

    def _on_exit(self, worker):
        """Take the last messages of a worker that has died; yield what its death means."""
        worker.shutting_down = True
        for message in drain(worker.process.channel):
            yield from self._on_message(worker, message)
        exit_code = self._worker_set.remove(worker)
        execution = worker.execution
        if execution is None:
            return
        self._forget(worker)
        attempt, progress = execution.attempt, worker.process.progress
        attempt.recover(progress.kept())
        position = attempt.position(progress.index)
        if execution.overdue is not None and execution.overdue != position:
            position = None  # the overdue call had just ended, and this one had just begun
        yield Died(attempt, position, self._death(worker, execution, exit_code))

    def _forget(self, worker):
        self._worker_of.pop(worker.execution.attempt, None)
        worker.end_execution()

    def _death(self, worker, execution, exit_code):
        overdue, out_of_memory = execution.overdue is not None, False
        if exit_code == -signal.SIGKILL and not overdue and self._oom_kills is not None:
            before, self._oom_kills = self._oom_kills, oom_kills()
            out_of_memory = self._oom_kills is not None and self._oom_kills > before
        return Death(exit_code, overdue, out_of_memory, worker.process.standard_error.tail())
