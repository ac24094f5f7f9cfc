"""Reading what a task needs, which may import modules: these must not start workers in turn.

A module that runs ``Parallel`` with a function of its own when it is imported is imported again by
each worker that gets the function, which would start workers of its own, and so on without end.
"""

import sys
import threading

_state = threading.local()


def load(function, *args):
    """Call a function that reads a message, and return what it returns."""
    _state.is_loading = True
    try:
        return function(*args)
    finally:
        _state.is_loading = False


def check_not_loading():
    """Raise a RuntimeError if this thread is importing a module for a task."""
    if not getattr(_state, "is_loading", False):
        return
    frame, name = sys._getframe(), None
    while frame is not None and name is None:
        if frame.f_code.co_name == "<module>":
            name = frame.f_globals.get("__name__")
        frame = frame.f_back
    module = "a module" if name is None else f"the module {name!r}"
    raise RuntimeError(
        f"Parallel was called while a worker process imported {module}, which one of its tasks "
        f"needs. Every worker would start workers of its own, without end. In {module}, guard the "
        'call with `if __name__ == "__main__":` or move the call into a function.'
    )
