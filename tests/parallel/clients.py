"""What the tests of the scheduler have in common: a caller, and a look at processes."""

import contextlib
import os
import queue
import sys
import threading

from skextra.parallel._backend import SkextraBackend
from skextra.parallel._messages import SETTINGS, pack
from skextra.parallel._scheduling._session import SessionOptions, open_session
from skextra.parallel._worker._main import Settings


class Client:
    """A session and the outcomes it has told of, in the order in which they came."""

    def __init__(self, scheduler, n_workers=2, initializer=None, sharing=None, **options):
        self.outcomes = queue.SimpleQueue()
        self.errors = queue.SimpleQueue()
        settings = Settings(
            dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")
            | {"BLIS_NUM_THREADS": "1"},
            os.getcwd(),
            list(sys.path),
            SkextraBackend(nesting_level=0).get_nested_backend(),
        )
        options = SessionOptions(pack(SETTINGS, settings), initializer, **options)
        self.session = open_session(scheduler, n_workers, options, self.errors.put, sharing)

    def submit(self, function, *args):
        return self.session.submit([(function, args, {})], self.outcomes.put)

    def result(self):
        """Return the result of the call that ended next."""
        return self.outcomes.get(timeout=60).result()[0]

    def call(self, function, *args):
        self.submit(function, *args)
        return self.result()


def touch_and_wait(path):
    """Say that the call runs, then run for ever."""
    with open(path, "w") as file:
        file.write(str(os.getpid()))
    threading.Event().wait()


def alive(pid):
    """Whether a process runs: a dead one that nobody has waited for does not."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def written_pid(path):
    """Return a function for the process that has written its number into a file."""

    def read():
        with contextlib.suppress(OSError, ValueError):
            return int(path.read_text())

    return read
