"""One worker process: its pipe, its standard error stream, the memory it shares, its end."""

import contextlib
import os
import signal
import time
from multiprocessing import resource_tracker
from pathlib import Path

from skextra.parallel._engines._processes._channel import Channel
from skextra.parallel._engines._processes._fork_server import Process, context
from skextra.parallel._engines._processes._standard_error import StandardError
from skextra.parallel._messages import DEVICE, QUIT, pack
from skextra.parallel._worker import _main
from skextra.parallel._worker._nesting import nesting
from skextra.parallel._worker._progress import SharedProgress


def remove_semaphores(pid, since, folder="/dev/shm"):
    """Remove what a killed worker has left of the locks of joblib's and multiprocessing's pools.

    multiprocessing would do so when this program ends, except for a lock that was not yet
    registered. While a process lives that the worker has started, its locks may be in use; it has
    a tracker of its own.

    Parameters
    ----------
    pid : int
        The process, which has ended.
    since : float
        When it was started: what is older is of another program.
    folder : path-like, default="/dev/shm"
        Where the system keeps semaphores.
    """
    with contextlib.suppress(OSError):
        os.killpg(pid, 0)
        return
    for path in Path(folder).glob(f"sem.loky-{pid}-*"):  # joblib has both name them so
        with contextlib.suppress(OSError):
            if path.stat().st_ctime < since:
                continue
            path.unlink()
            name = path.name.replace("sem.", "/", 1)
            resource_tracker.register(name, "semaphore")  # or it would not know what to forget
            resource_tracker.unregister(name, "semaphore")


class WorkerProcess:
    """A worker process and the parent's end of what connects the two.

    Parameters
    ----------
    device : str, default=None
        The device that its tasks use, for the life of the process: CUDA, once used, keeps to the
        devices that it saw.

    Attributes
    ----------
    channel : Channel
        The pipe to the worker.
    progress : Progress
        Memory that the worker shares with the parent.
    standard_error : StandardError
        Shows what the worker writes there, and keeps the end of it.
    pid, sentinel : int
        Those of the process.
    """

    def __init__(self, device=None):
        self._started = time.time()
        self.channel = Channel()
        reader, writer = context.Pipe(duplex=False)
        progress = SharedProgress()
        arguments = self.channel.theirs, writer, progress, nesting()
        self._process = Process(target=_main.main, args=arguments, daemon=False)
        try:
            self._process.start()
            self.progress = progress.map()
        except BaseException:
            self.channel.close()
            reader.close()
            raise
        finally:
            progress.close()
            self.channel.theirs.close()
            writer.close()
        self.standard_error = StandardError(reader)
        self.pid = self._process.pid
        self.sentinel = self._process.sentinel
        self.device = device
        if device is not None:
            self.channel.send(pack(DEVICE, device))

    def ask_to_end(self):
        """Ask the process to end by itself."""
        self.channel.send(QUIT)

    def kill(self):
        """Kill the process, and end the processes that it has started."""
        with contextlib.suppress(OSError):
            os.kill(self.pid, signal.SIGKILL)
        self._end_children()

    def close(self):
        """Free everything that an ended process held here, and return its exit code."""
        self._end_children()
        self._process.join()
        exit_code = self._process.exitcode
        if exit_code:
            remove_semaphores(self.pid, self._started)
        self.standard_error.drain()
        self.channel.close()
        self._process.close()
        return exit_code

    def _end_children(self):
        # SIGTERM spares the resource trackers, which remove what the others leave behind.
        with contextlib.suppress(OSError):  # the process may not have made its group
            os.killpg(self.pid, signal.SIGTERM)
