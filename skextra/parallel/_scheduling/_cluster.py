"""The scheduler of a call whose attempts run on a Dask cluster."""

from skextra.parallel._engines import cluster_engine
from skextra.parallel._scheduling._node import is_there, run_on_node
from skextra.parallel._scheduling._scheduler import Scheduler


def open_cluster_scheduler(cluster, patience, on_growth):
    """Return a scheduler for one configured ``Parallel``, which has to shut it down.

    Parameters
    ----------
    cluster : distributed.Client, or what `distributed.Client` takes as an address
        The cluster.
    patience : float
        How many seconds to wait for a cluster without workers.
    on_growth : callable
        Called with the number of slots that have come.
    """
    return Scheduler(cluster_engine(cluster, run_on_node, is_there, patience, on_growth))
