"""Worker processes as their pool sees them, and the fork server they come from."""

import contextlib
import io
import os
import signal
import sys
import time
from multiprocessing import forkserver, resource_tracker, spawn, util
from multiprocessing.context import (
    ForkServerContext,
    ForkServerProcess,
    reduction,
    set_spawning_popen,
)
from multiprocessing.popen_forkserver import Popen as ForkServerPopen
from multiprocessing.process import _children as process_children

from skextra._fingerprint._witness import Held
from skextra.parallel._engines._processes._channel import Channel
from skextra.parallel._engines._processes._standard_error import Stderr
from skextra.parallel._messages import DEVICE, QUIT, pack
from skextra.parallel._worker import _main as _worker
from skextra.parallel._worker._progress import SharedProgress

# Preloaded where the parent has them: what a worker would otherwise import for itself.
_HEAVY_PACKAGES = ("joblib", "numpy", "pandas", "scipy", "sklearn", "skextra", "skorch", "torch")

# A server of our own: the user's processes keep the one that multiprocessing has.
_server = forkserver.ForkServer()
_context = ForkServerContext()


class Worker:
    """A worker process, the pool's end of its pipe, and what the pool knows of it.

    Parameters
    ----------
    device : str, default=None
        The device that its tasks use. It is for life: CUDA, once used, keeps to what it saw.
    """

    def __init__(self, device=None):
        self.channel = Channel()
        stderr, child_stderr = _context.Pipe(duplex=False)
        progress = SharedProgress()
        self.process = _Process(
            target=_worker.main, args=(self.channel.theirs, child_stderr, progress)
        )
        try:
            self.process.start()
            self.progress = progress.map()
        except BaseException:
            self.channel.close()
            stderr.close()
            raise
        finally:
            progress.close()
            self.channel.theirs.close()
            child_stderr.close()
        self.stderr = Stderr(stderr)
        # The pool ends it. multiprocessing would wait for it at exit, in forks of this process
        # too, and so would a user who joins all of `active_children`.
        process_children.discard(self.process)
        self.pid = self.process.pid
        self.sentinel = self.process.sentinel
        self.device = device
        self.settings = None  # the message that it last took them from
        self.initializer = None
        self.session = self.run = None  # what it works on
        self.n_announced = None  # the number in the last message, if that was PARTIAL
        # Of an idle worker to leave, of a leaving one to be killed, of a busy one to be looked at.
        self.deadline = None
        self.overdue = None  # the index of the call that it was killed for, which took too long
        self.held = Held()  # which modules of the user's it has imported
        self.files_token = None  # the call for which they were compared with their files
        self.leaving = False
        self.has_slot = False
        if device is not None:
            self.channel.send(pack(DEVICE, device))

    def assign(self, session, run):
        """Send a run of a session."""
        self.session, self.run = session, run
        run.held = self.held
        self.held.is_unexplained |= session.recorder is None
        self.n_announced = self.deadline = None
        if session.task_timeout is not None:
            self.deadline = time.monotonic() + session.task_timeout
        self.progress.reset()
        self.channel.send(run.message())

    def release(self):
        """Return the session and the run, which are over."""
        session, run = self.session, self.run
        self.session = self.run = self.deadline = None
        session.workers.discard(self)
        return session, run

    def check_time(self, now):
        """Kill a busy worker whose call takes too long; else set when to look again."""
        index, limit = self.progress.index, self.session.task_timeout
        # Before the first call it reads the task, or it still starts.
        since = self.progress.started if index >= 0 else now
        self.deadline = since + limit
        if self.deadline <= now:
            self.deadline, self.overdue = None, index
            self.kill()

    def leave(self):
        """Ask the process to end by itself."""
        self.leaving = True
        self.channel.send(QUIT)

    def kill(self):
        """Kill the process, and end the processes it has started."""
        with contextlib.suppress(OSError):
            os.kill(self.pid, signal.SIGKILL)
        self._end_children()

    def _end_children(self):
        # SIGTERM spares the resource trackers, which remove what the others leave behind.
        with contextlib.suppress(OSError):  # the process may not have made its group
            os.killpg(self.pid, signal.SIGTERM)

    def close(self):
        """Take the exit code of a process that has ended, and free what it held."""
        self._end_children()
        self.process.join()
        exit_code = self.process.exitcode
        self.stderr.drain()
        self.channel.close()
        self.process.close()
        return exit_code


def stop_server():
    """End the fork server and wait until it is gone."""
    pid = _server._forkserver_pid
    if pid is not None:
        # It would end by itself when its pipe closes, but forks of this process may hold that.
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
            _server._stop()


def forget_server():
    """In a process forked from the one that has the server: have one of its own when needed."""
    global _server
    _server = forkserver.ForkServer()


class _Popen(ForkServerPopen):
    """Start a process from our server, and without running the user's script again.

    multiprocessing has every new process import the script that the parent runs, so that it can
    look functions up there; a script without a main guard would start all over. cloudpickle
    sends such functions whole, so nothing is lost by leaving the script out.
    """

    def _launch(self, process):
        data = spawn.get_preparation_data(process.name)
        data = {key: data[key] for key in data if not key.startswith("init_main")}
        message = io.BytesIO()
        set_spawning_popen(self)
        try:
            reduction.dump(data, message)
            reduction.dump(process, message)
        finally:
            set_spawning_popen(None)
        modules = _modules_to_preload()
        for attempt in (modules, modules, []):
            try:
                return self._fork(message.getbuffer(), attempt)
            except (ConnectionError, EOFError, FileNotFoundError) as error:
                # The server was killed, or somebody removed its address, or, if it happens again,
                # an import ends it.
                failure = error
                stop_server()
        raise failure

    def _fork(self, message, modules):
        _start_server(modules)
        self.sentinel, writer = _server.connect_to_new_process(self._fds)
        # The worker dies when this pipe closes, so it stays open as long as this object lives.
        self.finalizer = util.Finalize(self, util.close_fds, (self.sentinel, writer))
        while message:
            message = message[os.write(writer, message) :]
        self.pid = forkserver.read_signed(self.sentinel)


class _Process(ForkServerProcess):
    @staticmethod
    def _Popen(process):
        return _Popen(process)


def _start_server(modules):
    """Start the fork server if it does not run."""
    _server.set_forkserver_preload(["skextra.parallel._worker._preload", *modules])
    # What starts with SIGINT blocked keeps it so, from its first instruction on: Ctrl-C during
    # the imports must not end the server. (The tracker unblocks it here, so it goes first.)
    resource_tracker.ensure_running()
    old_mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        _server.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, old_mask)


def _modules_to_preload():
    """Name the heavy packages that the parent has imported, and their public subpackages."""
    return sorted(
        name
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] in _HEAVY_PACKAGES
        and name.count(".") <= 1
        and "._" not in name
        and getattr(getattr(module, "__spec__", None), "name", None) == name
    )
