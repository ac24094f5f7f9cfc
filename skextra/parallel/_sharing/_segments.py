"""Segments: large contents in memory that processes share, written once and mapped by many.

A segment is a file without a name in any file system, which the kernel frees with the last
descriptor and the last mapping of it. The others open it through the ``/proc`` of the process that
made it. Where there is no such thing, or a folder is asked for, it is a file in that folder.
"""

import contextlib
import mmap
import os
import socket
import tempfile
import weakref
from array import array as array_of

import numpy as np

try:
    import fcntl
    import resource
except ImportError:  # Windows
    fcntl = resource = None

# The most descriptors that are sent at once: the kernel takes no more than 253.
MAX_SENT = 64
_CHUNK_NBYTES = 2**20

_nameless = weakref.WeakSet()  # files that hold a descriptor
_mapped = weakref.WeakSet()  # maps of segments of others; Python keeps a descriptor for each


class Segment:
    """One content in a file that other processes can map, as long as this object lives.

    Parameters
    ----------
    array : ndarray
        The content.
    folder : str or None
        Where to put the file; by default it has no name.
    mode : {"c", "r+"}
        Whether whoever maps it has a view of its own or may change it for all.

    Attributes
    ----------
    handle : tuple
        What another process needs to find it: see `open_segment`.
    """

    def __init__(self, array, folder=None, mode="c"):
        self._file = file = _File(folder)
        try:
            for piece in pieces_of(array):
                # Not through a mapping: what runs out of memory here is an error, not a signal.
                _write(file.descriptor, piece)
            status = os.fstat(file.descriptor)
            if folder is not None:
                file.close_descriptor()
            elif mode == "c":
                seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK
                fcntl.fcntl(file.descriptor, fcntl.F_ADD_SEALS, seals)
        except BaseException:
            file.close()
            raise
        self.handle = file.path, (status.st_dev, status.st_ino), array.nbytes, mode

    @property
    def descriptor(self):
        """The descriptor of a file without a name; None after `close`, or if it has a name."""
        return self._file.descriptor

    def holds(self, array):
        """Whether the content is, byte for byte, that of an array."""
        if array.nbytes != self.handle[2]:
            return False
        try:
            content = np.asarray(open_segment(self.handle))
        except OSError:
            return False
        start = 0
        for piece in pieces_of(array):
            if not np.array_equal(piece, content[start : start + len(piece)]):
                return False
            start += len(piece)
        return True

    def close(self):
        """Let go of the file; those who have mapped it keep what they have."""
        self._file.close()


class _File:
    """The file of a segment, closed and removed when it is dropped.

    It is apart from the segment because other threads find segments through weak references,
    which still work while a ``__del__`` runs: a segment with one could be closed in the hands of
    a thread that has just found it. Python clears the weak references to a segment before it
    drops what the segment holds, and nobody has a weak reference to this to use it.
    """

    def __init__(self, folder):
        self._pid = os.getpid()
        self._name = None
        if folder is None:
            self.descriptor = os.memfd_create("skextra", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            self.path = f"/proc/{self._pid}/fd/{self.descriptor}"
            _nameless.add(self)
        else:
            self.descriptor, self.path = tempfile.mkstemp(prefix="array-", dir=folder)
            self._name = self.path

    def close(self):
        self.close_descriptor()
        # The file is not a forked child's to remove.
        if self._name is not None and self._pid == os.getpid():
            with contextlib.suppress(OSError):
                os.unlink(self._name)
            self._name = None

    def close_descriptor(self):
        descriptor, self.descriptor = self.descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def __del__(self):
        if hasattr(self, "descriptor"):
            self.close()


def open_segment(handle):
    """Map a segment of another process: an array of bytes, an instance of ``numpy.memmap``."""
    path, identity, nbytes, mode = handle
    with open(path, "rb" if mode == "c" else "r+b") as file:
        status = os.fstat(file.fileno())
        # A descriptor that was closed and given to another file has the same path.
        if (status.st_dev, status.st_ino) != identity:
            raise OSError(f"the shared memory at {path} has been replaced")
        content = np.memmap(file, dtype=np.uint8, mode=mode, shape=(nbytes,))
    _mapped.add(content.base)
    return content


def map_received(descriptor, nbytes):
    """Map a segment by a descriptor of one's own: a plain array of bytes that may be changed."""
    if len(_mapped) < max_descriptors():
        received = mmap.mmap(descriptor, nbytes, access=mmap.ACCESS_COPY)
        _mapped.add(received)
        return np.frombuffer(received, np.uint8)
    array = np.empty(nbytes, np.uint8)
    start = 0
    while start < nbytes:
        start += os.preadv(descriptor, [array[start : start + 2**30]], start)
    return array


def send_descriptors(connection, segments):
    """Send the descriptors of segments after a message, with a byte that is no part of one."""
    descriptors = array_of("i", [segment.descriptor for segment in segments])
    # Not a duplicate of the descriptor: a task may have used up all that the process may have.
    pipe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=connection.fileno())
    try:
        pipe.sendmsg([b"d"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)])
    finally:
        pipe.detach()


class Descriptor(int):
    """A descriptor that is closed when nobody has it any more."""

    def __del__(self):
        os.close(self)


class Received(bytes):
    """A message with the descriptors that came after it."""

    def __new__(cls, message, descriptors):
        """Make a copy of a message, which is small."""
        self = super().__new__(cls, message)
        self.descriptors = descriptors
        return self


def order_of(array):
    """Return the order in which an array is written, "C" or "F"."""
    return "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"


def any_mapped():
    """Whether this process still has a segment of another one mapped."""
    return len(_mapped) > 0


def can_be_nameless():
    with contextlib.suppress(OSError, AttributeError):
        # A process that may not be looked into has files there that belong to root.
        readable = os.stat("/proc/self/fd").st_uid == os.geteuid()
        return readable and bool(os.memfd_create) and bool(fcntl.F_ADD_SEALS)
    return False


def room_for_descriptors():
    """Whether one more segment leaves most of the descriptors a process may have to others."""
    return len(_nameless) < max_descriptors()


def pieces_of(array):
    """Yield the bytes of an array in contiguous pieces."""
    array = np.asarray(array)
    array = array.T if order_of(array) == "F" else array
    if array.flags.c_contiguous:
        content = array.reshape(-1).view(np.uint8)
        for start in range(0, len(content), _CHUNK_NBYTES):
            yield content[start : start + _CHUNK_NBYTES]
        return
    n_rows = max(1, _CHUNK_NBYTES * len(array) // array.nbytes)
    for start in range(0, len(array), n_rows):
        yield np.ascontiguousarray(array[start : start + n_rows]).reshape(-1).view(np.uint8)


def _write(descriptor, piece):
    while len(piece):
        piece = piece[os.write(descriptor, piece) :]


def max_descriptors():
    if resource is None:
        return 2048  # a quarter of what Windows allows
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4


def _close_inherited():
    # A fork that outlives this process would keep the memory.
    for file in list(_nameless):
        file.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_inherited)
