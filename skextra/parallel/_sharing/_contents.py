"""Large contents that go to other machines: each once, under a key, whatever refers to it."""

import hashlib
import itertools
import pickle
import uuid
import weakref

import numpy as np

from skextra.parallel._sharing._segments import Segment, open_segment, pieces_of
from skextra.parallel._sharing._store import Store

# What is larger is a content; the rest travels in the message.
MIN_NBYTES = 2**10
# What is larger lies in memory that processes share. A smaller content is copied into the message
# to a worker process, which costs less than a file for each.
_MAX_COPIED_NBYTES = 2**16


class Content:
    """The bytes of one content, on the machine that has made them or on one that has got them.

    Parameters
    ----------
    key : str
        Its name, another one for each content of each store.
    data : buffer
        The bytes, which are copied.

    Attributes
    ----------
    handle : tuple
        What stands for it in a message to another machine.
    place : object
        Where an engine has put it, None if it has not; and how many attempts have needed it.
    n_uses : int
        How many attempts have been sent that need it; an engine counts.
    """

    def __init__(self, key, data):
        self.key = key
        array = np.frombuffer(data, np.uint8)
        self.nbytes = array.nbytes
        self.handle = "content", key, array.nbytes
        self.place, self.n_uses = None, 0
        self._segment = self._bytes = None
        if array.nbytes > _MAX_COPIED_NBYTES:
            try:
                self._segment = Segment(array)
            except (OSError, AttributeError):  # no descriptors, or a system without such memory
                self._segment = None
        if self._segment is None:
            self._bytes = array.tobytes()

    @property
    def is_small(self):
        """Whether it is so small that a message may well hold it."""
        return self.nbytes <= _MAX_COPIED_NBYTES

    def local(self):
        """Return what stands for it in a message on this machine: a handle, or its bytes."""
        return self._bytes if self._segment is None else self._segment.handle

    def view(self):
        """Return its bytes as an array."""
        if self._segment is None:
            return np.frombuffer(self._bytes, np.uint8)
        return np.asarray(open_segment(self._segment.handle))

    def holds(self, array):
        """Whether it is, byte for byte, that of an array."""
        if array.nbytes != self.nbytes:
            return False
        view, start = self.view(), 0
        for piece in pieces_of(array):
            if not np.array_equal(piece, view[start : start + len(piece)]):
                return False
            start += len(piece)
        return True

    def __reduce_ex__(self, protocol):
        return Content, (self.key, pickle.PickleBuffer(self.view()))

    def __copy__(self):
        """Return another object with the same bytes, in no place yet."""
        other = Content.__new__(Content)
        other.__dict__.update(self.__dict__, place=None)
        return other

    def __sizeof__(self):
        return self.nbytes


class ContentStore(Store):
    """The contents that one configured ``Parallel`` sends to other machines.

    Parameters
    ----------
    max_nbytes : int or None
        None if everything is to travel in the messages.
    """

    def __init__(self, max_nbytes=MIN_NBYTES):
        super().__init__(None if max_nbytes is None else MIN_NBYTES)
        self._name, self._numbers = uuid.uuid4().hex[:12], itertools.count()
        self._by_digest = weakref.WeakValueDictionary()

    def _segment_of(self, content, sample):
        digest = hashlib.blake2b(digest_size=20)
        for piece in pieces_of(content):
            digest.update(piece)
        digest = digest.digest()
        found = self._by_digest.get(digest)
        if found is None:
            key = f"{self._name}-{next(self._numbers)}"
            data = content if content.flags.c_contiguous else content.T
            if not data.flags.c_contiguous:
                data = np.concatenate(list(pieces_of(content)))
            found = self._by_digest[digest] = Content(key, data.reshape(-1).view(np.uint8))
        return found

    def maps(self, array):
        """Refuse an array whose file tasks are to write to; others are sent."""
        if array.mode in ("r+", "w+"):
            raise TypeError(
                f"an array is mapped from {array.filename} with mode={array.mode!r}, and what a "
                "task on another machine writes to it would not reach that file. Map it with "
                'mode="r" or "c", or have the tasks return what they would write.'
            )
        return False
