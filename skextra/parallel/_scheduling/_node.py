"""What runs inside a Dask worker: one attempt of a client, in worker processes of that machine.

The process of the Dask worker itself never runs what a task brings, nor reads it: a task that
kills its process takes a worker process of ours with it, and no other task.
"""

import collections
import contextlib
import functools
import os
import pickle
import sys
import threading
from dataclasses import replace

from joblib.parallel import cpu_count

from skextra._fingerprint._versions import version_of
from skextra.parallel._engines import preload
from skextra.parallel._joblib import thread_limits
from skextra.parallel._messages import ERROR, SETTINGS, TASK, pack, pack_error, unpack
from skextra.parallel._remote import (
    Reply,
    expand,
    has_callbacks,
    other_version,
    this_machine,
)
from skextra.parallel._reuse._node import keeper_of
from skextra.parallel._scheduling._attempt import Attempt
from skextra.parallel._scheduling._current import get_scheduler
from skextra.parallel._scheduling._session import SessionOptions
from skextra.parallel._worker._threads import with_more_limits

# How often an attempt looks whether somebody still waits for it.
_LOOK_SECONDS = 0.1


def is_there():
    """Return at once: a task that waits for a worker, and shows Dask that one is wanted."""


def run_on_node(header, message, n_calls, exclusive, contents):
    """Run an attempt in a worker process of this machine.

    Parameters
    ----------
    header : bytes
        The pickled `Header`, made small, of the call that it belongs to.
    message : bytes
        The calls, made small; handles in it stand for contents.
    n_calls : int
        How many calls.
    exclusive : bool
        Whether no other attempt may run in this Dask worker meanwhile.
    contents : list of Content
        What the handles stand for.

    Returns
    -------
    reply : Reply
        What became of it.
    """
    from distributed import get_worker

    worker = get_worker()
    message = expand(message)
    difference, is_of_this_machine = _compare(header)
    if difference is not None:
        return Reply(worker.address, refusal=difference)
    if not is_of_this_machine and has_callbacks(message):
        return Reply(worker.address, out_of_reach=True)
    key = worker.get_current_task()
    with _keeper(header, worker) as keeper:
        options = _options(
            header, worker.state.nthreads, None if keeper is None else keeper.address
        )
        run = _Run(_localize(message, contents), n_calls, exclusive, options)
        scheduler = get_scheduler()
        scheduler.post(scheduler.enqueue, run, run.attempt)
        while not run.ended.wait(_LOOK_SECONDS):
            if not _is_wanted(worker, key):
                run.closed = True
                scheduler.post(scheduler.end_session, run)
                run.ended.wait()
                break
    run.reply.node = worker.address
    run.reply.problem = None if keeper is None else keeper.problem
    return run.reply


def _keeper(header, worker):
    """Return, as a context, what keeps the steps of a call here; None if nothing does."""
    call, keeps_steps, nbytes = _wishes(header)
    if not keeps_steps:
        return contextlib.nullcontext()
    return keeper_of(call, nbytes, worker.memory_manager.memory_limit)


@functools.lru_cache(maxsize=64)
def _wishes(header):
    header = pickle.loads(expand(header))
    settings = unpack(header.settings)
    return header.call, settings.node_keeps_steps, settings.node_keeps_nbytes


def _is_wanted(worker, key):
    """Whether anybody waits for a task: not if it was cancelled, or its client or worker goes."""
    task = worker.state.tasks.get(key)
    is_open = worker.status.name in ("running", "paused", "closing_gracefully")
    return is_open and task is not None and task.state == "executing"


@functools.lru_cache(maxsize=64)
def _compare(header):
    """Return what has another version here, None if nothing has, and whether it is one machine."""
    header = pickle.loads(expand(header))
    difference = other_version(header.versions, version_of, header.is_journaled)
    return difference, header.machine == this_machine()


@functools.lru_cache(maxsize=64)
def _options(header, n_threads, steps_address):
    """Return the options of a call as they are on this machine, the same object for all of it."""
    header = pickle.loads(expand(header))
    preload(header.modules)
    settings = unpack(header.settings)
    limits = with_more_limits(thread_limits(n_threads), max(cpu_count() // n_threads, 1), False)
    limits |= settings.environment  # what the caller has asked for
    settings = replace(
        settings,
        environment={**os.environ, **limits},
        directory=os.getcwd(),
        sys_path=list(sys.path),
        steps_address=steps_address,
    )
    return SessionOptions(
        pack(SETTINGS, settings),
        header.initializer,
        thread_limits=tuple(sorted(limits.items())),
        task_timeout=header.task_timeout,
        devices=header.devices,
        tasks_per_device=header.tasks_per_device,
        is_journaled=header.is_journaled,
    )


def _localize(message, contents):
    """Write a message with what stands for the contents on this machine."""
    if not contents:
        return message
    local = {content.handle: content.local() for content in contents}
    calls = pickle.loads(memoryview(message)[1:]).with_handles(local.__getitem__)
    return TASK + pickle.dumps(calls, pickle.HIGHEST_PROTOCOL)


class _Attempt(Attempt):
    """An attempt whose message has come from the client."""

    def __init__(self, batch, message, n_calls, exclusive):
        super().__init__(batch, range(n_calls), exclusive)
        self._message = message


class _Run:
    """One attempt on a node: for the scheduler a session, and its only batch as well.

    It runs once. What follows from a death, the client decides.

    Parameters
    ----------
    message : bytes
        The calls.
    n_calls : int
        How many.
    exclusive : bool
        Whether nothing else may run here meanwhile.
    options : SessionOptions
        Those of the client's call, as they are here.

    Attributes
    ----------
    ended : threading.Event
        Set when `reply` is complete.
    reply : Reply
        What became of it.
    """

    n_workers = 1
    failed = False  # as a batch: its message is there
    complete = True  # as a batch: whatever its attempt has, is all there will be

    def __init__(self, message, n_calls, exclusive, options):
        self.options = options
        self.closed = self.done = False
        self.pending, self.pending_exclusive = collections.deque(), collections.deque()
        self.running = set()
        self.ended, self.reply = threading.Event(), Reply("")
        self.attempt = _Attempt(self, message, n_calls, exclusive)

    @property
    def is_waiting(self):
        """Whether the attempt waits."""
        return bool(self.pending or self.pending_exclusive)

    def answer(self, indices, message, held):
        """Take results, as a batch does."""
        self.reply.answers.append((indices[-1] + 1 if indices else 0, bytes(message)))
        self.reply.failed = message[:1] == ERROR
        if held is not None:
            self.reply.held = held if self.options.is_journaled else held.without_preloaded()

    def handle_end(self, n_calls, seconds):
        """Note how long the calls took."""
        self.reply.seconds = seconds

    def handle_death(self, attempt, position, death):
        """Note how the worker process died."""
        self.reply.position, self.reply.death = position, death
        self.finish(self)

    def finish(self, batch, error=None):
        """Let the reply go."""
        if error is not None:
            self.reply.answers.append((len(self.attempt.indices), pack_error(error)))
            self.reply.failed = True
        self.done = True
        self.ended.set()

    def cancel(self, batch, error=None):
        """Finish; nobody reads the reply."""
        self.finish(batch, error)

    def end(self, error=None):
        """Finish, if it has not."""
        if not self.done:
            self.finish(self, error)
