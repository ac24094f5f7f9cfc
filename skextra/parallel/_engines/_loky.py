"""The engine for systems on which our own processes cannot run: workers are processes of loky.

An executor of loky is broken by the first of its processes that dies, and with it goes all that
the others run. Each worker here is an executor of its own with one process, so that a death costs
what that process ran and nothing else.
"""

import contextlib
import queue
import shutil
import tempfile
import threading
import time
import weakref

from joblib.externals.loky import BrokenProcessPool

from skextra.parallel._engines._device_slots import DeviceSlots
from skextra.parallel._engines._engine import Died, Ended, Engine
from skextra.parallel._engines._loky_worker import SHUTDOWN_SECONDS, Worker
from skextra.parallel._engines._preparation import choose_idle
from skextra.parallel._errors import Death
from skextra.parallel._joblib import at_exit_before_loky, forget_folder, remove_folder_at_death
from skextra.parallel._messages import ERROR, NOT_READY, PARTIAL, WITNESS, pack_error, unpack

IDLE_SECONDS = 300
_SECONDS_BETWEEN_LOOKS = 0.5  # at whether busy workers are still there


class LokyEngine(Engine):
    """Runs attempts in processes of loky on this machine, which stay warm between them.

    What it cannot know of a worker that has died is what that wrote to its standard error stream,
    which goes to the caller's, and whether memory had run out.

    Parameters
    ----------
    idle_seconds : float, default=300
        A worker ends after so many seconds without an attempt.
    """

    def __init__(self, idle_seconds=IDLE_SECONDS):
        self._idle_seconds = idle_seconds
        self.workers = set()
        self._idle = []  # most recently used last: its caches are warm, so it is reused first
        self._slots = DeviceSlots()
        self._worker_of = {}  # by attempt
        # A worker and its future, a worker that is gone and None, or only None: `wake`.
        self._events = queue.SimpleQueue()
        self._ending = queue.SimpleQueue()
        self._exiting = self._ends_at_exit = False
        self._folder = tempfile.mkdtemp(prefix="skextra-")
        remove_folder_at_death(self._folder)
        reaper = threading.Thread(
            target=_end_workers, args=(self._ending, self._events), name="skextra-reaper"
        )
        reaper.daemon = True
        reaper.start()

    @property
    def has_workers(self):
        """Whether a worker still exists."""
        return bool(self.workers)

    def has_room(self, options):
        """Return whether a device has a free slot, if the call uses devices."""
        return options.devices is None or self._free_device(options) is not None

    def start(self, attempt):
        """Send an attempt to an idle worker, or to a new one."""
        if self._exiting:
            raise RuntimeError("no worker process can be started while the interpreter exits")
        device = self._free_device(attempt.options)
        worker, future = self._begin(attempt, device)
        if not self._ends_at_exit:
            self._ends_at_exit = True
            end = weakref.WeakMethod(self._end_at_exit)
            at_exit_before_loky(lambda: end() and end()())
        if device is not None:
            worker.has_slot = True
            self._slots.take(device)
        self._worker_of[attempt] = worker
        future.add_done_callback(lambda future: self._events.put((worker, future)))

    def poll(self, timeout):
        """Wait for answers, deaths and deadlines; yield what they mean for attempts."""
        times = [worker.next_deadline() for worker in self.workers]
        if self._worker_of:
            times.append(time.monotonic() + _SECONDS_BETWEEN_LOOKS)
        times = [each for each in times if each is not None]
        if times:
            left = max(0, min(times) - time.monotonic())
            timeout = left if timeout is None else min(timeout, left)
        with contextlib.suppress(queue.Empty):
            event = self._events.get(timeout=timeout)
            while True:
                if event is not None:
                    yield from self._on_event(*event)
                del event  # with its arrays, before the next wait
                event = self._events.get_nowait()
        self._check_workers()

    def cancel(self, attempt):
        """Kill the worker of an attempt that nobody waits for any more."""
        worker = self._worker_of.pop(attempt)
        worker.execution = None
        _recover(worker, attempt)
        self._end(worker, kill=True)
        worker.gone.wait(SHUTDOWN_SECONDS)

    def kill(self, attempt):
        """Kill the worker of an attempt."""
        worker = self._worker_of.get(attempt)
        if worker is not None:
            self._end(worker, kill=True)

    def wake(self):
        """Make a waiting `poll` return."""
        self._events.put(None)

    def shut_down(self):
        """Ask idle workers to end."""
        for worker in list(self._idle):
            self._end(worker)

    def kill_all(self):
        """Kill every worker."""
        workers = list(self.workers)
        for worker in workers:
            self._end(worker, kill=True)
        _wait_for(workers)

    def close(self):
        """Kill the workers that are left, and remove the folder."""
        self.kill_all()
        self._ending.put(None)
        for worker in self.workers:
            worker.close()
        self.workers.clear()
        self._worker_of.clear()
        shutil.rmtree(self._folder, ignore_errors=True)
        forget_folder(self._folder)

    def _free_device(self, options):
        if options.devices is None:
            return None
        return self._slots.choose(options.devices, options.tasks_per_device)

    def _begin(self, attempt, device):
        """Give an attempt to a worker; return it and the future of the answer."""
        options = attempt.options
        while True:
            worker = self._idle_worker(options, device)
            is_new = worker is None
            if is_new:
                worker = self._new_worker(device, options.thread_limits)
            try:
                return worker, worker.begin(attempt)
            except BaseException as error:
                worker.execution = None
                self._end(worker, kill=True)
                if is_new or not isinstance(error, BrokenProcessPool):
                    raise
                # It was killed while it was idle.

    def _idle_worker(self, options, device):
        worker, unfit = choose_idle(self._idle, device, options)
        if worker is not None:
            self._idle.remove(worker)
        for other in unfit:
            self._end(other)
        return worker

    def _new_worker(self, device, thread_limits):
        worker = Worker(device, thread_limits, self._folder)
        self.workers.add(worker)
        return worker

    def _end(self, worker, kill=False):
        """Have a worker end, which is told as an event."""
        worker.is_ending = True
        with contextlib.suppress(ValueError):
            self._idle.remove(worker)
        self._ending.put((worker, kill))

    def _end_at_exit(self):
        """End all workers before loky waits, for ever if need be, for what they run."""
        self._exiting = True
        workers = list(self.workers)
        for worker in workers:
            self._end(worker, kill=worker.execution is not None)
        _wait_for(workers)

    def _check_workers(self):
        """End workers that are idle for long, whose call takes too long, or that have died."""
        now = time.monotonic()
        for worker in self.workers:
            deadline, execution = worker.next_deadline(), worker.execution
            is_due = deadline is not None and deadline <= now
            if worker.is_ending:
                worker.deadline = None
            elif execution is None:
                if is_due:
                    self._end(worker)
            elif (is_due and execution.is_overdue(worker.progress, now)) or worker.has_died:
                self._end(worker, kill=True)

    def _on_event(self, worker, future):
        if future is None:
            yield from self._on_exit(worker)
            return
        if worker.is_ending or worker.execution is None:
            return
        error = future.exception()
        if isinstance(error, BrokenProcessPool):  # the process has died
            self._end(worker, kill=True)
            return
        messages = [pack_error(error)] if error is not None else future.result()
        yield self._on_answer(worker, messages)

    def _on_answer(self, worker, messages):
        """Give the messages of a worker to its attempt, which has ended."""
        attempt, n_known = worker.execution.attempt, None
        kept = worker.progress.kept()
        for message in messages:
            if message[:1] == WITNESS:
                worker.preparation.held.update(unpack(message))
            elif message[:1] == PARTIAL:
                n_known = int.from_bytes(message[1:], "little")
            elif n_known is not None:
                attempt.recover(kept)
                attempt.answer(message, n_known)
                n_known = None
        attempt.recover(kept)
        self._worker_of.pop(attempt, None)
        worker.execution = None
        self._free_slot(worker)
        kind = message[:1]
        if kind == NOT_READY:
            message, kind = message[1:], ERROR
            self._end(worker)
        elif worker.progress.has_grown:  # what its tasks use leaks: a new worker has it not
            self._end(worker)
        else:
            worker.deadline = time.monotonic() + self._idle_seconds
            self._idle.append(worker)
        attempt.answer(message)
        return Ended(attempt, worker.progress.seconds, kind == ERROR)

    def _on_exit(self, worker):
        """Yield what it means that the process of a worker has ended."""
        if worker not in self.workers:
            return
        self.workers.discard(worker)
        self._free_slot(worker)
        execution, worker.execution = worker.execution, None
        if execution is not None:
            attempt = execution.attempt
            self._worker_of.pop(attempt, None)
            _recover(worker, attempt)
            position = attempt.position(worker.progress.index)
            if execution.overdue is not None and execution.overdue != position:
                position = None  # the overdue call had just ended, and this one had just begun
            yield Died(attempt, position, Death(worker.exit_code, execution.overdue is not None))
        worker.close()

    def _free_slot(self, worker):
        if worker.has_slot:
            worker.has_slot = False
            self._slots.free(worker.device)


def _recover(worker, attempt):
    """Give an attempt the results that its worker has kept, and what it had imported."""
    kept = worker.progress.kept()
    try:
        imported = [unpack(message) for first, _, message in kept if first < 0]
    except Exception:  # a worker that dies may have written anything there
        return
    for modules in imported:
        worker.preparation.held.update(modules)
    attempt.recover(kept)


def _end_workers(ending, events):
    """End one worker after the other, which takes a moment each: in a thread of its own."""
    while (next_one := ending.get()) is not None:
        worker, kill = next_one
        if not worker.gone.is_set():
            # Whatever happens to one, those after it have to end as well.
            with contextlib.suppress(Exception):
                worker.end(kill)
            worker.gone.set()
            events.put((worker, None))


def _wait_for(workers):
    deadline = time.monotonic() + SHUTDOWN_SECONDS
    for worker in workers:
        worker.gone.wait(max(0, deadline - time.monotonic()))
