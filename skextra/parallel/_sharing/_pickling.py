"""Pickles whose large parts are in shared memory, and how to read them.

Only the small rest is a pickle: arrays, tensors, and any other large buffer or run of bytes that a
pickle would hold are replaced by references to segments.
"""

import collections.abc
import io
import pickle
import sys
import types

import cloudpickle
import numpy as np

from skextra.parallel._sharing._reducers import reducers
from skextra.parallel._sharing._segments import map_received, open_segment

# What these define is pickled by its name, if it is found there.
_LIBRARIES = {"builtins", "joblib", "numpy", "pandas", "scipy", "sklearn", "torch"}
_found_by_name = {}  # by identity
# Bytes in a pickle are looked at from this size on; smaller ones come in frames with others.
_MIN_PIECE_NBYTES = 2**17


class Shared:
    """A pickle in pieces.

    Parameters
    ----------
    pieces : list of bytes or handle
        The pickle, in order.
    buffers : list of handle
        What it has out of band.
    """

    def __init__(self, pieces, buffers):
        self.pieces, self.buffers = pieces, buffers

    def load(self, received=()):
        """Read the content; each time in mappings of its own.

        Parameters
        ----------
        received : sequence of int
            The descriptors of segments that came with the message.
        """
        buffers = (_open(handle, received) for handle in self.buffers)
        if len(self.pieces) == 1 and isinstance(self.pieces[0], bytes):
            return pickle.loads(self.pieces[0], buffers=buffers)
        return pickle.Unpickler(_Reader(self.pieces, received), buffers=buffers).load()


class SharedCalls(collections.abc.Sequence):
    """Calls that are read when they are asked for, so that none sees what another changes."""

    def __init__(self, calls):
        self._calls = calls

    def __len__(self):
        return len(self._calls)

    def __getitem__(self, index):
        return self._calls[index].load()


def share(content, sharing):
    """Pickle an object with its large parts in segments.

    Parameters
    ----------
    content : object
        What to pickle.
    sharing : Store or Outbox
        Where the segments come from.

    Returns
    -------
    shared : Shared
        The pickle.
    segments : list of Segment
        What must live until it is read.
    """
    buffers = _Buffers(sharing)
    writer = _Writer(sharing)
    _Pickler(writer, buffers).dump(content)
    shared = Shared(writer.finish(), [segment.handle for segment in buffers.segments])
    return shared, buffers.segments + writer.segments


class _Buffers:
    """The out-of-band buffers of a pickle; apart from the pickler, as that would make a cycle."""

    def __init__(self, sharing):
        self.sharing = sharing
        self.segments = []
        self._placeholders = {}

    def place(self, owner, array, encode=None):
        """Return a placeholder for a segment with the content, or None."""
        segment = self.sharing.segment(owner, array, encode)
        if segment is None:
            return None
        placeholder = pickle.PickleBuffer(bytearray())
        self._placeholders[id(placeholder)] = placeholder, segment
        return placeholder

    def take(self, buffer):
        """Keep a buffer out of the pickle; true if it must go into it."""
        _, segment = self._placeholders.get(id(buffer), (None, None))
        if segment is None:
            content = buffer.raw()
            if content.nbytes <= self.sharing.max_nbytes:
                return True
            segment = self.sharing.segment(None, np.frombuffer(content, np.uint8))
        if segment is None:
            return True
        self.segments.append(segment)
        return False


class _Pickler(cloudpickle.Pickler):
    def __init__(self, file, buffers):
        super().__init__(file, protocol=5, buffer_callback=buffers.take)
        self._buffers = buffers
        self._reducers = reducers()

    def reducer_override(self, obj):
        reduce = self._reducers.get(type(obj))
        if reduce is not None:
            return reduce(obj, self._buffers)
        # cloudpickle does something about these only, and looks each up every time.
        if not isinstance(obj, type | types.FunctionType) or _is_found_by_name(obj):
            return NotImplemented
        return super().reducer_override(obj)


def _is_found_by_name(obj):
    """Whether a function or class is in a library where its name says, as it was before."""
    if _found_by_name.get(id(obj)) is obj:
        return True
    module_name = getattr(obj, "__module__", None) or ""
    if module_name.partition(".")[0] not in _LIBRARIES:
        return False
    found = sys.modules.get(module_name)
    for name in obj.__qualname__.split("."):
        found = getattr(found, name, None)
    if found is obj:
        _found_by_name[id(obj)] = obj
    return found is obj


class _Writer:
    """The file that a pickler writes to: it is given long runs of bytes as they are."""

    def __init__(self, sharing):
        self.segments = []
        self._sharing = sharing
        self._min_nbytes = max(sharing.max_nbytes, _MIN_PIECE_NBYTES)
        self._pieces = []
        self._small = io.BytesIO()

    def write(self, data):
        content = memoryview(data)
        segment = None
        if content.nbytes > self._min_nbytes:
            segment = self._sharing.segment(None, np.frombuffer(content, np.uint8))
        if segment is None:
            self._small.write(data)
            return
        self._pieces += [self._small.getvalue(), segment.handle]
        self.segments.append(segment)
        self._small = io.BytesIO()

    def finish(self):
        return [*self._pieces, self._small.getvalue()]


class _Reader:
    """The file that an unpickler reads from."""

    def __init__(self, pieces, received):
        self._pieces = iter(pieces)
        self._received = received
        self._rest = memoryview(b"")

    def readinto(self, target):
        n_read = 0
        while n_read < len(target):
            if not self._rest:
                piece = next(self._pieces, None)
                if piece is None:
                    break
                is_handle = not isinstance(piece, bytes)
                self._rest = memoryview(_open(piece, self._received) if is_handle else piece)
            part = self._rest[: len(target) - n_read]
            target[n_read : n_read + len(part)] = part
            self._rest = self._rest[len(part) :]
            n_read += len(part)
        return n_read

    def read(self, n_bytes):
        content = bytearray(n_bytes)
        return bytes(memoryview(content)[: self.readinto(memoryview(content))])

    def readline(self):
        line = bytearray()
        while (byte := self.read(1)) and not line.endswith(b"\n"):
            line += byte
        return bytes(line)


def _open(handle, received):
    if len(handle) == 2:
        index, nbytes = handle
        return map_received(received[index], nbytes)
    return open_segment(handle)
