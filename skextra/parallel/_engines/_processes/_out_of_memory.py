"""Whether the kernel has killed a process for want of memory."""

from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")


def oom_kills(membership="/proc/self/cgroup", root=_ROOT):
    """Count the processes of this control group that died because memory ran out.

    Parameters
    ----------
    membership : path-like
        The file in which the kernel names the groups of the process.
    root : Path
        Where the groups are mounted.

    Returns
    -------
    count : int or None
        None where the kernel does not tell, such as on macOS.
    """
    try:
        lines = Path(membership).read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "memory":
            folder, name = root / "memory", "memory.oom_control"
        elif controllers == "":  # the second version, alone or beside the first
            folder, name = root, "memory.events"
        else:
            continue
        # In a container the path may be the one outside, and the group is mounted as the root.
        for file in (folder / path.lstrip("/") / name, folder / name):
            count = _count_in(file)
            if count is not None:
                return count
    return None


def _count_in(file):
    try:
        words = [line.split() for line in file.read_text().splitlines()]
    except OSError:
        return None
    return next((int(value) for name, value in words if name == "oom_kill"), None)
