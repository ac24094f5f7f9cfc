"""Who runs attempts: each engine offers the methods of `Engine`; the scheduler knows no more."""

from skextra.parallel._engines._engine import Died, Ended, Engine
from skextra.parallel._engines._processes._engine import ProcessEngine as local_engine
from skextra.parallel._engines._processes._fork_server import forget_server as forget_local_engines
from skextra.parallel._engines._processes._fork_server import preload
from skextra.parallel._engines._processes._fork_server import stop_server as stop_local_engines

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
