"""Who runs attempts: each engine offers the methods of `Engine`; the scheduler knows no more."""

import sys

from skextra.parallel._engines._engine import Died, Ended, Engine
from skextra.parallel._platform import runs_own_processes

__all__ = [
    "Died",
    "Ended",
    "Engine",
    "forget_local_engines",
    "local_engine",
    "stop_local_engines",
]


def local_engine():
    """Return an engine on this machine, of the kind that it can run."""
    # Imported here: the one needs what only Linux has, the other loads loky.
    if runs_own_processes():
        from skextra.parallel._engines._processes._engine import ProcessEngine

        return ProcessEngine()
    from skextra.parallel._engines._loky import LokyEngine

    return LokyEngine()


def stop_local_engines():
    """End what engines of this process share, and wait until it is gone."""
    server = _fork_server()
    if server is not None:
        server.stop_server()


def forget_local_engines():
    """In a fork of this process: let go of what belongs to the parent."""
    server = _fork_server()
    if server is not None:
        server.forget_server()


def _fork_server():
    return sys.modules.get("skextra.parallel._engines._processes._fork_server")
