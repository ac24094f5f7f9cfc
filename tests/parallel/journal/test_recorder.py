"""Searches that were stopped and go on where they were."""

import os
import runpy
import sqlite3
import sys
import warnings

import cloudpickle
import numpy as np
import pytest
from joblib import Parallel, delayed, parallel_config
from numpy.testing import assert_array_equal
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    KFold,
    RandomizedSearchCV,
    cross_val_score,
    cross_validate,
    learning_curve,
)
from sklearn.model_selection._validation import _fit_and_score as fit_and_score

from skextra.parallel import Journal
from skextra.parallel._journal import _file as journal_module
from skextra.parallel._journal._recorder import Recorder
from tests.parallel import searches
from tests.parallel.searches import Counting, X, grid_search, n_fits, run, y

cloudpickle.register_pickle_by_value(sys.modules[__name__])
cloudpickle.register_pickle_by_value(searches)


PROCEDURES = {
    "grid search": lambda estimator: grid_search(estimator).fit(X, y).cv_results_,
    "randomized search": lambda estimator: (
        RandomizedSearchCV(estimator, {"C": [1, 2, 3]}, n_iter=2, random_state=0, refit=False)
        .fit(X, y)
        .cv_results_
    ),
    "halving search": lambda estimator: (
        HalvingGridSearchCV(
            estimator, {"C": [1, 2, 3]}, cv=2, random_state=0, refit=False, min_resources=20
        )
        .fit(X, y)
        .cv_results_
    ),
    "cross_validate": lambda estimator: cross_validate(estimator, X, y, return_train_score=True),
    "cross_val_score": lambda estimator: {"test": cross_val_score(estimator, X, y)},
    "learning_curve": lambda estimator: dict(
        enumerate(learning_curve(estimator, X, y, train_sizes=[0.5, 1.0]))
    ),
}


@pytest.mark.parametrize("name", PROCEDURES)
def test_what_is_in_the_journal_is_not_done_again(name, estimator, path, capsys):
    results = []
    for _ in range(2):
        with parallel_config("skextra", n_jobs=2, journal=path):
            results.append(PROCEDURES[name](estimator))
        results[-1]["fits"] = n_fits(estimator)
    first, second = results
    assert second.pop("fits") == 0
    n_first = first.pop("fits")
    assert n_first > 0
    assert f"{n_first} of {n_first} fits were in the journal {path}\n" in capsys.readouterr().err
    assert first.keys() == second.keys()
    for key in first:
        assert_array_equal(first[key], second[key])


def test_a_changed_grid_reuses_what_it_shares(estimator, path, capsys):
    run(grid_search(estimator, [0.1, 1, 10]), path)
    assert n_fits(estimator) == 9
    run(grid_search(estimator, [10, 0.1, 5]), path)
    assert n_fits(estimator) == 3
    assert "6 of 9 fits were in the journal" in capsys.readouterr().err


def negative_accuracy(y_true, y_predicted):
    return -np.mean(y_true == y_predicted)


CHANGED_X = X.copy()
CHANGED_X[-1, -1] += 1e-12


@pytest.mark.parametrize(
    ("change", "data"),
    [
        ({}, (CHANGED_X, y)),
        ({}, (X.astype(np.float32), y)),
        ({}, (X, 1 - y)),
        ({"cv": KFold(3, shuffle=True, random_state=0)}, (X, y)),
        ({"scoring": "roc_auc"}, (X, y)),
        ({"scoring": make_scorer(negative_accuracy)}, (X, y)),
        ({"return_train_score": True}, (X, y)),
        ({"estimator": Counting(0.5)}, (X, y)),
    ],
)
def test_whatever_is_changed_is_done_again(estimator, path, change, data):
    run(grid_search(estimator), path)
    n_fits(estimator)
    if "estimator" in change:
        change["estimator"].file = estimator.file
    search = grid_search(estimator).set_params(**change)
    journal_module._histories.clear()  # as in another program
    with pytest.warns(UserWarning, match="Nothing in the journal .* matched"):
        run(search, path, data)
    assert n_fits(estimator) == 9


def test_another_version_of_a_library_is_another_result(estimator, path, monkeypatch):
    run(grid_search(estimator), path)
    n_fits(estimator)
    monkeypatch.setattr("skextra._fingerprint._modules.versions", lambda: {"numpy": "99"})
    journal_module._histories.clear()
    with pytest.warns(UserWarning, match="Nothing in the journal"):
        run(grid_search(estimator), path)
    assert n_fits(estimator) == 9


SCRIPT = """
import skextra
from joblib import parallel_config
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

OFFSET = {offset}

class Mine(LogisticRegression):
    def fit(self, X, y):
        with open({fits!r}, "ab") as file:
            file.write(b".")
        return super().fit(helper(X), y)

def helper(X):
    return X + OFFSET

X, y = make_classification(n_samples=60, random_state=0)
scoring = lambda e, X, y: {score}
with parallel_config("skextra", n_jobs=2, journal={path!r}):
    GridSearchCV(Mine(), {{"C": [1, 2]}}, cv=2, refit=False, scoring=scoring).fit(X, y)
"""


@pytest.fixture
def n_fits_of_script(tmp_path, path):
    """Return a function that runs the script, as ``__main__``, and counts its fits."""

    def run(offset=1, score="e.score(X, y)"):
        script, fits = tmp_path / "script.py", tmp_path / "fits"
        fits.write_bytes(b"")
        journal_module._histories.clear()
        script.write_text(
            SCRIPT.format(offset=offset, score=score, path=str(path), fits=str(fits))
        )
        runpy.run_path(str(script), run_name="__main__")
        return fits.stat().st_size

    return run


def test_changed_code_never_gives_a_stale_result(n_fits_of_script, capsys):
    """A script's fits are found until a constant of a helper, or the scorer, is another."""
    assert n_fits_of_script() == 4
    assert n_fits_of_script() == 0
    assert "4 of 4 fits were in the journal" in capsys.readouterr().err
    with pytest.warns(UserWarning, match="Nothing in the journal"):
        assert n_fits_of_script(offset=2) == 4
    with pytest.warns(UserWarning, match="Nothing in the journal"):
        assert n_fits_of_script(score="-e.score(X, y)") == 4


def test_a_search_whose_program_was_killed_goes_on(run_script, path, tmp_path, eventually):
    text = f"""
        import os, sys
        import skextra
        from joblib import parallel_config
        from sklearn.datasets import make_classification
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import GridSearchCV

        class Mine(LogisticRegression):
            def fit(self, X, y):
                os.write(1, b"fit\\n")
                if self.C == 6 and not os.path.exists("go"):
                    import time
                    time.sleep(60)
                return super().fit(X, y)

        X, y = make_classification(n_samples=60, random_state=0)
        with parallel_config("skextra", n_jobs=2, journal={str(path)!r}):
            search = GridSearchCV(Mine(), {{"C": list(range(1, 11))}}, cv=2, refit=False).fit(X, y)
        print(search.cv_results_["mean_test_score"].sum())
    """
    script = run_script(text)
    eventually(
        lambda: path.exists() and path.stat().st_size and len(Journal(path)) >= 10, seconds=60
    )
    table = Journal(path).to_dataframe()
    assert len(table) == 5
    script.process.kill()
    script.process.communicate()
    n_done = len(Journal(path))
    (tmp_path / "go").touch()
    (tmp_path / "temporary").rename(tmp_path / "before")
    lines, err = run_script(text).finish()
    assert lines.count("fit") == 20 - n_done
    assert f"{n_done} of 20 fits were in the journal" in err


def test_without_a_number_of_jobs_a_journal_is_still_used(path, estimator):
    with parallel_config("skextra", journal=path):
        grid_search(estimator).fit(X, y)
    assert len(Journal(path)) == 9


def test_all_cores_are_enough_if_there_is_one(path, estimator, monkeypatch):
    monkeypatch.setattr("skextra.parallel._backend.cpu_count", lambda: 1)
    with parallel_config("skextra", n_jobs=-1, journal=path):
        pids = Parallel()(delayed(os.getpid)() for _ in range(4))
        grid_search(estimator).fit(X, y)
    assert len(set(pids)) == 1
    assert os.getpid() not in pids
    assert len(Journal(path)) == 9


def test_a_score_that_failed_is_tried_again(path, tmp_path):
    def score(estimator, X, y):
        if estimator.C == 1 and not (tmp_path / "repaired").exists():
            raise ValueError("cannot score")
        return estimator.score(X, y)

    search = grid_search(LogisticRegression(), [1, 2], scoring=score)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        run(search, path)
    assert np.isnan(search.cv_results_["mean_test_score"][0])
    assert len(Journal(path)) == 3
    (tmp_path / "repaired").touch()
    assert not np.isnan(run(search, path).cv_results_["mean_test_score"]).any()


def test_data_changed_between_two_calls_of_one_configuration_are_other_data(path):
    recorder, data = Recorder(path), X.copy()
    call = fit_and_score, (LogisticRegression(), data, y), {"train": y, "test": y, "scorer": None}
    first = recorder.find(call)[0].key
    data[0] += 1
    recorder.end_call()
    assert recorder.find(call)[0].key != first
    recorder.close()


def test_one_job_is_journaled(path, estimator):
    search = GridSearchCV(estimator, {"C": [1, 2]}, cv=3, refit=False, n_jobs=1)
    for n in (6, 0):
        run(search, path)
        assert n_fits(estimator) == n
    assert len(Journal(path)) == 6


def test_unreadable_result_is_done_again(path, estimator):
    run(grid_search(estimator), path)
    n_fits(estimator)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE results SET result = ? WHERE number < 3", (b"r" + b"junk",))
    connection.close()
    assert len(Journal(path).rows()) == 9
    assert Journal(path).to_dataframe()["n_splits"].sum() == 7
    with pytest.warns(UserWarning, match="results in it cannot be read, and their calls") as said:
        run(grid_search(estimator), path)
    assert len(said) == 1
    assert n_fits(estimator) == 2
    assert Journal(path).to_dataframe()["n_splits"].sum() == 9


def test_two_searches_in_one_program_are_no_alarm(path, estimator):
    run(grid_search(estimator), path)
    run(grid_search(estimator), path, (X[:, :3], y))
    assert len(Journal(path)) == 18
