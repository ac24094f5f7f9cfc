"""What the backend knows of scikit-learn's searches."""

import sys

import cloudpickle
import pytest
from joblib import parallel_config
from numpy.testing import assert_array_equal
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skextra.parallel._scheduling import _attempt
from skextra.parallel._searches import is_fit, lean

cloudpickle.register_pickle_by_value(sys.modules[__name__])

X, y = make_classification(n_samples=120, random_state=0)


def search(n_candidates, *callbacks):
    grid = {"C": [10.0 ** (i / 10) for i in range(n_candidates)]}
    search = GridSearchCV(LogisticRegression(), grid, cv=2)
    return search.set_callbacks(*callbacks) if callbacks else search


@pytest.fixture
def sent(monkeypatch):
    """Collect the calls that go to the workers, and the size of their messages."""
    calls, sizes = [], []

    def pack(kind, content, *args):
        message = original(kind, content, *args)
        calls.extend(content)
        sizes.append(len(message) / len(content))
        return message

    original = _attempt.pack
    monkeypatch.setattr(_attempt, "pack", pack)
    return calls, sizes


def test_what_grows_with_the_search_does_not_travel(sent):
    calls, sizes = sent
    with parallel_config("skextra", n_jobs=2):
        search(3).fit(X, y)
        small = max(sizes)
        sizes.clear()
        search(100).fit(X, y)
    # Before scikit-learn 1.8 the last fit of a search, in this process, has a call of its own.
    fits = [kwargs for _, _, kwargs in calls if "train" in kwargs]
    assert len(fits) == 206
    # scikit-learn has these for its callbacks, from 1.9 on.
    assert all(fit.get("caller") is fit.get("callback_ctx") is None for fit in fits)
    assert max(sizes) < 1.05 * small


def test_the_scores_are_what_they_are_sequentially():
    expected = search(5).fit(X, y).cv_results_["mean_test_score"]
    with parallel_config("skextra", n_jobs=2):
        assert_array_equal(search(5).fit(X, y).cv_results_["mean_test_score"], expected)


def logs(callbacks, backend, wrap):
    monitor = callbacks.ScoringMonitor(scoring="accuracy")
    estimator = wrap(LogisticRegression().set_callbacks(monitor))
    name = "C" if isinstance(estimator, LogisticRegression) else "logisticregression__C"
    with parallel_config(backend, n_jobs=2):
        GridSearchCV(estimator, {name: [1, 2]}, cv=2).fit(X, y)
    return monitor.get_logs().data_as_pandas


@pytest.mark.parametrize("wrap", [lambda estimator: estimator, make_pipeline])
def test_a_scoring_monitor_of_the_estimator_works(callbacks, wrap):
    assert logs(callbacks, "skextra", wrap).shape == logs(callbacks, "loky", wrap).shape


def test_progress_bar_of_search_reaches_its_end(callbacks, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    with parallel_config("skextra", n_jobs=2):
        search(3, callbacks.ProgressBar()).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert sum("100%" in line for line in lines) >= 8


def test_other_calls_are_left_as_they_are():
    call = (divmod, (7, 2), {"caller": 1, "callback_ctx": 2})
    assert lean([call])[0] is call
    assert not is_fit(divmod)
