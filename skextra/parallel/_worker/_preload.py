"""What the fork server imports before it forks its first worker. Nobody else needs this.

The worker processes are forked from a server that has already paid for the imports, so the
second worker and every later one starts at once.
"""

import atexit
import contextlib
import gc
import os
import sys
from multiprocessing import forkserver


def _prepare_server():
    # Threads that a task starts by itself get one OpenMP thread each; the worker raises the limit
    # of its main thread to its share. OpenMP reads this when it is loaded, which is after this.
    os.environ["OMP_NUM_THREADS"] = "1"
    # Out of the terminal's group, so that Ctrl-C ends the tasks and not the server, and out of
    # the group of the worker that started it, if the calls are nested.
    os.setpgid(0, 0)
    atexit.register(_remove_address)
    # What is imported stays. Looking through it for garbage takes time, in every worker too, and
    # writing marks on it would make copies of memory that all of them share: they set it aside.
    gc.disable()


def _remove_address():
    """Remove the parent's files and folders, after it died without doing so.

    The server comes here when everybody who could ask it for a process has gone. A parent that
    ends as it should removes them itself, after it has killed the server.
    """
    address = forkserver._forkserver._forkserver_address
    if isinstance(address, str) and address.startswith("/"):
        folder = os.path.dirname(address)
        # The folders of arrays, where there was need for them: their names are in a file here.
        remove_folders(os.path.join(folder, FOLDERS_FILE))
        with contextlib.suppress(OSError):
            os.unlink(address)
            os.rmdir(folder)


if any("multiprocessing.forkserver" in word for word in sys.orig_argv):
    _prepare_server()

from skextra._fingerprint._witness import watch_imports  # noqa: E402

if any("multiprocessing.forkserver" in word for word in sys.orig_argv):
    watch_imports()

import skextra.parallel._worker._main  # noqa: E402, F401  what every worker runs
from skextra.parallel._sharing._store import FOLDERS_FILE, remove_folders  # noqa: E402
