"""What a worker leaves behind when it dies: memory that it shares with its pool.

Writing there costs about a microsecond, where a message for every result would wake the pool a
hundred thousand times for a batch of tiny calls.
"""

import ctypes
import struct

ROOM = 1 << 16
_RECORD = struct.Struct("<qq")


class Progress(ctypes.Structure):
    """Which call a worker is in since when, and the results it has not sent yet.

    Only the worker writes while it runs; the pool resets it before it sends a task.
    """

    _fields_ = (
        ("index", ctypes.c_longlong),  # of the call in its message; -1 before the first
        ("started", ctypes.c_double),  # by the monotonic clock, which all processes share
        ("used", ctypes.c_longlong),
        ("_room", ctypes.c_ubyte * ROOM),
    )

    def reset(self):
        """Forget the last task."""
        self.index, self.used = -1, 0

    def begin(self, index, now):
        """Say that a call begins; the time goes first, so that it is never too old."""
        self.started = now
        self.index = index

    def keep(self, end, message):
        """Keep the results of the calls up to an index; return whether there was room."""
        start, stop = self.used, self.used + _RECORD.size + len(message)
        if stop > ROOM:
            return False
        self._view()[start:stop] = _RECORD.pack(end, len(message)) + bytes(message)
        self.used = stop  # last: what is half written does not count
        return True

    def kept(self):
        """Return the messages with results that were kept, and how many calls each completes."""
        room, position, records = self._view(), 0, []
        while position < self.used:
            end, size = _RECORD.unpack_from(room, position)
            position += _RECORD.size + size
            records.append((end, bytes(room[position - size : position])))
        return records

    def _view(self):
        return memoryview(self).cast("B")[Progress._room.offset :]
