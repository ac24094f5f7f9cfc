"""The parent's half: a thread that keeps what workers have computed, and says who computes."""

import collections
import contextlib
import os
import secrets
import selectors
import socket
import threading
import time
import weakref

from skextra.parallel._reuse import _memory, _turn
from skextra.parallel._sharing._segments import can_be_nameless, max_descriptors

# How often it looks whether it is to close.
_LOOK_SECONDS = 0.5

_keepers = weakref.WeakSet()


def can_keep():
    """Whether this system has what a keeper needs: sealed memory and abstract addresses."""
    return can_be_nameless() and hasattr(socket, "SO_PEERCRED") and hasattr(socket, "recv_fds")


def open_keeper(max_nbytes=None, limit=None, is_over=None):
    """Return a keeper of this machine.

    Parameters
    ----------
    max_nbytes : int or None
        How much it keeps; by default a quarter of the free memory.
    limit : int or None
        How much memory is free at most.
    is_over : callable or None
        As in `Keeper`.
    """
    if not can_keep():
        raise ValueError(
            "reuse_steps=True needs memory that processes of Linux share; leave it out on this "
            "system, or give the pipeline a memory of its own"
        )
    if max_nbytes is None:
        free = _memory.free_nbytes()
        max_nbytes = min(free, limit or free) // 4
    return Keeper(max_nbytes, is_over)


class Keeper:
    """Keeps the entries of one configured ``Parallel``, at most so many bytes of them.

    An entry is a descriptor of memory without a name that its writer has sealed: it came whole or
    not at all, nobody can change it, and the kernel frees it with the last process that has it.

    Parameters
    ----------
    max_nbytes : int
        How much it keeps. The entries that were not used for the longest time go first.
    is_over : callable or None, default=None
        Asked from time to time whether to close.

    Attributes
    ----------
    address : str
        Where workers connect.
    problem : str or None
        Why a worker could not store something.
    is_open : bool
        False from when it begins to close.
    """

    def __init__(self, max_nbytes, is_over=None):
        self.max_nbytes = max_nbytes
        self.problem = None
        self._entries = collections.OrderedDict()  # by key: descriptor, bytes; oldest use first
        self._alone = set()  # the keys that everybody computes for himself
        self._writers = {}  # by key: the request that computes
        self._waiting = {}  # by key: the requests that wait, in order
        self._requests = set()
        self._nbytes = 0  # kept and reserved
        self.is_open = True
        self._is_over, self._look_seconds = is_over, None if is_over is None else _LOOK_SECONDS
        self.address = f"skextra-{secrets.token_hex(16)}"
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(f"\0{self.address}")
        self._listener.listen(128)
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._selector.register(self._wake_reader, selectors.EVENT_READ, lambda: None)
        _keepers.add(self)
        self._thread = threading.Thread(target=self._serve, name="skextra-keeper", daemon=True)
        self._thread.start()

    def close(self):
        """Let go of everything; workers compute as if there had been no keeper."""
        self.is_open = False
        with contextlib.suppress(OSError):
            self._wake_writer.send(b".")
        self._thread.join()

    # From here on everything runs in the keeper's thread.

    def _serve(self):
        try:
            while self.is_open:
                ready = self._selector.select(self._look_seconds)
                for key, _ in ready:
                    key.data()
                if not ready and self._is_over():
                    self.is_open = False
        finally:
            self.let_go()

    def let_go(self):
        """Close every descriptor: at the end, or in a fork, which would keep the memory."""
        self._selector.close()
        for each in (self._listener, self._wake_reader, self._wake_writer, *self._requests):
            each.close()
        for descriptor, _ in self._entries.values():
            os.close(descriptor)
        self._entries.clear()
        self._requests.clear()

    def _accept(self):
        try:
            connection, _ = self._listener.accept()
        except OSError:  # too many open files, most likely
            if self._entries:
                self._drop_oldest()
            else:
                time.sleep(0.01)
            return
        if not _turn.is_of_this_user(connection):
            connection.close()
            return
        request = _Request(connection)
        self._requests.add(request)
        self._selector.register(connection, selectors.EVENT_READ, lambda: self._receive(request))

    def _receive(self, request):
        try:
            message, descriptors, _, _ = socket.recv_fds(
                request.connection, _turn.MAX_PACKET_NBYTES, 1
            )
        except OSError:
            message, descriptors = b"", []
        kind, content = message[:1], message[1:]
        if kind == _turn.ASK:
            self._ask(request, content)
        elif kind == _turn.RESERVE:
            self._reserve(request, int.from_bytes(content, "little"))
        elif kind == _turn.PUBLISH and descriptors:
            self._publish(request, descriptors[0])
        elif kind == b"":
            self._end(request)
        else:
            if kind == _turn.TROUBLE:
                self.problem = content.decode(errors="replace")
            self._alone.add(request.key)
            self._answer_waiting(request)

    def _ask(self, request, key):
        request.key = key
        if key in self._alone:
            request.answer(_turn.ALONE)
        elif key in self._entries:
            self._entries.move_to_end(key)
            request.answer(_turn.FOUND, self._entries[key][0])
        elif key in self._writers:
            self._waiting.setdefault(key, collections.deque()).append(request)
        else:
            self._writers[key] = request
            request.answer(_turn.COMPUTE)

    def _reserve(self, request, nbytes):
        while self._entries and (
            self._nbytes + nbytes > self.max_nbytes or len(self._entries) >= max_descriptors()
        ):
            self._drop_oldest()
        if self._nbytes + nbytes <= self.max_nbytes:
            self._nbytes += nbytes
            request.reserved = nbytes
            request.answer(_turn.YES)
            return
        if nbytes > self.max_nbytes:
            self._alone.add(request.key)
        request.answer(_turn.NO)
        self._answer_waiting(request)

    def _publish(self, request, descriptor):
        self._entries[request.key] = descriptor, request.reserved
        request.reserved = 0
        self._answer_waiting(request)

    def _answer_waiting(self, request):
        """Tell those who wait for a request how it has ended."""
        if self._writers.get(request.key) is not request:
            return
        del self._writers[request.key]
        descriptor, _ = self._entries.get(request.key, (None, 0))
        for waiting in self._waiting.pop(request.key, ()):
            if descriptor is None:
                waiting.answer(_turn.ALONE)
            else:
                waiting.answer(_turn.FOUND, descriptor)

    def _end(self, request):
        """Forget a request; if it has ended before its time, the next one computes."""
        self._selector.unregister(request.connection)
        request.close()
        self._requests.discard(request)
        self._nbytes -= request.reserved
        waiting = self._waiting.get(request.key, ())
        if request in waiting:
            waiting.remove(request)
        elif self._writers.get(request.key) is request:
            del self._writers[request.key]
            if waiting:
                self._ask(waiting.popleft(), request.key)

    def _drop_oldest(self):
        _, (descriptor, nbytes) = self._entries.popitem(last=False)
        os.close(descriptor)
        self._nbytes -= nbytes


class _Request:
    """A worker's question, from when it connects until it closes the connection."""

    def __init__(self, connection):
        self.connection = connection
        self.key = None
        self.reserved = 0

    def answer(self, kind, descriptor=None):
        """Send an answer; a worker that is gone has closed its end, which is noticed too."""
        with contextlib.suppress(OSError):
            if descriptor is None:
                self.connection.send(kind)
            else:
                socket.send_fds(self.connection, [kind], [descriptor])

    def close(self):
        self.connection.close()


def _let_go_in_fork():
    for keeper in list(_keepers):
        keeper.let_go()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go_in_fork)
