"""The fork server that worker processes come from, and how a process is started from it."""

import contextlib
import multiprocessing
import os
import signal
import socket
import sys
import threading
from multiprocessing import forkserver, process, reduction, resource_tracker, spawn, util
from multiprocessing.context import ForkServerContext, ForkServerProcess, set_spawning_popen
from multiprocessing.popen_forkserver import Popen as ForkServerPopen

# Preloaded in the server if the parent has imported them: what each worker would import itself.
_HEAVY_PACKAGES = ("joblib", "numpy", "pandas", "scipy", "sklearn", "skextra", "skorch", "torch")

context = ForkServerContext()
_pid = os.getpid()  # another one in a fork


class _ForkServer:
    """The server process, started when it is needed, and the socket on which it is asked.

    Apart from that of multiprocessing, which the user's processes keep.
    """

    def __init__(self):
        self._lock = threading.Lock()
        self._pid = self._control = None

    def fork(self, descriptors, modules):
        """Ask for a process.

        Parameters
        ----------
        descriptors : list of int
            What the process is to have.
        modules : list of str
            What a new server is to import.

        Returns
        -------
        status, content : int, int
            The pipe on which its number and later its exit code come, and the pipe for the pickle
            that it runs.
        """
        with self._lock:
            self._ensure_running(modules)
            status, child_status = os.pipe()
            child_content, content = os.pipe()
            sent = [child_content, child_status, resource_tracker.getfd(), *descriptors]
            try:
                socket.send_fds(self._control, [b"f"], sent)
            except BaseException:
                os.close(status)
                os.close(content)
                raise
            finally:
                os.close(child_content)
                os.close(child_status)
            return status, content

    def stop(self):
        """End the server and wait until it is gone."""
        with self._lock:
            if self._pid is None:
                return
            # It would end by itself when its socket closes, but after what it is busy with.
            with contextlib.suppress(OSError):
                os.kill(self._pid, signal.SIGKILL)
                os.waitpid(self._pid, 0)
            self._forget()

    def leave(self):
        """In a fork of the process that has the server: let go of it."""
        if self._control is not None:
            self._forget()

    def _forget(self):
        self._control.close()
        self._pid = self._control = None

    def _ensure_running(self, modules):
        # The tracker unblocks SIGINT, so it goes first.
        resource_tracker.ensure_running()
        if self._pid is not None:
            with contextlib.suppress(ChildProcessError):
                if os.waitpid(self._pid, os.WNOHANG) == (0, 0):
                    return
            self._forget()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        paths = [path or process.ORIGINAL_DIR or "" for path in sys.path]
        program = (
            f"import sys; sys.path[:] = {paths!r}; from skextra.parallel._worker._server import "
            f"main; main({theirs.fileno()}, {modules!r}, {_temporary_folder()!r})"
        )
        command = [spawn.get_executable(), *util._args_from_interpreter_flags(), "-c", program]
        # What starts with SIGINT blocked keeps it so, from its first instruction on: Ctrl-C
        # during the imports must not end the server.
        old_mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            with theirs:
                self._pid = util.spawnv_passfds(command[0], command, [theirs.fileno()])
        except BaseException:
            ours.close()
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, old_mask)
        self._control = ours


_server = _ForkServer()


def stop_server():
    """End the fork server and wait until it is gone."""
    _server.stop()


def forget_server():
    """In a process forked from the one that has the server: have one of its own when needed."""
    global _server
    _server.leave()
    _server = _ForkServer()


class Process(ForkServerProcess):
    """A process that starts from our server, and ends with its parent, even a daemonic one."""

    def start(self):
        """Start the process; it is not among the children that multiprocessing waits for."""
        self._popen = _Popen(self)
        self._sentinel = self._popen.sentinel
        del self._target, self._args, self._kwargs  # as multiprocessing does: they may refer back


class _Popen(ForkServerPopen):
    """Start a process from our server, and without running the user's script again.

    multiprocessing has every new process import the script that the parent runs, so that it can
    look functions up there; a script without a main guard would start all over. cloudpickle
    sends such functions whole, so nothing is lost by leaving the script out.
    """

    def _launch(self, process):
        set_spawning_popen(self)
        try:
            content = reduction.ForkingPickler.dumps(_preparation_data(process.name))
            content = bytes(content) + bytes(reduction.ForkingPickler.dumps(process))
        finally:
            set_spawning_popen(None)
        modules = modules_to_preload()
        for attempt in (modules, modules, []):
            try:
                return self._fork(memoryview(content), attempt)
            except (ConnectionError, EOFError) as error:
                # The server was killed or, if it happens again, an import ends it.
                failure = error
                stop_server()
        raise failure

    def _fork(self, content, modules):
        self.sentinel, writer = _server.fork(self._fds, modules)
        # The worker dies when this pipe closes, so it stays open as long as this object lives.
        self.finalizer = util.Finalize(self, util.close_fds, (self.sentinel, writer))
        while content:
            content = content[os.write(writer, content) :]
        self.pid = forkserver.read_signed(self.sentinel)


def _preparation_data(name):
    """Return what `multiprocessing.spawn.prepare` needs in the new process.

    `multiprocessing.spawn.get_preparation_data` needs a working directory, and a main module
    with all of its attributes, which programs under pdb have not.
    """
    spawn._check_not_importing_main()
    data = {
        "name": name,
        "authkey": process.current_process().authkey,
        "log_to_stderr": util._log_to_stderr,
        "sys_path": list(sys.path),
        "sys_argv": getattr(sys, "argv", [""]),
        "orig_dir": process.ORIGINAL_DIR,
    }
    if util._logger is not None:
        data["log_level"] = util._logger.getEffectiveLevel()
    start_method = multiprocessing.get_start_method(allow_none=True)
    if start_method is not None:
        data["start_method"] = start_method
    return data


def _temporary_folder():
    """Return the folder of multiprocessing that the server removes if this process is killed.

    None if no folder can be written to, or if the folder is that of the process from which this
    one was started, such as that of a worker's parent.
    """
    is_first = process.parent_process() is None and os.getpid() == _pid
    if "tempdir" in process.current_process()._config and not is_first:
        return None
    try:
        return util.get_temp_dir()
    except OSError:
        return None


_asked_for = set()


def preload(modules):
    """Have a server that starts from here on import modules that this process has not imported.

    Parameters
    ----------
    modules : iterable of str
        Those of another process, whose tasks come here. What is not here is left out.
    """
    _asked_for.update(modules)


def modules_to_preload():
    """Name the heavy packages that the parent has imported, and their public subpackages."""
    imported = {
        name
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] in _HEAVY_PACKAGES
        and name.count(".") <= 1
        and "._" not in name
        and getattr(getattr(module, "__spec__", None), "name", None) == name
    }
    return sorted(imported | _asked_for)
