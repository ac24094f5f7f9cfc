"""The pool: which worker runs which task, and what happens when one dies.

One thread, the dispatcher, owns all of this state. Other threads only post commands to it, so
there are no locks on the way of a task, and it waits neither for a worker nor for the caller.
"""

import collections
import contextlib
import os
import selectors
import signal
import threading
import time
from multiprocessing import util

from skextra.parallel._engines._processes._channel import drain
from skextra.parallel._engines._processes._out_of_memory import oom_kills
from skextra.parallel._engines._processes._worker_process import forget_server, stop_server
from skextra.parallel._engines._processes._worker_set import LEAVING_SECONDS, Crew
from skextra.parallel._errors import Death, WorkerCrashError
from skextra.parallel._messages import ERROR, NOT_READY, PARTIAL, WITNESS, unpack
from skextra.parallel._scheduling._session import Session

IDLE_SECONDS = 300
# A run that is to be alone waits so long for those of others, and they then so long for it.
PATIENCE_SECONDS = 60


class Pool:
    """Worker processes, kept warm between calls, and the thread that looks after them.

    Parameters
    ----------
    idle_seconds : float
        After this long without a task a worker leaves.
    """

    def __init__(self, idle_seconds=IDLE_SECONDS):
        self._crew = Crew(idle_seconds, self._on_message, self._on_exit)
        self._waiting = {}  # the sessions with runs that wait, in order: a set that keeps it
        self._lone = None  # the worker whose run is to have the machine for itself
        self._lone_since = None  # when that began, or began to wait
        self._oom_kills = oom_kills()
        self._commands = collections.deque()
        self._closing = False
        self._over = False  # nobody runs commands any more
        self._wake_reader, self._wake_writer = os.pipe()
        for fd in (self._wake_reader, self._wake_writer):
            os.set_blocking(fd, False)
        self._crew.selector.register(self._wake_reader, selectors.EVENT_READ, self._on_wake)
        self._thread = threading.Thread(target=self._run, name="skextra-dispatcher", daemon=True)
        self._thread.start()

    @property
    def workers(self):
        """The worker processes."""
        return self._crew.workers

    @property
    def usable(self):
        """Whether a session can be opened: not while or after the pool ends."""
        return self._thread.is_alive() and not self._closing

    def open_session(self, n_workers, settings, initializer, on_callback_error, **options):
        """Return a session; it costs nothing before its first task."""
        return Session(self, n_workers, settings, initializer, on_callback_error, **options)

    def post(self, command, *args, wake=True):
        """Have the dispatcher call a method of this pool, now or when it wakes anyway."""
        self._commands.append((command, args))
        if wake:
            with contextlib.suppress(BlockingIOError):  # full: it will wake anyway
                os.write(self._wake_writer, b".")
        if self._over:
            self._run_commands()

    def shutdown(self):
        """End every worker, busy or not, and the dispatcher."""
        self._closing = True
        self.post(self._end_workers)
        self._thread.join(2 * LEAVING_SECONDS)
        for worker in list(self.workers):  # it is stuck
            worker.kill()

    # From here on everything runs in the dispatcher thread.

    def _run(self):
        try:
            while self.workers or not self._closing:
                self._run_commands()
                self._assign()
                if self._commands:
                    continue
                for key, events in self._crew.selector.select(self._seconds_left()):
                    key.data(events)
                self._crew.check_deadlines()
        except BaseException as error:
            # A mistake in this file, or no memory. Nobody may be left waiting.
            self._fail_everything(error)
            raise
        finally:
            self._closing = self._over = True
            self._run_commands()
            self._crew.selector.close()

    def _run_commands(self):
        while True:
            try:
                command, args = self._commands.popleft()
            except IndexError:
                return
            command(*args)

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
            run.recover(worker.progress)  # for the journal
            session.cancel(run.task)
            worker.leaving = True
            worker.kill()
        session.end()

    def _end_workers(self):
        busy = {worker.session for worker in self.workers if worker.session is not None}
        for session in busy.union(self._waiting):
            self.end_session(session)
        self._crew.dismiss_idle()

    def _assign(self):
        """Give waiting runs to workers, as many as each session may have."""
        alone = next((session for session in self._waiting if session.pending_alone), None)
        if self._lone is None:
            self._lone_since = None if alone is None else self._lone_since or time.monotonic()
            if alone is not None:
                self._begin_alone(alone)
        for session in list(self._waiting):
            if not self._waits_for_lone(session, alone):
                while session.pending and self._crew.has_room(session):
                    self._begin(session, session.pending.popleft())
            if not session.pending and not session.pending_alone:
                self._waiting.pop(session, None)

    def _begin_alone(self, session):
        """Begin a run that is to have the machine for itself, if it can have it.

        It has to wait for those that run already, but not for ever: they may be long, and those
        of another session may even wait for what does not begin meanwhile.
        """
        is_busy = any(worker.run is not None for worker in self.workers)
        if (is_busy and not self._out_of_patience()) or not self._crew.has_room(session):
            return
        while session.pending_alone and self._lone is None:
            self._lone = self._begin(session, session.pending_alone.popleft())
        self._lone_since = time.monotonic()

    def _waits_for_lone(self, session, alone):
        """Whether no run of a session may begin, for the sake of one that is to be alone."""
        if self._lone_since is None:
            return False
        owner = alone if self._lone is None else self._lone.session
        return session is owner or not self._out_of_patience()

    def _out_of_patience(self):
        return time.monotonic() >= self._lone_since + PATIENCE_SECONDS

    def _begin(self, session, run):
        """Give a run to a worker and return it; None if that cannot be."""
        if run.task.done:
            return None
        if run.message() is None:
            session.finish(run.task)
            return None
        try:
            return self._crew.assign(session, run)
        except Exception as error:
            failure = WorkerCrashError(f"A worker process could not start: {error!r}.")
            failure.__cause__ = error
            session.finish(run.task, failure)
            return None

    def _release(self, worker):
        if worker is self._lone:
            self._lone = self._lone_since = None
        return worker.release()

    def _on_wake(self, events):
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_reader, 65536)

    def _on_message(self, worker):
        if worker.channel.closed:  # its exit came first in the same round
            return
        try:
            messages = worker.channel.receive()
        except BlockingIOError:
            return
        except (EOFError, OSError):
            # Closed, or a message broken off: it is dead or as good as. Its sentinel follows.
            self._crew.deafen(worker)
            worker.kill()
            return
        for message in messages:
            self._take(worker, message)

    def _take(self, worker, message):
        if message[:1] == WITNESS:
            worker.held.update(unpack(message))
            return
        if worker.run is None:  # its session was closed meanwhile
            return
        kind = message[:1]
        if kind == PARTIAL:
            worker.n_announced = int.from_bytes(message[1:], "little")
            return
        worker.run.recover(worker.progress)
        if worker.n_announced is not None:
            worker.run.answer(message, worker.n_announced)
            worker.n_announced = None
            return
        session, run = self._release(worker)
        if kind == NOT_READY:
            self._crew.free_slot(worker)
            worker.leaving = True
            self._crew.dismiss(worker)
            message, kind = message[1:], ERROR
        else:
            self._crew.keep(worker)
        run.answer(message)
        session.note_time(len(run.indices), worker.progress.seconds)
        self._assign()  # first, so that the worker need not wait for joblib
        if run.task.complete or kind == ERROR:
            session.finish(run.task)

    def _on_exit(self, worker):
        worker.leaving = True
        for message in drain(worker.channel):
            self._take(worker, message)
        exit_code = self._crew.remove(worker)
        if worker.run is None:
            return
        session, run = self._release(worker)
        run.recover(worker.progress)
        position = run.position(worker.progress)
        if worker.overdue is not None and worker.overdue != position:
            position = None  # the call that took too long has ended, and this one had just begun
        try:
            session.lose(run, position, self._death(worker, exit_code))
        except Exception as error:  # of something of the user's, in describing it for example
            session.finish(run.task, error)
        if session.pending or session.pending_alone:
            self._waiting[session] = None

    def _death(self, worker, exit_code):
        overdue, out_of_memory = worker.overdue is not None, False
        if exit_code == -signal.SIGKILL and not overdue and self._oom_kills is not None:
            before, self._oom_kills = self._oom_kills, oom_kills()
            out_of_memory = self._oom_kills is not None and self._oom_kills > before
        return Death(exit_code, overdue, out_of_memory, worker.stderr.tail())

    def _seconds_left(self):
        deadlines = [self._crew.next_deadline()]
        if self._lone_since is not None and not self._out_of_patience():
            deadlines.append(self._lone_since + PATIENCE_SECONDS)
        deadlines = [deadline for deadline in deadlines if deadline is not None]
        return max(0, min(deadlines) - time.monotonic()) if deadlines else None

    def _fail_everything(self, error):
        self._closing = True
        for worker in list(self.workers):
            if worker.run is not None:
                session, run = worker.release()
                session.finish(run.task, error)
            worker.kill()
        for session in self._waiting:
            session.end(error)
        for worker in list(self.workers):
            with contextlib.suppress(Exception):
                self._crew.remove(worker)


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
