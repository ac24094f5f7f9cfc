"""What one configured ``Parallel`` has of the pool: a queue of tasks and a number of workers."""

import collections
import queue
import threading

from skextra.parallel._errors import WorkerCrashError, describe_exit
from skextra.parallel._task import Task


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
    """

    def __init__(self, pool, n_workers, settings, initializer, on_callback_error):
        self.pool = pool
        self.n_workers = n_workers
        self.settings = settings
        self.initializer = initializer
        self.closed = False
        # These two belong to the dispatcher.
        self.pending = collections.deque()
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
        task = Task(calls, callback)
        # So many are pickled ahead that no worker waits for it, and no more, for memory's sake.
        if len(self.pending) < self.n_workers:
            task.message()
        self.pool.post(self.pool.enqueue, self, task)
        return task

    def finish(self, task, error=None):
        """Announce a task whose outcome is known, an error or the answer that it has."""
        if error is not None:
            task.fail(error)
        self._finished.put(task)

    def lose(self, task, progress, exit_code):
        """Take note that the worker of a task died; a task it had not begun waits again."""
        end = describe_exit(exit_code)
        if progress >= 0:
            text = f"A worker process died while it was running {task.describe(progress)}: {end}."
        elif task.losses > 0:
            text = f"Two worker processes died before they began {task.describe(0)}: {end}."
        else:
            # It died of something else, such as a kill between two calls.
            task.losses += 1
            self.pending.appendleft(task)
            return
        self.finish(task, WorkerCrashError(text))

    def cancel(self, task):
        """Announce a task that nobody waits for any more."""
        self.finish(task, RuntimeError("The task was cancelled: the call it belongs to ended."))

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

    def end(self):
        """Cancel what waits, and end the thread when it has told of everything so far."""
        while self.pending:
            self.cancel(self.pending.popleft())
        self._finished.put(None)
        self._ended.set()

    def _deliver(self):
        while (task := self._finished.get()) is not None:
            try:
                task.deliver()
            except BaseException as error:
                self._on_callback_error(error)
            del task  # and its results, which the caller has now
