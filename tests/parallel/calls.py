"""What the tests of calls have in common: the backend in short, and a look at memory."""

import os
import re
from pathlib import Path

from joblib import Parallel, delayed


def parallel(n_jobs=2, **options):
    return Parallel(n_jobs=n_jobs, backend="skextra", **options)


def ask(function, *args, **options):
    """Run a function in a worker and return its result."""
    first, _ = parallel(**options)(delayed(function)(*args) for _ in range(2))
    return first


def pss_megabytes(pid):
    """Return the memory of a process, its share of what it shares."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0


def shared_memory_of(pid):
    """Return the names in /dev/shm that hold the number of a process as a word of its own.

    joblib's names end in many random digits, in which any number may be found.
    """
    return [name for name in os.listdir("/dev/shm") if str(pid) in re.split("[_-]", name)]
