"""What X and y may be: missing values, sparse, any dtype, frames, files; any number of jobs."""

import tracemalloc

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.datasets import load_digits, load_iris
from sklearn.naive_bayes import GaussianNB

from skextra import ScratchGaussianNB
from tests.naive_bayes.comparing import PREDICTIONS, assert_same_model, assert_same_predictions
from tests.strategies import problems


@given(problems())
def test_a_column_of_nan_says_nothing(problem):
    X, y, _ = problem
    holes = np.column_stack([X, np.full(len(X), np.nan)])
    model = ScratchGaussianNB(var_smoothing=1e-3).fit(X, y)
    with pytest.warns(UserWarning, match="has no value of the features"):
        wide = ScratchGaussianNB(var_smoothing=1e-3).fit(holes, y)
    if model.var_.min() > 0:
        assert_allclose(wide.predict_proba(holes), model.predict_proba(X), atol=1e-12)


def test_a_row_of_nan_gets_the_priors():
    X, y = load_iris(return_X_y=True)
    model = ScratchGaussianNB().fit(X, y, sample_weight=1 + y)
    assert_allclose(model.predict_proba(np.full((1, 4), np.nan))[0], model.class_prior_)


def test_a_class_without_a_value_of_a_feature_is_named():
    X, y = load_iris(return_X_y=True, as_frame=True)
    X.loc[y == 1, "petal width (cm)"] = np.nan
    with pytest.warns(UserWarning, match=r"Class 1 has no value .*\['petal width \(cm\)'\]"):
        model = ScratchGaussianNB().fit(X, y)
    assert np.isfinite(model.predict_proba(X)).all()


@pytest.mark.parametrize("layout", [sparse.csr_array, sparse.csc_array, sparse.csr_matrix])
@pytest.mark.parametrize("missing", [False, True])
def test_sparse_equals_dense(layout, missing):
    rng = np.random.default_rng(0)
    X = rng.normal(3, 1, (300, 40)) * (rng.random((300, 40)) < 0.1)
    if missing:
        X[rng.random(X.shape) < 0.02] = np.nan
    y = rng.integers(0, 4, 300)
    dense, model = ScratchGaussianNB().fit(X, y), ScratchGaussianNB().fit(layout(X), y)
    assert_same_model(model, dense)
    assert_same_predictions(model, dense, X)
    assert_allclose(model.predict_proba(layout(X)), dense.predict_proba(X), atol=1e-9)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.float32, bool])
def test_sparse_rows_of_any_dtype_are_squared_in_float64(dtype):
    rng = np.random.default_rng(0)
    X = rng.uniform(0, 120, (200, 5)) * (rng.random((200, 5)) < 0.5)
    X = X.astype(dtype)
    y = rng.integers(0, 3, 200)
    model = ScratchGaussianNB().fit(X, y)
    assert_same_predictions(model, model, X)
    for method in PREDICTIONS:
        ours, expected = (getattr(model, method)(rows) for rows in (sparse.csr_array(X), X))
        assert_allclose(ours, expected, rtol=1e-10, atol=1e-12)


def test_a_sparse_matrix_that_stores_everything_has_no_zeros():
    """The weights of 200,000 stored values add up, to rounding, to those of the rows."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(1e8, 1, (200_000, 2)), rng.integers(0, 2, 200_000)
    weights = rng.random(len(X))
    model = ScratchGaussianNB(var_smoothing=0).fit(sparse.csr_array(X), y, weights)
    dense = ScratchGaussianNB(var_smoothing=0).fit(X, y, weights)
    assert_allclose(model.var_, dense.var_, rtol=1e-9)


def test_a_wide_sparse_matrix_is_never_made_dense():
    X = sparse.random_array((3000, 50_000), density=1e-4, format="csr", random_state=0)
    y = np.arange(3000) % 2
    tracemalloc.start()
    model = ScratchGaussianNB().fit(X, y)
    model.predict(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6 < 3000 * 50_000 * 8 / 10


@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize("layout", [sparse.csr_array, sparse.csc_array])
def test_extra_memory_does_not_grow_with_the_rows_of_a_sparse_matrix(n_jobs, layout):
    n_samples = 2_000_000
    rows = np.arange(n_samples, dtype=np.int32)
    X = layout((np.ones(n_samples, dtype=np.float32), (rows, rows % 3)), shape=(n_samples, 3))
    assert X.has_canonical_format  # looked at now, and kept
    y, weights = rows % 2, np.ones(n_samples)
    model = ScratchGaussianNB(n_jobs=n_jobs)
    tracemalloc.start()
    model.fit(X, y, weights)
    in_fit = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    predicted = model.predict(X)
    in_predict = tracemalloc.get_traced_memory()[1] - predicted.nbytes
    tracemalloc.stop()
    assert max(in_fit, in_predict) < 32 * 2**20


@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extra_memory_does_not_grow_with_the_rows(n_jobs, dtype):
    X = np.zeros((6_000_000, 2), dtype=dtype)
    X[::3, 0] = X[::5, 1] = 1
    y = np.zeros(len(X), dtype=np.int64)
    y[::7] = 1
    model = ScratchGaussianNB(n_jobs=n_jobs)
    tracemalloc.start()
    model.fit(X, y)
    in_fit = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    predicted = model.predict(X)
    in_predict = tracemalloc.get_traced_memory()[1] - predicted.nbytes
    tracemalloc.stop()
    assert max(in_fit, in_predict) < 32 * 2**20


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.uint8, bool, object])
def test_other_dtypes_get_the_numbers_of_float64(dtype):
    X = (load_digits().data[:300] // 4).astype(dtype)
    y = load_digits().target[:300]
    expected = ScratchGaussianNB().fit(X.astype(np.float64), y)
    model = ScratchGaussianNB().fit(X, y)
    assert_same_model(model, expected)
    assert_allclose(model.predict_proba(X), expected.predict_proba(X.astype(np.float64)))


def test_frames_bring_their_feature_names():
    X, y = load_iris(return_X_y=True)
    names = ["a", "b", "c", "d"]
    for frame in (pd.DataFrame(X, columns=names), pl.DataFrame(X, schema=names)):
        model = ScratchGaussianNB().fit(frame, y)
        assert model.feature_names_in_.tolist() == names
        assert_same_predictions(model, GaussianNB().fit(frame, y), frame)
        with pytest.raises(ValueError, match="feature names"):
            model.predict(pd.DataFrame(X, columns=list("abce")))


def test_a_memmap_is_read_block_by_block(tmp_path):
    X = np.memmap(tmp_path / "X", dtype=np.float64, mode="w+", shape=(300_000, 10))
    X[:] = np.random.default_rng(0).normal(size=X.shape)
    y = (X[:, 0] > 0).astype(int)
    tracemalloc.start()
    model = ScratchGaussianNB().fit(X, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < X.nbytes / 2
    assert_same_model(model, GaussianNB().fit(np.asarray(X), y))


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("shift", [0.0, 1000.0])
@pytest.mark.parametrize("n_classes", [2, 5])
def test_narrow_rows_with_gaps_are_predicted_in_float64(dtype, shift, n_classes):
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(300, 8)) + shift).astype(dtype)
    model = ScratchGaussianNB(var_smoothing=1e-6).fit(X, np.arange(300) % n_classes)
    X[rng.random(X.shape) < 0.2] = np.nan
    for method in PREDICTIONS:
        wide = getattr(model, method)(X.astype(np.float64))
        assert getattr(model, method)(X).dtype == np.float64
        assert_allclose(getattr(model, method)(X), wide, rtol=1e-12, atol=1e-13)
    assert np.array_equal(model.predict(X), model.predict(X.astype(np.float64)))


@pytest.mark.parametrize("n_samples", [60, 40_000])
def test_value_for_no_data_leaves_the_other_classes_alone(n_samples):
    rng = np.random.default_rng(0)
    X, y = rng.normal(100, 1, (n_samples, 5)).astype(np.float32), np.arange(n_samples) % 3
    clean = ScratchGaussianNB(var_smoothing=0).fit(X, y)
    X[0] = -3.4e38  # a row of class 0
    model = ScratchGaussianNB(var_smoothing=0).fit(X, y)
    assert_allclose(model.var_[1:], clean.var_[1:], rtol=1e-11)
    assert_allclose(model.theta_[1:], clean.theta_[1:], rtol=1e-14)


@pytest.mark.parametrize("backend", ["loky", "threading", "skextra"])
def test_threads_and_processes_change_nothing_beyond_rounding(backend):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 120_000)
    X = rng.normal(size=(len(y), 10)) + y[:, None]
    alone = ScratchGaussianNB().fit(X, y)
    for layout in (np.asarray, sparse.csr_array, sparse.csc_array):
        rows = layout(X)
        with joblib.parallel_config(backend):
            shared = ScratchGaussianNB(n_jobs=2).fit(rows, y, np.ones(len(y)))
            assert_same_model(shared, alone)
            assert np.array_equal(shared.predict(rows), alone.predict(X))
            proba = shared.predict_proba(rows)
        assert_allclose(proba, alone.predict_proba(X), rtol=1e-7, atol=1e-9)


def test_the_active_backend_of_joblib_does_the_work(monkeypatch):
    calls = []
    run = joblib.Parallel.__call__
    monkeypatch.setattr(joblib.Parallel, "__call__", lambda *args: calls.append(1) or run(*args))
    X = np.random.default_rng(0).normal(size=(800_000, 4))
    y = np.arange(len(X)) % 2
    with joblib.parallel_config("skextra", n_jobs=2):
        model = ScratchGaussianNB().fit(X, y)
        model.predict(X)
    assert len(calls) == 2
    ScratchGaussianNB(n_jobs=2).fit(X, y)  # in threads of its own
    assert len(calls) == 2


@pytest.mark.parametrize(
    "labels", [["x", "y", "z"], [-5, 0, 1000], [1.0, 2.0, 4.0], [0, 2**40, 1]]
)
def test_labels_of_any_kind_come_back(labels):
    X, y = load_iris(return_X_y=True)
    labels = np.array(labels)
    model = ScratchGaussianNB().fit(X, labels[y])
    assert np.array_equal(model.classes_, np.unique(labels))
    assert model.score(X, labels[y]) > 0.9
