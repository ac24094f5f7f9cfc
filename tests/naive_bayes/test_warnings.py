"""Warnings: none where nothing is wrong, one where it is, and at the line of the caller."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skextra import ScratchGaussianNB

CODES = np.arange(2500) % 1400


@pytest.mark.parametrize(
    "y",
    [
        CODES, CODES.astype(float), pd.Series(CODES, dtype="Int64"), CODES.astype(np.float32),
        pd.Series([f"c{code}" for code in CODES]), pd.Series(CODES).astype("category"),
        np.array([f"c{code}" for code in CODES], dtype=object), CODES.tolist(),
    ],
    ids=str,
)  # fmt: skip
def test_many_classes_in_any_dtype_warn_of_nothing(y):
    X = np.random.default_rng(0).normal(size=(2500, 2))
    ScratchGaussianNB(var_smoothing=0.1).fit(X, y).predict(X)
    ScratchGaussianNB(var_smoothing=0.1).partial_fit(X, y, classes=pd.unique(pd.Series(y)))


def seen_in(call):
    """What one call warns of."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        call()
    return seen


def broken_models():
    """Models whose predictions are NaN, with rows, and whether they warn when fitted."""
    X, y = load_iris(return_X_y=True)
    no_data, constant = X.copy(), X.copy()
    no_data[3, 1] = -np.finfo(float).max
    constant[:, 2] = 3.0
    yield ScratchGaussianNB(), ([[0.5, 2.0]], ["spam"], ["ham", "spam"]), [[0.7, 1.0]], 0
    yield ScratchGaussianNB(), (no_data, y, [0, 1, 2]), X[[60, 120]], 1
    yield ScratchGaussianNB(var_smoothing=0), (constant, y, [0, 1, 2]), constant[[60, 120]], 0


@pytest.mark.parametrize("case", range(3))
def test_rows_without_probabilities_are_said_once_per_call(case):
    model, batch, rows, n_in_fit = list(broken_models())[case]
    assert len(seen_in(lambda: model.partial_fit(*batch))) == n_in_fit
    for method in ("predict_joint_log_proba", "predict_log_proba", "predict_proba", "predict"):
        seen = seen_in(lambda method=method: getattr(model, method)(rows))
        assert [warning.category for warning in seen] == [RuntimeWarning], method
        assert "var_smoothing" in str(seen[0].message)
        assert seen[0].filename == __file__


def test_rows_far_from_every_class_are_counted():
    model = ScratchGaussianNB().fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
    with pytest.warns(RuntimeWarning, match="2 rows have a likelihood of 0"):
        model.predict([[1e200], [0.0], [-1e200]])


def test_first_batches_of_a_stream_warn_of_nothing():
    model = ScratchGaussianNB()
    for row in range(4):
        model.partial_fit([[row, row**2]], [row % 2], classes=[0, 1])
    assert model.predict([[0.0, 0.0]]).tolist() == [0]


@pytest.mark.parametrize("through", ["itself", "pipeline", "cross-validation"])
def test_warning_points_to_the_line_of_the_caller(through):
    X, y = np.random.default_rng(0).normal(size=(20, 2)), np.arange(20) % 2
    X[y == 1, 0] = np.nan
    model = ScratchGaussianNB()
    if through == "pipeline":
        model = make_pipeline(StandardScaler(), model)
    if through == "cross-validation":
        seen = seen_in(lambda: cross_val_predict(model, X, y, cv=2))
    else:
        seen = seen_in(lambda: model.fit(X, y))
    assert {warning.filename for warning in seen} == {__file__}
    assert all("Class 1 has no value" in str(warning.message) for warning in seen)
