"""Calls on a `LocalCluster` that grows or shrinks, and what reports to this program from nodes."""

import sys
import time

import cloudpickle
import pytest
from distributed import Client, LocalCluster
from joblib import Parallel, delayed, parallel_config
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from tests.parallel.engines.dask.test_cluster_faults import Background

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # the nodes have no module of tests

X, y = make_classification(n_samples=60, random_state=0)


@pytest.fixture(scope="module")
def cluster():
    """Start a cluster whose nodes live in this process, which takes the least time."""
    options = {"threads_per_worker": 1, "processes": False, "dashboard_address": ":0"}
    with LocalCluster(n_workers=1, **options) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def client(cluster):
    with Client(cluster, set_as_default=False) as client:
        yield client


def wait_for_leave(folder, i):
    """Say that a call runs, until it may end; return how many ran when it did."""
    running = folder / f"{i} runs"
    running.touch()
    while not (folder / "go").exists():
        time.sleep(0.01)
    time.sleep(0.05)  # another call on another slot would show
    n_running = len(list(folder.glob("* runs")))
    running.unlink(missing_ok=True)
    return n_running


@pytest.fixture
def waiting(client, tmp_path):
    """Start a call whose tasks wait for leave, on all slots of the cluster."""

    def begin():
        parallel = Parallel(n_jobs=-1, backend="skextra", cluster=client, batch_size=1)
        return parallel(delayed(wait_for_leave)(tmp_path, i) for i in range(8))

    call = Background(begin)
    yield call
    (tmp_path / "go").touch()


def test_node_that_comes_is_used_at_once(cluster, client, waiting, tmp_path, eventually):
    eventually(lambda: len(list(tmp_path.iterdir())) == 1)
    cluster.scale(2)
    eventually(lambda: len(list(tmp_path.iterdir())) == 2)
    (tmp_path / "go").touch()
    assert max(waiting.result()) == 2


def test_node_that_goes_costs_no_result(cluster, client, waiting, tmp_path, eventually):
    cluster.scale(2)
    eventually(lambda: len(list(tmp_path.iterdir())) == 2)
    cluster.scale(1)
    eventually(lambda: len(client.nthreads()) == 1)
    for path in tmp_path.iterdir():  # what was stopped cannot say that it has ended
        path.unlink()
    (tmp_path / "go").touch()
    assert max(waiting.result()) <= 1
    assert len(waiting.result()) == 8


def now_or_later(seconds):
    time.sleep(seconds)
    return time.monotonic()


def test_calls_begin_in_their_order(cluster, client, eventually):
    cluster.scale(1)
    eventually(lambda: len(client.nthreads()) == 1)
    parallel = Parallel(n_jobs=-1, backend="skextra", cluster=client, batch_size=1)
    ends = parallel(delayed(now_or_later)(seconds) for seconds in (0.3, 0, 0, 0, 0, 0))
    assert ends == sorted(ends)


def test_callbacks_of_a_search_reach_this_program(callbacks, client, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    monitor = callbacks.ScoringMonitor(scoring="accuracy")
    search = GridSearchCV(LogisticRegression().set_callbacks(monitor), {"C": [1, 2]}, cv=2)
    with parallel_config("skextra", cluster=client):
        search.set_callbacks(callbacks.ProgressBar()).fit(X, y)
    assert sum("100%" in line for line in capsys.readouterr().out.splitlines()) >= 5
    assert len({tuple(row["task_id_path"]) for row in monitor.get_logs().data}) >= 4


@pytest.mark.parametrize("of_search", [True, False])
def test_callbacks_from_another_machine_are_refused(callbacks, client, of_search, monkeypatch):
    monkeypatch.setattr(
        "skextra.parallel._engines._dask._engine.this_machine", lambda: ("another", "")
    )
    search = GridSearchCV(LogisticRegression(), {"C": [1, 2]}, cv=2, error_score="raise")
    with parallel_config("skextra", cluster=client):
        search.fit(X, y)  # without callbacks
        if of_search:
            search.set_callbacks(callbacks.ProgressBar())
        else:
            monitor = callbacks.ScoringMonitor(scoring="accuracy")
            search.set_params(estimator=LogisticRegression().set_callbacks(monitor))
        with pytest.raises(RuntimeError, match=r"another machine, from which .* callbacks"):
            search.fit(X, y)
