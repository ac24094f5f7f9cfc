"""Calls with a place in the journal: functions that are marked, failures, repeats, seeds."""

import multiprocessing
import os
import pickle
import signal
import sys
import time
import warnings
from threading import Lock

import cloudpickle
import numpy as np
import pytest
from joblib import Parallel, delayed, parallel_config
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.tree import ExtraTreeClassifier

from skextra._fingerprint import Fingerprinter
from skextra.parallel import Journal, journaled
from skextra.parallel._journal import _file as journal_module
from skextra.parallel._journal._identity import Identity
from tests.parallel.searches import X, grid_search, y

cloudpickle.register_pickle_by_value(sys.modules[__name__])


def test_equal_calls_have_a_place_each(path):
    @journaled
    def draw():
        return os.urandom(8)

    def call(n):
        with parallel_config("skextra", n_jobs=2, journal=path):
            return Parallel()(delayed(draw)() for _ in range(n))

    first = call(4)
    assert len(set(first)) == 4
    assert call(6)[:4] == first


def test_only_marked_functions_are_journaled(path, tmp_path):
    def work(i):
        (tmp_path / str(i)).touch(exist_ok=False)
        return i

    with parallel_config("skextra", n_jobs=2, journal=path):
        assert Parallel()(delayed(abs)(-i) for i in range(3)) == [0, 1, 2]
        assert len(Journal(path)) == 0
        for _ in range(2):
            assert Parallel()(delayed(journaled(work))(i) for i in range(3)) == [0, 1, 2]
    assert len(Journal(path)) == 3


def test_failures_are_not_journaled(path):
    class Failing(LogisticRegression):
        def fit(self, X, y):
            if self.C == 1:
                raise ValueError("bad")
            if self.C == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            return super().fit(X, y)

    for _ in range(2):
        with (
            parallel_config("skextra", n_jobs=2, journal=path, max_retries=0),
            warnings.catch_warnings(),
        ):
            warnings.filterwarnings("ignore", "One or more of the test", UserWarning)
            with pytest.warns(FitFailedWarning, match="6 fits failed out of a total of 9"):
                grid_search(Failing(), [1, 2, 3]).fit(X, y)
        assert len(Journal(path)) == 3


def test_unsettled_argument_is_warned_of_once(path):
    @journaled
    def work(holder):
        return holder is not None

    class Holder:
        def __reduce_ex__(self, protocol):
            if sys._getframe(1).f_code.co_name == "_object":
                raise TypeError("cannot pickle a lock")
            return Holder, ()

    with (
        parallel_config("skextra", n_jobs=2, journal=path),
        pytest.warns(UserWarning, match="holder: a .*Holder has no .*: cannot pickle a lock") as w,
    ):
        assert Parallel()(delayed(work)(Holder()) for _ in range(2)) == [True, True]
    assert len(w) == 1


def test_results_of_any_size_come_back(path):
    make = journaled(np.full)
    for _ in range(2):
        with parallel_config("skextra", n_jobs=2, journal=path):
            results = Parallel()(delayed(make)(500_000, i) for i in range(3))
        assert [float(result.sum()) for result in results] == [0.0, 500_000.0, 1_000_000.0]
    assert pickle.dumps(results[0])


def test_finished_calls_of_failing_batch_are_kept(path):
    @journaled
    def work(i):
        if i == 3:
            raise ValueError("bad")
        return i

    with (
        parallel_config("skextra", n_jobs=2, journal=path),
        pytest.raises(ValueError, match="bad"),
    ):
        Parallel(batch_size=5)(delayed(work)(i) for i in range(5))
    assert {0, 1, 2} <= {row["result"] for row in Journal(path).rows()}


def test_finished_calls_of_interrupted_batch_are_kept(path):
    @journaled
    def work(i):
        if i == 3:
            time.sleep(60)
        return i

    with (
        parallel_config("skextra", n_jobs=2, journal=path),
        pytest.raises(multiprocessing.TimeoutError),
    ):
        Parallel(batch_size=5, timeout=1)(delayed(work)(i) for i in range(5))
    assert {0, 1, 2} <= {row["result"] for row in Journal(path).rows()}


def test_call_that_cannot_be_configured_frees_journal(path):
    with pytest.raises(TypeError, match="cannot pickle"):
        Parallel(2, backend="skextra", journal=path, initializer=len, initargs=(Lock(),))([])
    assert not journal_module._files


def repeated_scores(path, estimator, n=3):
    with parallel_config("skextra", n_jobs=2, journal=path):
        return [cross_val_score(estimator, X, y, cv=2).tolist() for _ in range(n)]


def test_repeats_without_seed_differ_and_are_found_in_order(path, capsys):
    first = repeated_scores(path, ExtraTreeClassifier())
    assert len(Journal(path)) == 6
    assert len(set(map(tuple, first))) > 1  # a few rows: two may be equal by chance
    assert repeated_scores(path, ExtraTreeClassifier()) == first
    assert capsys.readouterr().err.count("2 of 2 fits were in the journal") == 3


@pytest.mark.parametrize(
    ("given", "is_seeded"),
    [
        ({"random_state": None}, False),
        ({"random_state": 0}, True),
        ({"params": {"random_state": None}}, False),  # as LassoCV gives them to its paths
        ({"params": {"random_state": 0}}, True),
        ({"steps": [("a", LogisticRegression())]}, False),
        ({"alpha": None}, True),
    ],
)
def test_seed_is_found_wherever_it_is(given, is_seeded):
    assert Identity((len, (), given), Fingerprinter()).is_seeded == is_seeded


def test_seeded_repeat_is_found_at_once(path, capsys):
    repeated_scores(path, ExtraTreeClassifier(random_state=0))
    assert capsys.readouterr().err.count("2 of 2 fits were in the journal") == 2
    assert len(Journal(path)) == 2


def test_class_of_a_script_is_read_elsewhere(path, run_script):
    run_script(f"""
        import skextra
        from joblib import Parallel, delayed
        from skextra.parallel import journaled

        class Result:
            value = 3

        @journaled
        def work(i):
            return Result()

        Parallel(2, backend="skextra", journal={str(path)!r})(delayed(work)(i) for i in range(2))
    """).finish()
    assert [row["result"].value for row in Journal(path).rows()] == [3, 3]


def test_another_initializer_is_another_result(path):
    import math

    for word in ("a", "b", "a"):
        options = {"initializer": os.putenv, "initargs": ("SKEXTRA_TEST_WORD", word)}
        with parallel_config("skextra", n_jobs=2, journal=path, **options):
            Parallel()(delayed(journaled(math.sqrt))(i) for i in range(2))
    assert len(Journal(path)) == 4
