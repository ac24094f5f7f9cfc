"""The engine of a Dask cluster: one coroutine per attempt, on the event loop of the client."""

import asyncio
import contextlib
import pickle
import queue
import sys
import time
import uuid

from distributed.client import FutureCancelledError, FuturesCancelledError
from distributed.scheduler import KilledWorker

from skextra._fingerprint._versions import loaded_versions, versions
from skextra.parallel._engines._dask._client import result_of
from skextra.parallel._engines._dask._contents import Placement
from skextra.parallel._engines._dask._modules import ModuleCheck, explain_missing
from skextra.parallel._engines._dask._nodes import Nodes
from skextra.parallel._engines._engine import Died, Ended, Engine
from skextra.parallel._engines._preloading import modules_to_preload
from skextra.parallel._errors import Death, WorkerCrashError
from skextra.parallel._messages import ERROR, pack_error
from skextra.parallel._remote import Header, Reply, shrink, this_machine

# How often the client is asked whether it is still connected.
_LOOK_SECONDS = 0.5
# Without a worker for so long, the user is told.
_SILENT_SECONDS = 2
# Attempts are sent before a slot is free for them, so that none waits for the way here and back.
_PER_SLOT = 2
# So many are sent though there is no slot: a cluster that adapts grows only for tasks that it has.
_WITHOUT_SLOTS = 4
# An attempt whose Dask worker, data or scheduler is lost so often while it runs is at fault.
_MAX_LOSSES = 3
_RETRY_SECONDS = 0.2
# What says that the cluster has lost something, and not that the attempt has an error.
_LOSSES = (FutureCancelledError, FuturesCancelledError, OSError, TimeoutError)


class DaskEngine(Engine):
    """Runs attempts on the nodes of a Dask cluster.

    Parameters
    ----------
    client : distributed.Client
        The client. The engine does not close it.
    run_on_node, is_there : callable
        What a node runs: an attempt, and nothing at all.
    patience : float
        How many seconds to wait for a cluster without workers.
    on_growth : callable
        Called with the number of slots more than there have ever been, on the client's loop.
    """

    isolates_exclusive = True
    problem = None  # why a node could not keep a step of a pipeline

    def __init__(self, client, run_on_node, is_there, patience, on_growth):
        self._client = client
        self._run_on_node, self._is_there = run_on_node, is_there
        self._patience = patience
        self._inbox = queue.SimpleQueue()  # (attempt, reply), or None to wake
        self._running = {}  # by attempt: its coroutine, as a future
        self._has_complained = False
        self._failure = None  # the error that has ended everything
        self._headers = {}  # by the identity of the options: the options, and the header
        self._nodes, self._placement = Nodes(client), Placement(client)
        self._module_check = ModuleCheck()
        self._loop = client.loop.asyncio_loop
        self._on_growth = on_growth
        self._watch = asyncio.run_coroutine_threadsafe(self._nodes.watch(self._grow), self._loop)

    @property
    def has_workers(self):
        """Whether an attempt is on the cluster."""
        return bool(self._running)

    def has_room(self, options):
        """Return whether one more attempt may be sent."""
        if self._failure is not None:
            return True  # to be failed at once
        n_slots = self._nodes.n_usable(options)
        return len(self._running) < max(_PER_SLOT * n_slots, _WITHOUT_SLOTS)

    def start(self, attempt):
        """Send an attempt; what prevents that is its outcome."""
        if self._failure is not None:
            self._running[attempt] = None
            self._inbox.put((attempt, self._failure))
            return
        coroutine = self._run(attempt, self._header(attempt.options))
        try:
            self._running[attempt] = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        except RuntimeError:  # the client has been closed, and its loop with it
            coroutine.close()
            self._running[attempt] = None
            self._inbox.put((attempt, self._lost_client()))

    def poll(self, timeout):
        """Wait for replies; yield what they mean."""
        if self._running:
            timeout = _LOOK_SECONDS if timeout is None else min(timeout, _LOOK_SECONDS)
        with contextlib.suppress(queue.Empty):
            item = self._inbox.get(timeout=timeout)
            while True:
                if item is not None and item[0] in self._running:
                    del self._running[item[0]]
                    yield self._event(*item)
                item = self._inbox.get_nowait()
        self._check_cluster()

    def cancel(self, attempt):
        """Have the node kill the worker process of an attempt."""
        self._stop(self._running.pop(attempt))

    def kill(self, attempt):
        """Have the node kill the worker process of an attempt, which has died then."""
        running = self._running.get(attempt)
        if running is not None:
            self._stop(running)
            self._inbox.put((attempt, Reply("", death=Death(None))))

    def wake(self):
        """Make a waiting `poll` return."""
        self._inbox.put(None)

    def shut_down(self):
        """Do nothing: idle worker processes are the nodes' own affair."""

    def kill_all(self):
        """Cancel all attempts."""
        for running in list(self._running.values()):
            self._stop(running)

    def close(self):
        """Cancel what is left; what lies on the cluster goes with the contents."""
        self.kill_all()
        self._running.clear()
        self._stop(self._watch)

    @staticmethod
    def _stop(running):
        if running is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                running.cancel()

    def _header(self, options):
        known, header = self._headers.get(id(options), (None, None))
        if known is not options:
            header = shrink(
                pickle.dumps(
                    Header(
                        call=uuid.uuid4().hex,
                        machine=this_machine(),
                        versions=loaded_versions() if options.is_journaled else versions(),
                        settings=bytes(options.settings),
                        initializer=options.initializer and bytes(options.initializer),
                        task_timeout=options.task_timeout,
                        devices=options.devices,
                        tasks_per_device=options.tasks_per_device,
                        is_journaled=options.is_journaled,
                        modules=modules_to_preload(),
                    )
                )
            )
            self._headers = {id(options): (options, header)}  # a session has one at a time
        return header

    def _event(self, attempt, reply):
        """Return the event for a reply, or for the error that came in its place."""
        if isinstance(reply, BaseException):
            error = explain_missing(reply, "a node") or reply
        else:
            error = self._refusal(reply) or self._module_check.find_error(reply, attempt.message())
        if error is not None:
            attempt.answer(pack_error(error))
            return Ended(attempt, 0, failed=True)
        attempt.held = reply.held
        self.problem = reply.problem or self.problem
        for n_known, message in reply.answers:
            attempt.answer(message, n_known if message[:1] != ERROR else None)
        if reply.death is not None:
            return Died(attempt, reply.position, reply.death)
        return Ended(attempt, reply.seconds, reply.failed)

    @staticmethod
    def _refusal(reply):
        if reply.out_of_reach:
            return RuntimeError(
                f"The node {reply.node} is another machine, from which scikit-learn's callbacks, "
                "such as ProgressBar and ScoringMonitor, cannot report to this one: leave them "
                "out, or use a cluster of this machine."
            )
        if reply.refusal is None:
            return None
        name, theirs, ours = reply.refusal
        return RuntimeError(
            f"The node {reply.node} has {name} {theirs}, and this program {name} {ours}: results "
            "could differ. Have both run the same version."
        )

    def _check_cluster(self):
        """Fail all attempts if the client is closed, or nobody has been there for too long."""
        if not self._running or self._failure is not None:
            return
        waited = self._nodes.seconds_without
        if self._client.status in ("closing", "closed"):
            self._fail(self._lost_client())
        elif waited is not None:
            if waited > self._patience:
                self._fail(
                    WorkerCrashError(
                        f"The cluster {self._address} has had no worker for {waited:.0f} seconds "
                        f"(patience={self._patience:g}). Start workers, or wait longer for them "
                        "with the option patience."
                    )
                )
            elif waited > _SILENT_SECONDS and not self._has_complained:
                self._has_complained = True
                print(
                    f"skextra: the cluster {self._address} has no workers; waiting for some for "
                    f"up to {self._patience:g} seconds",
                    file=sys.stderr,
                )

    def _fail(self, error):
        self._failure = error
        for attempt, running in self._running.items():
            self._stop(running)
            self._inbox.put((attempt, error))

    @property
    def _address(self):
        scheduler = self._client.scheduler
        return "(closed)" if scheduler is None else scheduler.address

    def _lost_client(self):
        return WorkerCrashError(
            "The client of the cluster was closed, or has lost its scheduler for good, while "
            "tasks were running. With the option journal, a search goes on where it was."
        )

    # From here on everything runs on the loop of the client.

    async def _run(self, attempt, header):
        """Have an attempt run on a node, again if the cluster loses it; put the reply."""
        n_losses, began = 0, time.monotonic()
        while True:
            future = None
            try:
                if not await self._nodes.exist():
                    await result_of(self._client.submit(self._is_there, pure=False))
                message = attempt.message()
                contents = await self._placement.place(message)
                key = f"{attempt.name}-{uuid.uuid4().hex}"
                future = self._client.submit(
                    self._run_on_node,
                    header,
                    shrink(message),
                    len(attempt.indices),
                    attempt.exclusive,
                    contents,
                    # Dask keeps most tasks of a large group on its scheduler until a slot is free,
                    # so that these are groups of one. But only so, tasks with contents are sent
                    # to nodes that came later than these.
                    key=key if contents else (key, 0),
                    pure=False,
                    fifo_timeout="0ms",  # of what comes within it, the last would run first
                )
                reply = await result_of(future)
            except KilledWorker:
                reply = self._lost_for_good(attempt)
            except _LOSSES as error:
                n_losses += future is not None
                is_over = time.monotonic() > began + self._patience
                if n_losses <= _MAX_LOSSES and not (future is None and is_over):
                    await asyncio.sleep(_RETRY_SECONDS)
                    continue
                reply = self._lost_for_good(attempt) if future is not None else error
            except Exception as error:
                reply = error
            finally:
                if future is not None:
                    future.release()
            self._inbox.put((attempt, reply))
            return

    @staticmethod
    def _lost_for_good(attempt):
        # Of several calls, nobody knows which one it was; each is tried by itself then.
        return Reply("", death=Death(None), position=0 if len(attempt.indices) == 1 else None)

    def _grow(self, n_slots):
        self._on_growth(n_slots)
        self.wake()
