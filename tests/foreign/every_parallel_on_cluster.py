"""A plugin of pytest for scikit-learn's tests of searches: each ``joblib.Parallel`` runs on Dask.

``nox -s foreign_cluster`` runs them, on a cluster of this machine with two nodes.
"""

import joblib
import pytest
from distributed import Client, LocalCluster

import skextra  # noqa: F401  registers the backend

# These look in the test's own process for what a fit has printed, warned of, counted or changed,
# which happens where the fit runs. With joblib's "loky" and two workers they fail as well.
_WANT_ONE_PROCESS = {
    "test_cross_val_predict",
    "test_cross_val_score_failing_scorer",
    "test_cross_val_score_score_func",
    "test_cross_validate_failing_scorer",
    "test_cross_validate_invalid_scoring_param",
    "test_learning_curve_exploit_incremental_learning_routing",
    "test_multi_metric_search_forwards_metadata",
    "test_search_callbacks_receive_search_instance",
    "test_search_callbacks_with_partial_fit_failures",
    "test_search_cv_verbose_3",
    "test_searchcv_raise_warning_with_non_finite_score",
    "test_validation_functions_routing",
}
# It maps a file with mode="r+", which is refused: on another machine nothing could be written.
_WANT_ONE_MACHINE = {"test_score_memmap"}
# All its fits fail, and it wants the error of the first one: here it may be another's.
_WANT_AN_ORDER = {"test_learning_curve_params"}


def pytest_collection_modifyitems(config, items):
    """Leave out what cannot hold on a cluster."""
    left_out = _WANT_ONE_PROCESS | _WANT_ONE_MACHINE | _WANT_AN_ORDER
    config.hook.pytest_deselected(items=[i for i in items if i.originalname in left_out])
    items[:] = [item for item in items if item.originalname not in left_out]


@pytest.fixture(scope="session")
def client():
    """Start the cluster, once for all tests."""
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"}
    with LocalCluster(**options) as cluster, Client(cluster, set_as_default=False) as client:
        yield client


@pytest.fixture(autouse=True)
def every_parallel_on_cluster(client):
    """Make the backend, with the cluster, the one that is active in the test."""
    with joblib.parallel_config("skextra", cluster=client):
        yield
