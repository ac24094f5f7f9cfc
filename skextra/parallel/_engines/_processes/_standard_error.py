"""The standard error stream of a worker: shown as it comes, its end kept for the error message."""

import os
import select
import sys
import threading

# In an error message; more is kept, for what is left out of it.
TAIL_CHARACTERS = 2000
_KEPT_BYTES = 32_000
# What a dead worker has left may hold the pool up so long, and so many times a pipe's content.
_DRAIN_SECONDS = 1
_MAX_READS = 64


class StandardError:
    """A pipe that a worker writes its standard error stream to, and who reads it.

    What compiled code writes before it gives up comes through here too, which a Python object in
    place of ``sys.stderr`` would miss. The reader is a thread in the parent and not in the worker:
    there it would have to wait for compiled code that holds the interpreter's lock, and that code
    for the reader once the pipe is full.

    Parameters
    ----------
    reader : multiprocessing.connection.Connection
        The pool's end of the pipe.
    """

    def __init__(self, reader):
        self._reader = reader
        self._tail = b""
        self._lock = threading.Lock()
        os.set_blocking(reader.fileno(), False)
        threading.Thread(target=self._forward, name="skextra-standard-error", daemon=True).start()

    def drain(self):
        """Show what has been written so far, unless nobody reads what is shown."""
        if self._lock.acquire(timeout=_DRAIN_SECONDS):
            try:
                self._read()
            finally:
                self._lock.release()

    def tail(self):
        """Return the end of what was written, as text."""
        text = self._tail.decode(errors="replace")
        # Python ends the stack of a crash with a list of all extension modules in one long line.
        lines = [line for line in text.splitlines() if not line.startswith("Extension modules:")]
        text = "\n".join(lines).strip()
        if len(text) <= TAIL_CHARACTERS:
            return text
        text = text[-TAIL_CHARACTERS:]
        return text.partition("\n")[2] or text  # whole lines, if there are any

    def _forward(self):
        """Show what comes until the worker, and all it has started, have closed the pipe."""
        poll = select.poll()
        poll.register(self._reader.fileno(), select.POLLIN)
        is_open = True
        while is_open:
            poll.poll()
            with self._lock:
                is_open = self._read()
        with self._lock:
            self._reader.close()

    def _read(self):
        """Show what is there, and not for ever; return whether more can come."""
        for _ in range(_MAX_READS):
            if self._reader.closed:
                return False
            try:
                data = os.read(self._reader.fileno(), 65536)
            except BlockingIOError:
                return True
            if not data:
                return False
            self._tail = (self._tail + data)[-_KEPT_BYTES:]
            _show(data)
        return True


def _show(data):
    """Write to this program's own standard error stream, if it has one."""
    if sys.__stderr__ is None:
        return
    try:
        while data:
            data = data[os.write(2, data) :]
    except OSError:  # closed, or nobody reads it
        return
