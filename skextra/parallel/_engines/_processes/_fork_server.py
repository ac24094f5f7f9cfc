"""The fork server that worker processes come from, and how a process is started from it."""

import contextlib
import io
import os
import signal
import sys
from multiprocessing import forkserver, resource_tracker, spawn, util
from multiprocessing.context import (
    ForkServerContext,
    ForkServerProcess,
    reduction,
    set_spawning_popen,
)
from multiprocessing.popen_forkserver import Popen as ForkServerPopen

# Preloaded in the server if the parent has imported them: what each worker would import itself.
_HEAVY_PACKAGES = ("joblib", "numpy", "pandas", "scipy", "sklearn", "skextra", "skorch", "torch")

# A server of our own: the user's processes keep the one of multiprocessing.
_server = forkserver.ForkServer()
context = ForkServerContext()


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


class Process(ForkServerProcess):
    """A process that starts from our server."""

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
