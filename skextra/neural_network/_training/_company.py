"""Threads of OpenMP that do not spin while other programs want the cores.

A thread of libgomp, the OpenMP of torch's wheels, waits for the others of its team by spinning:
300,000 times, but 100 times only in a process that has more OpenMP threads than there are CPUs
(``GOMP_SPINCOUNT`` in its manual). Spinning is fastest on a quiet machine. Beside other busy
programs it keeps the core from the very thread that is waited for. So in company a team of spare
threads, which only sleep, makes the threads that many. What is computed stays the same to the bit.
With another OpenMP nothing changes.
"""

import os
import threading

import torch

_RUNNABLE = "/proc/loadavg"  # "0.10 0.20 0.30 3/812 4711": 3 threads run or want to
# Looks without company until the threads spin again: a look costs about a hundredth of a batch.
_N_QUIET = 10
_GRAIN = 2**15  # values for each of which torch takes a thread


class Company:
    """What a computation does about other busy programs, as a context.

    Parameters
    ----------
    libraries : list
        The OpenMP libraries of the process, as threadpoolctl controls them.
    """

    def __init__(self, libraries):
        self._libraries = libraries
        self._n_threads = torch.get_num_threads()
        self._n_quiet = 0
        self._over = None  # tells the spare threads to end; None where there are none

    def __enter__(self):
        self.look()
        return self

    def __exit__(self, *_):
        self._end()

    def look(self):
        """Start the spare threads if others want the cores, or end them if none does any more."""
        n_runnable = n_runnable_threads()
        if self._n_threads == 1 or n_runnable is None:
            return
        # The threads of this computation may all be spinning, or all but one asleep.
        n_own = self._n_threads if self._over is None else 1
        if n_runnable - n_own + self._n_threads > n_cpus():
            self._n_quiet = 0
            self._start()
        else:
            self._n_quiet += 1
            if self._n_quiet >= _N_QUIET:
                self._end()

    def _start(self):
        if self._over is not None:
            return
        self._over, ready = threading.Event(), threading.Event()
        arguments = self._libraries, ready, self._over
        threading.Thread(target=_hold_spare_threads, args=arguments, daemon=True).start()
        ready.wait()

    def _end(self):
        if self._over is not None:
            self._over.set()
            self._over = None


def _hold_spare_threads(libraries, ready, over):
    """Have one OpenMP thread more than CPUs in this thread's own team until it is over."""
    n_threads = n_cpus() + 1
    try:
        torch.get_num_threads()  # torch sets the number when a thread first asks
        for library in libraries:
            library.set_num_threads(n_threads)
        torch.zeros(n_threads * _GRAIN).add_(1)  # the team starts with the first work
    finally:
        ready.set()
    over.wait()


def n_runnable_threads():
    """Return how many threads of the machine run or want to, or None where nothing says so."""
    try:
        with open(_RUNNABLE, "rb") as file:
            return int(file.read().split()[3].partition(b"/")[0])
    except (OSError, ValueError, IndexError):
        return None


def n_cpus():
    """Return the CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
