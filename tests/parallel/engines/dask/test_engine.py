"""Calls on a Dask cluster: a scheduler and two workers that are processes of their own."""

import asyncio
import os
import sys
import time

import cloudpickle
import numpy as np
import pytest
from distributed import Client
from joblib import Parallel, delayed, parallel_config
from numpy.testing import assert_array_equal
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression

from skextra.parallel import TaskTimeoutError, WorkerCrashError, leased_device
from skextra.parallel._engines._dask._client import result_of
from tests.parallel.searches import Counting, grid_search, n_fits

# The nodes have no module of tests.
for name in (__name__, "tests.parallel.searches"):
    cloudpickle.register_pickle_by_value(sys.modules[name])

X, y = make_classification(n_samples=120, random_state=0)


def on(client, n_jobs=-1, **options):
    return Parallel(n_jobs=n_jobs, backend="skextra", cluster=client, **options)


def kill_own_process(path):
    with open(path, "ab") as file:
        file.write(b".")
    os.kill(os.getpid(), 9)


def spin_with_the_lock():
    from ctypes import PyDLL

    PyDLL(None).sleep(60)  # unlike CDLL, with the interpreter's lock held


class Unpicklable:
    def __reduce__(self):
        raise TypeError("not this one")


def test_calls_give_their_results(client):
    assert on(client)(delayed(divmod)(i, 7) for i in range(20)) == [
        divmod(i, 7) for i in range(20)
    ]


def test_calls_find_what_the_node_has(cluster, client, monkeypatch):
    monkeypatch.setenv("ONLY_HERE", "secret")
    asked = delayed(os.getcwd)(), delayed(os.getenv)("ONLY_HERE"), delayed(os.getenv)("HOME")
    folder, only_here, home = on(client)(asked)
    assert (folder, only_here, home) == (str(cluster.folder), None, os.getenv("HOME"))


def test_active_client_is_not_used_unasked(cluster):
    with Client(cluster.address), parallel_config("skextra", n_jobs=2):
        assert Parallel()(delayed(os.getcwd)() for _ in range(2)) == [os.getcwd()] * 2


def test_devices_are_those_of_the_node(client):
    found = on(client, devices=["cpu:0"])(delayed(leased_device)() for _ in range(3))
    assert found == ["cpu:0"] * 3


def test_number_of_jobs_limits_what_runs(client, tmp_path):
    def count(i):
        (tmp_path / str(i)).touch()
        time.sleep(0.1)
        n_running = len(list(tmp_path.iterdir()))
        (tmp_path / str(i)).unlink()
        return n_running

    assert on(client, n_jobs=1, batch_size=1)(delayed(count)(i) for i in range(4)) == [1] * 4


def test_error_of_call_is_raised(client):
    with pytest.raises(ZeroDivisionError):
        on(client)(delayed(divmod)(1, i) for i in (1, 0))


def test_search_gives_the_scores_of_one_machine(client):
    expected = grid_search(LogisticRegression()).fit(X, y).cv_results_["mean_test_score"]
    with parallel_config("skextra", cluster=client):
        found = grid_search(LogisticRegression()).fit(X, y).cv_results_["mean_test_score"]
    assert_array_equal(found, expected)


def test_address_serves_as_well_as_client(cluster):
    assert on(cluster.address)(delayed(abs)(-i) for i in range(3)) == [0, 1, 2]


def test_large_array_is_sent_once_and_private(client):
    def change(array):
        array[0] += 1
        return array[0], len(array)

    array = np.zeros(200_000)
    assert on(client)(delayed(change)(array) for _ in range(6)) == [(1, 200_000)] * 6
    assert array[0] == 0


def test_large_result_comes_back_whole(client):
    first, second = on(client)(delayed(np.arange)(n) for n in (300_000, 5))
    assert_array_equal(first, np.arange(300_000))
    assert_array_equal(second, np.arange(5))


def test_dying_task_begins_as_often_as_allowed(client, tmp_path):
    calls = [delayed(abs)(-1), delayed(kill_own_process)(tmp_path / "begun"), delayed(abs)(-2)]
    with pytest.raises(WorkerCrashError, match=r"killed by SIGKILL.*tried 2 times"):
        on(client, max_retries=1, batch_size=1)(calls)
    assert (tmp_path / "begun").read_bytes() == b".."
    assert on(client)(delayed(abs)(-i) for i in range(3)) == [0, 1, 2]


@pytest.mark.parametrize("function", [lambda: time.sleep(60), spin_with_the_lock])
def test_late_task_is_stopped(client, function):
    with pytest.raises(TaskTimeoutError, match=r"task_timeout of 0\.3 seconds"):
        on(client, task_timeout=0.3)([delayed(function)()])


def test_argument_that_cannot_be_pickled_is_named(client):
    with pytest.raises(Exception, match=r"could not pickle the task.*not this one"):
        on(client)([delayed(id)(Unpicklable())])


def test_result_that_cannot_be_pickled_is_named(client):
    with pytest.raises(Exception, match=r"could not pickle the result.*not this one"):
        on(client)([delayed(Unpicklable)()])


def test_journal_gives_results_without_nodes(client, tmp_path):
    path, estimator = tmp_path / "journal.sqlite", Counting(file=tmp_path / "fits")
    scores = []
    for expected in (9, 0):
        with parallel_config("skextra", cluster=client, journal=path):
            search = grid_search(estimator).fit(X, y)
        assert n_fits(estimator) == expected
        scores.append(search.cv_results_["mean_test_score"])
    assert_array_equal(*scores)


def test_cancelled_wait_leaves_others_alone(client):
    async def cancel_one_of_two(n_steps):
        first, second = (asyncio.ensure_future(result_of(future)) for future in futures)
        for _ in range(n_steps):
            await asyncio.sleep(0)
        first.cancel()
        return await asyncio.wait_for(second, 10)

    futures = [client.submit(abs, -i, pure=False) for i in (1, 2)]
    client.gather(futures)
    for n_steps in range(20):
        coroutine = cancel_one_of_two(n_steps)
        loop = client.loop.asyncio_loop
        assert asyncio.run_coroutine_threadsafe(coroutine, loop).result(30) == 2
