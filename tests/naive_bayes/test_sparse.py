"""Sparse matrices in any state that SciPy allows, against the dense array they stand for."""

import tracemalloc

import joblib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skextra import ScratchGaussianNB
from skextra.naive_bayes import _blocks, _sparse
from skextra.naive_bayes._moments import _sparse as _sparse_moments
from skextra.naive_bayes._sparse import row_parts
from tests.naive_bayes.comparing import PREDICTIONS, assert_same_model
from tests.strategies import sparse_states, sparse_twins

quiet = pytest.mark.filterwarnings("ignore:Class .* has no value", "ignore:Probabilities may be")


def parts_of(X):
    return (X.data.copy(), X.indices.copy(), X.indptr.copy())


@quiet
@given(st.data(), sparse_twins())
def test_any_state_fits_and_predicts_as_dense(data, twins):
    X, dense = twins
    before = parts_of(X)
    y = np.arange(len(dense)) % 3
    weights = data.draw(st.sampled_from([None, np.arange(len(dense)) % 4]))
    ours = ScratchGaussianNB(var_smoothing=1e-3).fit(X, y, weights)
    theirs = ScratchGaussianNB(var_smoothing=1e-3).fit(dense.astype(np.float64), y, weights)
    assert_array_equal(ours.class_count_, theirs.class_count_)
    assert_allclose(ours.theta_, theirs.theta_, rtol=1e-15, atol=1e-14)
    assert_allclose(ours.var_, theirs.var_, rtol=1e-12, atol=1e-13)
    if theirs.var_.min() > 1e-6:
        for method in PREDICTIONS:
            expected = getattr(theirs, method)(dense)
            assert_allclose(getattr(theirs, method)(X), expected, rtol=1e-10, atol=1e-10)
        best = np.sort(theirs.predict_joint_log_proba(dense), axis=1)
        clear = best[:, -1] - best[:, -2] > 1e-6
        assert_array_equal(theirs.predict(X)[clear], theirs.predict(dense)[clear])
    for old, new in zip(before, parts_of(X), strict=True):
        assert_array_equal(old, new)


@quiet
@given(st.data(), sparse_twins())
def test_states_of_one_matrix_agree_bit_for_bit(data, twins):
    X, dense = twins
    y = np.arange(len(dense)) % 2
    plain = (sparse.csr_array if X.format == "csr" else sparse.csc_array)(X)
    plain.sum_duplicates()
    model = ScratchGaussianNB(var_smoothing=1e-2).fit(plain, y)
    again = ScratchGaussianNB(var_smoothing=1e-2).fit(X, y)
    assert_array_equal(again.theta_, model.theta_)
    other = data.draw(sparse_states(dense))
    for method in PREDICTIONS:
        # What is stored as 0 adds 0, but a NaN makes a row go another way.
        assert_array_equal(getattr(model, method)(X), getattr(model, method)(plain))
        assert_allclose(
            getattr(model, method)(other), getattr(model, method)(plain), rtol=1e-12, atol=1e-12
        )


@quiet
@given(st.data(), sparse_twins())
def test_batches_and_merges_of_any_state_equal_dense(data, twins):
    _, dense = twins
    y = np.arange(len(dense)) % 2
    half = data.draw(st.integers(2, len(dense) - 2))
    whole = ScratchGaussianNB().fit(dense.astype(np.float64), y)
    upper, lower = data.draw(sparse_states(dense[:half])), data.draw(sparse_states(dense[half:]))
    streamed = ScratchGaussianNB().fit(upper, y[:half]).partial_fit(lower, y[half:])
    merged = ScratchGaussianNB().fit(upper, y[:half])
    merged.merge(ScratchGaussianNB().fit(lower, y[half:]))
    for model in (streamed, merged):
        assert_same_model(model, whole)


@given(sparse_twins(), st.integers(1, 5), st.integers(1, 9))
def test_row_parts_put_together_are_the_matrix(twins, n_rows, n_stored):
    X, dense = twins
    parts = list(row_parts(X, 2, len(dense) - 1, n_rows, n_stored))
    assert [first for first, _ in parts][:1] == [2]
    found = np.concatenate([rows.toarray() for _, rows in parts])
    assert_array_equal(found, dense[2:-1])
    for _, rows in parts:
        assert rows.shape[0] <= n_rows
        assert rows.has_canonical_format


@quiet
@given(sparse_twins(missing=False))
def test_many_small_blocks_change_nothing_beyond_rounding(twins):
    X, dense = twins
    y = np.arange(len(dense)) % 2
    whole = ScratchGaussianNB(var_smoothing=1e-2).fit(X, y)
    with pytest.MonkeyPatch.context() as patch:
        for module in (_blocks, _sparse, _sparse_moments):
            patch.setattr(module, "BLOCK", 4)
        parted = ScratchGaussianNB(var_smoothing=1e-2).fit(X, y)
        assert_same_model(parted, whole)
        for method in PREDICTIONS:
            expected = getattr(whole, method)(dense)
            assert_allclose(getattr(whole, method)(X), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("layout", [sparse.csr_array, sparse.csc_array])
def test_processes_take_matrices_in_any_state(layout):
    rng = np.random.default_rng(0)
    X = sparse.random_array((4000, 30), density=0.3, random_state=0, format="csr")
    twice = layout(sparse.vstack([X, X])[np.arange(8000).reshape(2, -1).T.ravel()])
    shuffled = twice.copy()
    for first, last in zip(shuffled.indptr, shuffled.indptr[1:], strict=False):
        order = rng.permutation(last - first)
        shuffled.indices[first:last] = shuffled.indices[first:last][order]
        shuffled.data[first:last] = shuffled.data[first:last][order]
    shuffled.has_sorted_indices = shuffled.has_canonical_format = False
    y = np.arange(8000) % 3
    with pytest.MonkeyPatch.context() as patch, joblib.parallel_config("loky", n_jobs=2):
        patch.setattr(_blocks, "_WORTH_A_THREAD", 1.0)
        model = ScratchGaussianNB().fit(shuffled, y)
        proba = model.predict_proba(shuffled)
    assert_same_model(model, ScratchGaussianNB().fit(twice, y))
    assert_allclose(proba, model.predict_proba(twice.toarray()), rtol=1e-9)


@pytest.mark.parametrize("layout", [sparse.csr_array, sparse.csc_array])
@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("mean", [1e6, 1e8])
def test_rows_of_weight_zero_leave_large_means_alone(layout, n_jobs, mean):
    rng = np.random.default_rng(2)
    X, y, weights = rng.normal(mean, 1, (200_000, 1)), np.arange(200_000) % 2, rng.random(200_000)
    X[10] = X[11] = 0
    weights[10] = weights[11] = 0
    expected = np.array([
        np.cov(X[y == k, 0] - mean, aweights=weights[y == k], ddof=0) for k in (0, 1)
    ])  # fmt: skip
    for rows in (X, layout(X)):
        model = ScratchGaussianNB(var_smoothing=0, n_jobs=n_jobs).fit(rows, y, weights)
        assert_allclose(model.var_.ravel(), expected, rtol=1e-12)


def test_few_unstored_zeros_keep_their_weight():
    """1e-6 of the weight is in zeros that are not stored, far from the mean of the others."""
    rng = np.random.default_rng(0)
    X, weights = rng.normal(1e6, 1, (100_000, 1)), rng.random(100_000)
    X[::10_000] = 0
    y = np.zeros(100_000, dtype=int)
    exact, wide = X.astype(np.longdouble)[:, 0], weights.astype(np.longdouble)
    mean = (exact * wide).sum() / wide.sum()
    expected = float((wide * (exact - mean) ** 2).sum() / wide.sum())
    for layout in (sparse.csr_array, sparse.csc_array):
        model = ScratchGaussianNB(var_smoothing=0).fit(layout(X), y, weights)
        assert_allclose(model.var_[0, 0], expected, rtol=1e-12)


@pytest.mark.parametrize("layout", [sparse.csr_array, sparse.csc_array])
@pytest.mark.parametrize("state", ["unsorted", "twice"])
def test_matrix_in_any_state_is_never_copied_whole(layout, state):
    n_samples = 1_000_000
    rng = np.random.default_rng(0)
    indptr = np.arange(0, 4 * n_samples + 1, 4, dtype=np.int32)
    columns = np.tile(np.array([3, 1, 2, 2 if state == "twice" else 0], np.int32), n_samples)
    X = sparse.csr_array((rng.random(4 * n_samples), columns, indptr), shape=(n_samples, 4))
    if layout is sparse.csc_array:
        order = rng.permutation(n_samples).astype(np.int32)
        X = sparse.csc_array(
            (X.data, np.tile(order, 4), np.arange(5, dtype=np.int32) * n_samples), shape=X.shape
        )
    assert not X.has_canonical_format
    y = np.arange(n_samples) % 2
    model = ScratchGaussianNB()
    tracemalloc.start()
    model.fit(X, y)
    in_fit = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    predicted = model.predict(X)
    in_predict = tracemalloc.get_traced_memory()[1] - predicted.nbytes
    tracemalloc.stop()
    assert max(in_fit, in_predict) < 24 * 2**20 < X.data.nbytes + X.indices.nbytes
