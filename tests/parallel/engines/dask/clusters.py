"""A Dask cluster for tests: a scheduler and workers that are processes of their own."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time

_ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def _free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class ProcessCluster:
    """A scheduler and workers on the loopback interface.

    Parameters
    ----------
    folder : Path
        Where they run and what they say goes.
    n_workers : int, default=2
        How many workers.
    n_threads : int, default=1
        How many threads each has.
    nanny : bool, default=False
        Whether each has a nanny, which starts it again.
    """

    def __init__(self, folder, n_workers=2, nanny=False, n_threads=1):
        self.folder = folder
        self.port = _free_port()
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.nanny, self.n_threads = nanny, n_threads
        self.workers = []
        self._log = open(folder / "cluster.log", "ab")  # noqa: SIM115  closed by `close`
        self.start_scheduler()
        for _ in range(n_workers):
            self.start_worker()

    def start_scheduler(self):
        """Start the scheduler, at the same address each time."""
        self.scheduler = self._start(
            "scheduler",
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
            "--dashboard-address",
            ":0",
        )
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            assert time.monotonic() < deadline, "the scheduler does not start"
            time.sleep(0.05)

    def start_worker(self, **environment):
        """Start one more worker."""
        nanny = "--nanny" if self.nanny else "--no-nanny"
        arguments = "--nthreads", str(self.n_threads), "--no-dashboard", nanny
        arguments += "--local-directory", "local"
        self.workers.append(self._start("worker", self.address, *arguments, **environment))
        return self.workers[-1]

    def restore(self, n_workers):
        """Start workers in place of those that have ended."""
        self.workers = [worker for worker in self.workers if worker.poll() is None]
        while len(self.workers) < n_workers:
            self.start_worker()

    def kill(self, process):
        """Kill a scheduler, or a worker and its nanny."""
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def close(self):
        """End all of it: a nanny that is killed leaves its locks in shared memory."""
        for process in [*self.workers, self.scheduler]:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            self.kill(process)
        self._log.close()

    def _start(self, *arguments, **environment):
        return subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments],
            stdout=self._log,
            stderr=self._log,
            stdin=subprocess.DEVNULL,
            cwd=self.folder,
            env={**_ENVIRONMENT, **environment},
            start_new_session=True,
        )
