"""Moments by hand, against NumPy in long double, and under merging."""

import numpy as np
import pytest
from hypothesis import given
from numpy.testing import assert_allclose
from scipy import sparse

from skextra.naive_bayes import _blocks
from skextra.naive_bayes._moments import Moments, empty, merge, place, pooled_variance
from skextra.naive_bayes._moments._dense import accumulate
from skextra.naive_bayes._moments._sparse import accumulate_sparse
from tests.strategies import problems


def reference(X, codes, weights, n_classes):
    """Moments by their definition, in long double."""
    X = np.asarray(X, dtype=np.longdouble)
    weights = np.ones(len(X)) if weights is None else weights
    rows = []
    for code in range(n_classes):
        block, w = X[codes == code], weights[codes == code][:, None].astype(np.longdouble)
        w = np.where(np.isnan(block), 0, w)
        block = np.where(np.isnan(block), 0, block)
        total = w.sum(axis=0)
        mean = (w * block).sum(axis=0) / np.where(total == 0, 1, total)
        rows.append((total, mean, (w * (block - mean) ** 2).sum(axis=0)))
    return [np.array([row[i] for row in rows], dtype=np.float64) for i in range(3)]


def assert_moments(moments, expected, rtol=1e-12, atol=0.0):
    for name, array in zip(("weight", "mean", "m2"), expected, strict=True):
        assert_allclose(getattr(moments, name), array, rtol=rtol, atol=atol, err_msg=name)


def test_three_rows_worked_by_hand():
    X = np.array([[1.0, np.nan], [3.0, 10.0], [7.0, 20.0]])
    moments = accumulate(X, np.array([0, 0, 1]), np.array([1.0, 3.0, 2.0]), 3)
    assert moments.class_weight.tolist() == [4, 2, 0]
    assert moments.weight.tolist() == [[4, 3], [2, 2], [0, 0]]
    assert moments.mean.tolist() == [[2.5, 10], [7, 20], [0, 0]]
    assert moments.m2.tolist() == [[3, 0], [0, 0], [0, 0]]


@given(problems(missing=True))
def test_small_problems_with_holes_equal_the_definition(problem):
    X, y, weights = problem
    assert_moments(accumulate(X, y, weights, 4), reference(X, y, weights, 4), atol=1e-12)


@pytest.mark.parametrize("n_classes", [2, 50])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16, bool])
def test_many_blocks_equal_the_definition(n_classes, order, dtype, monkeypatch):
    monkeypatch.setattr(_blocks, "BLOCK", 300)
    rng = np.random.default_rng(0)
    X = np.asarray(rng.normal(5, 3, (500, 7)) > 4 if dtype is bool else rng.normal(5, 3, (500, 7)))
    X = np.asarray(X, dtype=dtype, order=order)
    y, weights = rng.integers(0, n_classes, 500), rng.random(500)
    expected = reference(X, y, weights, n_classes)
    assert_moments(accumulate(X, y, weights, n_classes), expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("spread", [1.0, 1e-3])
@pytest.mark.parametrize("place", [0.0, 1e3, 1e8])
def test_variances_far_from_zero_keep_their_digits(place, spread):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 2000)
    X = place * np.array([1.0, -1.0, 2.0])[y][:, None] + spread * rng.normal(size=(2000, 4))
    moments = accumulate(X, y, None, 3)
    assert_moments(moments, reference(X, y, None, 3), rtol=1e-11, atol=1e-13)


def test_values_too_large_to_be_squared_do_not_spoil_the_other_features():
    X = np.array([[1e200, 1.0], [-1e200, 3.0]])
    with np.errstate(over="ignore", invalid="ignore"):
        moments = accumulate(X, np.array([0, 0]), None, 1)
    assert moments.mean[0].tolist() == [0, 2]
    assert moments.m2[0].tolist() == [np.inf, 2]


@pytest.mark.parametrize("layout", [sparse.csr_array, sparse.csc_array, sparse.csr_matrix])
@pytest.mark.parametrize("n_classes", [2, 20])
def test_sparse_rows_have_the_moments_of_dense_ones(layout, n_classes, monkeypatch):
    monkeypatch.setattr(_blocks, "BLOCK", 100)
    rng = np.random.default_rng(0)
    dense = rng.normal(100, 1, (400, 30)) * (rng.random((400, 30)) < 0.1)
    dense[3, :5] = np.nan
    y, weights = rng.integers(0, n_classes, 400), rng.random(400)
    moments = accumulate_sparse(layout(dense), y, weights, n_classes)
    assert_moments(moments, reference(dense, y, weights, n_classes), rtol=1e-10, atol=1e-10)


def test_entries_stored_twice_are_added_and_the_matrix_is_left_as_it_was():
    X = sparse.csr_array((np.array([1.0, 2.0]), np.array([0, 0]), np.array([0, 2])), shape=(1, 1))
    assert accumulate_sparse(X, np.array([0]), None, 1).mean[0, 0] == 3
    assert X.nnz == 2


@given(problems(missing=True))
def test_merging_parts_equals_accumulating_the_whole(problem):
    X, y, weights = problem
    whole = accumulate(X, y, weights, 4)
    half = len(X) // 2
    left = accumulate(X[:half], y[:half], weights[:half], 4)
    right = accumulate(X[half:], y[half:], weights[half:], 4)
    for merged in (merge(left, right), merge(right, left)):
        assert_moments(merged, (whole.weight, whole.mean, whole.m2), rtol=1e-11, atol=1e-11)


def test_merging_nothing_changes_nothing():
    moments = accumulate(np.array([[1.0], [2.0]]), np.array([0, 0]), None, 2)
    for merged in (merge(moments, empty(2, 1)), merge(empty(2, 1), moments)):
        for left, right in zip(merged, moments, strict=True):
            assert np.array_equal(left, right)


def test_classes_take_their_places_among_more():
    moments = Moments(np.array([5.0]), *(np.full((1, 2), value) for value in (5.0, 1.0, 0.0, 3.0)))
    placed = place(moments, [2], 3)
    assert placed.class_weight.tolist() == [0, 0, 5]
    assert placed.mean.tolist() == [[0, 0], [0, 0], [1, 1]]


@given(problems())
def test_the_pooled_variance_is_that_of_all_rows_together(problem):
    X, y, weights = problem
    mean = np.average(X, axis=0, weights=weights)
    expected = np.average((X - mean) ** 2, axis=0, weights=weights)
    pooled = pooled_variance(accumulate(X, y, weights, 4))
    assert_allclose(pooled, expected, rtol=1e-11, atol=1e-12)
