"""What a worker leaves behind when it dies: memory that it shares with its pool.

Writing there costs about a microsecond, where a message for every result would wake the pool a
hundred thousand times for a batch of tiny calls.
"""

import ctypes
import mmap
import os
import struct
import tempfile
from multiprocessing import reduction

ROOM = 1 << 20
_RECORD = struct.Struct("<qqq")


class Progress(ctypes.Structure):
    """Which call a worker is in since when, and the results it has not sent yet.

    Only the worker writes while it runs; the pool resets it before it sends a task. A worker that
    dies may have written anything over it, which must harm nobody.
    """

    _fields_ = (
        ("index", ctypes.c_longlong),  # of the call in its message; -1 before the first
        ("started", ctypes.c_double),  # by the monotonic clock, which all processes share
        ("seconds", ctypes.c_double),  # that the last task took
        ("has_grown", ctypes.c_longlong),  # whether it holds too much memory to live on
        ("used", ctypes.c_longlong),  # bytes of the room
        ("_room", ctypes.c_ubyte * ROOM),
    )

    def reset(self):
        """Forget the last task."""
        self.index, self.used = -1, 0

    def begin(self, index, now):
        """Say that a call begins; the time goes first, so that it is never too old."""
        self.started = now
        self.index = index

    def keep(self, first, end, message):
        """Keep the results of the calls from one index to another; false if there is no room."""
        start, size = self.used, len(message)
        stop = start + _RECORD.size + size
        if stop > ROOM:
            return False
        room = self._view()
        _RECORD.pack_into(room, start, first, end, size)
        room[start + _RECORD.size : stop] = message
        self.used = stop  # last: what is half written does not count
        return True

    def kept(self):
        """Return what was kept: the indices of the first call and after the last, the message."""
        room, position, records, used = self._view(), 0, [], self.used
        if not 0 <= used <= ROOM:
            return []
        while used - position >= _RECORD.size:
            first, end, size = _RECORD.unpack_from(room, position)
            position += _RECORD.size
            if not 0 < size <= used - position:
                break
            records.append((first, end, bytes(room[position : position + size])))
            position += size
        return records

    def _view(self):
        return memoryview(self).cast("B")[Progress._room.offset :]


def nameless_file(name):
    """Return the descriptor of a new file in memory, which no folder has.

    Parameters
    ----------
    name : str
        What the system shows of it.
    """
    if hasattr(os, "memfd_create"):
        return os.memfd_create(name, os.MFD_CLOEXEC)
    folder = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryFile(dir=folder) as file:
        return os.dup(file.fileno())


class SharedProgress:
    """Makes the memory for a worker's progress, and lets the worker have it too.

    It has no name, and the pages that are not written to cost nothing.
    """

    def __init__(self):
        self._descriptor = nameless_file("worker-progress")
        os.ftruncate(self._descriptor, ctypes.sizeof(Progress))

    def map(self):
        """Return the progress; once in a process, as the descriptor is closed then."""
        memory = mmap.mmap(self._descriptor, ctypes.sizeof(Progress))
        self.close()
        return Progress.from_buffer(memory)

    def close(self):
        """Close the descriptor."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __getstate__(self):
        """Take the descriptor along to the process that is being started."""
        return reduction.DupFd(self._descriptor)

    def __setstate__(self, descriptor):
        """Receive it there."""
        self._descriptor = descriptor.detach()
