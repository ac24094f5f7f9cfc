"""The fork server: it has paid for the imports once, and every worker is forked from it.

It is a program of its own, which the parent starts. The two are connected by a pair of sockets,
so that there is no address in a file system that could be too long, not writable, or in use.
"""

import atexit
import contextlib
import gc
import os
import selectors
import signal
import socket
import sys
import time
from multiprocessing import forkserver, resource_tracker, spawn, util

# One request has the descriptors of the worker's start, and of what multiprocessing sends along.
MAX_DESCRIPTORS = 64
# How long it may take until a process whose sockets are closed is gone.
_PARENT_DEATH_SECONDS = 1


def main(control_descriptor, modules, folder):
    """Import modules, then fork a worker for each request, until the parent is gone.

    Parameters
    ----------
    control_descriptor : int
        The socket on which requests come.
    modules : list of str
        What the parent has imported.
    folder : str or None
        Where the parent notes the folders that are to be removed after it was killed.
    """
    # Threads that a task starts by itself get one OpenMP thread each; the worker raises the limit
    # of its main thread to its share. OpenMP reads this when it is loaded, which is after this.
    os.environ["OMP_NUM_THREADS"] = "1"
    # Out of the terminal's group, so that Ctrl-C ends the tasks and not the server, and out of
    # the group of the worker that started it, if the calls are nested.
    os.setpgid(0, 0)
    atexit.register(_remove_folders, folder, os.getppid())
    # What is imported stays. Looking through it for garbage takes time, in every worker too, and
    # writing marks on it would make copies of memory that all of them share: they set it aside.
    gc.disable()
    from skextra._fingerprint._witness import watch_imports

    watch_imports()
    for name in ("skextra.parallel._worker._main", *modules):
        with contextlib.suppress(ImportError):
            __import__(name)
    util._close_stdin()
    with socket.socket(fileno=control_descriptor) as control:
        _Server(control).serve()


def _remove_folders(folder, parent):
    """Remove the parent's folders, after it died without doing so.

    A parent that ends as it should removes them itself, after it has killed the server. One that
    lives and has let go of this server still needs them. A dying process closes its sockets
    first and is nobody's parent a moment later.
    """
    deadline = time.monotonic() + _PARENT_DEATH_SECONDS
    while os.getppid() == parent:
        if time.monotonic() > deadline:
            return
        time.sleep(0.01)
    from skextra.parallel._sharing._store import FOLDERS_FILE, remove_folders

    if folder is not None:
        remove_folders(os.path.join(folder, FOLDERS_FILE))
        with contextlib.suppress(OSError):
            os.rmdir(folder)


class _Server:
    """Forks workers, and tells the parent of each how it has ended.

    Parameters
    ----------
    control : socket.socket
        Where requests come from.
    """

    def __init__(self, control):
        self._control = control
        self._status_of = {}  # by process: the pipe on which its number and exit code go
        self._wake_reader, self._wake_writer = os.pipe()
        os.set_blocking(self._wake_reader, False)
        os.set_blocking(self._wake_writer, False)
        # A handler, though it does nothing, so that the end of a worker wakes the loop.
        self._handlers = {
            signal.SIGCHLD: signal.signal(signal.SIGCHLD, lambda *_: None),
            signal.SIGINT: signal.signal(signal.SIGINT, signal.SIG_IGN),
        }
        signal.set_wakeup_fd(self._wake_writer)

    def serve(self):
        """Handle requests until the other end of the socket is closed."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ, self._on_request)
            selector.register(self._wake_reader, selectors.EVENT_READ, self._on_child)
            self._selector, is_open = selector, True
            while is_open:
                for key, _ in selector.select():
                    is_open = key.data() and is_open

    def _on_child(self):
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_reader, 65536)
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return True
            if pid == 0:
                return True
            _tell(self._status_of[pid], os.waitstatus_to_exitcode(status))
            os.close(self._status_of.pop(pid))

    def _on_request(self):
        request, descriptors, _, _ = socket.recv_fds(self._control, 1, MAX_DESCRIPTORS)
        if not request:
            return False
        content, status, *others = descriptors
        pid = os.fork()
        if pid == 0:
            self._become_worker(content, status, others)
        self._status_of[pid] = status
        _tell(status, pid)
        for descriptor in (content, *others):
            os.close(descriptor)
        return True

    def _become_worker(self, content, status, others):
        """Run the process whose pickle comes on a pipe; never return."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
            self._selector.close()
            self._control.close()
            for descriptor in (self._wake_reader, self._wake_writer, *self._status_of.values()):
                os.close(descriptor)
            os.close(status)
            resource_tracker._resource_tracker._fd = others[0]
            forkserver._forkserver._inherited_fds = others[1:]
            # The parent keeps its end of the pipe open as long as it lives.
            code = spawn._main(content, os.dup(content))
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            with contextlib.suppress(Exception):
                sys.stderr.flush()
            os._exit(code)


def _tell(pipe, number):
    with contextlib.suppress(BrokenPipeError):  # the parent is gone
        forkserver.write_signed(pipe, number)
