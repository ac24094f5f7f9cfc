"""A session: the attempts that one ``Parallel`` call has waiting, and how many may run at once."""

import collections
import threading
from dataclasses import dataclass, field, replace

from skextra.parallel._scheduling._attempt import Attempt
from skextra.parallel._scheduling._batch import Batch
from skextra.parallel._scheduling._call_durations import CallDurations
from skextra.parallel._scheduling._delivery import Delivery
from skextra.parallel._scheduling._prefix_queue import PrefixQueue
from skextra.parallel._scheduling._retries import after_death
from skextra.parallel._searches import takes_error_score

# How long an ended session waits for its last results to reach the journal, or, if the dispatcher
# is held up, for the dispatcher.
_WAIT_SECONDS = 1
# After memory ran out, one attempt more at once is tried when so many per worker have ended well.
_ATTEMPTS_BEFORE_MORE = 8


@dataclass(frozen=True)
class SessionOptions:
    """What an engine needs to know of the call that an attempt belongs to.

    Parameters
    ----------
    settings : bytes-like
        The pickled message that a worker applies before the session's first attempt:
        environment, directory, thread limits.
    initializer : bytes-like or None
        The pickled message with the caller's initializer. It runs once in a process, and a
        process in which another initializer has run is not used.
    thread_limits : tuple
        The variables that limit the threads of libraries. A process in which these were others is
        not used.
    max_retries : int
        How often a call is run again after its worker died. The last retry runs exclusively.
    task_timeout : float or None
        How many seconds a call may take.
    devices : tuple of str or None
        The devices that tasks use.
    tasks_per_device : int
        How many tasks may use a device at once.
    is_journaled : bool
        Whether results go to a journal.
    files_token : object
        Another one in each call: for each, an engine looks once whether the modules of the user's
        that a worker has imported are still what their files hold.
    """

    settings: object
    initializer: object = None
    thread_limits: tuple = ()
    max_retries: int = 2
    task_timeout: float | None = None
    devices: tuple | None = None
    tasks_per_device: int = 1
    is_journaled: bool = False
    files_token: object = field(default_factory=object)


class Session:
    """The attempts that one ``Parallel`` call has waiting at the scheduler.

    Parameters
    ----------
    scheduler : Scheduler
        The scheduler.
    n_workers : int
        How many attempts of this session may run at once.
    options : SessionOptions
        What its attempts need.
    delivery : Delivery
        What hands finished batches over.
    sharing : Store or None, default=None
        Where the large arrays among the arguments go.
    recorder : Recorder or None, default=None
        Finds results in the journal.
    shares_steps : bool, default=False
        Whether fits that share steps of pipelines are to follow one another.

    Attributes
    ----------
    durations : CallDurations
        How long its calls take.
    pending, pending_exclusive : deque of Attempt
        The attempts that wait. As `running`, they belong to the dispatcher thread.
    running : set of Attempt
        The attempts that an engine runs.
    """

    def __init__(
        self,
        scheduler,
        n_workers,
        options,
        delivery,
        sharing=None,
        recorder=None,
        shares_steps=False,
    ):
        self.scheduler = scheduler
        self.n_workers = self.max_workers = n_workers
        self.options = options
        self.durations = CallDurations()
        self.closed = False
        self.running = set()
        self.pending = PrefixQueue(self.running) if shares_steps else collections.deque()
        self.pending_exclusive = collections.deque()
        self._delivery = delivery
        self._sharing = sharing
        self._recorder = recorder
        self._ended = threading.Event()
        self._n_ended_well = 0  # since memory ran out

    @property
    def is_waiting(self):
        """Whether an attempt waits."""
        return bool(self.pending or self.pending_exclusive)

    def start_call(self, settings):
        """Prepare for the next call of the same ``Parallel``.

        Parameters
        ----------
        settings : bytes-like
            Those of that call: a task may have changed the directory or the environment.
        """
        self.durations.reset()
        self.n_workers = self.max_workers
        self.options = replace(self.options, settings=settings, files_token=object())

    def submit(self, calls, callback):
        """Queue a batch of calls and return it."""
        self._delivery.start()
        batch = Batch(calls, callback, self.options, self._sharing)
        indices = range(len(calls)) if self._recorder is None else self._look_up(batch)
        if batch.complete and calls:
            self.finish(batch)
            return batch
        attempt = Attempt(batch, indices)
        # So many are pickled ahead that no worker waits for it, and no more, for memory's sake.
        if len(self.pending) < self.n_workers:
            attempt.message()
        self.scheduler.post(self.scheduler.enqueue, self, attempt, wake=False)
        # If all its workers are busy, the dispatcher need not know before one of them is done. It
        # looks for commands after that, so that the question must come after the command.
        if len(self.running) < self.n_workers:
            self.scheduler.engine.wake()
        return batch

    def _look_up(self, batch):
        """Take what the journal has of a batch; return the indices of the other calls."""
        others = []
        for index, call in enumerate(batch.calls):
            entry, message = self._recorder.find(call)
            if message is not None:
                batch.answer([index], message)
                continue
            others.append(index)
            if entry is not None:
                batch.entries[index] = entry
        return others

    def finish(self, batch, error=None):
        """Hand over a batch whose outcome is known, an error or the answers that it has."""
        if batch.done:  # another attempt at it has failed before
            return
        batch.done = True
        if error is not None:
            batch.fail(error)
        self._delivery.put(batch)

    def handle_end(self, n_calls, seconds):
        """Learn from an attempt that has ended: how long calls take, and that memory suffices."""
        self.durations.record(n_calls, seconds)
        if self.n_workers < self.max_workers:
            self._n_ended_well += 1
            if self._n_ended_well >= _ATTEMPTS_BEFORE_MORE * self.n_workers:
                self.n_workers += 1
                self._n_ended_well = 0

    def handle_death(self, attempt, position, death):
        """Queue the calls of an attempt again whose worker died, or give them up.

        Parameters
        ----------
        attempt : Attempt
            The attempt; it knows the results that came.
        position : int or None
            The call that the worker was in; None if it was between two calls.
        death : Death
            How the worker died.
        """
        batch = attempt.batch
        if batch.done:
            return
        n_deaths = 0
        if position is not None:
            index = attempt.indices[position]
            n_deaths = batch.n_deaths[index] = batch.n_deaths.get(index, 0) + 1
            if death.out_of_memory:  # there was not enough memory for so many
                self.n_workers = max(1, self.n_workers - 1)
                self._n_ended_well = 0
        decision = after_death(attempt, position, death, n_deaths, self.options)
        for retry in reversed(decision.retries):
            waits_for_turn = retry.exclusive and not self.scheduler.engine.isolates_exclusive
            (self.pending_exclusive if waits_for_turn else self.pending).appendleft(retry)
        for index, error in decision.given_up:
            if takes_error_score(batch.calls[index]):
                batch.replace(index, error)
            else:
                self.finish(batch, error)
        if batch.complete:
            self.finish(batch)

    def cancel(self, batch, error=None):
        """Finish a batch that nobody waits for any more, or that nobody can run."""
        text = "The task was cancelled: the call it belongs to ended."
        self.finish(batch, error or RuntimeError(text))

    def close(self):
        """Make the scheduler forget the session: waiting attempts go, idle workers stay."""
        self.closed = True
        self.scheduler.post(self.scheduler.end_session, self)

    def abort(self):
        """Close the session, and return when the workers that run its attempts are killed."""
        self.close()
        if not self._ended.wait(_WAIT_SECONDS):
            # The dispatcher is held up, most likely by an argument that takes long to pickle.
            for attempt in list(self.running):
                self.scheduler.engine.kill(attempt)
        self.wait()

    def wait(self):
        """Wait until what has finished is in the journal."""
        self._delivery.wait_for_journal(_WAIT_SECONDS)

    def end(self, error=None):
        """Cancel what waits; the delivery ends when everything so far has been handed over."""
        for attempts in (self.pending, self.pending_exclusive):
            while attempts:
                self.cancel(attempts.popleft().batch, error)
        self._delivery.end()
        self._ended.set()


def open_session(
    scheduler,
    n_workers,
    options,
    on_callback_error,
    sharing=None,
    recorder=None,
    shares_steps=False,
):
    """Return a session; it costs nothing before its first batch.

    Parameters
    ----------
    scheduler, n_workers, options, sharing, recorder, shares_steps
        As in `Session`.
    on_callback_error : callable
        Called with an error that the callback of a batch raised.
    """
    delivery = Delivery(recorder, on_callback_error)
    return Session(scheduler, n_workers, options, delivery, sharing, recorder, shares_steps)
