"""What users get with `reuse_steps`: the same as without, and fewer fits."""

import pickle

import numpy as np
import pytest
from joblib import Parallel, delayed, parallel_config
from numpy.testing import assert_array_equal
from sklearn.datasets import make_classification
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
    RandomizedSearchCV,
    ShuffleSplit,
    cross_val_predict,
    cross_validate,
    learning_curve,
    validation_curve,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline

from skextra.parallel import Journal, SkextraBackend
from tests.parallel.reuse import steps
from tests.parallel.reuse.steps import reusing

X, y = make_classification(n_samples=100, random_state=0)
VALUES = np.logspace(-9, 3, 20)
GRID = {"gaussiannb__var_smoothing": VALUES}
SMALL_GRID = {"gaussiannb__var_smoothing": [1e-9, 1e-3, 1]}


@pytest.fixture
def pipeline(log):
    return make_pipeline(steps.Counting(log), GaussianNB())


def test_grid_search_fits_each_step_once_per_fold(pipeline, counts):
    options = {"cv": 5, "refit": False, "return_train_score": True}
    expected = GridSearchCV(pipeline, GRID, **options).fit(X, y).cv_results_
    search = GridSearchCV(pipeline, GRID, **options)
    assert counts() == {"fit": 100, "transform": 300}
    with reusing():
        found = search.fit(X, y).cv_results_
    # Of the rows to fit to: with the fit, and for the training scores.
    assert counts() == {"fit": 5, "transform": 15}
    for name in expected:
        if "score" in name and "time" not in name:
            assert_array_equal(found[name], expected[name])


SEARCHES = {
    "random": lambda p: RandomizedSearchCV(p, GRID, n_iter=6, cv=3, random_state=0, refit=False),
    "halving": lambda p: HalvingGridSearchCV(
        p, SMALL_GRID, cv=3, random_state=0, refit=False, min_resources=40, factor=2
    ),
    "random halving": lambda p: HalvingRandomSearchCV(
        p, SMALL_GRID, cv=3, random_state=0, refit=False, min_resources=40, factor=2
    ),
}


@pytest.mark.parametrize("make", SEARCHES.values(), ids=SEARCHES)
def test_search_fits_each_step_once_per_data(make, pipeline, counts):
    search = make(pipeline)
    expected = make(pipeline).fit(X, y).cv_results_["mean_test_score"]
    n_fits = counts()["fit"]
    with reusing():
        found = search.fit(X, y).cv_results_["mean_test_score"]
    n_sizes = len(getattr(search, "n_resources_", [0]))
    assert counts()["fit"] == 3 * n_sizes < n_fits
    assert_array_equal(found, expected)


CALLS = {
    "cross_validate": (
        lambda p: cross_validate(p, X, y, cv=3, scoring=["accuracy", "roc_auc"])["test_roc_auc"],
        3,
        3 * 2,
    ),
    "validation_curve": (
        lambda p: validation_curve(
            p, X, y, param_name="gaussiannb__var_smoothing", param_range=VALUES[:5], cv=3
        )[1],
        3,
        3 * 3,
    ),
    "learning_curve": (
        lambda p: learning_curve(p, X, y, train_sizes=[0.5, 1.0], cv=3)[2],
        6,
        6 * 3,
    ),
    "cross_val_predict": (lambda p: cross_val_predict(p, X, y, cv=3), 3, 3 * 2),
}


@pytest.mark.parametrize(("call", "n_fits", "n_transformed"), CALLS.values(), ids=CALLS)
def test_call_fits_each_step_once_per_data(call, n_fits, n_transformed, pipeline, counts):
    expected = call(pipeline)
    counts()
    with reusing():
        found = call(pipeline)
    assert counts() == {"fit": n_fits, "transform": n_transformed}
    assert_array_equal(found, expected)


def test_what_users_get_back_has_no_trace_of_it(pipeline):
    search = GridSearchCV(pipeline, SMALL_GRID, cv=3)
    with reusing():
        best = search.fit(X, y).best_estimator_
        estimators = cross_validate(pipeline, X, y, cv=3, return_estimator=True)["estimator"]
    with parallel_config("skextra", n_jobs=2):
        expected = cross_validate(pipeline, X, y, cv=3, return_estimator=True)["estimator"]
    for found in (best, *estimators):
        assert found.memory is None
        assert type(found[0]) is steps.Counting
        assert b"_reuse" not in pickle.dumps(found).replace(b"tests.parallel.reuse", b"")
        assert found.get_params().keys() == expected[0].get_params().keys()
    for found, other in zip(estimators, expected, strict=True):
        assert_array_equal(found[0].mean_, other[0].mean_)
        assert_array_equal(found[-1].theta_, other[-1].theta_)


def test_one_job_shares_in_one_worker(pipeline, counts):
    with reusing(n_jobs=1):
        GridSearchCV(pipeline, SMALL_GRID, cv=3, refit=False).fit(X, y)
    assert counts()["fit"] == 3


def test_equal_steps_that_start_together_are_fitted_once(log, counts):
    pipeline = make_pipeline(steps.Counting(log, seconds=0.2), GaussianNB())
    with reusing(n_jobs=4):
        GridSearchCV(pipeline, GRID, cv=ShuffleSplit(1), refit=False).fit(X, y)
    assert counts() == {"fit": 1, "transform": 2}


def test_times_of_a_search_are_what_was_spent(log):
    pipeline = make_pipeline(steps.Counting(log, seconds=0.5), GaussianNB())
    with reusing():
        search = GridSearchCV(pipeline, GRID, cv=ShuffleSplit(1), refit=False).fit(X, y)
    times = search.cv_results_["mean_fit_time"]
    assert times[0] >= 1  # its fit and its transformation
    assert times[-1] < 1


def journaled(path):
    return sorted(
        (row["estimator"], str(row["parameters"]), str(row["fold"]), row["result"]["test_scores"])
        for row in Journal(path).rows()
    )


def test_journal_is_the_same_with_and_without(pipeline, tmp_path, counts, capsys):
    search = GridSearchCV(pipeline, GRID, cv=3, refit=False)
    paths = tmp_path / "with.sqlite", tmp_path / "without.sqlite"
    for path, is_reusing in zip(paths, (True, False), strict=True):
        with reusing(journal=path, reuse_steps=is_reusing):
            search.fit(X, y)
        assert counts()["fit"] == (3 if is_reusing else 60)
    assert journaled(paths[0]) == journaled(paths[1])
    with reusing(journal=paths[0], reuse_steps=False):  # goes on where the other was
        search.fit(X, y)
    assert counts() == {}
    assert "60 of 60 fits were in the journal" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"reuse_steps": 1}, TypeError, "reuse_steps must be True or False, got 1"),
        ({"reuse_steps": True, "reuse_bytes": 0}, ValueError, "reuse_bytes must be a positive"),
        ({"reuse_steps": True, "reuse_bytes": 1.5}, ValueError, "reuse_bytes must be a positive"),
        ({"reuse_bytes": 100}, ValueError, "nothing is kept without reuse_steps=True"),
    ],
)
def test_option_that_makes_no_sense_is_refused(options, error, match):
    with parallel_config("skextra", n_jobs=2, **options), pytest.raises(error, match=match):
        Parallel()(delayed(abs)(i) for i in range(2))


def test_system_without_shared_memory_is_refused(monkeypatch):
    monkeypatch.setattr("skextra.parallel._reuse._keeper.can_be_nameless", lambda: False)
    backend = SkextraBackend(nesting_level=0, reuse_steps=True)
    with pytest.raises(ValueError, match="reuse_steps=True needs memory that processes of Linux"):
        Parallel(n_jobs=2, backend=backend)(delayed(abs)(i) for i in range(2))
