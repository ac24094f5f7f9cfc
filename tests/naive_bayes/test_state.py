"""Models put together from their attributes, edited, and stored by an older version."""

import pickle
from copy import copy
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import load_iris
from sklearn.naive_bayes import GaussianNB

from skextra import ScratchGaussianNB
from tests.naive_bayes.comparing import PREDICTIONS, assert_same_model, assert_same_predictions

ATTRIBUTES = ["theta_", "var_", "class_count_", "class_prior_", "classes_", "epsilon_"]


def put_together(kind, fitted, attributes=ATTRIBUTES):
    model = kind()
    for name in attributes:
        setattr(model, name, copy(getattr(fitted, name)))  # GaussianNB writes into its own
    return model


def test_model_from_attributes_predicts_as_gaussian_nb():
    X, y = load_iris(return_X_y=True)
    fitted = GaussianNB().fit(X, y)
    for attributes in (ATTRIBUTES, [*ATTRIBUTES, "n_features_in_"], ATTRIBUTES[:5]):
        ours, theirs = (
            put_together(kind, fitted, attributes) for kind in (ScratchGaussianNB, GaussianNB)
        )
        assert_same_predictions(ours, theirs, X)
        assert_array_equal(ours.predict(X), theirs.predict(X))


def test_model_from_attributes_goes_on_as_gaussian_nb():
    X, y = load_iris(return_X_y=True)
    fitted = GaussianNB(var_smoothing=0).fit(X[::2], y[::2])
    ours, theirs = (put_together(kind, fitted) for kind in (ScratchGaussianNB, GaussianNB))
    for model in (ours, theirs):
        model.n_features_in_ = 4
        model.set_params(var_smoothing=0).partial_fit(X[1::2], y[1::2])
    assert_same_model(ours, theirs)
    merged = put_together(ScratchGaussianNB, fitted).set_params(var_smoothing=0)
    merged.merge(ScratchGaussianNB().fit(X[1::2], y[1::2]))
    assert_same_model(merged, ours)


@pytest.mark.parametrize("name", ["theta_", "var_", "class_count_"])
def test_edited_attribute_goes_into_the_next_batch(name):
    X, y = load_iris(return_X_y=True)
    models = [kind(var_smoothing=0).fit(X, y) for kind in (ScratchGaussianNB, GaussianNB)]
    for model in models:
        setattr(model, name, 3.0 * getattr(model, name))
        model.partial_fit(X[:100], y[:100])
    assert_same_model(*models)


def test_untouched_attributes_keep_the_exact_moments():
    X, y = load_iris(return_X_y=True)
    X = X + 1e7
    model = ScratchGaussianNB(var_smoothing=0).fit(X[::2], y[::2])
    model.theta_, model.var_ = model.theta_.copy(), model.var_.copy()
    model.partial_fit(X[1::2], y[1::2])
    assert_allclose(model.var_, ScratchGaussianNB(var_smoothing=0).fit(X, y).var_, rtol=1e-13)


def test_pickle_of_an_earlier_layout_predicts_and_goes_on():
    """The file was written by the commit before the means became sums of two floats."""
    stored = Path(__file__).parent / "stored" / "model_layout_1.pickle"
    model = pickle.loads(stored.read_bytes())
    X, y = load_iris(return_X_y=True)
    X[::7, 1] = np.nan
    expected = ScratchGaussianNB().fit(X, y)
    assert_same_model(model, expected)
    for method in PREDICTIONS:
        assert_allclose(getattr(model, method)(X), getattr(expected, method)(X), rtol=1e-9)
    assert_same_model(pickle.loads(pickle.dumps(model)), expected)
    twice = ScratchGaussianNB().fit(np.r_[X, X], np.r_[y, y])
    assert_same_model(pickle.loads(stored.read_bytes()).merge(expected), twice)
    assert_same_model(model.partial_fit(X, y), twice)


def test_pickle_of_a_later_version_says_so():
    model = ScratchGaussianNB().fit([[0.0], [1.0]], [0, 1])
    assert_same_model(pickle.loads(pickle.dumps(model)), model)
    state = model.__getstate__()
    state["_state_version"] += 1
    with pytest.raises(ValueError, match="later version of skextra"):
        ScratchGaussianNB().__setstate__(state)


@pytest.mark.parametrize("name", ["theta_", "var_", "class_prior_"])
def test_attribute_edited_in_place_counts_at_once(name):
    X, y = load_iris(return_X_y=True)
    model = ScratchGaussianNB().fit(X, y)
    for _ in range(2):
        for rows in (X, sparse.csr_array(X)):
            model.predict_proba(rows)
        getattr(model, name)[1] *= 2.0
        expected = put_together(ScratchGaussianNB, model)
        for rows in (X, sparse.csr_array(X)):
            for method in PREDICTIONS:
                assert_array_equal(getattr(model, method)(rows), getattr(expected, method)(rows))


def test_predictions_leave_attributes_and_pickles_alone():
    X, y = load_iris(return_X_y=True)
    model = ScratchGaussianNB().fit(X, y)
    before, stored = vars(model).copy(), pickle.dumps(model)
    model.predict_proba(X)
    assert vars(model) == before
    assert pickle.dumps(model) == stored
    again = pickle.loads(stored)
    assert_array_equal(again.predict_proba(X), model.predict_proba(X))
