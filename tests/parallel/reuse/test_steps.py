"""Which steps of pipelines are shared, and that nobody can tell from what they give."""

import pickle
import threading

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn import config_context
from sklearn.compose import make_column_transformer
from sklearn.datasets import make_classification
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skextra.parallel._reuse import _identity, _steps
from tests.parallel.reuse import steps

X, y = make_classification(n_samples=80, random_state=0)
UNCHANGED = X.copy()


def fit_twice(step, *more, data=X, **options):
    """Fit the same pipeline twice; return its classifier's coefficients of each."""
    found = []
    for _ in range(2):
        pipeline = make_pipeline(pickle.loads(pickle.dumps(step)), *more, LogisticRegression())
        pipeline.fit(data.copy(), y, **options)
        found.append(pipeline)
    return found


def test_equal_step_is_fitted_once(memory, log, counts):
    first, second = fit_twice(steps.Counting(log))
    assert counts() == {"fit": 1, "transform": 1}
    assert_array_equal(first[-1].coef_, second[-1].coef_)
    assert_array_equal(first[0].mean_, second[0].mean_)


@pytest.mark.parametrize(
    "change", ["parameter", "rows", "target", "weight", "order", "config", "class", "version"]
)
def test_what_a_fit_depends_on_makes_it_another(change, memory, log, counts, monkeypatch):
    step, data, target, weights = steps.Counting(log), X, y, np.ones(len(y))

    def fit():
        pipeline = Pipeline([("step", step), ("last", LogisticRegression())])
        pipeline.fit(data, target, step__sample_weight=weights)

    fit()
    if change == "parameter":
        step = steps.Counting(log, factor=2)
    elif change == "class":
        step = steps.OtherCounting(log)
    elif change == "version":
        monkeypatch.setattr(_identity, "python_state", lambda: "another")
    elif change == "rows":
        data = X + 1e-9
    elif change == "target":
        target = 1 - y
    elif change == "weight":
        weights = weights * 2
    elif change == "order":
        data = np.asfortranarray(X)
    else:
        step = steps.Counting(log)
        with config_context(transform_output="pandas", assume_finite=True):
            fit()
        assert counts()["fit"] == 2
        return
    fit()
    assert counts()["fit"] == 2


def test_other_code_makes_a_step_another(memory, log, counts):
    def fit(text):
        names = {"Counting": steps.Counting, "__name__": "__main__"}
        exec(
            f"class Step(Counting):\n def transform(self, X): return super().transform(X){text}",
            names,
        )
        step = names["Step"](log)
        return make_pipeline(step, LogisticRegression()).fit(X, y)[-1].coef_

    first = fit("")
    assert_array_equal(fit(""), first)
    assert counts() == {"fit": 1, "transform": 1}
    assert np.abs(fit(" * 2") - first).max() > 1e-3
    assert counts() == {"fit": 1, "transform": 1}


def test_test_rows_are_transformed_once(memory, log, counts):
    first, second = fit_twice(steps.Counting(log))
    counts()
    assert_array_equal(first.decision_function(X[:9]), second.decision_function(X[:9]))
    assert first.score(X[:9], y[:9]) == second.score(X[:9], y[:9])
    assert counts() == {"transform": 1}
    second.predict(X[9:])
    assert counts() == {"transform": 1}


def test_step_that_was_changed_transforms_by_itself(memory, log, counts):
    first, second = fit_twice(steps.Counting(log))
    expected = first.decision_function(X)
    second[0].mean_ *= 0  # in place
    changed = second.decision_function(X)
    assert np.abs(changed - expected).max() > 1e-3
    assert_array_equal(first.decision_function(X), expected)
    second[0].fit(X[:40])
    counts()
    second.predict(X)
    assert counts() == {"transform": 1}


@pytest.mark.parametrize(
    "kind",
    ["ChangesInput", "ReturnsInput", "ReturnsPart", "DrawsGlobally", "LosesState"]
    + ["HoldsGenerator", "DrawsByItself"],
)
def test_step_that_a_copy_cannot_replace_is_fitted_twice(kind, memory, log, counts):
    fit_twice(getattr(steps, kind)(log))
    assert counts() == {"fit": 2, "transform": 2}
    assert_array_equal(X, UNCHANGED)


def test_step_without_a_fingerprint_is_fitted_twice(memory, log, counts):
    lock = threading.Lock()
    for _ in range(2):
        make_pipeline(steps.HoldsLock(log, lock=lock), LogisticRegression()).fit(X, y)
    assert counts() == {"fit": 2, "transform": 2}


@pytest.mark.parametrize(("seed", "n_kept"), [(0, 1), (None, 0)])
def test_random_pca_is_shared_if_seeded(seed, n_kept, memory, keeper):
    fit_twice(PCA(2, svd_solver="randomized", random_state=seed))
    assert len(keeper._entries) == n_kept


def test_transformation_that_changes_its_step_is_not_shared(memory, log):
    first, second = fit_twice(steps.CountsItself(log))
    for pipeline in (first, second):
        pipeline.predict(X)
        pipeline.predict(X)
        assert pipeline[0].n_transformed_ == 3


def test_seeded_step_is_shared(memory, log, counts):
    first, second = fit_twice(steps.DrawsByItself(log, random_state=0))
    assert counts() == {"fit": 1, "transform": 1}
    assert_array_equal(first[-1].coef_, second[-1].coef_)


@pytest.mark.parametrize("generator", [np.random.default_rng(0), np.random.PCG64(0)])
def test_step_with_a_generator_is_not_shared(generator, memory, log, counts):
    fit_twice(steps.DrawsByItself(log, random_state=generator))
    assert counts()["fit"] == 2


def test_later_step_that_changes_rows_in_place_hurts_nobody(memory, log):
    found = fit_twice(steps.Counting(log), StandardScaler(copy=False))
    found += fit_twice(steps.Counting(log), StandardScaler(copy=False))
    assert all((pipeline[-1].coef_ == found[0][-1].coef_).all() for pipeline in found)
    expected = found[0].decision_function(X)
    assert all((pipeline.decision_function(X) == expected).all() for pipeline in found)


def test_failing_step_fails_each_time(memory, log, counts):
    for _ in range(2):
        with pytest.raises(ValueError, match="no rows like these"):
            make_pipeline(steps.Fails(log), LogisticRegression()).fit(X, y)
    assert counts() == {"fit": 2}


def test_pipeline_with_a_memory_of_its_own_is_left_alone(memory, log, counts, tmp_path):
    for _ in range(2):
        pipeline = Pipeline(
            [("step", steps.Counting(log)), ("fit", LogisticRegression())],
            memory=str(tmp_path / "cache"),
        )
        pipeline.fit(X, y).predict(X)
    assert counts() == {"fit": 1, "transform": 3}


@pytest.mark.parametrize(
    "wrap",
    [
        lambda step: make_pipeline(step, PCA(2)),
        lambda step: make_column_transformer((step, [0, 1]), (PCA(2), [2, 3, 4])),
        lambda step: FeatureUnion([("a", step), ("b", PCA(2))]),
        lambda step: make_column_transformer((make_pipeline(step, PCA(1)), [0, 1])),
    ],
    ids=["pipeline", "columns", "union", "pipeline in columns"],
)
def test_step_inside_another_is_fitted_once(wrap, memory, log, counts):
    first, second = fit_twice(wrap(steps.Counting(log)))
    assert counts()["fit"] == 1
    assert_array_equal(first.decision_function(X), second.decision_function(X))


def test_union_outside_a_pipeline_is_left_alone(memory, log, counts):
    for _ in range(2):
        FeatureUnion([("a", steps.Counting(log))]).fit_transform(X, y)
    assert counts() == {"fit": 2, "transform": 2}


def test_nothing_of_it_is_left_in_a_pipeline(memory, log):
    _, pipeline = fit_twice(steps.Counting(log))
    pipeline.predict(X)
    _steps.share_steps(None)
    expected = make_pipeline(steps.Counting(log), LogisticRegression()).fit(X, y)
    assert pipeline.memory is None
    assert type(pipeline[0]) is steps.Counting
    assert vars(pipeline[0]).keys() == vars(expected[0]).keys()
    assert pipeline.get_params()["counting"] is pipeline[0]
    assert b"skextra.parallel" not in pickle.dumps(pipeline)


def test_cheap_step_is_soon_left_to_everybody(memory, log, counts, monkeypatch):
    monkeypatch.setattr(_steps, "_WORTH", (1e9, 1e9))
    fit_twice(steps.Counting(log))
    assert counts() == {"fit": 2, "transform": 2}
    monkeypatch.setattr(_steps, "_WORTH", (0, 0))
    fit_twice(steps.Counting(log))  # the first of these shows that it is worth sharing
    assert counts() == {"fit": 1, "transform": 1}


def test_kind_of_which_nothing_is_found_must_take_longer(memory, log, counts, monkeypatch):
    monkeypatch.setattr(_steps, "_WORTH", (0, 1e9))
    for i in range(_steps._N_TRIALS + 1):
        make_pipeline(steps.Counting(log), LogisticRegression()).fit(X + i, y)
    counts()
    fit_twice(steps.Counting(log), data=X - 1)
    assert counts() == {"fit": 2, "transform": 2}


def test_found_step_is_announced_if_the_pipeline_is_verbose(memory, log, capsys):
    for _ in range(2):
        pipeline = make_pipeline(steps.Counting(log), LogisticRegression(), verbose=True)
        pipeline.fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert ["(step 1 of 2) Processing counting" in line for line in lines] == [True, False] * 2


def test_names_of_columns_are_as_ever(memory):
    def fit():
        return make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(
            ["a bc", "bc de"] * 40, y
        )

    first, second = fit(), fit()
    assert first[:-1].get_feature_names_out().tolist() == ["bc", "de"]
    assert_array_equal(first.predict_proba(["bc"]), second.predict_proba(["bc"]))


def test_unknown_scikit_learn_is_refused(memory, monkeypatch):
    monkeypatch.setattr(_steps, "_is_hooked", False)
    monkeypatch.delattr("sklearn.pipeline.Pipeline._iter")
    with pytest.raises(RuntimeError, match="reuse_steps=True does not know the pipelines of"):
        _steps.share_steps("anywhere")


@pytest.mark.parametrize("kind", [steps.Counting, steps.ReturnsInput])
def test_keeper_that_goes_meanwhile_is_no_error(kind, memory, keeper, log, counts, monkeypatch):
    def fit(self, X, y=None):
        keeper.close()
        return steps.Counting.fit(self, X, y)

    monkeypatch.setattr(
        kind, "fit_transform", lambda self, X, y=None: fit(self, X, y).transform(X)
    )
    fit_twice(kind(log))
    assert counts() == {"fit": 2, "transform": 2}


def test_gone_keeper_is_no_error(memory, log, counts):
    memory._address += "x"
    first, second = fit_twice(steps.Counting(log))
    assert counts() == {"fit": 2, "transform": 2}
    assert_array_equal(first[-1].coef_, second[-1].coef_)
