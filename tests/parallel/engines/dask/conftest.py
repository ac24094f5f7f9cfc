"""One cluster for all tests of a module, as its start takes seconds."""

import pytest
from distributed import Client

from tests.parallel.engines.dask.clusters import ProcessCluster


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Start a scheduler and two workers without nannies."""
    cluster = ProcessCluster(tmp_path_factory.mktemp("cluster"))
    yield cluster
    cluster.close()


@pytest.fixture(scope="module")
def client(cluster):
    """Connect to the cluster, whose two workers are there."""
    with Client(cluster.address, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)
        yield client
