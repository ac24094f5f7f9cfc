"""The lock on a file that only one program may write to; other systems have other ones."""

import fcntl


def take_lock(descriptor):
    """Lock an open file until it is closed or the process ends, however it ends.

    Raises
    ------
    BlockingIOError
        If another process has it.
    """
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
