"""The scheduler: which attempt runs when, and what happens after each has ended.

One thread, the dispatcher, owns all of this state. Other threads only post commands to it, so
that there are no locks on the way of a task, and it waits neither for a worker nor for the caller.
"""

import collections
import contextlib
import threading

from skextra.parallel._engines import Ended
from skextra.parallel._errors import WorkerCrashError
from skextra.parallel._scheduling._exclusive_turn import ExclusiveTurn

# A worker that is asked to end may take one second, and the dispatcher one more.
_SHUTDOWN_SECONDS = 2


class Scheduler:
    """Starts the attempts of all sessions on an engine.

    Parameters
    ----------
    engine : Engine
        What runs them. The scheduler closes it.
    """

    def __init__(self, engine):
        self.engine = engine
        self._waiting = {}  # the sessions with waiting attempts, in order: an ordered set
        self._session_of = {}  # by attempt that runs
        self._turn = ExclusiveTurn()
        self._commands = collections.deque()
        self._closing = False
        self._over = False  # the dispatcher runs no more commands
        self._thread = threading.Thread(target=self._run, name="skextra-dispatcher", daemon=True)
        self._thread.start()

    @property
    def usable(self):
        """Whether a session can be opened: not during or after a shutdown."""
        return self._thread.is_alive() and not self._closing

    def post(self, command, *args, wake=True):
        """Make the dispatcher call a method, now or, without `wake`, when it wakes anyway."""
        self._commands.append((command, args))
        if wake:
            self.engine.wake()
        if self._over:
            self._run_commands()

    def shut_down(self):
        """End every worker, busy or not, and the dispatcher."""
        self._closing = True
        self.post(self._end_everything)
        self._thread.join(_SHUTDOWN_SECONDS)
        if self._thread.is_alive():
            self.engine.kill_all()

    # From here on everything runs in the dispatcher thread.

    def _run(self):
        try:
            while self.engine.has_workers or not self._closing:
                self._run_commands()
                self._start_attempts()
                if self._commands:
                    continue
                for event in self.engine.poll(self._turn.seconds_left()):
                    self._handle(event)
                    del event  # with its arrays, before the next wait
        except BaseException as error:
            # A mistake in this package, or no memory. Nobody may be left waiting.
            self._fail_everything(error)
            raise
        finally:
            self._closing = self._over = True
            self._run_commands()
            self.engine.close()

    def _run_commands(self):
        while True:
            try:
                command, args = self._commands.popleft()
            except IndexError:
                return
            command(*args)

    def enqueue(self, session, attempt):
        """Queue an attempt, or cancel it if its session is closed."""
        if session.closed or self._closing:
            session.cancel(attempt.batch)
            return
        (session.pending_exclusive if attempt.exclusive else session.pending).append(attempt)
        self._waiting[session] = None

    def end_session(self, session):
        """Forget a session: kill its workers, which run what nobody waits for any more."""
        self._waiting.pop(session, None)
        for attempt in list(session.running):
            self._release(attempt)
            self.engine.cancel(attempt)
            session.cancel(attempt.batch)
        session.end()

    def _end_everything(self):
        for session in {*self._session_of.values(), *self._waiting}:
            self.end_session(session)
        self.engine.shut_down()

    def _start_attempts(self):
        """Start as many waiting attempts as each session may have."""
        first = next((session for session in self._waiting if session.pending_exclusive), None)
        self._turn.request(first)
        if first is not None and self._turn.attempt is None:
            self._start_exclusive(first)
        for session in list(self._waiting):
            if not self._turn.holds_back(session):
                while session.pending and self._has_room(session):
                    self._start(session, session.pending.popleft())
            if not session.is_waiting:
                self._waiting.pop(session, None)

    def _has_room(self, session):
        if len(session.running) >= session.n_workers:
            return False
        return self.engine.has_room(session.options)

    def _start_exclusive(self, session):
        """Start an exclusive attempt, if nothing else runs or it has waited long enough."""
        is_busy = bool(self._session_of)
        if (is_busy and not self._turn.is_out_of_patience()) or not self._has_room(session):
            return
        while session.pending_exclusive:
            attempt = session.pending_exclusive.popleft()
            if self._start(session, attempt):
                self._turn.begin(attempt)
                return

    def _start(self, session, attempt):
        """Start an attempt; return False, its batch finished, if that is impossible."""
        if attempt.batch.done:
            return False
        if attempt.message() is None:
            session.finish(attempt.batch)
            return False
        try:
            self.engine.start(attempt)
        except Exception as error:
            failure = WorkerCrashError(f"A worker process could not start: {error!r}.")
            failure.__cause__ = error
            session.finish(attempt.batch, failure)
            return False
        session.running.add(attempt)
        self._session_of[attempt] = session
        return True

    def _release(self, attempt):
        """Return the session of an attempt that runs no more."""
        session = self._session_of.pop(attempt)
        session.running.discard(attempt)
        self._turn.end(attempt)
        return session

    def _handle(self, event):
        attempt = event.attempt
        session = self._release(attempt)
        if isinstance(event, Ended):
            session.handle_end(len(attempt.indices), event.seconds)
            self._start_attempts()  # first, so that the worker need not wait for joblib
            if attempt.batch.complete or event.failed:
                session.finish(attempt.batch)
            return
        try:
            session.handle_death(attempt, event.position, event.death)
        except Exception as error:  # of something of the user's, in describing it for example
            session.finish(attempt.batch, error)
        if session.is_waiting:
            self._waiting[session] = None

    def _fail_everything(self, error):
        self._closing = True
        for attempt in list(self._session_of):
            self._release(attempt).finish(attempt.batch, error)
        for session in self._waiting:
            session.end(error)
        with contextlib.suppress(Exception):
            self.engine.kill_all()
