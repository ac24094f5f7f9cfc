"""Random calls of the "skextra" backend for as long as one likes, and what they leave behind.

Run ``python -m benchmarks.soak 1800`` for half an hour, with a seed as a second argument for
another order. A TMPDIR of its own keeps the folders of other programs out of the table, and
``unshare --mount`` with a new /dev/shm their memory. Several threads call at once: arithmetic on
large and small arrays, tasks that kill their worker or take too long, nested calls, sessions that
are left in the middle, other thread limits, while one more thread kills workers at random. Every
result is compared with the one that is known beforehand. In the end there is a table of memory,
descriptors, processes and entries of /dev/shm over time; the exit code is 1 if a result was wrong
or something has grown.
"""

import collections
import contextlib
import gc
import os
import random
import signal
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed, parallel_config

import skextra  # noqa: F401  registers the backend
from skextra.parallel import TaskTimeoutError, WorkerCrashError
from skextra.parallel._scheduling._current import get_scheduler

N_THREADS = 3
N_ROWS = 12
# What this program may have gained at the end over the end of the first quarter. The entries of
# /dev/shm are shown only: other programs have some.
MAX_GROWTH = {"MiB": 16, "descriptors": 32, "threads": 16, "processes": 16, "folders": 0}
# The C library keeps freed memory of threads in pieces, which would hide what leaks.
MALLOC = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "131072"}


def change(x, value):
    """Change the argument in place and sum it up."""
    x += value
    return float(x.sum())


def grow(values, value):
    """Append to a list and return its length and the sum."""
    values.append(value)
    return len(values), sum(values)


def large_result(value):
    """Return more than goes into a message."""
    return np.full(200_000, value)


def nested(n):
    """Run a call inside a task, every other in processes."""
    options = {"backend": "skextra"} if n % 2 else {}
    return sum(Parallel(n_jobs=2, **options)(delayed(abs)(-i) for i in range(n)))


def die_once(folder, name):
    """Kill the worker the first time."""
    path = Path(folder) / name
    if not path.exists():
        path.touch()
        os.kill(os.getpid(), random.choice([signal.SIGKILL, signal.SIGSEGV]))
    path.unlink()
    return name


class Caller:
    """Makes calls of random kinds and compares their results, until time is over.

    Parameters
    ----------
    seed : int
        Of its choices.
    folder : path-like
        Where tasks note that they have died.
    """

    def __init__(self, seed, folder):
        self.generator = random.Random(seed)
        self.folder = str(folder)
        self.counts = collections.Counter()
        self.wrong = []
        self._n_names = 0

    def run(self, deadline):
        """Call until a time of the monotonic clock."""
        kinds = [
            self.changed_arrays,
            self.changed_lists,
            self.large_results,
            self.nested_calls,
            self.deaths,
            self.timeouts,
            self.generators,
            self.several_calls_in_a_session,
            self.errors,
        ]
        while time.monotonic() < deadline:
            kind = self.generator.choice(kinds)
            options = {"n_jobs": self.generator.choice([2, 2, 3]), "max_retries": 40}
            if self.generator.random() < 0.2:
                options["inner_max_num_threads"] = self.generator.choice([1, 2])
            try:
                kind(options)
            except Exception as error:
                self.wrong.append(f"{kind.__name__}: {error!r}"[:300])
            self.counts[kind.__name__] += 1

    def _check(self, kind, found, expected):
        if found != expected:
            self.wrong.append(f"{kind}: {found!r}, not {expected!r}"[:300])

    def _parallel(self, options, **more):
        return Parallel(backend="skextra", **(options | more))

    def changed_arrays(self, options):
        """Change arrays of all sizes in every task."""
        size = self.generator.choice([10, 10_000, 200_000, 1_000_000])
        array, n = np.zeros(size), self.generator.randrange(1, 40)
        mode = self.generator.choice(["r", "r", "c", None])
        found = self._parallel(options, mmap_mode=mode)(
            delayed(change)(array if i % 2 else np.zeros(size), i) for i in range(n)
        )
        self._check("array", found, [float(size * i) for i in range(n)])

    def changed_lists(self, options):
        """Give one list to all tasks."""
        values = [1, 2]
        found = self._parallel(options)(delayed(grow)(values, i) for i in range(100))
        self._check("list", found, [(3, 3 + i) for i in range(100)])

    def large_results(self, options):
        """Return results in shared memory."""
        found = self._parallel(options)(delayed(large_result)(i) for i in range(6))
        self._check("result", [x[[0, -1]].tolist() for x in found], [[i, i] for i in range(6)])

    def nested_calls(self, options):
        """Call within tasks."""
        found = self._parallel(options)(delayed(nested)(n) for n in range(4))
        self._check("nested", found, [0, 0, 1, 3])

    def deaths(self, options):
        """Kill workers from within tasks."""
        names = []
        for _ in range(4):
            self._n_names += 1
            names.append(f"{id(self)}-{self._n_names}")
        found = self._parallel(options)(delayed(die_once)(self.folder, name) for name in names)
        self._check("death", found, names)

    def timeouts(self, options):
        """Run into a time limit."""
        with contextlib.suppress(TaskTimeoutError):
            self._parallel(options, task_timeout=0.5)(delayed(time.sleep)(60) for _ in range(2))
            self.wrong.append("no time-out")

    def generators(self, options):
        """Leave a call in the middle."""
        found = self._parallel(options, return_as="generator")(
            delayed(change)(np.zeros(150_000), i) for i in range(30)
        )
        self._check("generator", [next(found) for _ in range(3)], [0.0, 150e3, 300e3])
        found.close()

    def several_calls_in_a_session(self, options):
        """Change an array between the calls of one session."""
        array = np.zeros(200_000)
        with parallel_config("skextra"), Parallel(**options) as parallel:
            for i in range(4):
                array[:] = i
                found = parallel(delayed(change)(array, 1) for _ in range(5))
                self._check("session", found, [200_000.0 * (i + 1)] * 5)

    def errors(self, options):
        """Fail in some tasks."""
        try:
            self._parallel(options)(delayed(divmod)(1, i % 3) for i in range(6))
            self.wrong.append("no error")
        except ZeroDivisionError:
            pass
        except WorkerCrashError as error:
            self.wrong.append(f"error: {error}"[:300])


def kill_workers(seed, deadline, counts):
    """Kill workers of this program at random moments."""
    generator = random.Random(seed)
    while time.monotonic() < deadline:
        time.sleep(generator.expovariate(1.5))
        workers = [worker.process.pid for worker in list(get_scheduler().engine.workers)]
        if workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(generator.choice(workers), signal.SIGKILL)
                counts["kills"] += 1


def measure():
    """Return what this program holds, after a full garbage collection."""
    gc.collect()
    status = dict(
        line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines()
    )
    return {
        "MiB": int(status["RssAnon"].split()[0]) // 1024,
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
        "processes": _n_descendants(os.getpid()),
        "/dev/shm": len(os.listdir("/dev/shm")),
        "folders": len(list(Path(tempfile.gettempdir()).glob("skextra-*"))),
    }


def _n_descendants(pid):
    children = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            children += path.read_text().split()
    return len(children) + sum(_n_descendants(int(child)) for child in children)


def main(seconds=60.0, seed=0):
    """Call for so many seconds; print the table; return whether all is well."""
    # Of generators that are left in the middle.
    warnings.filterwarnings("ignore", message=".*(successfully executed|being processed)")
    rows, started = [], time.monotonic()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        callers = [Caller(100 * seed + i, folder) for i in range(N_THREADS)]
        counts = collections.Counter()
        for i in range(N_ROWS):
            deadline = started + seconds * (i + 1) / N_ROWS
            threads = [threading.Thread(target=c.run, args=(deadline,)) for c in callers]
            threads.append(
                threading.Thread(target=kill_workers, args=(seed + i, deadline, counts))
            )
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            time.sleep(2)  # workers that were killed are gone by then
            rows.append({"minutes": (time.monotonic() - started) / 60} | measure())
            calls = sum(caller.counts.total() for caller in callers)
            rows[-1] |= {"calls": calls, "kills": counts["kills"]}
            rows[-1]["wrong"] = sum(len(caller.wrong) for caller in callers)
            if i == 0:
                print("".join(f"{name:>12}" for name in rows[0]))
            print("".join(f"{value:12.4g}" for value in rows[-1].values()), flush=True)
    for caller in callers:
        counts += caller.counts
    print(", ".join(f"{name} {n}" for name, n in sorted(counts.items())))
    wrong = [text for caller in callers for text in caller.wrong]
    print(*wrong[:20], sep="\n")
    first, last = rows[N_ROWS // 4], rows[-1]
    grown = [name for name, most in MAX_GROWTH.items() if last[name] - first[name] > most]
    print("grown:", ", ".join(grown) or "nothing")
    return not wrong and not grown


if __name__ == "__main__":
    if not MALLOC.items() <= os.environ.items():
        command = [sys.executable, "-m", "benchmarks.soak", *sys.argv[1:]]
        os.execve(sys.executable, command, os.environ | MALLOC)
    arguments = [float(word) for word in sys.argv[1:]]
    sys.exit(not main(*arguments[:1], *map(int, arguments[1:2])))
