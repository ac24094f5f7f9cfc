"""Searches over pipelines of scikit-learn's own transformers score the same, bit for bit."""

import random
import warnings

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.compose import ColumnTransformer
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import all_estimators

from skextra.parallel._reuse import _steps

# They take seconds each, have no transform for other rows, or want a kernel.
_LEFT_OUT = {
    "DictionaryLearning",
    "MiniBatchDictionaryLearning",
    "SparsePCA",
    "MiniBatchSparsePCA",
}
_LEFT_OUT |= {
    "KernelCenterer",
    "MDS",
    "TSNE",
    "SequentialFeatureSelector",
    "RFECV",
    "NeighborhoodComponentsAnalysis",
}
X, y = make_classification(
    n_samples=90,
    n_features=8,
    n_informative=4,
    n_classes=3,
    n_clusters_per_class=1,
    random_state=0,
)
X = np.abs(X)
X.setflags(write=False)


def make_all():
    """Make a transformer of each kind that can be made without arguments."""
    found = []
    for name, kind in all_estimators(type_filter="transformer"):
        if name in _LEFT_OUT:
            continue
        try:
            found.append(kind())
        except TypeError:
            continue
    return found


ALL = make_all()


def random_step(rng):
    step = rng.choice(ALL)
    names = step.get_params()
    if "random_state" in names and rng.random() < 0.7:
        step = type(step)(random_state=rng.randrange(3))
    if "copy" in names and rng.random() < 0.5:
        step = type(step)(copy=False)
    return step


def random_search(rng):
    """Make a search over a pipeline, whose first steps are the same for several candidates."""
    steps = [("first", random_step(rng))]
    shape = rng.randrange(4)
    if shape == 1:
        steps.append(("second", random_step(rng)))
    elif shape == 2:
        inner = Pipeline([("inner", random_step(rng)), ("last", random_step(rng))])
        parts = [("a", inner, [0, 1, 2, 3]), ("b", random_step(rng), [4, 5])]
        steps.insert(0, ("columns", ColumnTransformer(parts, remainder="passthrough")))
    elif shape == 3:
        steps.append(("union", FeatureUnion([("a", random_step(rng)), ("b", random_step(rng))])))
    last, grid = rng.choice(
        [
            (LogisticRegression(max_iter=20), {"last__C": [0.1, 1, 10]}),
            (GaussianNB(), {"last__var_smoothing": [1e-9, 0.1]}),
            (KNeighborsClassifier(), {"last__n_neighbors": [1, 3]}),
            (DecisionTreeClassifier(random_state=0), {"last__max_depth": [1, 3]}),
        ]
    )
    if rng.random() < 0.3:
        grid["first"] = [steps[-1][1], "passthrough", random_step(rng)]
    pipeline = Pipeline([*steps, ("last", last)])
    return GridSearchCV(pipeline, grid, cv=2, refit=False, return_train_score=True)


def scores(search):
    np.random.seed(0)  # noqa: NPY002  for those that have no seed
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            results = search.fit(X, y).cv_results_
        except ValueError as error:
            return str(error).splitlines()[1]
    return np.array([results[name] for name in sorted(results) if name.endswith("_score")])


def compare(n_searches, seed):
    rng, n_scored = random.Random(seed), 0
    for _ in range(n_searches):
        search = random_search(rng)
        memory, _steps._memory = _steps._memory, None
        expected = scores(search)
        _steps._memory = memory
        found = scores(search)
        if isinstance(expected, str):
            assert "fits failed" in expected
            assert found == expected
            continue
        n_scored += 1
        assert_array_equal(found, expected, err_msg=repr(search))
    return n_scored


@pytest.fixture
def always(monkeypatch, memory):
    """Share every step, however little it does; return what counts the entries that are found."""
    monkeypatch.setattr(_steps, "_WORTH", (0, 0))
    found = []

    def read(descriptor):
        found.append(descriptor)
        return original(descriptor)

    original = _steps.read_entry
    monkeypatch.setattr(_steps, "read_entry", read)
    return found


def test_random_searches_score_the_same(always):
    assert compare(10, seed=0) >= 5
    assert len(always) > 50


@pytest.mark.faults
def test_200_random_searches_score_the_same(always):
    assert compare(200, seed=1) >= 100
    assert len(always) > 1000
