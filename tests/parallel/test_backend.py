import itertools
import multiprocessing
import os
import sys
import threading
import time
import warnings

import cloudpickle
import joblib
import numpy as np
import pytest
import sklearn
from joblib import Parallel, delayed, parallel_config
from numpy.testing import assert_array_equal
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.utils.parallel import Parallel as SklearnParallel
from sklearn.utils.parallel import delayed as sklearn_delayed

from skextra.parallel import SkextraBackend, WorkerCrashError
from tests.parallel.calls import parallel

cloudpickle.register_pickle_by_value(sys.modules[__name__])

X, y = make_classification(n_samples=120, random_state=0)


def usable():
    """Whether the backend still does what it is for."""
    return parallel()(delayed(divmod)(i, 3) for i in range(5)) == [divmod(i, 3) for i in range(5)]


def test_the_name_stands_for_the_class():
    with parallel_config("skextra") as config:
        assert type(config["backend"]) is SkextraBackend


@pytest.mark.parametrize("n_tasks", [0, 1, 2, 100])
@pytest.mark.parametrize("batch_size", ["auto", 1, 7])
def test_results_come_in_order(n_tasks, batch_size):
    tasks = [delayed(divmod)(i, 7) for i in range(n_tasks)]
    expected = Parallel(n_jobs=1)(tasks)
    assert parallel(batch_size=batch_size)(tasks) == expected


@pytest.mark.parametrize("pre_dispatch", ["all", 1, "3 * n_jobs"])
def test_any_number_of_tasks_may_be_dispatched_ahead(pre_dispatch):
    results = parallel(pre_dispatch=pre_dispatch)(delayed(abs)(-i) for i in range(50))
    assert results == list(range(50))


def test_work_is_done_in_other_processes():
    pids = parallel()(delayed(os.getpid)() for _ in range(10))
    assert os.getpid() not in pids


def test_one_job_runs_in_this_process():
    assert parallel(n_jobs=1)(delayed(os.getpid)() for _ in range(2)) == [os.getpid()] * 2


def test_lambdas_and_closures_are_tasks_too():
    offset = 3
    assert parallel()(delayed(lambda x: x + offset)(i) for i in range(4)) == [3, 4, 5, 6]


def test_a_generator_yields_in_order():
    assert list(parallel(return_as="generator")(delayed(abs)(-i) for i in range(30))) == list(
        range(30)
    )


def test_an_unordered_generator_yields_what_is_ready(tmp_path):
    def wait_for(path):
        while path is not None and not path.exists():
            time.sleep(0.001)
        return path is None

    results = parallel(return_as="generator_unordered")(
        delayed(wait_for)(path) for path in (tmp_path / "go", None)
    )
    assert next(results) is True
    (tmp_path / "go").touch()
    assert next(results) is False


def test_two_generators_at_once_do_not_mix():
    first = parallel(return_as="generator")(delayed(abs)(-i) for i in range(20))
    second = parallel(return_as="generator")(delayed(abs)(-i) for i in range(20, 40))
    assert list(zip(first, second, strict=True)) == list(
        zip(range(20), range(20, 40), strict=True)
    )


def test_a_dropped_generator_does_not_harm_another():
    dropped = parallel(return_as="generator")(delayed(time.sleep)(30) for _ in range(4))
    kept = parallel(return_as="generator")(delayed(abs)(-i) for i in range(20))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # joblib tells of the dropped tasks
        del dropped
    assert list(kept) == list(range(20))


def test_timeout_ends_call_backend_stays_usable():
    start = time.monotonic()
    with pytest.raises(multiprocessing.TimeoutError):
        parallel(timeout=0.2)(delayed(time.sleep)(30) for _ in range(2))
    assert time.monotonic() - start < 10
    assert usable()


def test_task_error_keeps_type_backend_stays_usable():
    with pytest.raises(ZeroDivisionError):
        parallel()(delayed(divmod)(1, i) for i in (1, 0))
    assert usable()


def test_dead_worker_is_error_backend_stays_usable():
    with pytest.raises(WorkerCrashError, match=r"posix\._exit\(4\)"):
        parallel(max_retries=0)(delayed(os._exit)(4) for _ in range(2))
    assert usable()


def test_a_managed_parallel_survives_an_error():
    with parallel(max_retries=0) as managed:
        with pytest.raises(WorkerCrashError):
            managed(delayed(os._exit)(1) for _ in range(2))
        assert managed(delayed(abs)(-i) for i in range(4)) == [0, 1, 2, 3]


def test_many_deaths_in_a_row_backend_stays_usable():
    for _ in range(10):
        with pytest.raises(WorkerCrashError):
            parallel(max_retries=0)(delayed(os._exit)(1) for _ in range(2))
    assert usable()


def test_unpicklable_argument_is_a_clear_error():
    with pytest.raises(Exception, match=r"could not pickle the task .*len\(<unlocked"):
        parallel()(delayed(len)(threading.Lock()) for _ in range(2))
    assert usable()


def test_unpicklable_argument_late_in_iterator_is_an_error():
    tasks = itertools.chain(
        (delayed(abs)(i) for i in range(20)), (delayed(len)(threading.Lock()) for _ in range(2))
    )
    with pytest.raises(Exception, match="could not pickle the task"):
        parallel()(tasks)


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("n_good", [0, 1, 10])
def test_error_in_iterator_of_tasks_is_raised(error, n_good):
    def tasks():
        for i in range(n_good):
            yield delayed(abs)(i)
        raise error("iterator")

    with pytest.raises(error, match="iterator"):
        parallel()(tasks())
    assert usable()


def test_the_iterator_of_tasks_may_call_the_backend():
    def tasks():
        for i in range(12):
            yield delayed(abs)(-max(parallel()(delayed(abs)(-j) for j in range(i + 1))))

    assert parallel()(tasks()) == list(range(12))


def test_calls_from_several_threads_do_not_mix():
    results = {}

    def run(start):
        results[start] = parallel()(delayed(abs)(-i) for i in range(start, start + 20))

    threads = [threading.Thread(target=run, args=(start,)) for start in (0, 100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {start: list(range(start, start + 20)) for start in (0, 100, 200)}


def test_nested_call_runs_in_threads_of_worker():
    def nested():
        inner = Parallel(n_jobs=2)(delayed(os.getpid)() for _ in range(4))
        return set(inner) == {os.getpid()}

    assert all(parallel()(delayed(nested)() for _ in range(3)))


def test_a_nested_call_may_ask_for_processes(run_script):
    # In a small program: the server of each worker imports what the program has imported.
    lines, _ = run_script(
        """
        import os, warnings
        import skextra
        from joblib import Parallel, delayed

        def nested():
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                inner = Parallel(n_jobs=2, backend="skextra")(delayed(os.getpid)() for _ in "1234")
            return os.getpid() not in inner

        print(Parallel(n_jobs=2, backend="skextra")(delayed(nested)() for _ in range(2)))
        """
    ).finish()
    assert lines == ["[True, True]"]


def test_call_below_threads_warns_and_starts_no_process():
    def nested():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            pids = parallel()(delayed(os.getpid)() for _ in range(2))
        return pids == [os.getpid()] * 2, any("below threads" in str(w.message) for w in caught)

    # One task: the filters of warnings belong to all threads.
    assert Parallel(n_jobs=2, backend="threading")([delayed(nested)()]) == [(True, True)]


@pytest.mark.parametrize("n_jobs", [0, 0.5])
def test_no_jobs_have_no_meaning(n_jobs):
    with pytest.raises(ValueError, match="n_jobs == 0"):
        parallel(n_jobs=n_jobs)([delayed(abs)(1)])


@pytest.mark.parametrize(
    ("n_jobs", "expected"),
    [(None, 1), (1, 1), (3, 3), (-1, joblib.cpu_count()), (-10_000, 1)],
)
def test_n_jobs_counts_as_in_joblib(n_jobs, expected):
    assert SkextraBackend(nesting_level=0).effective_n_jobs(n_jobs) == expected


def test_grid_search_finds_what_it_finds_sequentially():
    grid = {"C": [0.01, 0.1, 1, 10]}
    expected = GridSearchCV(LogisticRegression(), grid).fit(X, y)
    with parallel_config("skextra", n_jobs=2):
        search = GridSearchCV(LogisticRegression(), grid).fit(X, y)
    assert_array_equal(
        search.cv_results_["mean_test_score"], expected.cv_results_["mean_test_score"]
    )
    assert search.best_params_ == expected.best_params_
    assert_array_equal(search.best_estimator_.coef_, expected.best_estimator_.coef_)


def test_cross_validation_gives_what_it_gives_sequentially():
    expected = cross_validate(LogisticRegression(), X, y, return_estimator=True)
    with parallel_config("skextra"):
        result = cross_validate(LogisticRegression(), X, y, n_jobs=2, return_estimator=True)
    assert_array_equal(result["test_score"], expected["test_score"])
    for mine, theirs in zip(result["estimator"], expected["estimator"], strict=True):
        assert_array_equal(mine.coef_, theirs.coef_)


def test_failed_fit_gets_error_score_as_with_loky():
    class Failing(LogisticRegression):
        def fit(self, X, y):
            raise ValueError("cannot fit")

    search = GridSearchCV(Failing(), {"C": [1, 2]}, n_jobs=2, error_score=np.nan)
    with parallel_config("skextra"), pytest.raises(ValueError, match="All the 10 fits failed"):
        search.fit(X, y)


def test_the_configuration_of_scikit_learn_reaches_the_workers():
    with sklearn.config_context(working_memory=123, transform_output="pandas"):
        configs = SklearnParallel(n_jobs=2, backend="skextra")(
            sklearn_delayed(sklearn.get_config)() for _ in range(2)
        )
    assert {(c["working_memory"], c["transform_output"]) for c in configs} == {(123, "pandas")}


def test_warning_filters_of_scikit_learn_reach_workers():
    with warnings.catch_warnings():
        warnings.simplefilter("error", category=RuntimeWarning)
        with pytest.raises(RuntimeWarning, match="from a task"):
            SklearnParallel(n_jobs=2, backend="skextra")(
                sklearn_delayed(warnings.warn)("from a task", RuntimeWarning) for _ in range(2)
            )


def in_parallel(**options):
    return parallel(**options)


def in_config(**options):
    with parallel_config("skextra", n_jobs=2, **options):
        return Parallel()


@pytest.mark.parametrize("configured", [in_parallel, in_config])
def test_options_can_be_given_in_both_ways(configured, tmp_path):
    def initialize(folder):
        (folder / str(os.getpid())).touch()

    call = configured(inner_max_num_threads=2, initializer=initialize, initargs=(tmp_path,))
    found = call(delayed(lambda: (os.environ["OMP_NUM_THREADS"], os.getpid()))() for _ in range(4))
    assert {threads for threads, _ in found} == {"2"}
    assert {str(pid) for _, pid in found} <= {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize("configured", [in_parallel, in_config])
@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"max_retry": 1}, TypeError, "max_retry"),
        ({"inner_max_num_threads": 0}, ValueError, "must be a positive integer, got 0"),
        ({"inner_max_num_threads": "2"}, ValueError, "must be a positive integer, got '2'"),
        ({"initializer": 1}, TypeError, "initializer must be callable, got 1"),
        ({"max_retries": -1}, ValueError, "max_retries must be 0 or more, got -1"),
        ({"max_retries": None}, ValueError, "max_retries must be 0 or more, got None"),
        ({"task_timeout": 0}, ValueError, "task_timeout must be a number .* over 0, got 0"),
        ({"task_timeout": "1"}, ValueError, "task_timeout must be a number .* over 0, got '1'"),
    ],
)
def test_a_wrong_option_is_a_clear_error(configured, options, error, words):
    with pytest.raises(error, match=words):
        configured(**options)(delayed(abs)(i) for i in range(2))


def test_option_of_a_call_ends_with_it():
    def threads():
        return os.environ["OMP_NUM_THREADS"]

    with parallel_config("skextra", n_jobs=2, inner_max_num_threads=1):
        assert set(Parallel(inner_max_num_threads=2)(delayed(threads)() for _ in range(2))) == {
            "2"
        }
        assert set(Parallel()(delayed(threads)() for _ in range(2))) == {"1"}
        with pytest.raises(ZeroDivisionError):
            Parallel(task_timeout=60, max_retries=5)(delayed(divmod)(1, 0) for _ in range(2))
        with pytest.raises(WorkerCrashError) as raised:
            Parallel()(delayed(os._exit)(3) for _ in range(2))
        assert raised.value.n_tries == 3


@pytest.mark.parametrize("name", ["devices", "task_timeout"])
def test_default_n_jobs_forgets_option_of_last_call(name):
    value = {"devices": ["cpu:0", "cpu:1", "cpu:2"], "task_timeout": 60}[name]
    with parallel_config("skextra"):
        backend = Parallel()._backend
        before = backend.default_n_jobs
        Parallel(n_jobs=2, **{name: value})(delayed(abs)(i) for i in range(2))
        assert Parallel()._backend is backend
        assert backend.default_n_jobs == before


def test_task_iterator_may_call_parallel_itself():
    def tasks():
        for i in range(6):
            [value] = Parallel()([delayed(abs)(-i)])
            yield delayed(divmod)(value, 2)

    with parallel_config("skextra", n_jobs=2):
        assert Parallel()(tasks()) == [divmod(i, 2) for i in range(6)]
        with pytest.raises(WorkerCrashError):
            Parallel()(delayed(os._exit)(code) for code in Parallel()([delayed(abs)(-3)] * 2))
        assert Parallel()(delayed(abs)(i) for i in range(3)) == [0, 1, 2]
