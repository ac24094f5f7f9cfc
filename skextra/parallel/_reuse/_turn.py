"""What a worker and the keeper say to each other about one key, each message one packet.

The socket has an abstract address: it is in no file system, and gone with the process that has
it. Other users of the machine can see the address, so each side asks the kernel who the other is.
"""

import contextlib
import os
import socket
import struct

# From the worker: a key; may it store so many bytes; the entry; nobody can share it; and why.
ASK, RESERVE, PUBLISH, DECLINE, TROUBLE = b"a", b"r", b"p", b"d", b"t"
# From the keeper: the entry; compute it for all; compute it for yourself; whether there is room.
FOUND, COMPUTE, ALONE, YES, NO = b"f", b"c", b"o", b"y", b"n"
MAX_PACKET_NBYTES = 1024
_CREDENTIALS = struct.Struct("3i")


def is_of_this_user(connection):
    """Whether the process at the other end belongs to the user of this one."""
    found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return _CREDENTIALS.unpack(found)[1] == os.geteuid()


class Turn:
    """What a worker may do about one key, from its question until it has an answer.

    Parameters
    ----------
    address : str
        Of the keeper.
    key : bytes
        What the worker needs.

    Attributes
    ----------
    descriptor : int or None
        The entry, if there is one; whoever has the turn closes it.
    computes : bool
        Whether others wait for what this worker computes. They go on without if this object is
        closed, or if the process ends.

    Raises
    ------
    OSError
        If the keeper is gone.
    """

    def __init__(self, address, key):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.descriptor = None
        try:
            self._socket.connect(f"\0{address}")
            if not is_of_this_user(self._socket):
                raise PermissionError(f"the address {address} belongs to another user")
            self._socket.send(ASK + key)
            answer = self._answer()
        except BaseException:
            self._socket.close()
            raise
        self.computes = answer == COMPUTE

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None

    def reserve(self, nbytes):
        """Ask for room; return whether there is so much, and the keeper is still there."""
        try:
            self._socket.send(RESERVE + nbytes.to_bytes(8, "little"))
            return self._answer() == YES
        except OSError:
            return False

    def publish(self, descriptor):
        """Hand a finished entry over, for which there is room."""
        socket.send_fds(self._socket, [PUBLISH], [descriptor])

    def decline(self):
        """Say that this cannot be shared: the others need not wait for it."""
        with contextlib.suppress(OSError):
            self._socket.send(DECLINE)

    def report(self, error):
        """Say that this could be shared, but for an error of the system."""
        text = str(error).encode(errors="replace")
        with contextlib.suppress(OSError):
            self._socket.send(TROUBLE + text[: MAX_PACKET_NBYTES - 1])

    def _answer(self):
        answer, descriptors, _, _ = socket.recv_fds(self._socket, MAX_PACKET_NBYTES, 1)
        if not answer:
            raise ConnectionError("the keeper is gone")
        if answer == FOUND:
            if not descriptors:
                raise OSError("too many open files to receive an entry")
            self.descriptor = descriptors[0]
        return answer
