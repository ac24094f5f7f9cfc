"""The workers of a pool: who is idle, who has to leave, and what is heard of each.

All of it belongs to the pool's dispatcher thread.
"""

import contextlib
import functools
import selectors
import time

from skextra.parallel._engines._processes._worker_process import Worker
from skextra.parallel._worker._device import Slots

# A worker that was asked to leave and has not after this long is killed.
LEAVING_SECONDS = 1


class Crew:
    """Worker processes, kept warm between runs.

    Parameters
    ----------
    idle_seconds : float
        After this long without a run a worker leaves.
    on_message, on_exit : callable
        Called with a worker that has said something, or is gone.
    """

    def __init__(self, idle_seconds, on_message, on_exit):
        self.idle_seconds = idle_seconds
        self.workers = set()
        self.selector = selectors.DefaultSelector()
        self._idle = []  # the one that ran last is at the end, and goes first
        self._slots = Slots()
        self._on_message, self._on_exit = on_message, on_exit

    def has_room(self, session):
        """Whether one more run of a session may begin."""
        if len(session.workers) >= session.n_workers:
            return False
        return session.devices is None or self._device_for(session) is not None

    def assign(self, session, run):
        """Give a run to an idle worker or a new one, and return that."""
        device = self._device_for(session)
        worker = self._idle_worker(session, device) or self._new_worker(device)
        worker.deadline = None
        if worker.settings != session.settings:
            worker.settings = session.settings
            worker.channel.send(session.settings)
        if worker.initializer != session.initializer:
            worker.initializer = session.initializer
            worker.channel.send(session.initializer)
        session.workers.add(worker)
        if worker.device is not None:
            worker.has_slot = True
            self._slots.take(worker.device)
        worker.assign(session, run)
        self._listen(worker)
        return worker

    def keep(self, worker):
        """Have a worker that has ended its run wait for another."""
        self.free_slot(worker)
        if not worker.leaving:
            worker.deadline = time.monotonic() + self.idle_seconds
            self._idle.append(worker)

    def dismiss(self, worker):
        """Ask a worker that has nothing to do to leave."""
        if worker in self._idle:
            self._idle.remove(worker)
        if not worker.leaving:
            worker.leave()
            self._listen(worker)
        worker.deadline = time.monotonic() + LEAVING_SECONDS

    def dismiss_idle(self):
        """Ask all to leave that have nothing to do."""
        for worker in list(self._idle):
            self.dismiss(worker)

    def free_slot(self, worker):
        """Let others have the device of a worker that has ended its run, or itself."""
        if worker.has_slot:
            worker.has_slot = False
            self._slots.free(worker.device)

    def deafen(self, worker):
        """Listen no more to a worker that speaks no sense, or no more."""
        with contextlib.suppress(KeyError, ValueError):
            self.selector.unregister(worker.channel)

    def remove(self, worker):
        """Forget a worker that is gone, and return its exit code."""
        if worker in self._idle:
            self._idle.remove(worker)
        self.workers.discard(worker)
        self.deafen(worker)
        with contextlib.suppress(KeyError):
            self.selector.unregister(worker.sentinel)
        exit_code = worker.close()
        self.free_slot(worker)
        return exit_code

    def next_deadline(self):
        """Return when somebody has to be looked at, or None."""
        return min((w.deadline for w in self.workers if w.deadline is not None), default=None)

    def check_deadlines(self):
        """Have those leave who are idle for long, and kill those who take too long."""
        now = time.monotonic()
        for worker in list(self.workers):
            if worker.deadline is None or worker.deadline > now:
                continue
            if worker.run is not None:
                worker.check_time(now)
            elif worker.leaving:
                worker.kill()
                worker.deadline = None
            else:
                self.dismiss(worker)

    def _device_for(self, session):
        if session.devices is None:
            return None
        return self._slots.choose(session.devices, session.tasks_per_device)

    def _idle_worker(self, session, device):
        candidates = [worker for worker in self._idle if worker.device == device]
        for worker in candidates[::-1]:
            if worker.initializer in (None, session.initializer) and _is_current(worker, session):
                self._idle.remove(worker)
                return worker
        for worker in candidates:  # another initializer has run in these, or older code
            self.dismiss(worker)
        return None

    def _new_worker(self, device):
        worker = Worker(device)
        self.workers.add(worker)
        on_exit = functools.partial(self._on_exit, worker)
        self.selector.register(worker.sentinel, selectors.EVENT_READ, lambda events: on_exit())
        hear = functools.partial(self._hear, worker)
        self.selector.register(worker.channel, selectors.EVENT_READ, hear)
        return worker

    def _hear(self, worker, events):
        if events & selectors.EVENT_WRITE:
            self._listen(worker)
        if events & selectors.EVENT_READ:
            self._on_message(worker)

    def _listen(self, worker):
        """Send what is left to send, and be told when more can be."""
        events = selectors.EVENT_READ
        if not worker.channel.flush():
            events |= selectors.EVENT_WRITE
        with contextlib.suppress(KeyError, ValueError):  # it is not listened to any more
            key = self.selector.get_key(worker.channel)
            if key.events != events:
                self.selector.modify(worker.channel, events, key.data)


def _is_current(worker, session):
    """Whether a worker holds the modules of the user's as their files are in this call."""
    if worker.files_token is session.files_token:
        return True
    worker.files_token = session.files_token
    if session.recorder is not None and worker.held.is_unexplained:
        # What an earlier task has imported by a computed name, no key knows.
        return not (worker.held.has_users_modules() or worker.held.is_stale())
    return not worker.held.is_stale()
