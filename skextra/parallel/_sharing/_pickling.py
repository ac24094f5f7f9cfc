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
from skextra.parallel._sharing._unchangeable import IMMUTABLE, are_unchangeable

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
    buffers : list of bytes or handle
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
        return _unpickler(self.pieces, self.buffers, received).load()

    def with_handles(self, find):
        """Return the same pickle with what a function returns for each handle in its place."""
        pieces = [piece if isinstance(piece, bytes) else find(piece) for piece in self.pieces]
        return Shared(pieces, [find(handle) for handle in self.buffers])


class SharedCalls(collections.abc.Sequence):
    """Calls that are read when they are asked for, so that none sees what another changes.

    Parameters
    ----------
    common : Shared
        A pickle that is read anew before each call, which refers to its parts.
    calls : list of Shared
        The calls.
    """

    def __init__(self, common, calls):
        self._common, self._calls = common, calls

    def __len__(self):
        return len(self._calls)

    def __getitem__(self, index):
        common, call = self._common, self._calls[index]
        unpickler = _unpickler(common.pieces + call.pieces, common.buffers + call.buffers)
        unpickler.load()
        return unpickler.load()

    def with_handles(self, find):
        """Return the same calls with what a function returns for each handle in its place."""
        common = self._common.with_handles(find)
        return SharedCalls(common, [call.with_handles(find) for call in self._calls])


def _unpickler(pieces, buffers, received=()):
    opened = (_open(handle, received) for handle in buffers)
    if all(isinstance(piece, bytes) for piece in pieces):
        file = io.BytesIO(pieces[0] if len(pieces) == 1 else b"".join(pieces))
    else:
        file = _Reader(pieces, received)
    return pickle.Unpickler(file, buffers=opened)


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
    pickler = _Pickler(sharing)
    return pickler.share(content), pickler.segments


def share_calls(calls, sharing):
    """Pickle the calls of a batch such that each is read by itself.

    What a call changes in its arguments is nobody else's affair, so that a worker reads each call
    when it begins, and all that belongs to it. What the first two calls have in common, such as
    the data of a search, is pickled only once all the same.

    Parameters
    ----------
    calls : list of (function, args, kwargs)
        The calls.
    sharing : Store or Outbox
        Where the segments come from.

    Returns
    -------
    shared : Shared or SharedCalls
        The pickle.
    segments : list of Segment
        What must live until it is read.
    """
    if len(calls) <= 1 or are_unchangeable(calls):
        return share(calls, sharing)
    pickler = _Pickler(sharing)
    common = pickler.share(_common_parts(*calls[:2]))
    memo = pickler.memo.copy()
    shared = []
    for call in calls:
        shared.append(pickler.share(call))
        pickler.memo = memo
    return SharedCalls(common, shared), pickler.segments


def _common_parts(first, second):
    """List the objects that two calls are both given, or that their functions both hold."""
    known = set(map(id, _parts(second)))
    return [part for part in _parts(first) if id(part) in known and type(part) not in IMMUTABLE]


def _parts(call):
    function, args, kwargs = call
    held = vars(function).values() if _is_pickled_by_attributes(function) else ()
    return [function, *held, *args, *kwargs.values()]


def _is_pickled_by_attributes(obj):
    kind = type(obj)
    return (
        hasattr(obj, "__dict__")
        and kind not in (types.FunctionType, type)
        and kind.__reduce_ex__ is object.__reduce_ex__
        and kind.__reduce__ is object.__reduce__
        and kind.__getstate__ is object.__getstate__
    )


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
    """Writes pickles one after the other, which share what it remembers.

    Parameters
    ----------
    sharing : Store or Outbox
        Where the segments come from.
    """

    def __init__(self, sharing):
        self._writer = _Writer(sharing)
        self._buffers = _Buffers(sharing)
        super().__init__(self._writer, protocol=5, buffer_callback=self._buffers.take)
        self._reducers = reducers()

    @property
    def segments(self):
        return self._buffers.segments + self._writer.segments

    def share(self, content):
        n_before = len(self._buffers.segments)
        self.dump(content)
        handles = [segment.handle for segment in self._buffers.segments[n_before:]]
        return Shared(self._writer.finish(), handles)

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
        """Return the pieces that were written since the last time."""
        pieces = [*self._pieces, self._small.getvalue()]
        self._pieces, self._small = [], io.BytesIO()
        return pieces


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
    if isinstance(handle, bytes):  # a small content, in place of its handle
        return np.frombuffer(bytearray(handle), np.uint8)
    if len(handle) == 2:
        index, nbytes = handle
        return map_received(received[index], nbytes)
    return open_segment(handle)
