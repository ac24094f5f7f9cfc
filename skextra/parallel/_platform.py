"""Which engine runs tasks on this machine: our own worker processes, or those of loky."""

import importlib.util
import os
import socket
import sys

VARIABLE = "SKEXTRA_ENGINE"  # the engine to use, for tests
_NAMES = "processes", "loky"


def runs_own_processes():
    """Return whether workers are forked from a server of ours; otherwise they are loky's.

    The variable SKEXTRA_ENGINE decides if it is set, so that both can be tested on one machine.
    """
    chosen = os.environ.get(VARIABLE)
    if not chosen:
        return not missing_means()
    if chosen not in _NAMES:
        raise ValueError(f"{VARIABLE} must be one of {', '.join(_NAMES)}, got {chosen!r}")
    if chosen == "processes" and missing_means():
        raise ValueError(f"{VARIABLE} is {chosen!r}, but here is no {missing_means()[0]}")
    return chosen == "processes"


def missing_means():
    """List what our own processes need and this system, or this build of Python, lacks."""
    if sys.platform != "linux":
        return ["Linux"]
    missing = [name for name in ("fcntl", "resource") if not _is_there(name)]
    missing += [f"os.{name}" for name in ("fork", "register_at_fork") if not hasattr(os, name)]
    names = ("AF_UNIX", "MSG_NOSIGNAL", "recv_fds", "send_fds")
    return missing + [f"socket.{name}" for name in names if not hasattr(socket, name)]


def _is_there(module):
    try:
        return importlib.util.find_spec(module) is not None
    except ValueError:  # None in sys.modules
        return False
