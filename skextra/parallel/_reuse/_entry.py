"""Entries: what a step has computed, pickled into memory that is sealed and mapped by readers.

A reader gets objects of its own each time. Large arrays lie in a private mapping of the entry, so
that what somebody changes is copied then, and only for him.
"""

import fcntl
import hashlib
import io
import os
import pickle
import struct
import types

import cloudpickle
import numpy as np

from skextra.parallel._sharing._segments import map_received

# Where the pickle is, how long it is, and the same of the places of the buffers.
_HEADER = struct.Struct("<4Q")
_ALIGNMENT = 64
# Smaller buffers are part of the pickle.
_MIN_BUFFER_NBYTES = 2**12


class Entry:
    """An object, pickled, and not yet written.

    Parameters
    ----------
    output, state : object
        What is kept: what a step returned, and what it was fitted to.

    Attributes
    ----------
    nbytes : int
        How much memory it takes.
    overlaps : bool
        Whether the arrays of the output and of the state are views of the same memory: those of a
        reader would not be.
    """

    def __init__(self, output, state):
        pickler = _Pickler(io.BytesIO())
        pickler.dump((output, _BOUNDARY, state))
        self._pickle = pickler.file.getbuffer()
        self._buffers = [buffer.raw() for buffer in pickler.buffers]
        boundary = pickler.boundary
        self._of_output = pickler.ranges[:boundary]
        self.overlaps = _any_overlap(self._of_output, pickler.ranges[boundary:])
        self._places, end = [], _HEADER.size
        for buffer in self._buffers:
            start = -(-end // _ALIGNMENT) * _ALIGNMENT
            self._places.append((start, buffer.nbytes))
            end = start + buffer.nbytes
        index = pickle.dumps(self._places)
        self._rest = [self._pickle, index]
        self._header = _HEADER.pack(
            end, self._pickle.nbytes, end + self._pickle.nbytes, len(index)
        )
        self.nbytes = end + self._pickle.nbytes + len(index)

    def output_overlaps(self, *inputs):
        """Whether the output is, in part, a view of memory of what it was computed from."""
        return _any_overlap(self._of_output, _ranges_of(inputs))

    def write(self):
        """Write the entry; return the descriptor. Raise an OSError if there is no memory."""
        descriptor = os.memfd_create("skextra-step", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            _write(descriptor, self._header)
            for (start, _), buffer in zip(self._places, self._buffers, strict=True):
                os.lseek(descriptor, start, os.SEEK_SET)
                _write(descriptor, buffer)
            for piece in self._rest:
                _write(descriptor, piece)
            seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor


def read_entry(descriptor):
    """Return the output and the state of an entry; each time new ones."""
    content = map_received(descriptor, os.fstat(descriptor).st_size)
    start, nbytes, start_of_index, nbytes_of_index = _HEADER.unpack_from(content)
    places = pickle.loads(content[start_of_index : start_of_index + nbytes_of_index])
    buffers = [content[place : place + size] for place, size in places]
    output, _, state = pickle.loads(content[start : start + nbytes], buffers=buffers)
    return output, state


def digest_of(value):
    """Return a hash of how an object is pickled: the same as long as it does not change.

    Other objects have another, whose arrays have another layout too. Equal objects may have
    another if their parts are the same objects in one and only equal in the other.
    """
    hash_ = hashlib.sha1(usedforsecurity=False)
    pickler = _Digester(_Hash(hash_))
    pickler.dump(value)
    for buffer in pickler.buffers:
        hash_.update(buffer.raw())
    return hash_.digest()


def _write(descriptor, content):
    # Not through a mapping: what runs out of memory here is an error, not a signal.
    content = memoryview(content).cast("B")
    while len(content):
        content = content[os.write(descriptor, content) :]


class _Boundary:
    """Stands between the output and the state in a pickle."""


_BOUNDARY = _Boundary()


class _Pickler(cloudpickle.Pickler):
    """Notes where the arrays lie that it meets, and keeps their layout.

    Results depend on the layout of an array, if only in their last digit, and pickle makes a view
    contiguous.
    """

    def __init__(self, file):
        self.file = file
        self.buffers, self.ranges, self.boundary = [], [], 0
        super().__init__(file, protocol=5, buffer_callback=_Separate(self.buffers))

    def reducer_override(self, obj):
        kind = type(obj)
        if kind is np.ndarray:
            return self._reduce_array(obj)
        if kind is _Boundary:
            self.boundary = len(self.ranges)
            return NotImplemented
        if not isinstance(obj, type | types.FunctionType):
            return NotImplemented
        return super().reducer_override(obj)

    def _reduce_array(self, array):
        low, high, start = _range_of(array)
        if array.nbytes:
            self.ranges.append((low, high))
        is_plain = array.flags.c_contiguous or array.flags.f_contiguous or not array.nbytes
        if is_plain or array.dtype.hasobject:
            return NotImplemented
        content = np.ascontiguousarray(array)
        return _lay_out, (content, array.strides, start - low, high - low)


class _Digester(_Pickler):
    """Leaves out what says nothing."""

    def reducer_override(self, obj):
        if type(obj).__module__.partition(".")[0] == "scipy" and hasattr(obj, "asformat"):
            # SciPy notes in a matrix whether its indices are sorted, when it first looks.
            state = {name: part for name, part in vars(obj).items() if name[:5] != "_has_"}
            return dict, (sorted(state.items()),), {"type": type(obj)}
        return super().reducer_override(obj)


class _Separate:
    """Keeps large buffers apart from a pickle; not a method, which would make a cycle."""

    def __init__(self, buffers):
        self._buffers = buffers

    def __call__(self, buffer):
        if buffer.raw().nbytes < _MIN_BUFFER_NBYTES:
            return True
        self._buffers.append(buffer)
        return False


class _Hash:
    """A file of which only the hash is kept."""

    def __init__(self, hash_):
        self.write = hash_.update


def _lay_out(content, strides, start, nbytes):
    """Return an array with the layout of a view."""
    memory = np.empty(nbytes, np.uint8)
    array = np.ndarray(content.shape, content.dtype, memory, start, strides)
    array[...] = content
    return array


def _range_of(array):
    """Return the first byte of an array's memory, the one after its last, and that of item 0."""
    low = high = start = array.__array_interface__["data"][0]
    for size, stride in zip(array.shape, array.strides, strict=True):
        if stride < 0:
            low += (size - 1) * stride
        else:
            high += (size - 1) * stride
    return low, high + array.itemsize, start


def _ranges_of(value):
    pickler = _Pickler(_Nowhere())
    pickler.dump(value)
    return pickler.ranges


class _Nowhere:
    """A file that keeps nothing."""

    def write(self, data):
        return len(data)


def _any_overlap(ranges, others):
    return any(low < end and start < high for low, high in ranges for start, end in others)
