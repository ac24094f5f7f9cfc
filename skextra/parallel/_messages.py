"""The messages on the pipe between a worker process and its pool.

A message is one byte that says what it is, then a pickle. Tasks, results and errors are written
by cloudpickle, so that lambdas, closures and whatever ``__main__`` defines travel by value.
"""

import pickle
import traceback

import cloudpickle

from skextra.parallel._sharing._pickling import Shared, SharedCalls, share, share_calls

# From the pool to the worker.
DEVICE, SETTINGS, INITIALIZER, TASK, QUIT = b"d", b"s", b"i", b"t", b"q"
# From the worker to the pool.
RESULT, ERROR, NOT_READY = b"r", b"e", b"n"
# A result of which a part follows it: the descriptors of the segments that it refers to. Only
# the process that received those can read it.
SHARED_RESULT = b"R"
# Which modules the worker has imported since the last time, and the hashes of their files.
WITNESS = b"w"
# Not a pickle but a number: the next message holds the results of so many calls of the task, and
# not yet all.
PARTIAL = b"p"


def pack(kind, content, sharing=None):
    """Write a message; what cannot be pickled raises what pickling it raised.

    With a `Store` or an `Outbox` as `sharing`, large arrays are not in it but in segments. Those
    of a store live as long as the message that is returned; those of an outbox are to be sent
    after the message, which begins with SHARED_RESULT if there are any.
    """
    if sharing is None:
        return kind + cloudpickle.dumps(content, protocol=pickle.HIGHEST_PROTOCOL)
    shared, segments = (share_calls if kind == TASK else share)(content, sharing)
    message = _Message(SHARED_RESULT if kind == RESULT and segments else kind)
    message.segments = segments
    if segments or type(shared) is SharedCalls:
        pickle.dump(shared, message, protocol=pickle.HIGHEST_PROTOCOL)
    else:
        message.write(shared.pieces[0])
    return message


def pack_simply(kind, content):
    """Write a message without large arrays, in a tenth of the time if it is simple.

    What only cloudpickle can pickle, pickle does not find; what ``__main__`` defines it finds, but
    no other program does.
    """
    try:
        message = kind + pickle.dumps(content, pickle.HIGHEST_PROTOCOL)
    except Exception:
        return bytes(pack(kind, content))
    return bytes(pack(kind, content)) if b"__main__" in message else message


class _Message(bytearray):
    """A message that keeps what it refers to.

    Not a BytesIO: the garbage collector may find that in a cycle with an error and a view of its
    content, which crashes Python 3.12.0 and 3.12.1.
    """

    segments = ()
    write = bytearray.extend


def unpack(message):
    """Read the content of a message back."""
    content = pickle.loads(memoryview(message)[1:])
    if type(content) is Shared:
        return content.load(getattr(message, "descriptors", ()))
    return content


class RemoteTraceback(Exception):
    """The cause of an error that came from a worker: its traceback there, as text."""

    def __str__(self):
        return f'\n"""\n{self.args[0]}"""'


def pack_error(error):
    """Write an error with its traceback, keeping its own type if at all possible."""
    text = "".join(traceback.format_exception(error))
    for picklable in (_itself, _rebuilt, _in_words):
        try:
            message = pack(ERROR, (picklable(error), text))
            # An exception whose __init__ takes other arguments than its args pickles well, and
            # only then fails: better here than in the parent.
            unpack(message)
        except Exception:
            continue
        return message
    return pack(ERROR, (RuntimeError(f"{type(error).__name__} without a readable message"), text))


def unpack_error(message):
    """Read an error back, its remote traceback as its cause."""
    error, text = unpack(message)
    error = error.build() if isinstance(error, _Rebuilt) else error
    error.__cause__ = RemoteTraceback(text)
    return error


def _itself(error):
    return error


class _Rebuilt:
    """An exception as its type, args and attributes, made again without calling ``__init__``."""

    def __init__(self, error):
        self.type, self.args, self.state = type(error), error.args, error.__dict__

    def build(self):
        error = self.type.__new__(self.type, *self.args)
        error.args = self.args
        error.__dict__.update(self.state)
        return error


def _rebuilt(error):
    rebuilt = _Rebuilt(error)
    rebuilt.args = tuple(_or_repr(value) for value in rebuilt.args)
    rebuilt.state = {key: _or_repr(value) for key, value in rebuilt.state.items()}
    rebuilt.build()
    return rebuilt


def _or_repr(value):
    try:
        cloudpickle.dumps(value)
    except Exception:
        return repr(value)
    return value


def _in_words(error):
    return RuntimeError(f"{type(error).__name__}: {error}")
