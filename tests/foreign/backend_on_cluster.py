"""Has the backend that is called "skextra" run everything on a Dask cluster of two nodes.

joblib's own tests of backends name a backend, and know nothing of the options of ours. Imported
where Python starts, as by a ``sitecustomize``, this is there before they ask for the name.
"""

import functools
import os

from distributed import Client, LocalCluster
from joblib import register_parallel_backend

from skextra.parallel import _backend

# What tasks start themselves runs where they are.
_MAIN_PROCESS = os.environ.setdefault("SKEXTRA_MAIN_PROCESS", str(os.getpid()))


@functools.cache
def _client():
    """Start the cluster when the first backend is made, once in a process."""
    cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0")
    return Client(cluster, set_as_default=False)


class SkextraBackend(_backend.SkextraBackend):
    """The backend, with a cluster where none is named. Tests compare the name of its class."""

    def __init__(self, *args, cluster=None, **options):
        if cluster is None and str(os.getpid()) == _MAIN_PROCESS:
            cluster = _client()
        super().__init__(*args, cluster=cluster, **options)


register_parallel_backend("skextra", SkextraBackend)
