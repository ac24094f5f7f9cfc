"""The pool's end of the pipe to a worker, which never waits for the worker.

The worker's end is a ``Connection`` of multiprocessing, and the frames are those that it reads and
writes: the length in four bytes, or -1 and the length in eight, then the content.
"""

import collections
import contextlib
import socket
import struct
from array import array
from multiprocessing.connection import Connection

from skextra.parallel._messages import SHARED_RESULT
from skextra.parallel._sharing._segments import MAX_SENT, Descriptor, Received

_SHORT, _LONG = struct.Struct("!i"), struct.Struct("!Q")
_LONGEST_SHORT = 0x7FFFFFFF
_READ_NBYTES = 2**16
_ROOM_FOR_DESCRIPTORS = socket.CMSG_SPACE(MAX_SENT * array("i").itemsize)


class Channel:
    """Frames to and from a worker, as far as they can be sent or have come.

    Attributes
    ----------
    theirs : Connection
        The worker's end; to be closed here when the worker has it.
    """

    def __init__(self):
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.theirs = Connection(theirs.detach())
        self._socket.setblocking(False)
        self._outgoing = collections.deque()  # memoryviews
        self._descriptors = collections.deque()  # those of a message together, in order
        self._shared = None  # a message whose descriptors have yet to come
        self._chunk = bytearray(_READ_NBYTES)
        self._head = bytearray()  # what has come and is not a whole message
        self._frame = None  # what has come of a long frame, and how much it is
        self._n_filled = 0

    def fileno(self):
        """Return the descriptor, for a selector; -1 after `close`."""
        return self._socket.fileno()

    @property
    def closed(self):
        """Whether it was closed here."""
        return self._socket.fileno() < 0

    def close(self):
        """Close the pool's end."""
        self._socket.close()
        self._outgoing.clear()

    def send(self, message):
        """Send a message; return whether it has been, or the worker is no longer there."""
        nbytes = len(message)
        head = _SHORT.pack(nbytes) if nbytes <= _LONGEST_SHORT else _SHORT.pack(-1)
        if nbytes > _LONGEST_SHORT:
            head += _LONG.pack(nbytes)
        self._outgoing += (memoryview(head), memoryview(message))
        return self.flush()

    def flush(self):
        """Send what is left; return whether nothing is."""
        while self._outgoing:
            pieces = [self._outgoing[i] for i in range(min(2, len(self._outgoing)))]
            try:
                n_sent = self._socket.sendmsg(pieces, [], socket.MSG_NOSIGNAL)
            except (BlockingIOError, InterruptedError):
                return False
            except OSError:  # its sentinel says that it is gone
                self._outgoing.clear()
                return True
            while self._outgoing and n_sent >= len(self._outgoing[0]):
                n_sent -= len(self._outgoing.popleft())
            if n_sent:
                self._outgoing[0] = self._outgoing[0][n_sent:]
        return True

    def receive(self):
        """Return the messages that are complete, after reading once.

        Raises
        ------
        EOFError, OSError
            If the worker's end is closed, or what came makes no sense.
        BlockingIOError
            If nothing is there.
        """
        if self._frame is not None:
            target = memoryview(self._frame)[self._n_filled :]
            self._n_filled += self._read_into(target)
            if self._n_filled < len(self._frame):
                return []
            frame, self._frame = self._frame, None
            return self._finished(frame)
        n_read = self._read_into(self._chunk)
        self._head += memoryview(self._chunk)[:n_read]
        return self._parse()

    def _read_into(self, target):
        n_read, ancillary, flags, _ = self._socket.recvmsg_into([target], _ROOM_FOR_DESCRIPTORS)
        numbers = array("i")
        for _, _, data in ancillary:
            numbers.frombytes(data[: len(data) // numbers.itemsize * numbers.itemsize])
        if numbers:
            self._descriptors.append([Descriptor(number) for number in numbers])
        if flags & socket.MSG_CTRUNC:
            raise OSError("too many open files to receive a result")
        if not n_read:
            raise EOFError
        return n_read

    def _parse(self):
        messages, data, start = [], self._head, 0
        with memoryview(data) as view:
            while start < len(data):
                if self._shared is not None:  # a byte that the descriptors came with
                    if not self._descriptors:
                        raise OSError("a result came without its descriptors")
                    messages.append(Received(self._shared, self._descriptors.popleft()))
                    self._shared = None
                    start += 1
                    continue
                if len(data) - start < _SHORT.size:
                    break
                (nbytes,), body = _SHORT.unpack_from(view, start), start + _SHORT.size
                if nbytes < 0:
                    if len(data) - body < _LONG.size:
                        break
                    (nbytes,), body = _LONG.unpack_from(view, body), body + _LONG.size
                if len(data) - body < nbytes:
                    if nbytes > _READ_NBYTES:
                        self._begin_long_frame(nbytes, view[body:])
                        start = len(data)
                    break
                messages += self._finished(bytes(view[body : body + nbytes]))
                start = body + nbytes
        del data[:start]
        return messages

    def _begin_long_frame(self, nbytes, content):
        try:
            self._frame = bytearray(nbytes)
        except (MemoryError, OverflowError) as error:
            raise OSError(f"no memory for a message of {nbytes} bytes") from error
        self._n_filled = len(content)
        self._frame[: self._n_filled] = content

    def _finished(self, frame):
        if frame[:1] != SHARED_RESULT:
            return [frame]
        self._shared = frame
        return []


def drain(channel):
    """Yield what a worker managed to say before it died."""
    with contextlib.suppress(EOFError, OSError):
        while not channel.closed:
            yield from channel.receive()
