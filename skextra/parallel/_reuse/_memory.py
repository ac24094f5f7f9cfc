"""How much memory is free: of the machine, and of the control group that this process is in."""

import contextlib
from pathlib import Path

_UNKNOWN = 2**30


def free_nbytes(root="/"):
    """Return the bytes that could still be used without anything being swapped or killed.

    Parameters
    ----------
    root : path-like, default="/"
        Where the files of the kernel are.
    """
    root = Path(root)
    found = []
    with contextlib.suppress(OSError, ValueError, IndexError):
        lines = (root / "proc/meminfo").read_text().splitlines()
        line = next(line for line in lines if line.startswith("MemAvailable:"))
        found.append(int(line.split()[1]) * 1024)
    for limit, used in _LIMITS:
        with contextlib.suppress(OSError, ValueError):  # no such group, or "max"
            limit = int((root / "sys/fs/cgroup" / limit).read_text())
            used = int((root / "sys/fs/cgroup" / used).read_text())
            found.append(max(0, limit - used))
    return min(found, default=_UNKNOWN)


_LIMITS = (
    ("memory.max", "memory.current"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
)
