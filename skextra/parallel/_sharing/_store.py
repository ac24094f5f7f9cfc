"""Large arguments and results go through shared memory, one copy for each content."""

import contextlib
import os
import shutil
import tempfile
import threading
import weakref
from multiprocessing import util

import numpy as np

from skextra.parallel._sharing._segments import (
    MAX_SENT,
    Segment,
    can_be_nameless,
    order_of,
    room_for_descriptors,
)

# In this file are the names of the folders to be removed should the process be killed.
FOLDERS_FILE = "skextra-folders"
_NEVER = float("inf")
_SAMPLE_SIZE = 512
# Multiples of the golden ratio fall into no rhythm with rows and columns.
_SAMPLE_PLACES = np.arange(1, _SAMPLE_SIZE + 1) * 0.6180339887498949 % 1


class Store:
    """The segments with which one configured ``Parallel`` hands arrays to its workers.

    There is one segment for each content, or, if the workers may write to it, for each object: two
    objects that are equal now need not stay so. An object that was seen before in the same call is
    taken to have the same content still, if a sample of it has not changed; in the next call it is
    compared in full. A segment lives as long as the object it was made from, at most until the
    store is closed, and at least as long as the messages that refer to it.

    Parameters
    ----------
    max_nbytes : int or None
        What is larger goes into a segment; None for nothing.
    mmap_mode : {"r", "c", "r+", "w+"} or None
        How the workers map them: joblib's "r" and "c" as private copies, written when changed.
    folder : str or None
        Where files are asked for, in a folder there; by default segments have no name.
    """

    def __init__(self, max_nbytes=2**20, mmap_mode="r", folder=None):
        self.max_nbytes = _NEVER if None in (max_nbytes, mmap_mode) else max_nbytes
        self._mode = "c" if mmap_mode in ("r", "c", None) else "r+"
        if folder is None and not can_be_nameless():
            folder = _any_folder()
        self._parent_folder = folder
        self._folder = None
        self._remove_folder = None
        self._lock = threading.RLock()
        self._n_calls = 0
        self._closed = False
        self._by_owner = {}  # id: weak reference, sample, segment, number of the call
        self._by_content = weakref.WeakValueDictionary()

    def segment(self, owner, array, encode=None):
        """Return the segment with a content, a new one if needed; None if it cannot be had.

        Parameters
        ----------
        owner : object
            What the content belongs to, and by which it is known again; None for nothing.
        array : ndarray
            The content.
        encode : callable, optional
            Makes the array of bytes that is written in its place.
        """
        sample = _sample(array)
        with self._lock:
            if self._closed:
                return None
            known, old_sample, segment, n_calls = self._by_owner.get(id(owner), (None,) * 4)
            known = known is not None and known() is owner and sample == old_sample
            if known and n_calls == self._n_calls:
                return segment
            content = array if encode is None else encode(array)
            if not (known and segment.holds(content)):
                segment = self._segment_of(content, sample)
            if segment is not None:
                self._remember(owner, sample, segment)
            return segment

    def maps(self, array):
        """Whether workers map the file of a memory-mapped array themselves."""
        return True

    def end_call(self):
        """Take no object to be unchanged any more: its owner has it back."""
        with self._lock:
            self._n_calls += 1

    def close(self):
        """Let go of everything; a segment that a message refers to goes with the message."""
        with self._lock:
            self._closed = True
            self._by_owner.clear()
            if self._remove_folder is not None:
                self._remove_folder()

    def _segment_of(self, content, sample):
        key = content.dtype, content.shape, order_of(content), sample
        segment = self._by_content.get(key) if self._mode == "c" else None
        if segment is not None and segment.holds(content):
            return segment
        if self._parent_folder is None and not room_for_descriptors():
            return None
        try:
            segment = Segment(content, self._get_folder(), self._mode)
        except OSError:  # no memory, no space, no descriptors: it travels in the message
            return None
        self._by_content[key] = segment
        return segment

    def _remember(self, owner, sample, segment):
        key, by_owner = id(owner), self._by_owner
        with contextlib.suppress(TypeError):  # bytes, and None, have no weak references
            reference = weakref.ref(owner, lambda _: by_owner.pop(key, None))
            by_owner[key] = reference, sample, segment, self._n_calls

    def _get_folder(self):
        if self._folder is None and self._parent_folder is not None:
            parent = os.path.abspath(os.path.expanduser(self._parent_folder))
            os.makedirs(parent, exist_ok=True)
            self._folder = tempfile.mkdtemp(prefix=f"skextra-{os.getpid()}-", dir=parent)
            self._remove_folder = weakref.finalize(self, _remove, self._folder, os.getpid())
            with (
                contextlib.suppress(OSError),  # no folder for temporary files: not the end of it
                open(os.path.join(util.get_temp_dir(), FOLDERS_FILE), "a") as file,
            ):
                file.write(f"{self._folder}\n")
        return self._folder


class Outbox:
    """The segments of one answer of a worker, which are sent after it.

    Parameters
    ----------
    max_nbytes : int or None
        What is larger goes into a segment; None for nothing, as for an answer to another machine.
    """

    def __init__(self, max_nbytes=2**20):
        self._stays_here = max_nbytes is not None
        self.max_nbytes = _NEVER if max_nbytes is None or not can_be_nameless() else max_nbytes
        self.segments = []

    def segment(self, owner, array, encode=None):
        """Return a new segment, or None if there cannot be one."""
        if len(self.segments) == MAX_SENT:
            return None
        content = array if encode is None else encode(array)
        try:
            segment = Segment(content)
        except OSError:
            return None
        segment.handle = len(self.segments), content.nbytes
        self.segments.append(segment)
        return segment

    def maps(self, array):
        """Whether the reader of the answer maps the file of a memory-mapped array itself."""
        return self._stays_here


def _any_folder():
    try:
        return tempfile.gettempdir()
    except OSError:  # no folder for temporary files can be written to
        return "/dev/shm"


def _sample(array):
    """Return a few of the elements, which tell most different contents apart."""
    places = (_SAMPLE_PLACES * array.size).astype(np.intp) if array.size > _SAMPLE_SIZE else ...
    elements = np.asarray(array).flat[places]
    return tuple(elements.tolist()) if array.dtype.hasobject else elements.tobytes()


def _remove(folder, pid):
    if pid == os.getpid():
        shutil.rmtree(folder, ignore_errors=True)


def remove_folders(list_path):
    """Remove the folders that a process which was killed has noted in a file, and the file."""
    with contextlib.suppress(OSError):
        with open(list_path) as file:
            for line in file:
                shutil.rmtree(line.rstrip("\n"), ignore_errors=True)
        os.unlink(list_path)
