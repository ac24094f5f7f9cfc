"""What runs inside a worker process of loky: one attempt for each call of its executor."""

import dataclasses
import faulthandler
import gc
import math
import os
import signal
import threading
import time

from skextra._fingerprint._witness import watch_imports
from skextra.parallel._joblib import watch_memory_without_loky
from skextra.parallel._messages import NOT_READY, WITNESS, pack_error, unpack
from skextra.parallel._sharing._segments import any_mapped
from skextra.parallel._sharing._store import Outbox
from skextra.parallel._worker import _device
from skextra.parallel._worker._calls import flush, from_caller, run_task, send
from skextra.parallel._worker._loading import load
from skextra.parallel._worker._memory import MemoryWatch
from skextra.parallel._worker._progress import map_progress_file
from skextra.parallel._worker._surroundings import Surroundings

_SECONDS_BETWEEN_LOOKS = 1  # at whether the parent still lives


def start(parent_pid, device):
    """Prepare a new worker process.

    Parameters
    ----------
    parent_pid : int
        The process that runs the executor.
    device : str or None
        The device that its tasks use.
    """
    watch_imports()
    # Ctrl-C is the parent's affair; a crash in compiled code leaves its stack on stderr.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "setpgid"):  # a task that kills its group kills no parent
        os.setpgid(0, 0)
    faulthandler.enable(all_threads=False)
    _device.bind(device)
    watch_memory_without_loky()
    if os.name == "posix":  # elsewhere a process keeps the number of a parent that is gone
        watch = threading.Thread(target=_die_with, args=(parent_pid,), daemon=True)
        watch.start()


def _die_with(parent_pid):
    while os.getppid() == parent_pid:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    os.kill(os.getpid(), signal.SIGKILL)


def run(progress_path, settings, initializer, message):
    """Run an attempt.

    loky may have replaced the process since the last attempt, so that each brings everything.

    Parameters
    ----------
    progress_path : str
        The file that this worker shares with the engine.
    settings, initializer, message : bytes
        As `main` of the other engine gets them; the initializer may be None.

    Returns
    -------
    messages : list of bytes
        What `main` would have sent, in order.
    """
    global _process
    if _process is None:
        _process = _Process(progress_path)
    try:
        _process.prepare(settings, initializer)
    except BaseException as error:
        flush()
        return [NOT_READY + bytes(pack_error(from_caller(error)))]
    return _process.run(message)


class _Process:
    """The state of this process.

    Parameters
    ----------
    progress_path : str
        As in `run`.
    """

    def __init__(self, progress_path):
        self._progress = map_progress_file(progress_path)
        self._surroundings = Surroundings()
        self._messages = [None, None]  # the settings and the initializer that it has applied
        self._settings = self._memory = None

    def prepare(self, settings, initializer):
        """Apply settings and an initializer, unless they are those of the last attempt."""
        if self._messages[0] != settings:
            self._settings = unpack(settings)
            if self._settings.max_nbytes is not None:
                # A process of loky can share no result without a name: it comes in the answer.
                self._settings = dataclasses.replace(self._settings, max_nbytes=math.inf)
            self._surroundings.apply(self._settings)
            self._messages[0] = settings
        if initializer is not None and self._messages[1] != initializer:
            function, args = load(unpack, initializer)
            self._surroundings.initialize(self._settings, function, args)
            self._messages[1] = initializer

    def run(self, message):
        """Run the calls of a message and return the answers."""
        sent = _Sent(self._progress)
        started = time.monotonic()
        if self._memory is None:
            self._memory = MemoryWatch()
        elif self._memory.has_grown():
            self._progress.has_grown = 1
        answer = run_task(sent, message, sent, self._settings, Outbox(self._settings.max_nbytes))
        self._progress.seconds = time.monotonic() - started
        flush()
        send(sent, answer)
        if any_mapped():  # something that refers to itself may keep a large array
            gc.collect()
        return sent.messages


class _Sent:
    """Takes the place of the pipe: what is sent goes with the answer.

    It is also what `run_task` takes for the progress. What the calls import is kept there too, as
    the answer is lost if this process dies, and no result counts without it.

    Parameters
    ----------
    progress : Progress
        Memory shared with the engine.
    """

    def __init__(self, progress):
        self.messages = []
        self.begin = progress.begin
        self._progress = progress
        self._can_keep = True

    def send_bytes(self, message):
        """Send a message."""
        if message[:1] == WITNESS:
            self._can_keep = self.keep(-1, -1, message)
        self.messages.append(bytes(message))

    def keep(self, first, end, message):
        """Keep a message; false if there is no room for it, or was none before."""
        return self._can_keep and self._progress.keep(first, end, message)


_process = None
