"""Bad input is refused in scikit-learn's words, and a call that fails changes nothing."""

import pickle

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.naive_bayes import GaussianNB

from skextra import ScratchGaussianNB


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        ([[np.inf], [1.0]], [0, 1], "Input X contains infinity"),
        ([[1j], [1.0]], [0, 1], "Complex data not supported"),
        ([["a"], ["b"]], [0, 1], "could not convert string|dtype='numeric'"),
        (np.empty((0, 2)), [], "0 sample"),
        ([[1.0], [2.0]], [0], "inconsistent numbers of samples"),
        ([1.0, 2.0], [0, 1], "Expected 2D array"),
    ],
)
def test_bad_data_is_refused_in_the_words_of_scikit_learn(X, y, message):
    with pytest.raises(ValueError, match=message):
        ScratchGaussianNB().fit(X, y)


def test_infinity_is_refused_when_predicting():
    model = ScratchGaussianNB().fit([[0.0, 1.0], [1.0, 2.0]], [0, 1])
    for X in ([[np.inf, 0.0]], sparse.csr_array([[np.inf, 0.0]])):
        with pytest.raises(ValueError, match="contains infinity"):
            model.predict(X)


@pytest.mark.parametrize(
    ("priors", "message"),
    [
        ([0.5, 0.4], "The sum of the priors should be 1."),
        ([0.2, 0.3, 0.5], "Number of priors must match number of classes."),
        ([-0.5, 1.5], "Priors must be non-negative."),
    ],
)
def test_bad_priors_are_refused_in_the_words_of_scikit_learn(priors, message):
    X, y = [[0.0], [1.0]], [0, 1]
    for model in (ScratchGaussianNB(priors=priors), GaussianNB(priors=priors)):
        with pytest.raises(ValueError, match=message):
            model.fit(X, y)


@pytest.mark.parametrize(
    ("priors", "error", "message"),
    [
        ({0: 0.5, 1: 0.5}, TypeError, "priors must be an array .* got a dict"),
        ({0.5}, TypeError, "priors must be an array .* got a set"),
        ([[0.5, 0.5]], ValueError, r"priors must be an array of shape \(n_classes,\), got .*1, 2"),
        (np.array(1.0), ValueError, r"priors must be an array of shape \(n_classes,\)"),
        (["much", "little"], ValueError, "priors must be numbers, got"),
        ([np.nan, 1.0], ValueError, "The sum of the priors should be 1."),
    ],
)
def test_priors_of_another_kind_are_refused_in_words(priors, error, message):
    X, y = [[0.0], [1.0]], [0, 1]
    with pytest.raises(error, match=message):
        ScratchGaussianNB(priors=priors).fit(X, y)
    model = ScratchGaussianNB().fit(X, y)
    for call in (lambda: model.partial_fit(X, y), lambda: model.merge(model)):
        model.set_params(priors=priors)
        with pytest.raises(error, match=message):
            call()


def test_parameters_set_after_a_fit_are_checked():
    X, y = [[0.0], [1.0]], [0, 1]
    model, other = ScratchGaussianNB().fit(X, y), ScratchGaussianNB().fit(X, y)
    for bad in ({"var_smoothing": -1.0}, {"n_jobs": 1.5}):
        before = pickle.dumps(model.set_params(**bad))
        for call in (lambda: model.merge(other), lambda: model.partial_fit(X, y)):
            with pytest.raises(ValueError, match=f"'{next(iter(bad))}' parameter"):
                call()
            assert pickle.dumps(model) == before
        model.set_params(var_smoothing=1e-9, n_jobs=None)


def test_bad_weights_labels_and_widths_are_refused():
    X, y = np.array([[0.0, 1.0], [1.0, 3.0]]), np.array([0, 1])
    with pytest.raises(ValueError, match="Negative values in data passed to `sample_weight`"):
        ScratchGaussianNB().fit(X, y, [-1, 1])
    with pytest.raises(ValueError, match="at least one non-zero"):
        ScratchGaussianNB().fit(X, y, [0, 0])
    model = ScratchGaussianNB().partial_fit(X, y, classes=[0, 1])
    with pytest.raises(
        ValueError, match=r"\[2\] in y do not exist in the initial classes \[0 1\]"
    ):
        model.partial_fit(X, [0, 2])
    with pytest.raises(ValueError, match="3 features"):
        model.partial_fit(np.zeros((2, 3)), y)
    with pytest.raises(ValueError, match="classes must be passed"):
        ScratchGaussianNB().partial_fit(X, y)


def test_a_failed_first_batch_leaves_nothing_behind():
    model = ScratchGaussianNB()
    with pytest.raises(ValueError, match="infinity"):
        model.partial_fit([[np.inf], [1.0]], [0, 1], classes=[0, 1])
    with pytest.raises(NotFittedError):
        model.predict([[0.0]])
    model.partial_fit([[0.0], [1.0]], [0, 2], classes=[0, 2])
    assert model.classes_.tolist() == [0, 2]


def test_a_failed_fit_leaves_the_earlier_one():
    X, y = load_iris(return_X_y=True, as_frame=True)
    model = ScratchGaussianNB().fit(X, y)
    before = pickle.dumps(model)
    with pytest.raises(ValueError, match="infinity"):
        model.fit(np.full((2, 3), np.inf), ["a", "b"])
    assert pickle.dumps(model) == before
    assert model.predict(X).shape == (150,)


def test_a_failed_batch_leaves_the_model_as_it_was():
    X, y = load_iris(return_X_y=True)
    model = ScratchGaussianNB().fit(X, y)
    before = pickle.dumps(model)
    with pytest.raises(ValueError, match="infinity"):
        model.partial_fit(np.full((2, 4), np.inf), [0, 1])
    assert pickle.dumps(model) == before
