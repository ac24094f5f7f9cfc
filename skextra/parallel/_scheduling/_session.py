"""What one configured ``Parallel`` has of the pool: a queue of tasks and a number of workers."""

import collections
import contextlib
import queue
import threading

from skextra.parallel._errors import WorkerCrashError, describe_exit
from skextra.parallel._scheduling._batch import Run, Task
from skextra.parallel._searches import takes_error_score


class Session:
    """A queue of tasks, and the thread that tells joblib of their outcomes.

    Telling joblib runs its callback, and with it the user's iterator of tasks and joblib's own
    locks, any of which may take long or call ``Parallel`` again. A thread of the session's own
    keeps all that away from the pool's dispatcher and from the other sessions.

    Parameters
    ----------
    pool : Pool
        The pool.
    n_workers : int
        The largest number of tasks of this session that run at once.
    settings, initializer : buffer, buffer or None
        The messages that prepare a worker for its tasks. An initializer runs once in a process;
        a process in which another has run is not used.
    on_callback_error : callable
        Called with an error that came out of the callback of a task.
    max_retries : int
        How often a call is repeated whose worker died. The last time it runs alone.
    task_timeout : float or None
        The seconds that one call may take.
    sharing : Store or None
        Where the large arrays among the arguments go.
    """

    def __init__(
        self,
        pool,
        n_workers,
        settings,
        initializer,
        on_callback_error,
        max_retries=2,
        task_timeout=None,
        sharing=None,
        recorder=None,
        devices=None,
        tasks_per_device=1,
    ):
        self.pool = pool
        self.n_workers = n_workers
        self.settings = settings
        self.initializer = initializer
        self.max_retries = max_retries
        self.task_timeout = task_timeout
        self.sharing = sharing
        self.recorder = recorder
        self.devices = devices
        self.tasks_per_device = tasks_per_device
        self.files_token = object()  # whose workers' files were looked at in this call
        self.closed = False
        self.seconds_per_call = None  # of the runs that ended lately
        self.largest_run = 1  # the number of its calls
        # These belong to the dispatcher.
        self.pending = collections.deque()  # runs
        self.pending_alone = collections.deque()
        self.workers = set()
        self._on_callback_error = on_callback_error
        self._finished = queue.SimpleQueue()
        self._thread = None
        self._ended = threading.Event()

    def submit(self, calls, callback):
        """Queue a batch of calls and return its task."""
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._deliver, name="skextra-session", daemon=True
            )
            self._thread.start()
        task = Task(calls, callback, self.sharing)
        indices = range(len(calls)) if self.recorder is None else self._look_up(task)
        if task.complete and calls:
            self.finish(task)
            return task
        run = Run(task, indices)
        # So many are pickled ahead that no worker waits for it, and no more, for memory's sake.
        if len(self.pending) < self.n_workers:
            run.message()
        # If all its workers are busy, the dispatcher need not know before one of them is done.
        self.pool.post(self.pool.enqueue, self, run, wake=len(self.workers) < self.n_workers)
        return task

    def _look_up(self, task):
        """Take what the journal has of a task; return the indices of the other calls."""
        others = []
        for index, call in enumerate(task.calls):
            entry, message = self.recorder.find(call)
            if message is not None:
                task.answer([index], message)
                continue
            others.append(index)
            if entry is not None:
                task.entries[index] = entry
        return others

    def _record(self, tasks):
        """Write the results of tasks to the journal, before anybody counts them."""
        found = []
        for task in tasks:
            # One that cannot be read is left out; its caller gets that error soon.
            with contextlib.suppress(BaseException):
                known = task.known() if task.entries else {}
                found += [
                    (entry, known[i], task.held.get(i))
                    for i, entry in task.entries.items()
                    if i in known
                ]
        self.recorder.record(found)

    def finish(self, task, error=None):
        """Announce a task whose outcome is known, an error or the answers that it has."""
        if task.done:  # another run of it has failed before
            return
        task.done = True
        if error is not None:
            task.fail(error)
        self._finished.put(task)

    def note_time(self, n_calls, seconds):
        """Take note of how long the calls of a run took in the worker."""
        if not seconds > 0:  # it ended before it could tell
            return
        self.largest_run = max(self.largest_run, n_calls)
        before, now = self.seconds_per_call, seconds / n_calls
        # Sooner believed where it is more than before: too large a batch keeps the others waiting.
        weight = 0.5 if before is None or now > before else 0.2
        self.seconds_per_call = now if before is None else before + weight * (now - before)

    def forget_times(self):
        """Take no account of the runs so far: those to come may be quite different."""
        self.seconds_per_call, self.largest_run = None, 1

    def look_at_files(self):
        """Have the files that workers hold compared with those on disk before their next run."""
        self.files_token = object()

    def lose(self, run, position, death):
        """Take note that the worker of a run died.

        Parameters
        ----------
        run : Run
            What it worked on; it knows the results that came.
        position : int or None
            Of the call that it was in.
        death : Death
            How it died.
        """
        task = run.task
        if task.done:
            return
        if position is None:
            self._lose_between(run, death)
        else:
            # Those after it, and tiny ones before it whose results went with the worker.
            for others in (run.rest(position + 1), run.rest(run.n_known, position)):
                if others.indices:
                    self.pending.appendleft(others)
            self._charge(task, run.indices[position], death)
        if task.complete:
            self.finish(task)

    def _lose_between(self, run, death):
        """Repeat what is left: it died in no call, of a kill between two tasks for example.

        Or of reading one of them. So they go to workers of their own, and what kills all of those
        is the call's fault.
        """
        losses = 1 if run.n_known else run.losses + 1
        for i in reversed(range(run.n_known, len(run.indices))):
            rest = run.rest(i, i + 1)
            rest.losses = losses
            if losses <= max(self.max_retries, 1):
                (self.pending_alone if rest.alone else self.pending).appendleft(rest)
                continue
            end = describe_exit(death.exit_code, death.out_of_memory)
            call = run.task.describe(rest.indices[0])
            text = f"{losses} worker processes died before they began {call}: {end}."
            error = WorkerCrashError(text, death.exit_code, stderr=death.stderr)
            self._give_up(run.task, rest.indices[0], error)

    def _give_up(self, task, index, error):
        """Let an error be the result of a call, or the outcome of its task."""
        if takes_error_score(task.calls[index]):
            task.replace(index, error)
        else:
            self.finish(task, error)

    def _charge(self, task, index, death):
        """Repeat the call that a worker died in, or give it up.

        A call that takes too long is not repeated: it would most likely do so again.
        """
        n_deaths = task.deaths[index] = task.deaths.get(index, 0) + 1
        if death.out_of_memory:  # there was not enough for so many
            self.n_workers = max(1, self.n_workers - 1)
        if n_deaths <= self.max_retries and not death.overdue:
            if death.out_of_memory or n_deaths == self.max_retries:
                self.pending_alone.append(Run(task, (index,), alone=True))
            else:
                self.pending.appendleft(Run(task, (index,)))
            return
        error = death.error(task.describe(index), n_deaths, self.task_timeout)
        self._give_up(task, index, error)

    def cancel(self, task, error=None):
        """Announce a task that nobody waits for any more, or nobody can run."""
        text = "The task was cancelled: the call it belongs to ended."
        self.finish(task, error or RuntimeError(text))

    def close(self):
        """Have the pool forget the session: waiting tasks go, idle workers stay."""
        self.closed = True
        self.pool.post(self.pool.end_session, self)

    def abort(self):
        """Close the session, and return when the workers that run its tasks are killed."""
        self.close()
        if not self._ended.wait(timeout=1):
            # The dispatcher is held up, most likely by a worker that does not read its task.
            for worker in list(self.workers):
                worker.kill()
        self.wait()

    def wait(self):
        """Wait until what has been finished is in the journal, unless the caller holds that up."""
        has_thread = self._thread is not None and self._thread is not threading.current_thread()
        if self.recorder is not None and has_thread:
            self._thread.join(timeout=1)

    def end(self, error=None):
        """Cancel what waits, and end the thread when it has told of everything so far."""
        for runs in (self.pending, self.pending_alone):
            while runs:
                self.cancel(runs.popleft().task, error)
        self._finished.put(None)
        self._ended.set()

    def _deliver(self):
        is_open = True
        while is_open:
            tasks = [self._finished.get()]
            if self.recorder is not None:
                # Writing takes its time, and as long for many as for one.
                with contextlib.suppress(queue.Empty):
                    while True:
                        tasks.append(self._finished.get_nowait())
            is_open = None not in tasks
            tasks = [task for task in tasks if task is not None]
            if self.recorder is not None:
                self._record(tasks)
            while tasks:  # they go with their results, which the caller has then
                try:
                    tasks.pop(0).deliver()
                except BaseException as error:
                    self._on_callback_error(error)
