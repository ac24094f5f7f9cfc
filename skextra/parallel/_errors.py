"""What a lost worker is called, and the words that say which call it took with it."""

import reprlib
import signal


class WorkerCrashError(RuntimeError):
    """A worker process died, or could not start.

    The message names the function the worker was running, a short form of its arguments, and how
    the process ended: the signal that killed it or its exit code. The backend stays usable: the
    next call gets a new worker.

    Examples
    --------
    >>> import os
    >>> import skextra
    >>> from joblib import Parallel, delayed
    >>> from skextra.parallel import WorkerCrashError
    >>> try:
    ...     Parallel(n_jobs=2, backend="skextra")(delayed(os._exit)(code) for code in (3, 3))
    ... except WorkerCrashError as error:
    ...     print(error)
    A worker process died while it was running posix._exit(3): it exited with code 3.
    """


_HINTS = {
    "SIGKILL": "; the system does this when memory runs out",
    "SIGSEGV": "; compiled code crashed, the stack it was in is on the standard error stream",
    "SIGABRT": "; compiled code gave up, the stack it was in is on the standard error stream",
}


def describe_exit(exit_code):
    """Say in words how a process ended, from its ``multiprocessing`` exit code."""
    if exit_code is None:
        return "it closed its connection"
    if exit_code >= 0:
        return f"it exited with code {exit_code}"
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:  # a real-time signal has a number only
        name = f"signal {-exit_code}"
    return f"it was killed by {name}{_HINTS.get(name, '')}"


class _ShortRepr(reprlib.Repr):
    """Arguments in a line: arrays and tables by their shape, everything else cut short."""

    def __init__(self):
        super().__init__()
        self.maxstring = self.maxother = 60
        self.maxdict = self.maxlist = self.maxtuple = 4

    def repr_instance(self, x, level):
        shape = getattr(x, "shape", None)
        if isinstance(shape, tuple) and shape:
            return f"<{type(x).__name__} of shape {shape}>"
        return super().repr_instance(x, level)

    # reprlib looks a method up by the name of the type and calls this for all others.
    repr_ndarray = repr_instance


_short = _ShortRepr()


def describe_call(function, args, kwargs, max_length=300):
    """Write a call as source code would, short enough for an error message."""
    named = function
    while not hasattr(named, "__qualname__") and hasattr(named, "func"):
        named = named.func  # functools.partial, nested or not
    name = getattr(named, "__qualname__", None) or type(named).__name__
    module = getattr(named, "__module__", None)
    if module not in (None, "builtins", "__main__"):
        name = f"{module}.{name}"
    arguments = [_short.repr(value) for value in args]
    arguments += [f"{key}={_short.repr(value)}" for key, value in kwargs.items()]
    text = ", ".join(arguments)
    if len(text) > max_length:
        text = text[: max_length - 3] + "..."
    return f"{name}({text})"
