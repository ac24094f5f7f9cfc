"""One cluster for all tests of this folder, as its start takes seconds."""

import pytest
from distributed import Client

from tests.parallel.engines.dask.clusters import ProcessCluster


@pytest.fixture(scope="package")
def cluster(tmp_path_factory):
    """Start a scheduler and two workers without nannies."""
    cluster = ProcessCluster(tmp_path_factory.mktemp("cluster"))
    yield cluster
    cluster.close()


@pytest.fixture(scope="package")
def connection(cluster):
    """Connect to the cluster."""
    with Client(cluster.address, set_as_default=False) as client:
        yield client


@pytest.fixture
def client(cluster, connection):
    """Return a client of the cluster, which has two workers whatever happened to the last ones."""
    cluster.restore(2)
    connection.wait_for_workers(2, timeout=60)
    return connection
