"""The lock on a file that only one program may write to."""

import os

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None
    try:
        import msvcrt
    except ImportError:
        msvcrt = None

# Windows locks bytes against reading too: this one is beyond any content, and SQLite's own locks.
_LOCKED_BYTE = 2**40


def take_lock(descriptor):
    """Lock an open file until it is closed or the process ends, however it ends.

    Raises
    ------
    BlockingIOError
        If another process has it.
    NotImplementedError
        If this system has no lock that ends with the process.
    """
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    if msvcrt is None:
        raise NotImplementedError("this system has no lock that ends with the process")
    os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
    try:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    except PermissionError as error:
        raise BlockingIOError(*error.args) from error
