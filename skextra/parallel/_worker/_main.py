"""What runs inside a worker process: read a message, do it, answer, until the pipe closes."""

import atexit
import gc
import time

from skextra.parallel._messages import (
    DEVICE,
    INITIALIZER,
    NOT_READY,
    QUIT,
    SETTINGS,
    TASK,
    pack_error,
    unpack,
)
from skextra.parallel._sharing._segments import any_mapped
from skextra.parallel._sharing._store import Outbox
from skextra.parallel._worker import _device, _nesting
from skextra.parallel._worker._calls import flush, from_caller, run_task, send
from skextra.parallel._worker._loading import load
from skextra.parallel._worker._memory import MemoryWatch
from skextra.parallel._worker._startup import become_worker
from skextra.parallel._worker._surroundings import Surroundings

# After this long without a message a worker looks for arrays that nobody can reach any more.
IDLE_SECONDS = 0.5


def main(connection, stderr, progress, nesting):
    """Serve the pool behind a connection.

    Parameters
    ----------
    connection : multiprocessing.connection.Connection
        The worker's end of its pipe.
    stderr : multiprocessing.connection.Connection
        Where the standard error stream goes.
    progress : SharedProgress
        Memory shared with the pool, which reads it when the worker dies.
    nesting : Nesting
        Where this process is in the tree of workers.
    """
    become_worker(stderr)
    _nesting.bind(nesting)
    progress = progress.map()
    _serve(connection, progress)
    atexit._run_exitfuncs()


def _serve(connection, progress):
    """Answer messages until the pool says or shows that it is over."""
    settings, surroundings, memory = None, Surroundings(), None
    while True:
        try:
            # Something that refers to itself may keep a large array; idle, there is time to look.
            if any_mapped() and not connection.poll(IDLE_SECONDS):
                gc.collect()
            message = connection.recv_bytes()
        except (EOFError, OSError):
            return
        kind = message[:1]
        if kind == QUIT:
            return
        if kind == TASK:
            if memory is None:
                memory = MemoryWatch()
            elif memory.has_grown():  # what the last task used is free by now
                progress.has_grown = 1
            started = time.monotonic()
            outbox = Outbox(settings.max_nbytes)
            answer = run_task(connection, message, progress, settings, outbox)
            progress.seconds = time.monotonic() - started
            del message  # its arrays, before the next task brings its own
            flush()
            send(connection, answer, outbox)
            del answer, outbox
            continue
        try:
            if kind == DEVICE:
                _device.bind(unpack(message))
            elif kind == SETTINGS:
                settings = unpack(message)
                surroundings.apply(settings)
            elif kind == INITIALIZER:
                function, args = load(unpack, message)
                surroundings.initialize(settings, function, args)
        except BaseException as error:
            flush()
            send(connection, NOT_READY + bytes(pack_error(from_caller(error))))
            return
