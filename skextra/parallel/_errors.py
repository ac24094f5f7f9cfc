"""The errors for a dead worker and a late call, and the words that describe a call."""

import reprlib
import signal
from dataclasses import dataclass

from skextra.parallel._searches import describe_fit, is_fit


class WorkerCrashError(RuntimeError):
    """A worker process died, or could not start.

    The message names the function the worker was running, a short form of its arguments, how the
    process ended (the signal that killed it or its exit code), how often it was tried, and the
    end of what the worker wrote to its standard error stream. The backend stays usable: the next
    task gets a new worker.

    Parameters
    ----------
    message : str
        What happened, in words.
    exit_code : int or None
        How the process ended: minus the number of the signal that killed it, or its exit code.
    n_tries : int
        How often the call was tried.
    stderr : str
        The end of the standard error stream of the worker that died last.

    Attributes
    ----------
    exit_code, n_tries, stderr
        The parameters.

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
    A worker process died while it was running posix._exit(3): it exited with code 3. It was tried
    3 times.
    """

    def __init__(
        self, message: str, exit_code: int | None = None, n_tries: int = 1, stderr: str = ""
    ) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.n_tries = n_tries
        self.stderr = stderr


class TaskTimeoutError(TimeoutError):
    """A call took longer than ``task_timeout`` allows, and its worker was killed.

    Parameters
    ----------
    message : str
        Which call, in words.
    n_tries : int
        How many times the call was run: more than once if workers had died in it before.
    stderr : str
        The end of the standard error stream of the worker.

    Attributes
    ----------
    n_tries, stderr
        The parameters.
    """

    def __init__(self, message: str, n_tries: int = 1, stderr: str = "") -> None:
        super().__init__(message)
        self.n_tries = n_tries
        self.stderr = stderr


@dataclass(frozen=True)
class Death:
    """How a worker died."""

    exit_code: int | None
    overdue: bool = False  # killed because its call took too long
    out_of_memory: bool = False
    stderr: str = ""

    def error(self, call, n_tries, task_timeout):
        """Return the error for the call that the worker was in, described in words."""
        tries = f" It was tried {n_tries} times." if n_tries > 1 else ""
        end = f"\nThe end of its standard error stream:\n{self.stderr}" if self.stderr else ""
        if self.overdue:
            text = f"{call} took longer than the task_timeout of {task_timeout:g} seconds."
            return TaskTimeoutError(f"{text}{tries}{end}", n_tries, self.stderr)
        reason = describe_exit(self.exit_code, self.out_of_memory)
        text = f"A worker process died while it was running {call}: {reason}.{tries}{end}"
        return WorkerCrashError(text, self.exit_code, n_tries, self.stderr)


_HINTS = {
    "SIGKILL": "; the system does this when memory runs out",
    "SIGSEGV": "; compiled code crashed, the stack it was in is on the standard error stream",
    "SIGABRT": "; compiled code gave up, the stack it was in is on the standard error stream",
}


def describe_exit(exit_code, out_of_memory=False):
    """Say in words how a process ended, from its ``multiprocessing`` exit code."""
    if out_of_memory:
        return "the system killed it because memory ran out"
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
    if is_fit(named):
        return describe_fit(args, kwargs, _short.repr)[:max_length]
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
