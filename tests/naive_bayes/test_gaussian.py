"""ScratchGaussianNB after one fit: by hand, as GaussianNB, and under what changes nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import GaussianNB

from skextra import ScratchGaussianNB
from tests.naive_bayes.comparing import PREDICTIONS, assert_same_model, assert_same_predictions
from tests.strategies import problems, typed_problems


def test_two_classes_worked_by_hand():
    X, y = np.array([[1.0], [3.0], [10.0]]), np.array(["a", "a", "b"])
    model = ScratchGaussianNB(var_smoothing=0.1).fit(X, y, sample_weight=[1, 1, 2])
    epsilon = 0.1 * ((1 - 6) ** 2 + (3 - 6) ** 2 + 2 * (10 - 6) ** 2) / 4
    assert model.epsilon_ == pytest.approx(epsilon)
    assert model.theta_.tolist() == [[2], [10]]
    assert_allclose(model.var_, [[1 + epsilon], [epsilon]])
    assert model.class_prior_.tolist() == [0.5, 0.5]
    expected = np.log(0.5) - 0.5 * np.log(2 * np.pi * epsilon) - (9 - 10) ** 2 / (2 * epsilon)
    assert model.predict_joint_log_proba([[9.0]])[0, 1] == pytest.approx(expected)


@pytest.mark.parametrize("load", [load_iris, load_wine, load_breast_cancer, load_digits])
@pytest.mark.parametrize("parameters", [{}, {"var_smoothing": 1e-2}, {"var_smoothing": 0.0}])
def test_one_fit_equals_scikit_learn(load, parameters):
    X, y = load(return_X_y=True)
    if load is load_digits and parameters.get("var_smoothing") == 0.0:
        X = X + np.random.default_rng(0).normal(size=X.shape)  # no class with variance 0
    ours = ScratchGaussianNB(**parameters).fit(X, y)
    theirs = GaussianNB(**parameters).fit(X, y)
    assert_same_model(ours, theirs)
    assert_same_predictions(ours, theirs, X)
    assert np.array_equal(ours.predict(X), theirs.predict(X))
    assert ours.predict_proba(X).shape == theirs.predict_proba(X).shape


def test_few_rows_of_a_large_model_are_predicted_as_scikit_learn_does():
    rng = np.random.default_rng(0)
    y = np.arange(90) % 30
    X = rng.normal(size=(90, 2000)) + 0.05 * y[:, None]
    ours, theirs = ScratchGaussianNB().fit(X, y), GaussianNB().fit(X, y)
    for n_rows in (1, 16, 17):
        assert_same_predictions(ours, theirs, X[:n_rows])
        assert np.array_equal(ours.predict(X[:n_rows]), theirs.predict(X[:n_rows]))


@given(problems(), st.floats(1e-9, 1e-2))
def test_any_small_problem_equals_scikit_learn(problem, var_smoothing):
    X, y, _ = problem
    ours = ScratchGaussianNB(var_smoothing=var_smoothing).fit(X, y)
    theirs = GaussianNB(var_smoothing=var_smoothing).fit(X, y)
    assert_same_model(ours, theirs)
    if theirs.var_.min() > 0:
        assert_same_predictions(ours, theirs, X, rtol=1e-5)


@given(typed_problems())
def test_any_dtype_layout_and_kind_of_label_gives_the_numbers_of_scikit_learn(problem):
    X, y, dense = problem
    ours = ScratchGaussianNB(var_smoothing=1e-2).fit(X, y)
    theirs = GaussianNB(var_smoothing=1e-2).fit(dense, y)
    assert_same_model(ours, theirs)
    assert ours.classes_.dtype == theirs.classes_.dtype
    if theirs.var_.min() > 0:
        for method in PREDICTIONS:
            assert_allclose(
                getattr(ours, method)(X), getattr(theirs, method)(dense), rtol=1e-7, atol=1e-9
            )


def test_values_too_large_to_be_squared_have_the_infinite_variance_of_scikit_learn():
    X = np.array([[1e200, 1.0], [-1e200, 3.0], [5e199, 2.0], [3e200, 8.0]])
    y = np.array([0, 0, 1, 1])
    with np.errstate(over="ignore", invalid="ignore"):
        theirs = GaussianNB().fit(X, y)
    with pytest.warns(RuntimeWarning, match=r"features \[0\] is over the largest float64"):
        ours = ScratchGaussianNB().fit(X, y)
    assert_allclose(ours.theta_, theirs.theta_)
    assert np.array_equal(ours.var_, theirs.var_)


def test_the_textbook_split_of_the_breast_cancer_data_scores_over_ninety_percent():
    X, y = load_breast_cancer(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=42)
    ours = ScratchGaussianNB().fit(X_train, y_train).score(X_test, y_test)
    assert ours > 0.9
    assert ours == GaussianNB().fit(X_train, y_train).score(X_test, y_test)


@given(st.data(), problems())
def test_permuting_features_permutes_the_attributes(data, problem):
    X, y, _ = problem
    order = np.array(data.draw(st.permutations(range(X.shape[1]))))
    model, permuted = ScratchGaussianNB().fit(X, y), ScratchGaussianNB().fit(X[:, order], y)
    assert_allclose(permuted.theta_, model.theta_[:, order], rtol=1e-12, atol=1e-12)
    assert_allclose(permuted.var_, model.var_[:, order], rtol=1e-10, atol=1e-12)


@given(problems(), st.floats(-100, 100), st.floats(0.1, 10))
def test_shift_and_scale_of_the_features_leave_the_probabilities(problem, shift, scale):
    X, y, _ = problem
    model = ScratchGaussianNB(var_smoothing=1e-2).fit(X, y)
    moved = ScratchGaussianNB(var_smoothing=1e-2).fit(shift + scale * X, y)
    if model.var_.min() > 1e-6:
        assert_allclose(moved.predict_proba(shift + scale * X), model.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize("shape", [(700, 30, 400), (700, 600, 300), (300, 600, 100)])
@pytest.mark.parametrize("missing", [False, True])
def test_more_classes_than_rows_in_a_block_equal_one_class_at_a_time(shape, missing):
    n_samples, n_features, n_classes = shape
    rng = np.random.default_rng(0)
    y = np.resize(np.arange(n_classes), n_samples)
    X = rng.normal(size=(n_samples, n_features)) + rng.normal(size=(n_classes, 1))[y]
    weights = rng.integers(1, 3, n_samples).astype(float)
    if missing:
        X[n_classes:][rng.random((n_samples - n_classes, n_features)) < 0.1] = np.nan
    model = ScratchGaussianNB().fit(X, y, weights)
    for code in range(0, n_classes, 37):
        alone = ScratchGaussianNB(var_smoothing=0).fit(
            X[y == code], y[y == code], weights[y == code]
        )
        assert_allclose(model.theta_[code], alone.theta_[0], rtol=1e-11, atol=1e-12)
        assert_allclose(model.var_[code] - model.epsilon_, alone.var_[0], rtol=1e-9, atol=1e-12)
    assert model.score(X, y) > 0.5


def test_one_class_and_one_row_are_enough():
    model = ScratchGaussianNB(var_smoothing=0).fit([[1.0, 2.0], [2.0, 3.0]], ["only"] * 2)
    assert model.predict([[1.0, 2.0]]).tolist() == ["only"]
    model = ScratchGaussianNB().fit([[1.0, 2.0]], ["only"])
    with pytest.warns(RuntimeWarning, match="variance of the features"):
        assert model.predict([[1.0, 2.0]]).tolist() == ["only"]
