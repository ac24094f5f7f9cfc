"""The pool: which worker runs which task, and what happens when one dies.

One thread, the dispatcher, owns all of this state. Other threads only post commands to it, so
there are no locks on the way of a task, and it runs nothing that could hold it up.
"""

import collections
import contextlib
import functools
import os
import selectors
import threading
import time
from multiprocessing import util

from skextra.parallel._errors import WorkerCrashError
from skextra.parallel._messages import NOT_READY, unpack, unpack_error
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
        self._waiting = {}  # the sessions with tasks that wait, in order: a set that keeps it
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

    def open_session(self, n_workers, settings, initializer, on_callback_error):
        """Return a session; it costs nothing before its first task."""
        return Session(self, n_workers, settings, initializer, on_callback_error)

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

    def enqueue(self, session, task):
        """Take a task; one of a closed session is told at once that it will not run."""
        if session.closed or self._closing:
            session.cancel(task)
            return
        session.pending.append(task)
        self._waiting[session] = None

    def end_session(self, session):
        """Forget a session: kill its workers, which run what nobody waits for any more."""
        self._waiting.pop(session, None)
        for worker in session.workers:
            session.cancel(worker.task)
            worker.session = worker.task = None
            worker.leaving = True
            worker.kill()
        session.workers.clear()
        session.end()

    def _end_workers(self):
        busy = {worker.session for worker in self.workers if worker.session is not None}
        for session in busy.union(self._waiting):
            self.end_session(session)
        while self._idle:
            self._dismiss(self._idle.pop())

    def _assign(self):
        """Give waiting tasks to workers, as many as each session may have."""
        for session in list(self._waiting):
            while session.pending and len(session.workers) < session.n_workers:
                task = session.pending.popleft()
                message = task.message()
                if message is None:
                    session.finish(task)
                    continue
                try:
                    worker = self._worker_for(session)
                except Exception as error:
                    failure = WorkerCrashError(f"A worker process could not start: {error!r}.")
                    failure.__cause__ = error
                    session.finish(task, failure)
                    continue
                worker.session, worker.task = session, task
                session.workers.add(worker)
                worker.progress.value = -1
                worker.send(message)
            if not session.pending:
                del self._waiting[session]

    def _worker_for(self, session):
        """Return an idle worker or a new one, prepared for a session's tasks."""
        fitting = [w for w in self._idle if w.initializer in (None, session.initializer)]
        if fitting:
            worker = fitting[-1]
            self._idle.remove(worker)
        else:
            while self._idle:  # another initializer has run in these
                self._dismiss(self._idle.pop())
            worker = Worker()
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
            message = worker.connection.recv_bytes()
        except (EOFError, OSError):
            # Closed, or a message broken off: it is dead or as good as. Its sentinel follows.
            self._selector.unregister(worker.connection)
            worker.kill()
            return
        if worker.task is None:  # its session was closed meanwhile
            return
        session, task = worker.session, worker.task
        worker.session = worker.task = None
        session.workers.discard(worker)
        if message[:1] == NOT_READY:
            worker.leaving = True
            session.finish(task, unpack_error(unpack(message)))
            return
        task.answer(message)
        if not worker.leaving:
            worker.deadline = time.monotonic() + self.idle_seconds
            self._idle.append(worker)
        self._assign()  # first, so that the worker need not wait for joblib
        session.finish(task)

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
        progress = worker.progress.value
        exit_code = worker.close()
        session, task = worker.session, worker.task
        if task is not None:
            session.workers.discard(worker)
            session.lose(task, progress, exit_code)
            if session.pending:
                self._waiting[session] = None

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
            if worker.leaving:
                worker.kill()
                worker.deadline = None
            else:
                self._idle.remove(worker)
                self._dismiss(worker)

    def _fail_everything(self, error):
        self._closing = True
        for worker in self.workers:
            worker.kill()
            if worker.task is not None:
                worker.session.finish(worker.task, error)
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
