"""Workers that die at work: what is repeated, what is kept, what is told."""

import ctypes
import multiprocessing
import os
import pickle
import signal
import sys
import time
import warnings

import cloudpickle
import numpy as np
import pytest
from joblib import delayed, parallel_config
from numpy.testing import assert_array_equal
from sklearn.datasets import make_classification
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import check_scoring
from sklearn.model_selection import GridSearchCV
from sklearn.model_selection._validation import _fit_and_score as fit_and_score

from skextra.parallel import TaskTimeoutError, WorkerCrashError
from skextra.parallel._engines._processes import _engine
from skextra.parallel._engines._processes._out_of_memory import oom_kills
from skextra.parallel._errors import Death
from skextra.parallel._scheduling import _current
from skextra.parallel._scheduling._scheduler import Scheduler
from skextra.parallel._searches import failed_fit
from tests.parallel.calls import parallel

cloudpickle.register_pickle_by_value(sys.modules[__name__])

X, y = make_classification(n_samples=120, random_state=0)


def note(folder, name):
    """Count a run of something: one byte in a file."""
    with open(folder / str(name), "ab") as file:
        file.write(b".")


def count(folder, name):
    path = folder / str(name)
    return path.stat().st_size if path.exists() else 0


def die(how=signal.SIGKILL):
    os.kill(os.getpid(), how)


def die_at_first(folder, name, n_deaths=1):
    note(folder, name)
    if count(folder, name) <= n_deaths:
        die()
    return name


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGABRT])
def test_a_call_whose_worker_was_killed_is_repeated(tmp_path, how):
    def work(i):
        note(tmp_path, i)
        if i == 3 and count(tmp_path, i) == 1:
            die(how)
        return i

    assert parallel()(delayed(work)(i) for i in range(8)) == list(range(8))
    assert [count(tmp_path, i) for i in range(8)] == [1, 1, 1, 2, 1, 1, 1, 1]


def test_a_call_whose_worker_crashed_is_repeated(tmp_path):
    def work(i):
        note(tmp_path, i)
        if count(tmp_path, i) == 1:
            ctypes.string_at(0)
        return i

    assert parallel()(delayed(work)(i) for i in range(2)) == [0, 1]


@pytest.mark.parametrize("max_retries", [0, 3])
def test_it_is_repeated_so_often(tmp_path, max_retries):
    with pytest.raises(WorkerCrashError) as caught:
        parallel(max_retries=max_retries)([delayed(die_at_first)(tmp_path, "x", 99)])
    assert count(tmp_path, "x") == caught.value.n_tries == max_retries + 1
    assert caught.value.exit_code == -signal.SIGKILL
    tries = f"It was tried {max_retries + 1} times."
    assert (tries in str(caught.value)) == (max_retries > 0)


@pytest.mark.parametrize("result", [lambda i: i, lambda i: np.full(20_000, i)])
def test_only_the_call_in_flight_is_repeated(tmp_path, result):
    def work(i):
        note(tmp_path, i)
        if i in (4, 11) and count(tmp_path, i) == 1:
            die()
        return result(i)

    results = parallel(batch_size=20)(delayed(work)(i) for i in range(20))
    assert_array_equal(results, [result(i) for i in range(20)])
    assert [count(tmp_path, i) for i in range(20)] == [1 + (i in (4, 11)) for i in range(20)]


def test_the_last_try_runs_alone(tmp_path):
    def work(i):
        own = tmp_path / f"runs-{i}"
        own.touch()
        note(tmp_path, i)
        try:
            if i == 5:
                if count(tmp_path, i) <= 2:
                    own.unlink()
                    die()
                for _ in range(20):
                    time.sleep(0.005)
                    assert len(list(tmp_path.glob("runs-*"))) == 1
            else:
                time.sleep(0.02)
            return i
        finally:
            own.unlink()

    assert parallel(batch_size=1)(delayed(work)(i) for i in range(30)) == list(range(30))
    assert count(tmp_path, 5) == 3


def test_an_exception_is_not_repeated(tmp_path):
    def work():
        note(tmp_path, "x")
        raise MemoryError("no memory")

    with pytest.raises(MemoryError):
        parallel()([delayed(work)()])
    assert count(tmp_path, "x") == 1


@pytest.mark.linux_engine("loky does not read what its workers write to standard error")
def test_the_error_shows_the_end_of_standard_error(capfd):
    def work():
        os.write(2, b"far away\n" * 1000)
        print("the last words", file=sys.stderr)
        die()

    with pytest.raises(WorkerCrashError, match=r"far away\nthe last words$") as caught:
        parallel(max_retries=0)([delayed(work)()])
    assert len(caught.value.stderr) < 2001
    assert capfd.readouterr().err == "far away\n" * 1000 + "the last words\n"


@pytest.mark.linux_engine("loky does not read what its workers write to standard error")
def test_crash_in_compiled_code_shows_its_stack(capfd):
    def crash():
        ctypes.string_at(0)

    with pytest.raises(WorkerCrashError, match=r"(?s)SIGSEGV.*Segmentation fault.*in crash"):
        parallel(max_retries=0)([delayed(crash)()])
    assert "Segmentation fault" in capfd.readouterr().err


@pytest.mark.linux_engine("workers of loky keep the standard error that they began with")
def test_standard_error_is_shown_without_a_death(capfd, eventually):
    parallel()(delayed(os.write)(2, b"hello\n") for _ in range(2))
    shown = []
    eventually(lambda: shown.append(capfd.readouterr().err) or "".join(shown) == "hello\n" * 2)


@pytest.mark.linux_engine("loky does not read what its workers write to standard error")
def test_standard_error_takes_more_than_a_pipe_holds(capfd):
    with pytest.raises(WorkerCrashError):
        parallel(max_retries=0)([delayed(lambda: (os.write(2, b"x" * 500_000), die()))()])
    assert len(capfd.readouterr().err) == 500_000


@pytest.mark.parametrize(
    "error", [WorkerCrashError("text", -9, 3, "words"), TaskTimeoutError("text", 2, "words")]
)
def test_the_errors_can_be_pickled(error):
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == "text"
    assert vars(copy) == vars(error)


def test_a_call_that_takes_too_long_is_ended(tmp_path):
    def work(i):
        note(tmp_path, i)
        time.sleep(60 if i == 2 else 0)

    start = time.monotonic()
    with pytest.raises(TaskTimeoutError, match=r"work\(2\) took longer than .* 0\.3 seconds"):
        parallel(task_timeout=0.3)(delayed(work)(i) for i in range(4))
    assert time.monotonic() - start < 30
    assert count(tmp_path, 2) == 1


def test_time_limit_holds_while_interpreter_is_stuck():
    with pytest.raises(TaskTimeoutError):
        parallel(task_timeout=0.3)([delayed(sum)(range(10**13))])


def test_time_limit_is_per_call_not_per_batch():
    tasks = [delayed(time.sleep)(0.1) for _ in range(10)]
    assert parallel(task_timeout=0.6, batch_size=10)(tasks) == [None] * 10


def test_the_timeout_of_joblib_still_works():
    with pytest.raises(multiprocessing.TimeoutError):
        parallel(timeout=0.2, task_timeout=50)(delayed(time.sleep)(30) for _ in range(2))
    assert parallel()(delayed(abs)(-i) for i in range(3)) == [0, 1, 2]


class Mortal(LogisticRegression):
    """Dies or hangs with the parameters that are bad."""

    def fit(self, X, y):
        if self.C == 13:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.C == 14:
            time.sleep(60)
        return super().fit(X, y)


@pytest.mark.parametrize(
    ("options", "bad", "name"),
    [({"max_retries": 0}, 13, "WorkerCrashError"), ({"task_timeout": 1}, 14, "TaskTimeoutError")],
)
@pytest.mark.parametrize("scoring", ["accuracy", ["accuracy", "neg_log_loss"]])
def test_candidate_of_dead_worker_gets_error_score(options, bad, name, scoring):
    def search(grid):
        return GridSearchCV(
            Mortal(), {"C": grid}, cv=2, scoring=scoring, refit=False, return_train_score=True
        )

    expected = search([1, 0.1]).fit(X, y).cv_results_
    failed = rf"(?s)2 fits failed out of a total of 6.*{name}"
    with parallel_config("skextra", n_jobs=2, **options), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "One or more of the t", UserWarning)
        with pytest.warns(FitFailedWarning, match=failed):
            found = search([1, bad, 0.1]).fit(X, y).cv_results_
    for key in expected:
        if "_score" in key and "rank" not in key and "time" not in key:
            assert np.isnan(found[key][1])
            assert_array_equal(found[key][[0, 2]], expected[key])


def test_a_search_that_wants_errors_raised_gets_them():
    search = GridSearchCV(Mortal(), {"C": [1, 13]}, cv=2, error_score="raise")
    words = r"the fit of Mortal\(\) with C=13 on fold [12] of 2 .*SIGKILL.* tried 3 times"
    with parallel_config("skextra", n_jobs=2), pytest.raises(WorkerCrashError, match=words):
        search.fit(X, y)


def test_a_failed_fit_looks_as_one_that_raised():
    class Raising(LogisticRegression):
        def fit(self, X, y):
            raise ValueError("bad")

    arguments = {
        "scorer": check_scoring(Raising()),
        "train": np.arange(80),
        "test": np.arange(80, 120),
        "verbose": 0,
        "parameters": {"C": 2},
        "fit_params": {"sample_weight": np.ones(120)},
        "score_params": None,
        "error_score": -1.0,
        **dict.fromkeys(
            ("return_train_score", "return_parameters", "return_times", "return_estimator"), True
        ),
        "return_n_test_samples": True,
    }
    expected = fit_and_score(Raising(), X, y, **arguments)
    found = failed_fit((fit_and_score, (Raising(), X, y), arguments), WorkerCrashError("gone"))
    assert found.keys() == expected.keys()
    for key in found.keys() - {"fit_time", "fit_error", "estimator"}:
        assert found[key] == expected[key]
    assert type(found["estimator"]) is Raising
    assert "WorkerCrashError: gone" in found["fit_error"]


@pytest.mark.linux_engine("only Linux counts the kills for want of memory")
def test_a_kill_for_want_of_memory_is_recognised(monkeypatch, tmp_path):
    counts = iter(range(100))
    monkeypatch.setattr(_engine, "oom_kills", lambda: next(counts))
    scheduler = Scheduler(_engine.ProcessEngine())
    monkeypatch.setattr(_current, "_scheduler", scheduler)
    with pytest.raises(WorkerCrashError, match="the system killed it because memory ran out"):
        parallel()([delayed(die)(), delayed(abs)(1)])
    scheduler.shut_down()


@pytest.mark.linux_engine("only Linux counts the kills for want of memory")
def test_out_of_memory_kill_reduces_tasks_at_once(monkeypatch, tmp_path):
    monkeypatch.setattr(_engine, "oom_kills", iter(range(100)).__next__)
    scheduler = Scheduler(_engine.ProcessEngine())
    monkeypatch.setattr(_current, "_scheduler", scheduler)

    def work(i):
        if i == 0:
            die_at_first(tmp_path, "first")
        else:
            while not count(tmp_path, "first"):  # until both workers are at work
                time.sleep(0.001)
        return os.getpid()

    results = parallel(batch_size=1, pre_dispatch="all")(delayed(work)(i) for i in range(9))
    assert len(set(results[2:])) == 1
    scheduler.shut_down()


@pytest.mark.parametrize(
    ("membership", "file"),
    [
        ("0::/user.slice\n", "user.slice/memory.events"),
        ("0::/outside\n", "memory.events"),
        ("4:memory:/a/b\n1:cpu:/\n0::/\n", "memory/a/b/memory.oom_control"),
    ],
)
def test_the_kernel_is_asked_for_kills(tmp_path, membership, file):
    (tmp_path / "cgroup").write_text(membership)
    assert oom_kills(tmp_path / "cgroup", tmp_path) is None
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text("low 0\noom 3\noom_kill 2\n")
    assert oom_kills(tmp_path / "cgroup", tmp_path) == 2


def test_the_words_of_a_death():
    text = str(Death(1, stderr="words").error("f(1)", 2, None))
    assert text == (
        "A worker process died while it was running f(1): it exited with code 1. It was tried 2 "
        "times.\nThe end of its standard error stream:\nwords"
    )
