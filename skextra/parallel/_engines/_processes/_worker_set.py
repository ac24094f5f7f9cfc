"""The set of worker processes: which are idle, which are shutting down, and a selector over them.

Only the dispatcher thread may touch it.
"""

import contextlib
import functools
import selectors
import time

from skextra.parallel._engines._device_slots import DeviceSlots
from skextra.parallel._engines._preparation import choose_idle
from skextra.parallel._engines._processes._worker_state import Worker
from skextra.parallel._worker._nesting import nesting

# A worker that was asked to shut down and has not after so many seconds is killed.
SHUTDOWN_SECONDS = 1


class WorkerSet:
    """Worker processes, kept warm between attempts.

    Parameters
    ----------
    idle_seconds : float
        A worker shuts down after so many seconds without an attempt.
    on_channel : callable
        Called with a worker and the selector's events when its pipe can be read or written.
    on_exit : callable
        Called with a worker whose process has ended.

    Attributes
    ----------
    selector : selectors.BaseSelector
        Over the pipes and the sentinels of all workers. The data of a key is a function of the
        selector's events that returns an iterable.
    """

    def __init__(self, idle_seconds, on_channel, on_exit):
        self.workers = set()
        self.selector = selectors.DefaultSelector()
        self._idle_seconds = idle_seconds
        self._idle = []  # most recently used last: its caches are warm, so it is reused first
        self._most = 0  # workers at once so far; up to so many, one more replaces another
        self._slots = DeviceSlots()
        self._on_channel, self._on_exit = on_channel, on_exit

    def free_device(self, options):
        """Return a device with a free slot, None if there is none or no device is asked for."""
        if options.devices is None:
            return None
        return self._slots.choose(options.devices, options.tasks_per_device)

    def start(self, attempt):
        """Send an attempt to an idle worker or to a new one, and return that worker."""
        options = attempt.options
        device = self.free_device(options)
        worker = self._idle_worker(options, device) or self._new_worker(device)
        if device is not None:
            worker.has_slot = True
            self._slots.take(device)
        worker.begin(attempt)
        self.flush(worker)
        return worker

    def keep(self, worker):
        """Let a worker whose attempt has ended wait for the next attempt."""
        self.free_slot(worker)
        if worker.process.progress.has_grown:  # what its tasks use leaks: a new worker has it not
            self.shut_down(worker)
        elif not worker.shutting_down:
            worker.deadline = time.monotonic() + self._idle_seconds
            self._idle.append(worker)

    def shut_down(self, worker):
        """Ask a worker that runs nothing to end."""
        if worker in self._idle:
            self._idle.remove(worker)
        if not worker.shutting_down:
            worker.shutting_down = True
            worker.process.ask_to_end()
            self.flush(worker)
        worker.deadline = time.monotonic() + SHUTDOWN_SECONDS

    def shut_down_idle(self):
        """Ask all workers that run nothing to end."""
        for worker in list(self._idle):
            self.shut_down(worker)

    def free_slot(self, worker):
        """Free the device slot of a worker whose attempt, or process, has ended."""
        if worker.has_slot:
            worker.has_slot = False
            self._slots.free(worker.device)

    def stop_listening(self, worker):
        """Ignore the pipe of a worker that has closed it or writes no messages."""
        with contextlib.suppress(KeyError, ValueError):
            self.selector.unregister(worker.process.channel)

    def remove(self, worker):
        """Forget a worker whose process has ended, and return its exit code."""
        if worker in self._idle:
            self._idle.remove(worker)
        self.workers.discard(worker)
        self.stop_listening(worker)
        with contextlib.suppress(KeyError):
            self.selector.unregister(worker.process.sentinel)
        exit_code = worker.process.close()
        self.free_slot(worker)
        return exit_code

    def next_deadline(self):
        """Return when the first worker has to be looked at, or None."""
        deadlines = (worker.next_deadline() for worker in self.workers)
        return min((time for time in deadlines if time is not None), default=None)

    def check_deadlines(self):
        """Shut down workers that are idle for long; kill those whose call takes too long."""
        now = time.monotonic()
        for worker in list(self.workers):
            deadline = worker.next_deadline()
            if deadline is None or deadline > now:
                continue
            if worker.execution is not None:
                if worker.execution.is_overdue(worker.process.progress, now):
                    worker.process.kill()
            elif worker.shutting_down:
                worker.process.kill()
                worker.deadline = None
            else:
                self.shut_down(worker)

    def flush(self, worker):
        """Send what is left to send; have the selector say when the pipe takes the rest."""
        channel = worker.process.channel
        events = selectors.EVENT_READ
        if not channel.flush():
            events |= selectors.EVENT_WRITE
        with contextlib.suppress(KeyError, ValueError):  # the pipe is not listened to any more
            key = self.selector.get_key(channel)
            if key.events != events:
                self.selector.modify(channel, events, key.data)

    def _idle_worker(self, options, device):
        worker, unfit = choose_idle(self._idle, device, options)
        if worker is not None:
            self._idle.remove(worker)
        for other in unfit:
            self.shut_down(other)
        return worker

    def _new_worker(self, device):
        if len(self.workers) >= self._most:
            nesting().count_start()
            self._most = len(self.workers) + 1
        worker = Worker(device)
        self.workers.add(worker)
        process = worker.process
        on_exit = functools.partial(self._on_exit, worker)
        self.selector.register(process.sentinel, selectors.EVENT_READ, lambda events: on_exit())
        on_channel = functools.partial(self._on_channel, worker)
        self.selector.register(process.channel, selectors.EVENT_READ, on_channel)
        return worker
