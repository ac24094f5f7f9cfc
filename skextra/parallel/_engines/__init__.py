"""Who runs attempts: each engine offers the methods of `Engine`; the scheduler knows no more."""

import sys

from skextra.parallel._engines._engine import Died, Ended, Engine
from skextra.parallel._engines._preloading import preload
from skextra.parallel._platform import runs_own_processes

__all__ = [
    "Died",
    "Ended",
    "Engine",
    "cluster_engine",
    "count_cluster_slots",
    "forget_local_engines",
    "local_engine",
    "preload",
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


def cluster_engine(cluster, run_on_node, is_there, patience, on_growth):
    """Return an engine on a Dask cluster; see `DaskEngine`.

    Dask is imported here, so that nobody else needs it.
    """
    from skextra.parallel._engines._dask._client import open_client
    from skextra.parallel._engines._dask._engine import DaskEngine

    return DaskEngine(open_client(cluster), run_on_node, is_there, patience, on_growth)


def count_cluster_slots(cluster):
    """Return how many tasks a Dask cluster runs at once now."""
    from skextra.parallel._engines._dask._client import count_slots, open_client

    return count_slots(open_client(cluster))
