"""What the tasks of one call leave behind is not there for the tasks of the next."""

import builtins
import os
import random
import sys
import time

import cloudpickle
import joblib
import numpy as np
import pytest
import torch
from joblib import delayed, parallel_config

from skextra.parallel._worker import _memory, _threads
from tests.parallel.calls import ask, parallel

cloudpickle.register_pickle_by_value(sys.modules[__name__])


def meet(folder, n_tasks=2):
    """Wait until so many workers are here, so that each of them runs one task."""
    (folder / str(os.getpid())).touch()
    deadline = time.monotonic() + 30
    while len(list(folder.iterdir())) < n_tasks and time.monotonic() < deadline:
        time.sleep(0.01)
    return os.getpid()


def draw(folder):
    import torch

    pid = meet(folder)
    return pid, random.random(), np.random.random(), float(torch.rand(1))  # noqa: NPY002


def seed(folder):
    import torch

    meet(folder)
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    torch.manual_seed(0)


def differ(rows):
    return [len(set(column)) == len(rows) for column in zip(*rows, strict=True)]


@pytest.mark.parametrize("one_session", [False, True])
def test_workers_seeded_alike_draw_their_own_numbers_in_the_next_call(tmp_path, one_session):
    folders = [tmp_path / name for name in "abc"]
    for folder in folders:
        folder.mkdir()
    first, second = parallel(batch_size=1), parallel(batch_size=1)
    if one_session:
        with first as managed:
            before = managed(delayed(draw)(folders[0]) for _ in range(2))
            managed(delayed(seed)(folders[1]) for _ in range(2))
            after = managed(delayed(draw)(folders[2]) for _ in range(2))
    else:
        before = first(delayed(draw)(folders[0]) for _ in range(2))
        first(delayed(seed)(folders[1]) for _ in range(2))
        after = second(delayed(draw)(folders[2]) for _ in range(2))
    assert differ(before) == differ(after) == [True] * 4
    assert differ([row[1:] for row in before + after]) == [True] * 3


def test_numbers_that_an_initializer_seeded_stay(tmp_path):
    def initialize():
        np.random.seed(5)  # noqa: NPY002

    def number():
        return np.random.random()  # noqa: NPY002

    expected = np.random.RandomState(5).random()
    assert expected in parallel(initializer=initialize)(delayed(number)() for _ in range(2))


def change_surroundings(folder):
    meet(folder)
    os.chdir("/")
    os.environ["SKEXTRA_TEST_LEFT"] = "left"
    os.environ.pop("HOME", None)
    sys.path.insert(0, "/left")
    torch.set_num_threads(3)


def surroundings():
    n_threads = torch.get_num_threads()
    return os.getcwd(), os.environ.get("SKEXTRA_TEST_LEFT"), "HOME" in os.environ, n_threads


@pytest.mark.parametrize("one_session", [False, True])
def test_what_tasks_leave_behind_is_gone_in_the_next_call(tmp_path, monkeypatch, one_session):
    monkeypatch.setenv("HOME", "/home")
    managed = parallel(batch_size=1, inner_max_num_threads=1)
    expected = [(os.getcwd(), None, True, 1)] * 4
    if one_session:
        with managed:
            managed(delayed(change_surroundings)(tmp_path) for _ in range(2))
            assert managed(delayed(surroundings)() for _ in range(4)) == expected
    else:
        managed(delayed(change_surroundings)(tmp_path) for _ in range(2))
        assert managed(delayed(surroundings)() for _ in range(4)) == expected
    assert "/left" not in ask(lambda: list(sys.path), inner_max_num_threads=1)


def test_what_an_initializer_has_set_holds_in_every_call(tmp_path, monkeypatch):
    monkeypatch.setenv("SKEXTRA_TEST_GONE", "here")
    here = os.getcwd()

    def initialize():
        os.chdir("/")
        os.environ["SKEXTRA_TEST_SET"] = "set"
        del os.environ["SKEXTRA_TEST_GONE"]
        sys.path.insert(0, "/set")

    def look():
        names = "SKEXTRA_TEST_SET", "SKEXTRA_TEST_GONE", "SKEXTRA_TEST_OTHER"
        return os.getcwd(), *map(os.environ.get, names), "/set" in sys.path

    managed = parallel(initializer=initialize)
    for other in ("first", "second"):
        monkeypatch.setenv("SKEXTRA_TEST_OTHER", other)
        found = set(managed(delayed(look)() for _ in range(6)))
        assert found == {("/", "set", None, other, True)}
    assert os.getcwd() == here


def once_read():
    """Return what a library has that reads its number of threads once, such as numba."""
    number = os.environ["NUMBA_NUM_THREADS"]
    return builtins.__dict__.setdefault("_skextra_test_threads", number) == number


@pytest.mark.parametrize("how", ["option", "variable"])
def test_worker_with_other_limits_on_threads_is_not_used(monkeypatch, how):
    for number in (1, 2, 1):
        options = {"inner_max_num_threads": number} if how == "option" else {}
        if how == "variable":
            monkeypatch.setenv("NUMBA_NUM_THREADS", str(number))
        assert all(parallel(**options)(delayed(once_read)() for _ in range(4)))


def test_worker_with_the_same_limits_on_threads_is_used_again():
    pids = [ask(os.getpid, batch_size=1, inner_max_num_threads=1) for _ in range(3)]
    assert len(set(pids)) <= 2


VARIABLES = ("LOKY_MAX_CPU_COUNT", "POLARS_MAX_THREADS", "RAYON_NUM_THREADS")


def test_every_library_is_told_its_share_of_the_cores(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    share = max(1, joblib.cpu_count() // 2)
    assert ask(lambda: [os.environ[name] for name in VARIABLES]) == [str(share)] * 3
    assert ask(joblib.cpu_count) == share
    assert ask(joblib.cpu_count, inner_max_num_threads=1) == 1


def test_variables_of_the_caller_go_before_the_share(monkeypatch):
    monkeypatch.setenv("POLARS_MAX_THREADS", "7")
    assert ask(os.getenv, "POLARS_MAX_THREADS") == "7"
    assert ask(os.getenv, "POLARS_MAX_THREADS", inner_max_num_threads=2) == "2"
    # A count of cores is a limit, never a wish for more than the share.
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "100")
    limits = _threads.with_more_limits({}, 3, False)
    assert limits["LOKY_MAX_CPU_COUNT"] == "3"
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "2")
    assert _threads.with_more_limits({}, 3, False)["LOKY_MAX_CPU_COUNT"] == "2"


def leak(_, megabytes):
    held = builtins.__dict__.setdefault("_skextra_test_leak", [])
    held.append(np.ones(megabytes * 2**17))
    time.sleep(0.1)
    return os.getpid(), len(held) * megabytes


@pytest.mark.parametrize(("megabytes", "is_replaced"), [(40, True), (1, False)])
def test_worker_whose_memory_grows_is_replaced_between_tasks(megabytes, is_replaced):
    managed = parallel(batch_size=1, max_retries=0, initializer=len, initargs=(str(megabytes),))
    found = managed(delayed(leak)(i, megabytes) for i in range(60))
    assert (len({pid for pid, _ in found}) > 2) is is_replaced
    # 300 MB, and what a second of tasks adds before the next look.
    assert max(held for _, held in found) < 1000


def test_large_arguments_and_results_are_no_growth():
    array = np.ones(2**26)  # 512 MB

    def use(x):
        time.sleep(0.3)
        return os.getpid(), x[: 2**20].copy()

    found = parallel(batch_size=1)(delayed(use)(array) for _ in range(10))
    assert len({pid for pid, _ in found}) <= 2


def test_memory_that_was_freed_is_no_growth(monkeypatch):
    watch, sizes = _memory.MemoryWatch(), iter([100, 10**9, 200, 10**9, 10**9])
    monkeypatch.setattr(_memory, "private_nbytes", lambda: next(sizes))
    monkeypatch.setattr(_memory, "_SECONDS_BETWEEN", 0)
    assert [watch.has_grown() for _ in range(3)] == [False, False, True]


def test_iterator_of_tasks_may_call_parallel_itself():
    def tasks():
        for i in range(6):
            yield delayed(sum)(joblib.Parallel()(delayed(abs)(j) for j in range(i)))

    with parallel_config("skextra", n_jobs=2):
        assert joblib.Parallel()(tasks()) == [0, 0, 1, 3, 6, 10]
        # The options of the inner call are not those of the outer one, nor of the next.
        inner = joblib.Parallel(task_timeout=0.2)
        outer = (delayed(len)(inner(delayed(abs)(j) for j in range(2))) for _ in range(3))
        assert joblib.Parallel()(outer) == [2, 2, 2]
        joblib.Parallel()(delayed(time.sleep)(0.4) for _ in range(2))
