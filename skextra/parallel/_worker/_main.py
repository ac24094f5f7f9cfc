"""What runs inside a worker process: read a message, do it, answer, until the pipe closes."""

import atexit
import contextlib
import copy
import gc
import pickle
import sys
import time

import numpy as np
from joblib import parallel_config

from skextra._fingerprint._witness import unsaid_imports
from skextra.parallel._errors import describe_call
from skextra.parallel._messages import (
    DEVICE,
    INITIALIZER,
    NOT_READY,
    PARTIAL,
    QUIT,
    RESULT,
    SETTINGS,
    SHARED_RESULT,
    TASK,
    WITNESS,
    pack,
    pack_error,
    unpack,
)
from skextra.parallel._sharing._segments import any_mapped, send_descriptors
from skextra.parallel._sharing._store import Outbox
from skextra.parallel._worker import _device, _nesting
from skextra.parallel._worker._loading import load
from skextra.parallel._worker._memory import MemoryWatch
from skextra.parallel._worker._progress import ROOM
from skextra.parallel._worker._startup import become_worker
from skextra.parallel._worker._surroundings import Surroundings

# Results are secured when so much work would be lost. It costs a microsecond or two, which tiny
# calls share.
_AT_RISK_SECONDS = 1e-5
# So much where there is no more room for it in shared memory, and it takes a message.
_AT_RISK_WITHOUT_ROOM_SECONDS = 1e-3
_SCALARS = {bool, bytes, float, int, str, type(None)}

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
            answer = _run_task(connection, message, progress, settings, outbox)
            progress.seconds = time.monotonic() - started
            del message  # its arrays, before the next task brings its own
            _flush()
            _send(connection, answer, outbox)
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
            _flush()
            _send(connection, NOT_READY + bytes(pack_error(_from_caller(error))))
            return


def _send(connection, message, outbox=None):
    """Send a message; if only a part of it can be sent, the error ends this process.

    The parent would wait for the rest for ever.
    """
    _say_imports(connection)
    # The parent has gone: the next read says so too.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.send_bytes(message)
        if message[:1] == SHARED_RESULT:
            send_descriptors(connection, outbox.segments)


def _say_imports(connection):
    """Say which modules results depend on, before any of them is to be had."""
    imported = unsaid_imports()
    if imported:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.send_bytes(pack(WITNESS, imported))


def _flush():
    """Show what the task printed: a worker may be killed before it flushes at its end."""
    with contextlib.suppress(Exception):  # a task may have put anything in their place
        sys.stdout.flush()
        sys.stderr.flush()


def _run_task(connection, message, progress, settings, outbox):
    """Run the calls of one task; the answer is a message, whatever happens."""
    try:
        backend, n_jobs = settings.nested_backend
        results = _Results(connection, progress, settings.max_nbytes)
        # A copy: a nested call that failed leaves no trace for the next task.
        with parallel_config(backend=copy.copy(backend), n_jobs=n_jobs):
            calls = load(unpack, message)
            for index in range(len(calls)):
                now = time.monotonic()
                if now - results.secured > results.at_risk and results.unsecured:
                    unpicklable = results.secure(index)
                    if unpicklable is not None:
                        return _pack_unpicklable(calls[index - 1], unpicklable)
                    now = results.secured
                progress.begin(index, now)
                # Arguments that have still to be read are read here: that is part of the call.
                is_read = type(calls) is list
                call = calls[index] if is_read else load(calls.__getitem__, index)
                function, args, kwargs = call
                results.unsecured.append(function(*args, **kwargs))
                del call, function, args, kwargs  # before those of the next call are read
    except BaseException as error:
        return pack_error(_from_caller(error))
    try:
        return _pack_results(results.unsecured, outbox)
    except Exception as error:
        return _pack_unpicklable(calls[-1], error)


class _Results:
    """The results of a task until they are sent, kept where they outlive this process."""

    def __init__(self, connection, progress, max_nbytes):
        self.secured = time.monotonic()  # when it was last done
        self.unsecured = []
        self.at_risk = _AT_RISK_SECONDS
        self._n_secured = 0
        self._connection, self._progress, self._max_nbytes = connection, progress, max_nbytes

    def secure(self, end):
        """Put the results up to a call where they outlive this process, or send them.

        Return the error if they cannot be pickled.
        """
        try:
            outbox = Outbox(self._max_nbytes)
            message = _pack_results(self.unsecured, outbox)
        except Exception as error:
            return error
        is_shared = message[:1] == SHARED_RESULT
        _say_imports(self._connection)
        if is_shared or not self._progress.keep(self._n_secured, end, message):
            self.at_risk = _AT_RISK_WITHOUT_ROOM_SECONDS
            _flush()
            _send(self._connection, PARTIAL + end.to_bytes(8, "little"))
            _send(self._connection, message, outbox)
        self.unsecured = []
        self._n_secured = end
        self.secured = time.monotonic()
        return None


def _pack_results(results, outbox):
    """Write a message with results; what is small and simple costs a microsecond."""
    if all(map(_is_simple, results)):
        message = RESULT + pickle.dumps(results, pickle.HIGHEST_PROTOCOL)
        if len(message) <= outbox.max_nbytes:
            return message
    return pack(RESULT, results, outbox)


def _is_simple(result, depth=0):
    """Whether a result needs neither cloudpickle nor shared memory, such as that of a fit."""
    kind = type(result)
    if kind in _SCALARS:
        return True
    if kind is np.ndarray or issubclass(kind, np.generic):
        return result.nbytes < ROOM and not result.dtype.hasobject
    if kind is dict:
        return _is_simple([*result, *result.values()], depth)
    if kind in (list, tuple):
        return len(result) <= 100 and depth < 3 and all(_is_simple(r, depth + 1) for r in result)
    return False


def _pack_unpicklable(call, error):
    failure = pickle.PicklingError(
        f"could not pickle the result of {describe_call(*call)}: {error}"
    )
    failure.__cause__ = error
    return pack_error(failure)


def _from_caller(error):
    """Take this module's own frame off the top of the traceback."""
    return error.with_traceback(error.__traceback__.tb_next)
