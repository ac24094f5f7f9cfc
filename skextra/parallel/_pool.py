"""The pool: which worker runs which task, and what happens when one dies.

One thread, the dispatcher, owns all of this state. Other threads only post commands to it, so
there are no locks on the way of a task, and it runs nothing that could hold it up.
"""

import collections
import contextlib
import functools
import os
import selectors
import signal
import threading
import time
from multiprocessing import util

from skextra.parallel._devices import Slots
from skextra.parallel._errors import Death, WorkerCrashError
from skextra.parallel._memory import oom_kills
from skextra.parallel._messages import ERROR, NOT_READY, PARTIAL, unpack, unpack_error
from skextra.parallel._process import Worker, forget_server, stop_server
from skextra.parallel._session import Session

IDLE_SECONDS = 300
# A worker that was asked to leave and has not after this long is killed.
LEAVING_SECONDS = 1


class Pool:
    """Worker processes, kept warm between calls, and the thread that looks after them.

    Parameters
    ----------
    idle_seconds : float
        After this long without a task a worker leaves.
    """

    def __init__(self, idle_seconds=IDLE_SECONDS):
        self.idle_seconds = idle_seconds
        self.workers = set()
        self._idle = []  # the one that ran last is at the end, and goes first
        self._waiting = {}  # the sessions with runs that wait, in order: a set that keeps it
        self._lone = None  # the worker whose run is to have the machine for itself
        self._oom_kills = oom_kills()
        self._slots = Slots()
        self._commands = collections.deque()
        self._closing = False
        self._selector = selectors.DefaultSelector()
        self._wake_reader, self._wake_writer = os.pipe()
        for fd in (self._wake_reader, self._wake_writer):
            os.set_blocking(fd, False)
        self._selector.register(self._wake_reader, selectors.EVENT_READ, self._on_wake)
        self._thread = threading.Thread(target=self._run, name="skextra-dispatcher", daemon=True)
        self._thread.start()

    @property
    def usable(self):
        """Whether a session can be opened: not while or after the pool ends."""
        return self._thread.is_alive() and not self._closing

    def open_session(self, n_workers, settings, initializer, on_callback_error, **options):
        """Return a session; it costs nothing before its first task."""
        return Session(self, n_workers, settings, initializer, on_callback_error, **options)

    def post(self, command, *args):
        """Have the dispatcher call a method of this pool."""
        self._commands.append((command, args))
        with contextlib.suppress(BlockingIOError):  # full: it will wake anyway
            os.write(self._wake_writer, b".")

    def shutdown(self):
        """End every worker, busy or not, and the dispatcher."""
        self._closing = True
        self.post(self._end_workers)
        self._thread.join(2 * LEAVING_SECONDS)
        for worker in list(self.workers):  # it is stuck writing to one that does not read
            worker.kill()

    # From here on everything runs in the dispatcher thread.

    def _run(self):
        try:
            while self.workers or not self._closing:
                while self._commands:
                    command, args = self._commands.popleft()
                    command(*args)
                self._assign()
                if self._commands:
                    continue
                for key, _ in self._selector.select(self._next_deadline()):
                    key.data()
                self._check_deadlines()
        except BaseException as error:
            # A mistake in this file, or no memory. Nobody may be left waiting.
            self._fail_everything(error)
            raise
        finally:
            self._selector.close()

    def enqueue(self, session, run):
        """Take a run; one of a closed session is told at once that it will not be."""
        if session.closed or self._closing:
            session.cancel(run.task)
            return
        session.pending.append(run)
        self._waiting[session] = None

    def end_session(self, session):
        """Forget a session: kill its workers, which run what nobody waits for any more."""
        self._waiting.pop(session, None)
        for worker in list(session.workers):
            _, run = self._release(worker)
            session.cancel(run.task)
            worker.leaving = True
            worker.kill()
        session.end()

    def _end_workers(self):
        busy = {worker.session for worker in self.workers if worker.session is not None}
        for session in busy.union(self._waiting):
            self.end_session(session)
        while self._idle:
            self._dismiss(self._idle.pop())

    def _assign(self):
        """Give waiting runs to workers, as many as each session may have.

        While a run waits that is to be alone, no other begins; it begins when all have ended.
        """
        if self._lone is not None:
            return
        lone = [session for session in self._waiting if session.pending_alone]
        for session in lone:
            while session.pending_alone and self._lone is None:
                if any(worker.run is not None for worker in self.workers):
                    return
                if not self._has_room(session):
                    return
                self._lone = self._begin(session, session.pending_alone.popleft())
            self._stop_waiting(session)
        if self._lone is not None:
            return
        for session in list(self._waiting):
            while session.pending and self._has_room(session):
                self._begin(session, session.pending.popleft())
            self._stop_waiting(session)

    def _has_room(self, session):
        """Whether one more run of a session may begin."""
        if len(session.workers) >= session.n_workers:
            return False
        return session.devices is None or self._device_for(session) is not None

    def _device_for(self, session):
        if session.devices is None:
            return None
        return self._slots.choose(session.devices, session.tasks_per_device)

    def _free_slot(self, worker):
        """Let others have the device of a worker that has ended its run, or itself."""
        if worker.has_slot:
            worker.has_slot = False
            self._slots.free(worker.device)

    def _stop_waiting(self, session):
        if not session.pending and not session.pending_alone:
            self._waiting.pop(session, None)

    def _begin(self, session, run):
        """Give a run to a worker and return it; None if that cannot be."""
        if run.task.done:
            return None
        if run.message() is None:
            session.finish(run.task)
            return None
        try:
            worker = self._worker_for(session)
        except Exception as error:
            failure = WorkerCrashError(f"A worker process could not start: {error!r}.")
            failure.__cause__ = error
            session.finish(run.task, failure)
            return None
        session.workers.add(worker)
        if worker.device is not None:
            worker.has_slot = True
            self._slots.take(worker.device)
        worker.assign(session, run)
        return worker

    def _release(self, worker):
        if worker is self._lone:
            self._lone = None
        return worker.release()

    def _worker_for(self, session):
        """Return an idle worker or a new one, prepared for a session's tasks."""
        device = self._device_for(session)
        candidates = [worker for worker in self._idle if worker.device == device]
        fitting = [w for w in candidates if w.initializer in (None, session.initializer)]
        if fitting:
            worker = fitting[-1]
            self._idle.remove(worker)
        else:
            for worker in candidates:  # another initializer has run in these
                self._idle.remove(worker)
                self._dismiss(worker)
            worker = Worker(device)
            self.workers.add(worker)
            for file, handle in (
                (worker.connection, self._on_message),
                (worker.sentinel, self._on_exit),
            ):
                self._selector.register(
                    file, selectors.EVENT_READ, functools.partial(handle, worker)
                )
        worker.deadline = None
        if worker.settings != session.settings:
            worker.settings = session.settings
            worker.send(session.settings)
        if worker.initializer != session.initializer:
            worker.initializer = session.initializer
            worker.send(session.initializer)
        return worker

    def _on_wake(self):
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_reader, 65536)

    def _on_message(self, worker):
        if worker.connection.closed:  # its exit came first in the same round
            return
        try:
            message = worker.receive()
        except (EOFError, OSError):
            # Closed, or a message broken off: it is dead or as good as. Its sentinel follows.
            self._selector.unregister(worker.connection)
            worker.kill()
            return
        if worker.run is None:  # its session was closed meanwhile
            return
        kind = message[:1]
        if kind == PARTIAL:
            worker.n_announced = int.from_bytes(message[1:], "little")
            return
        if worker.n_announced is not None:
            worker.run.answer(message, worker.n_announced)
            worker.n_announced = None
            return
        session, run = self._release(worker)
        self._free_slot(worker)
        if kind == NOT_READY:
            worker.leaving = True
            session.finish(run.task, unpack_error(unpack(message)))
            return
        run.answer(message)
        if not worker.leaving:
            worker.deadline = time.monotonic() + self.idle_seconds
            self._idle.append(worker)
        self._assign()  # first, so that the worker need not wait for joblib
        if run.task.complete or kind == ERROR:
            session.finish(run.task)

    def _on_exit(self, worker):
        worker.leaving = True
        while self._has_message(worker):  # what it managed to say before
            self._on_message(worker)
        if worker in self._idle:
            self._idle.remove(worker)
        self.workers.discard(worker)
        for file in (worker.connection, worker.sentinel):
            with contextlib.suppress(KeyError):
                self._selector.unregister(file)
        exit_code = worker.close()
        self._free_slot(worker)
        if worker.run is None:
            return
        session, run = self._release(worker)
        position = run.recover(worker.progress)
        if worker.overdue is not None and worker.overdue != position:
            position = None  # the call that took too long has ended, and this one had just begun
        session.lose(run, position, self._death(worker, exit_code))
        if session.pending or session.pending_alone:
            self._waiting[session] = None

    def _death(self, worker, exit_code):
        overdue, out_of_memory = worker.overdue is not None, False
        if exit_code == -signal.SIGKILL and not overdue and self._oom_kills is not None:
            before, self._oom_kills = self._oom_kills, oom_kills()
            out_of_memory = self._oom_kills is not None and self._oom_kills > before
        return Death(exit_code, overdue, out_of_memory, worker.stderr.tail())

    def _has_message(self, worker):
        try:
            return worker.connection in self._selector.get_map() and worker.connection.poll()
        except OSError:
            return False

    def _dismiss(self, worker):
        worker.leave()
        worker.deadline = time.monotonic() + LEAVING_SECONDS

    def _next_deadline(self):
        deadlines = [w.deadline for w in self.workers if w.deadline is not None]
        return max(0, min(deadlines) - time.monotonic()) if deadlines else None

    def _check_deadlines(self):
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
                self._idle.remove(worker)
                self._dismiss(worker)

    def _fail_everything(self, error):
        self._closing = True
        for worker in self.workers:
            worker.kill()
            if worker.run is not None:
                worker.session.finish(worker.run.task, error)
        for session in self._waiting:
            session.end()


_pool = None
_pool_lock = threading.Lock()
_exiting = False


def get_pool():
    """Return the pool of this process, which all calls share."""
    global _pool
    with _pool_lock:
        if _exiting:
            raise RuntimeError("no worker process can be started while the interpreter exits")
        if _pool is None:
            # Before multiprocessing waits for the processes of this one, which are ours too.
            util.Finalize(None, _shutdown, exitpriority=100)
        if _pool is None or not _pool.usable:
            _pool = Pool()
        return _pool


def _shutdown():
    global _exiting
    _exiting = True
    _pool.shutdown()
    stop_server()


def _forget_after_fork():
    # The dispatcher and the workers belong to the parent, and a lock may be held there.
    global _pool, _pool_lock
    _pool, _pool_lock = None, threading.Lock()
    forget_server()


os.register_at_fork(after_in_child=_forget_after_fork)
