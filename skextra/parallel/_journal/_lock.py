"""The lock on a file that only one program may write to."""

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


def take_lock(descriptor):
    """Lock an open file until it is closed or the process ends, however it ends.

    Raises
    ------
    BlockingIOError
        If another process has it.
    NotImplementedError
        If this system has no lock that ends with the process.
    """
    if fcntl is None:
        raise NotImplementedError("this system has no lock that ends with the process")
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
