"""The messages on the pipe between a worker process and its pool.

A message is one byte that says what it is, then a pickle. Tasks, results and errors are written
by cloudpickle, so that lambdas, closures and whatever ``__main__`` defines travel by value.
"""

import io
import pickle
import traceback

import cloudpickle

# From the pool to the worker.
SETTINGS, INITIALIZER, TASK, QUIT = b"s", b"i", b"t", b"q"
# From the worker to the pool.
RESULT, ERROR, NOT_READY = b"r", b"e", b"n"


def pack(kind, content):
    """Write a message; what cannot be pickled raises what pickling it raised."""
    file = io.BytesIO()
    file.write(kind)
    cloudpickle.dump(content, file, protocol=pickle.HIGHEST_PROTOCOL)
    return file.getbuffer()


def unpack(message):
    """Read the content of a message back."""
    return pickle.loads(memoryview(message)[1:])


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
