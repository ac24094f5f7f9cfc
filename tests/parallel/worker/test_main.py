"""What a task finds around itself, seen through calls of joblib."""

import os
import random
import signal
import sys
import time
import warnings

import cloudpickle
import joblib
import numpy as np
import pytest
from joblib import Parallel, delayed
from sklearn.utils import check_random_state
from threadpoolctl import threadpool_info

from tests.parallel.calls import ask

cloudpickle.register_pickle_by_value(sys.modules[__name__])


def test_a_worker_sees_the_environment_of_the_moment(monkeypatch):
    assert ask(os.getenv, "SKEXTRA_TEST") is None
    monkeypatch.setenv("SKEXTRA_TEST", "set")
    assert ask(os.getenv, "SKEXTRA_TEST") == "set"
    monkeypatch.delenv("SKEXTRA_TEST")
    assert ask(os.getenv, "SKEXTRA_TEST") is None


def test_a_worker_works_in_the_directory_of_the_moment(monkeypatch, tmp_path):
    ask(os.getpid)
    monkeypatch.chdir(tmp_path)
    assert ask(os.getcwd) == str(tmp_path)


def test_a_worker_finds_modules_on_a_path_added_later(monkeypatch, tmp_path):
    ask(os.getpid)
    (tmp_path / "skextra_test_module.py").write_text("ANSWER = 42")
    monkeypatch.syspath_prepend(tmp_path)
    assert ask(lambda: __import__("skextra_test_module").ANSWER) == 42


def draw(folder):
    """Draw when both workers are here, so that each of them draws once."""
    (folder / str(os.getpid())).touch()
    while len(list(folder.iterdir())) < 2:
        time.sleep(0.01)
    return check_random_state(None).random(), random.random()


def test_each_worker_draws_random_numbers_of_its_own(tmp_path):
    """Unseeded, no two workers draw the same, though all are forked from one state."""
    # An initializer that no call has had: these workers are new, and have drawn nothing yet.
    parallel = Parallel(n_jobs=2, backend="skextra", initializer=len, initargs=("drawn",))
    first, second = parallel(delayed(draw)(tmp_path) for _ in range(2))
    assert first[0] != second[0]
    assert first[1] != second[1]


def test_ctrl_c_does_not_reach_a_worker():
    assert ask(signal.getsignal, signal.SIGINT) == signal.SIG_IGN
    assert ask(os.getpgrp) != os.getpgrp()


def numbers_of_threads():
    import sklearn.linear_model  # noqa: F401  brings OpenMP

    return {library["num_threads"] for library in threadpool_info()}


def test_each_worker_gets_its_share_of_the_cores():
    assert ask(numbers_of_threads) == {max(joblib.cpu_count() // 2, 1)}


@pytest.mark.parametrize("limit", [1, 2])
def test_the_limit_on_threads_holds_in_warm_workers(limit):
    ask(numbers_of_threads)
    assert ask(numbers_of_threads, inner_max_num_threads=limit) == {limit}
    assert ask(os.getenv, "OMP_NUM_THREADS", inner_max_num_threads=limit) == str(limit)


def test_variables_that_limit_threads_go_before_the_share(monkeypatch):
    # Not more than two, nor than there are cores: OpenBLAS would take no more.
    number = 2 if joblib.cpu_count() < 4 else 1
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, str(number))
    assert ask(numbers_of_threads) == {number}


def test_a_list_of_openmp_limits_counts_by_its_first(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2,1")
    assert 2 in ask(numbers_of_threads)


def test_torch_in_a_worker_keeps_to_the_limit():
    def threads():
        import torch

        return torch.get_num_threads()

    assert ask(threads, inner_max_num_threads=2) == 2
    # Now it is loaded, and no longer reads the environment.
    assert ask(threads, inner_max_num_threads=1) == 1


def test_the_results_of_a_task_may_be_changed():
    result = ask(np.ones, (1000, 1000))
    result += 1
    assert result[0, 0] == 2


def test_arguments_may_be_changed_in_the_task():
    def add(array):
        array += 1
        return array.sum()

    array = np.zeros((1000, 1000))
    assert ask(add, array) == 1_000_000
    assert array.sum() == 0


def test_an_error_shows_where_it_was_raised():
    def fail():
        raise ValueError("wrong")

    with pytest.raises(ValueError, match=r"^wrong$") as caught:
        ask(fail)
    text = str(caught.value.__cause__)
    assert "in fail" in text
    assert "skextra/parallel/_worker/" not in text


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_interrupt_in_a_task_is_an_error_like_others(error):
    def fail():
        raise error("here")

    pid = ask(os.getpid)
    with pytest.raises(error, match="here"):
        ask(fail)
    # The worker that raised it lives; the other may have been killed at work.
    assert os.path.exists(f"/proc/{pid}")


def test_a_result_that_cannot_be_pickled_is_a_clear_error():
    def lock():
        import threading

        return threading.Lock()

    with pytest.raises(Exception, match=r"could not pickle the result of .*lock\(\)"):
        ask(lock)


def test_a_class_of_the_caller_keeps_its_identity():
    class Local:
        pass

    assert type(ask(Local)) is Local


def test_multiprocessing_below_a_worker_does_not_fork():
    def nested():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            Parallel(n_jobs=2, backend="multiprocessing")(delayed(abs)(i) for i in range(2))
        return [str(warning.message) for warning in caught]

    assert any("cannot be nested" in text for text in ask(nested))


def test_what_a_task_registers_for_the_exit_runs_when_its_worker_leaves(run_script):
    lines, _ = run_script(
        """
        import atexit
        import skextra
        from joblib import Parallel, delayed
        Parallel(n_jobs=2, backend="skextra")([delayed(atexit.register)(print, "left")])
        """
    ).finish()
    assert lines == ["left"]
