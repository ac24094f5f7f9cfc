"""ScratchGaussianNB: as GaussianNB after one fit, exact in streaming and merging, and beyond."""

import os
import pickle
import tracemalloc

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine, make_blobs
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import GaussianNB

from skextra import ScratchGaussianNB
from tests.strategies import partitions, problems, typed_problems

PREDICTIONS = ["predict_joint_log_proba", "predict_log_proba", "predict_proba"]


def assert_same_model(left, right, rtol=1e-9):
    assert np.array_equal(left.classes_, right.classes_)
    # Sums in another order differ on the scale of what is summed, also where they cancel.
    scale = np.abs(right.theta_).max() + 1
    assert_allclose(left.class_count_, right.class_count_, rtol=rtol)
    assert_allclose(left.class_prior_, right.class_prior_, rtol=rtol)
    assert_allclose(left.theta_, right.theta_, rtol=rtol, atol=rtol * scale)
    assert_allclose(left.var_, right.var_, rtol=rtol, atol=1e-12 * scale**2)
    assert_allclose(left.epsilon_, right.epsilon_, rtol=rtol, atol=1e-300)


def assert_same_predictions(left, right, X, rtol=1e-7):
    for method in PREDICTIONS:
        ours, theirs = getattr(left, method)(X), getattr(right, method)(X)
        assert_allclose(ours, theirs, rtol=rtol, atol=1e-9, err_msg=method)


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
        ours, theirs = ScratchGaussianNB().fit(X, y), GaussianNB().fit(X, y)
    assert_allclose(ours.theta_, theirs.theta_)
    assert np.array_equal(ours.var_, theirs.var_)


def test_the_textbook_split_of_the_breast_cancer_data_scores_over_ninety_percent():
    X, y = load_breast_cancer(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=42)
    ours = ScratchGaussianNB().fit(X_train, y_train).score(X_test, y_test)
    assert ours > 0.9
    assert ours == GaussianNB().fit(X_train, y_train).score(X_test, y_test)


@given(st.data(), problems(missing=True))
def test_any_partition_in_any_order_equals_one_fit(data, problem):
    X, y, weights = problem
    whole = ScratchGaussianNB().fit(X, y, weights)
    streamed = ScratchGaussianNB()
    for part in data.draw(partitions(len(X))):
        if not weights[part].any():
            continue  # refused, as by scikit-learn
        streamed._warn_of_silent_features = lambda: None  # a first part may hold only gaps
        streamed.partial_fit(X[part], y[part], whole.classes_, weights[part])
    assert_same_model(streamed, whole)


@given(st.data(), problems(missing=True))
def test_merging_models_of_parts_in_a_tree_equals_one_fit(data, problem):
    X, y, weights = problem
    whole = ScratchGaussianNB().fit(X, y, weights)
    models = []
    for part in data.draw(partitions(len(X))):
        kept = part[weights[part] > 0]
        if len(kept):
            model = ScratchGaussianNB()
            model._warn_of_silent_features = lambda: None
            # Each part knows only the classes that it saw.
            models.append(model.fit(X[kept], y[kept], weights[kept]))
    while len(models) > 1:
        models = [a.merge(b) for a, b in zip(models[::2], models[1::2], strict=False)] + (
            models[-1:] if len(models) % 2 else []
        )
    assert_same_model(models[0], whole)


def test_models_fitted_in_other_processes_merge_after_pickling():
    X, y = make_blobs(600, 5, centers=4, random_state=0)
    parts = np.array_split(np.arange(600), 4)
    models = joblib.Parallel(n_jobs=2, backend="skextra")(
        joblib.delayed(ScratchGaussianNB().fit)(X[part], y[part]) for part in parts
    )
    first, *others = models
    before = pickle.dumps(others)
    for other in others:
        first.merge(other)
    assert_same_model(first, ScratchGaussianNB().fit(X, y))
    assert pickle.dumps(others) == before


def test_a_merge_that_does_not_fit_is_refused_and_changes_nothing():
    X, y = load_iris(return_X_y=True)
    model = ScratchGaussianNB().fit(pd.DataFrame(X, columns=list("abcd")), y)
    before = pickle.dumps(model)
    other = ScratchGaussianNB()
    for bad, error, message in [
        (GaussianNB().fit(X, y), TypeError, "ScratchGaussianNB, got GaussianNB"),
        (other, NotFittedError, "not fitted"),
        (clone(other).fit(X[:, :3], y), ValueError, "4 features with one of 3"),
        (clone(other).fit(X, y), ValueError, "feature names"),
        (clone(other).fit(pd.DataFrame(X, columns=list("abce")), y), ValueError, "feature names"),
        (
            clone(other).fit(pd.DataFrame(X, columns=list("abcd")), y.astype(str)),
            ValueError,
            "two",
        ),
    ]:
        with pytest.raises(error, match=message):
            model.merge(bad)
        assert pickle.dumps(model) == before
    with_priors = ScratchGaussianNB(priors=[0.2, 0.3, 0.5]).fit(X, y)
    with pytest.raises(ValueError, match="Number of priors"):
        with_priors.merge(ScratchGaussianNB().fit(X, y + 1))
    assert len(with_priors.classes_) == 3


@given(problems(missing=True))
def test_weight_zero_removes_and_weight_two_repeats(problem):
    X, y, weights = problem
    repeated = np.repeat(np.arange(len(X)), weights.astype(int))
    weighted = ScratchGaussianNB().fit(X, y, weights)
    assert_same_model(weighted, ScratchGaussianNB().fit(X[repeated], y[repeated]))


@given(problems(), st.floats(0.01, 100))
def test_scaling_all_weights_changes_only_the_counts(problem, factor):
    X, y, weights = problem
    model = ScratchGaussianNB().fit(X, y, weights)
    scaled = ScratchGaussianNB().fit(X, y, factor * weights)
    scaled.class_count_ = scaled.class_count_ / factor
    assert_same_model(scaled, model)


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


@given(problems())
def test_a_column_of_nan_says_nothing(problem):
    X, y, _ = problem
    holes = np.column_stack([X, np.full(len(X), np.nan)])
    model = ScratchGaussianNB(var_smoothing=1e-3).fit(X, y)
    with pytest.warns(UserWarning, match="has no value of the features"):
        wide = ScratchGaussianNB(var_smoothing=1e-3).fit(holes, y)
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
    X = sparse.random_array((3000, 50_000), density=1e-4, format="csr", rng=0)
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


@pytest.mark.skipif(
    not os.environ.get("SCIPY_ARRAY_API"), reason="test_estimator_checks.py runs it with the flag"
)
def test_array_api_torch_tensors_go_in_and_come_out():
    X, y = load_iris(return_X_y=True)
    expected = GaussianNB().fit(X, y)
    with config_context(array_api_dispatch=True):
        model = ScratchGaussianNB().fit(torch.asarray(X), torch.asarray(y))
        assert isinstance(model.theta_, torch.Tensor)
        proba = model.predict_proba(torch.asarray(X))
        assert isinstance(proba, torch.Tensor)
        assert isinstance(model.predict(torch.asarray(X)), torch.Tensor)
    assert_allclose(proba.numpy(), expected.predict_proba(X), atol=1e-9)


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
    X = np.random.default_rng(0).normal(size=(200_000, 4))
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
    model = ScratchGaussianNB().fit([[1.0, 2.0]], ["only"])
    assert model.predict([[1.0, 2.0]]).tolist() == ["only"]


def test_a_failed_batch_leaves_the_model_as_it_was():
    X, y = load_iris(return_X_y=True)
    model = ScratchGaussianNB().fit(X, y)
    before = pickle.dumps(model)
    with pytest.raises(ValueError, match="infinity"):
        model.partial_fit(np.full((2, 4), np.inf), [0, 1])
    assert pickle.dumps(model) == before


def test_a_pickle_of_a_later_version_says_so():
    model = ScratchGaussianNB().fit([[0.0], [1.0]], [0, 1])
    again = pickle.loads(pickle.dumps(model))
    assert_same_model(again, model)
    state = model.__getstate__()
    state["_state_version"] += 1
    with pytest.raises(ValueError, match="later version of skextra"):
        ScratchGaussianNB().__setstate__(state)
