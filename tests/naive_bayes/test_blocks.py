"""Blocks cover the rows, and what is set for them is set back, in forked processes too."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest
from threadpoolctl import threadpool_info

from skextra.naive_bayes import _blocks
from skextra.naive_bayes._blas import BLAS
from skextra.naive_bayes._blocks import blocks, map_rows


def split(*part):
    return part


@pytest.mark.parametrize("n_features", [0, 1, 20, 10**7])
def test_blocks_cover_all_rows_once(n_features):
    covered = [
        row for start, stop in blocks(3, 200, n_features, 2**16) for row in range(start, stop)
    ]
    assert covered == list(range(3, 200))


@pytest.mark.parametrize("n_jobs", [None, 1, 2, 7])
def test_ranges_cover_all_rows_in_order(n_jobs):
    ranges = map_rows(lambda start, stop, local, size: (start, stop), split, 1001, 1e9, n_jobs)
    assert ranges[0][0] == 0
    assert ranges[-1][1] == 1001
    assert all(left[1] == right[0] for left, right in itertools.pairwise(ranges))
    assert len(ranges) >= (n_jobs or 1)


def test_an_error_in_a_thread_reaches_the_caller():
    def fail(start, stop, local, size):
        if start > 0:
            raise ValueError(f"rows to {stop}")

    with pytest.raises(ValueError, match="rows to"):
        map_rows(fail, split, 1001, 1e9, 2)


def test_callers_that_overlap_in_threads_leave_the_blas_threads_as_they_were():
    def threads():
        return [library["num_threads"] for library in threadpool_info()]

    def call(_):
        return map_rows(lambda *_: np.ones((50, 50)) @ np.ones((50, 50)), split, 10, 1e6, n_jobs=1)

    before = threads()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(call, range(400)))
    assert threads() == before


def blas_threads():
    return [each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_fork_waits_until_other_threads_have_left_blas():
    before, inside, left = blas_threads(), threading.Event(), threading.Event()

    def other():
        with BLAS.work(1e9):
            inside.set()
            time.sleep(0.5)
            left.set()

    thread = threading.Thread(target=other)
    thread.start()
    assert inside.wait(60)
    assert max(blas_threads()) == 1
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        free = left.is_set() and blas_threads() == before
        with BLAS.work(1e9):
            limited = max(blas_threads()) == 1
        os._exit(0 if free and limited and blas_threads() == before else 7)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    thread.join()
    assert blas_threads() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_fork_inside_work_of_its_own_thread_does_not_wait():
    before = blas_threads()
    with BLAS.work(1e9):
        pid = os.fork()
    if pid == 0:
        os._exit(0 if blas_threads() == before else 7)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


FORKS = """
import os, signal, threading, warnings
warnings.simplefilter("ignore")
import numpy as np
from skextra import ScratchGaussianNB
X, y = np.random.default_rng(0).normal(size=(3000, 10)), np.arange(3000) % 4
model, stop = ScratchGaussianNB().fit(X, y), False
def predict():
    while not stop:
        model.predict_proba(X)
threads = [threading.Thread(target=predict) for _ in range(2)]
[thread.start() for thread in threads]
bad = []
for _ in range(12):
    if (pid := os.fork()) == 0:
        signal.alarm(10)
        model.predict_proba(X)
        os._exit(0)
    bad.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
stop = True
[thread.join() for thread in threads]
assert not any(bad), bad
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_process_forked_while_others_predict_can_predict():
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, "-c", FORKS], env=environment, capture_output=True, text=True, timeout=250
    )
    assert done.returncode == 0, done.stderr


def test_tasks_of_another_parallel_call_take_one_thread(monkeypatch):
    monkeypatch.setattr(_blocks, "_WORTH_A_THREAD", 1.0)

    def n_parts():
        return len(map_rows(lambda *_: threading.get_ident(), split, 1001, 1e9, 2))

    assert n_parts() > 1
    with joblib.parallel_config("threading", n_jobs=2):
        assert joblib.Parallel()(joblib.delayed(n_parts)() for _ in range(2)) == [1, 1]


def test_threads_share_rows_unevenly_if_one_is_late():
    """A thread whose core is busy holds up one part, and the other threads take the rest."""
    seen, first = [], threading.Event()

    def kernel(start, stop, local, size):
        if not seen:
            seen.append(threading.get_ident())
            first.wait(20)  # until all other parts are done
        else:
            seen.append(threading.get_ident())
            if len(seen) == 8:
                first.set()
        return start

    starts = map_rows(kernel, split, 800, 1e9, 2)
    assert starts == sorted(starts)
    assert len(starts) == 8
    assert first.is_set()
