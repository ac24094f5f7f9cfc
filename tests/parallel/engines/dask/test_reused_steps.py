"""Steps of pipelines are shared within each node of a cluster."""

import os
import sys
from pathlib import Path

import cloudpickle
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import make_classification
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline

from tests.parallel.reuse import steps
from tests.parallel.reuse.steps import reusing

# The nodes have no module of tests.
for name in (__name__, steps.__name__):
    cloudpickle.register_pickle_by_value(sys.modules[name])

X, y = make_classification(n_samples=100, random_state=0)
GRID = {"gaussiannb__var_smoothing": np.logspace(-9, 3, 6)}
N_FOLDS, N_NODES = 3, 2


@pytest.fixture
def log(tmp_path):
    """Where counting steps write a line for each fit and each transformation."""
    return tmp_path / "log"


def n_kept():
    """Count the entries that this process keeps."""
    links = Path("/proc/self/fd").iterdir()
    return sum("skextra-step" in os.readlink(link) for link in links if link.exists())


def set_linger_seconds(seconds):
    from skextra.parallel._reuse import _node

    _node._LINGER_SECONDS = seconds


def search(client, log, **options):
    pipeline = make_pipeline(steps.Counting(log), GaussianNB())
    search = GridSearchCV(pipeline, GRID, cv=N_FOLDS, refit=False)
    with reusing(n_jobs=-1, cluster=client, **options):
        return search.fit(X, y).cv_results_["mean_test_score"]


def test_step_is_fitted_once_per_node_and_fold(client, log, eventually):
    found = search(client, log)
    assert sum(client.run(n_kept).values()) >= N_FOLDS
    assert N_FOLDS <= steps.n_lines(log)["fit"] <= N_FOLDS * N_NODES
    client.run(set_linger_seconds, 0.1)
    eventually(lambda: sum(client.run(n_kept).values()) == 0)
    client.run(set_linger_seconds, 10)
    log.unlink()
    assert_array_equal(search(client, log, reuse_steps=False), found)
    assert steps.n_lines(log)["fit"] == N_FOLDS * len(GRID["gaussiannb__var_smoothing"])


def test_node_without_memory_computes_and_call_warns_once(client, log):
    with pytest.warns(UserWarning, match="could not be kept.*File too large") as warned:
        search(client, log, initializer=steps.allow_no_large_files, initargs=(2**12,))
    assert len(warned) == 1
