"""Weights: what GaussianNB takes, rows of weight 0 that are not there, and no copy of them."""

import tracemalloc

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.naive_bayes import GaussianNB

from skextra import ScratchGaussianNB
from tests.naive_bayes.comparing import assert_same_model
from tests.strategies import problems

WEIGHTS = np.random.default_rng(0).random(60)
ACCEPTED = {
    "int": 2, "float": 0.5, "bool": True, "NumPy scalar": np.float32(3), "list": WEIGHTS.tolist(),
    "tuple": tuple(WEIGHTS), "Series": pd.Series(WEIGHTS), "polars": pl.Series(WEIGHTS),
    "Int64": pd.Series(np.arange(60), dtype="Int64"), "tensor": torch.asarray(WEIGHTS),
    "float16": WEIGHTS.astype(np.float16), "float32": WEIGHTS.astype(np.float32),
    "uint8": np.arange(60, dtype=np.uint8), "objects": WEIGHTS.astype(object),
    "strided": np.repeat(WEIGHTS, 2)[::2], "big-endian": WEIGHTS.astype(">f8"),
    "long double": WEIGHTS.astype(np.longdouble), "strings": WEIGHTS.astype(str),
}  # fmt: skip


@pytest.mark.parametrize("kind", ACCEPTED)
@pytest.mark.parametrize("layout", [np.asarray, sparse.csr_array, sparse.csc_array])
def test_weights_of_gaussian_nb_are_accepted(kind, layout):
    X, y = np.random.default_rng(1).normal(size=(60, 3)), np.arange(60) % 2
    ours = ScratchGaussianNB(var_smoothing=0).fit(layout(X), y, ACCEPTED[kind])
    theirs = GaussianNB(var_smoothing=0).fit(X, y, ACCEPTED[kind])
    if kind == "float32":  # scikit-learn 1.7 sums them in float32
        theirs.fit(X, y, ACCEPTED[kind].astype(float))
    assert_same_model(ours, theirs)


@pytest.mark.parametrize(
    "bad",
    [
        [-1.0, 1.0, 1.0, 1.0], [np.nan, 1, 1, 1], [np.inf, 1, 1, 1], [0, 0, 0, 0], 0, -1.0,
        float("nan"), [1, 1, 1], [[1], [1], [1], [1]], np.array([1j, 1, 1, 1]),
        ["a", "b", "c", "d"],
    ],
)  # fmt: skip
def test_weights_that_are_none_are_refused(bad):
    X = np.arange(8.0).reshape(4, 2)
    for weights in (bad, np.asarray(bad)) if np.ndim(bad) else (bad,):
        with pytest.raises(ValueError, match=r"weight|Complex|could not convert|1D"):
            ScratchGaussianNB().fit(X, [0, 1, 0, 1], weights)


@given(st.data(), problems(missing=True))
def test_row_of_weight_zero_is_not_there(data, problem):
    X, y, weights = problem
    layout = data.draw(st.sampled_from([np.asarray, sparse.csr_array, sparse.csc_array]))
    far = np.full((3, X.shape[1]), data.draw(st.sampled_from([0.0, 1e3, -1e200, 1e308, np.nan])))
    place = data.draw(st.integers(0, len(X)))
    padded = np.insert(X, [place] * 3, far, axis=0)
    labels, padding = np.insert(y, [place] * 3, [0, 1, 0]), np.insert(weights, [place] * 3, 0.0)
    model = ScratchGaussianNB(var_smoothing=0).fit(layout(padded), labels, padding)
    assert_same_model(model, ScratchGaussianNB(var_smoothing=0).fit(X, y, weights))


@pytest.mark.parametrize("shape", [(40, 3), (30, 600), (60_000, 4)])
@pytest.mark.parametrize("layout", [np.asarray, sparse.csr_array, sparse.csc_array])
@pytest.mark.parametrize("n_classes", [2, 7])
def test_outlier_of_weight_zero_costs_no_digits(shape, layout, n_classes):
    rng = np.random.default_rng(0)
    X, y = rng.normal(100, 1, shape), np.arange(shape[0]) % n_classes
    weights = rng.random(shape[0])
    weights[:2] = 0
    X[0], X[1] = 1e300, -1e38
    model = ScratchGaussianNB(var_smoothing=0).fit(layout(X), y, weights)
    expected = ScratchGaussianNB(var_smoothing=0).fit(X[2:], y[2:], weights[2:])
    np.testing.assert_allclose(model.var_, expected.var_, rtol=1e-11)


@pytest.mark.parametrize("layout", [np.asarray, sparse.csr_array, sparse.csc_array])
@pytest.mark.parametrize("shape", [(30, 3), (20, 600)])
def test_infinity_is_refused_whatever_its_weight(layout, shape):
    X, y = np.ones(shape), np.arange(shape[0]) % 5
    X[7, 1] = np.inf
    weights = np.ones(shape[0])
    weights[7] = 0
    with pytest.raises(ValueError, match="infinity"):
        ScratchGaussianNB().fit(layout(X), y, weights)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, bool])
@pytest.mark.parametrize("n_jobs", [1, 8])
def test_fit_with_gaps_and_weights_takes_32_mib(dtype, n_jobs):
    n_samples = 1_500_000
    X = np.zeros((n_samples, 4))
    X[::3, 0] = X[::5, 1] = 1
    X[::10, 3] = np.nan
    y, weights = np.arange(n_samples) % 3, np.ones(n_samples, dtype=dtype)
    tracemalloc.start()
    ScratchGaussianNB(n_jobs=n_jobs).fit(X, y, weights)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 32 * 2**20
