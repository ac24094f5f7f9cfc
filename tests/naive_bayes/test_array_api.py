"""Array API input: test_estimator_checks.py runs these in a process with SCIPY_ARRAY_API=1."""

import os

import array_api_strict
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn import config_context
from sklearn.datasets import load_iris
from sklearn.metrics import confusion_matrix
from sklearn.naive_bayes import GaussianNB

from skextra import ScratchGaussianNB
from tests.naive_bayes.comparing import PREDICTIONS

pytestmark = pytest.mark.skipif(
    not os.environ.get("SCIPY_ARRAY_API"), reason="test_estimator_checks.py runs it with the flag"
)
ATTRIBUTES = ["theta_", "var_", "class_count_", "class_prior_"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("xp", [torch, array_api_strict, np])
def test_array_api_attributes_and_probabilities_have_the_dtype_of_X(xp, dtype):
    X, y = load_iris(return_X_y=True)
    expected = GaussianNB().fit(X.astype(dtype).astype(np.float64), y)
    with config_context(array_api_dispatch=True):
        rows = xp.asarray(X.astype(dtype))
        model = ScratchGaussianNB().fit(rows, xp.asarray(y))
        for name in ATTRIBUTES:
            attribute = getattr(model, name)
            assert type(attribute) is type(rows)
            assert attribute.dtype == rows.dtype
            assert_allclose(np.asarray(attribute), getattr(expected, name), rtol=1e-6)
        for method in PREDICTIONS:
            result = getattr(model, method)(rows)
            assert type(result) is type(rows)
            assert result.dtype == rows.dtype
            close = (
                {"rtol": 1e-4, "atol": 1e-5}
                if dtype == "float32"
                else {"rtol": 1e-7, "atol": 1e-12}
            )
            assert_allclose(np.asarray(result), getattr(expected, method)(X), **close)
        assert type(model.predict(rows)) is type(rows)


def test_array_api_float32_models_merge_exactly():
    rng = np.random.default_rng(0)
    X = (1e4 + rng.normal(size=(600, 3))).astype(np.float32)
    y = np.arange(600) % 2
    expected = ScratchGaussianNB(var_smoothing=0).fit(X.astype(np.float64), y)
    with config_context(array_api_dispatch=True):
        rows, labels = torch.asarray(X), torch.asarray(y)
        models = [
            ScratchGaussianNB(var_smoothing=0).fit(rows[i : i + 6], labels[i : i + 6])
            for i in range(0, 600, 6)
        ]
        for other in models[1:]:
            models[0].merge(other)
        joint = models[0].predict_joint_log_proba(rows)
    assert_allclose(models[0].var_.numpy(), expected.var_, rtol=2e-7)
    assert_allclose(joint.numpy(), expected.predict_joint_log_proba(X), rtol=1e-6)


def test_array_api_labels_come_back_where_y_was():
    X, y = load_iris(return_X_y=True)
    with config_context(array_api_dispatch=True):
        rows = torch.asarray(X)
        for labels, kind in (
            (y, np.ndarray), (y.astype(str), np.ndarray), (torch.asarray(y), torch.Tensor),
        ):  # fmt: skip
            model = ScratchGaussianNB().fit(rows, labels)
            assert type(model.classes_) is type(model.predict(rows)) is kind
            assert confusion_matrix(labels, model.predict(rows)).sum() == 150
        model = ScratchGaussianNB().fit(X, torch.asarray(y))
        assert type(model.predict(X)) is torch.Tensor


def test_array_api_weights_of_any_kind_are_taken():
    X, y = load_iris(return_X_y=True)
    weights = 1.0 + np.arange(150) % 3
    expected = ScratchGaussianNB().fit(X, y, weights)
    with config_context(array_api_dispatch=True):
        for given in (weights, weights.tolist(), torch.asarray(weights)):
            model = ScratchGaussianNB().fit(torch.asarray(X), torch.asarray(y), given)
            assert_allclose(model.var_.numpy(), expected.var_, rtol=1e-12)
        model = ScratchGaussianNB().fit(torch.asarray(X), torch.asarray(y), 2)
        assert model.class_count_.tolist() == [100, 100, 100]
