"""One worker process: its pipe, its standard error stream, the memory it shares, its end."""

import contextlib
import os
import signal

from skextra.parallel._engines._processes._channel import Channel
from skextra.parallel._engines._processes._fork_server import Process, context
from skextra.parallel._engines._processes._standard_error import StandardError
from skextra.parallel._messages import DEVICE, QUIT, pack
from skextra.parallel._worker import _main
from skextra.parallel._worker._nesting import nesting
from skextra.parallel._worker._progress import SharedProgress


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
        self.standard_error.drain()
        self.channel.close()
        self._process.close()
        return exit_code

    def _end_children(self):
        # SIGTERM spares the resource trackers, which remove what the others leave behind.
        with contextlib.suppress(OSError):  # the process may not have made its group
            os.killpg(self.pid, signal.SIGTERM)
