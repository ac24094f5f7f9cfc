"""Calls nested without end, which are stopped, and deep ones with an end, which are not."""

import os

import pytest

from skextra.parallel import WorkerCrashError
from skextra.parallel._engines._processes import _worker_set
from skextra.parallel._worker import _nesting
from skextra.parallel._worker._nesting import Nesting
from tests.parallel.clients import Client


@pytest.fixture
def two_in_a_tree():
    """Two processes' view of one tree, three levels down."""
    first = Nesting(2)
    yield first, Nesting(2, first._descriptor)
    os.close(first._descriptor)


def test_starts_of_a_whole_tree_are_limited(two_in_a_tree, monkeypatch):
    monkeypatch.setattr(_nesting, "_MAX_STARTS", 4)
    for _ in range(2):
        for nesting in two_in_a_tree:
            nesting.count_start()
    for nesting in two_in_a_tree:
        with pytest.raises(RuntimeError, match="4 workers were started by workers of workers"):
            nesting.count_start()


def test_starts_may_go_on_a_minute_later(two_in_a_tree, monkeypatch):
    monkeypatch.setattr(_nesting, "_MAX_STARTS", 1)
    two_in_a_tree[0].count_start()
    now = _nesting.time.monotonic()
    monkeypatch.setattr(_nesting.time, "monotonic", lambda: now + 61)
    two_in_a_tree[1].count_start()


@pytest.mark.parametrize("level", [0, 1])
def test_first_two_levels_are_without_limit(level):
    nesting = Nesting(level)
    for _ in range(1000):
        nesting.count_start()
    assert os.fstat(nesting._descriptor).st_size == 0
    os.close(nesting._descriptor)


@pytest.mark.linux_engine("replaces what counts the processes of this engine")
def test_workers_that_replace_dead_ones_are_not_counted(scheduler, monkeypatch):
    starts = []

    class Counting:
        def count_start(self):
            starts.append(1)

    monkeypatch.setattr(_worker_set, "nesting", Counting)
    client = Client(scheduler, n_workers=1, max_retries=0)
    for _ in range(3):
        client.submit(os._exit, 1)
        with pytest.raises(WorkerCrashError):
            client.result()
    assert client.call(abs, -1) == 1
    assert len(starts) == 1


@pytest.mark.linux_engine("loky itself ends them, ten levels down")
def test_calls_nested_without_end_are_an_error(run_script):
    lines, _ = run_script(
        """
        import skextra
        from joblib import Parallel, delayed

        def recurse():
            from skextra.parallel._worker import _nesting

            _nesting._MAX_STARTS = _nesting._FREE_LEVELS = 1
            return Parallel(n_jobs=2, backend="skextra")([delayed(recurse)()])

        try:
            Parallel(n_jobs=2, backend="skextra")([delayed(recurse)()])
        except skextra.parallel.WorkerCrashError as error:
            print(error)
        """
    ).finish()
    assert "nested without end. If a module calls Parallel" in lines[0]
