"""Weighted count, mean and sum of squared differences (M2), per class and feature.

The moments of two sets of rows merge into those of their union by the pairwise formula of Chan,
Golub and LeVeque (1983, :doi:`10.1080/00031305.1983.10483115`), of which Welford's update (1962,
:doi:`10.1080/00401706.1962.10490022`) is the case of one row.
"""

import itertools
from typing import NamedTuple

import numpy as np
from scipy import sparse

from skextra._sklearn import assert_all_finite
from skextra.naive_bayes._blocks import BLOCK, blocks, map_rows

# From this many classes the indicator is a sparse matrix. Nanoseconds a number of X, one thread of
# a Xeon with AVX-512, rows of 20 features: dense indicator 1.9, 2.2, 6.3, 17 and sparse one 2.4,
# 2.4, 2.4, 2.6 at 2, 8, 30 and 100 classes; sorted rows and np.add.reduceat 3.5, 4.3, 5.0, 5.5.
_SPARSE_FROM = 12
# sum((x - shift)^2) - sum(x - shift)^2 / n loses this factor of its digits before a second pass
# over differences from the class means replaces it: 10 of 53 bits.
_LOSS = 1e3


class Moments(NamedTuple):
    """Moments of the rows of each class.

    ``class_weight`` has shape (n_classes,); ``weight``, ``mean`` and ``m2`` have shape
    (n_classes, n_features) and count only values that are not missing. Where ``weight`` is 0, so
    are ``mean`` and ``m2``.
    """

    class_weight: np.ndarray
    weight: np.ndarray
    mean: np.ndarray
    m2: np.ndarray


def empty(n_classes, n_features):
    """Return the moments of no rows at all."""
    shape = (n_classes, n_features)
    return Moments(np.zeros(n_classes), np.zeros(shape), np.zeros(shape), np.zeros(shape))


def merge(left, right):
    """Return the moments of the rows of both sides together."""
    weight = left.weight + right.weight
    share = _divide(right.weight, weight)
    delta = right.mean - left.mean
    mean = left.mean + delta * share
    m2 = left.m2 + right.m2 + delta * delta * left.weight * share
    return Moments(left.class_weight + right.class_weight, weight, mean, m2)


def place(moments, index, n_classes):
    """Return the moments with its classes at the places `index` among `n_classes`."""
    placed = empty(n_classes, moments.mean.shape[1])
    for old, new in zip(moments, placed, strict=True):
        new[index] = old
    return placed


def pooled_variance(moments):
    """Return the variance of each feature over the rows of all classes."""
    weight = moments.weight.sum(axis=0)
    center = _divide((moments.weight * moments.mean).sum(axis=0), weight)
    m2 = (moments.m2 + moments.weight * (moments.mean - center) ** 2).sum(axis=0)
    return _divide(m2, weight)


@np.errstate(over="ignore", invalid="ignore")  # in squares of finite numbers over 1e154
def accumulate(X, codes, sample_weight, n_classes, n_jobs=None):
    """Return the moments of rows.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n_samples, n_features)
        Real numbers of any dtype; NaN is a missing value.
    codes : ndarray of shape (n_samples,), dtype int64, or Codes
        The class of each row; only slices are taken of it.
    sample_weight : ndarray of shape (n_samples,) or None
        Non-negative weights; None is 1 for all.
    n_classes : int
        The number of classes.
    n_jobs : int or None
        Threads.

    Returns
    -------
    Moments

    Raises
    ------
    ValueError
        If X holds an infinite number.
    """
    if sparse.issparse(X):
        return _accumulate_sparse(X, codes, sample_weight, n_classes)
    n_samples, n_features = X.shape
    if n_samples < 8 * n_classes and n_features >= 512:
        return _accumulate_by_class(X, codes[:], sample_weight, n_classes)
    shift = _shift(X)

    def first_pass(*part):
        return _sums(X, codes, sample_weight, n_classes, shift, *part)

    parts = map_rows(first_pass, n_samples, n_features, n_jobs)
    class_weight, weight, total, squares = (sum(part) for part in zip(*parts, strict=True))
    offset = _divide(total, weight)
    correction = offset * total
    m2 = squares - correction
    mean = np.where(weight > 0, offset if shift is None else shift + offset, 0.0)
    # The negation also catches what is not a number.
    unsafe = np.flatnonzero((~(correction <= _LOSS * m2)).any(axis=0))
    if len(unsafe):
        centers = mean[:, unsafe]

        def second_pass(*part):
            return _differences(X, codes, sample_weight, centers, unsafe, *part)

        parts = map_rows(second_pass, n_samples, len(unsafe), n_jobs)
        rest, m2_unsafe = (sum(part) for part in zip(*parts, strict=True))
        residue = _divide(rest, weight[:, unsafe])
        mean[:, unsafe] += residue
        m2[:, unsafe] = np.maximum(m2_unsafe - residue * rest, 0.0)
    return Moments(class_weight, weight, mean, m2)


def _accumulate_by_class(X, codes, sample_weight, n_classes):
    """Return the moments of a few wide rows a class, where sums by block are mostly zeros.

    3,000 rows of 5,000 features in 1,000 classes: 0.12 s, by blocks 0.9 s, both in one thread.
    """
    moments = empty(n_classes, X.shape[1])
    order = np.argsort(codes, kind="stable")
    edges = np.searchsorted(codes[order], np.arange(n_classes + 1)).tolist()
    for code, (first, last) in enumerate(itertools.pairwise(edges)):
        rows = order[first:last]
        weights = np.ones(len(rows)) if sample_weight is None else sample_weight[rows]
        moments.class_weight[code] = weights.sum()
        if moments.class_weight[code] == 0:
            continue
        values, weight = X[rows].astype(np.float64, copy=False), moments.class_weight[code]
        missing = None
        if not np.isfinite(values.sum()):
            missing = _missing(values)
            values[missing] = 0.0
            weight = weights @ ~missing
        moments.weight[code] = weight
        mean = _divide(weights @ values, moments.weight[code])
        values -= mean
        if missing is not None:
            values[missing] = 0.0
        residue = _divide(weights @ values, moments.weight[code])
        moments.mean[code] = mean + residue
        values *= values
        moments.m2[code] = np.maximum(weights @ values - weight * residue * residue, 0.0)
    return moments


def _shift(X):
    """Return a point that later sums are relative to; None if the origin does as well.

    Without a shift a pass over X is saved. The first rows decide: where their means lie within a
    few of their standard deviations of 0, squares lose no more than two digits to cancellation.
    """
    first = X[: max(2, BLOCK // (8 * max(X.shape[1], 1)))].astype(np.float64)
    missing = ~np.isfinite(first)
    if missing.any():
        first[missing] = 0.0
    count = len(first) - missing.sum(axis=0)
    mean = _divide(first.sum(axis=0), count.astype(float))
    square = _divide(np.einsum("ij,ij->j", first, first), count.astype(float))
    if X.dtype == np.float64 and (square <= 30 * (square - mean * mean)).all():
        return None
    return mean


def _product(indicator, block):
    """Return their product; np.dot lets other threads run, np.matmul with a small result not."""
    return indicator @ block if sparse.issparse(indicator) else np.dot(indicator, block)


def _indicator(codes, weights, n_classes):
    """Return the matrix (n_classes, n_rows) of the weight of each row in its class."""
    n_rows = len(codes)
    if n_classes >= _SPARSE_FROM:
        data = np.ones(n_rows) if weights is None else weights
        return sparse.csc_array((data, codes, np.arange(n_rows + 1)), shape=(n_classes, n_rows))
    indicator = np.take(np.eye(n_classes), codes, axis=0)
    if weights is not None:
        indicator *= weights[:, None]
    return indicator.T


def _present(codes, n_classes):
    """Return the classes in a block and the codes among them.

    Sums are as large as there are classes: with more classes than rows most would stay 0.
    """
    if n_classes <= len(codes):
        return slice(None), codes, n_classes
    present, codes = np.unique(codes, return_inverse=True)
    return present, codes, len(present)


# What overflows or is infinite is looked at where it shows in the sums.
@np.errstate(over="ignore", invalid="ignore")
def _sums(X, codes, sample_weight, n_classes, shift, start, stop, size):
    """Return weights and sums of (x - shift) and its square over a range of rows."""
    n_features = X.shape[1]
    shape = (n_classes, n_features)
    class_weight, complete = np.zeros(n_classes), np.zeros(n_classes)
    weight, total, squares = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    scratch = np.empty((0, n_features))
    for first, last in blocks(start, stop, n_features, size, at_least=4 * n_classes):
        block = X[first:last]
        weights = None if sample_weight is None else sample_weight[first:last]
        present, codes_here, n_here = _present(codes[first:last], n_classes)
        indicator = _indicator(codes_here, weights, n_here)
        in_block = np.bincount(codes_here, weights=weights, minlength=n_here)
        class_weight[present] += in_block
        if len(scratch) < len(block):
            scratch = np.empty(block.shape)
        buffer = scratch[: len(block)]
        centered = block if shift is None else np.subtract(block, shift, out=buffer)
        sums = _product(indicator, centered)
        if np.isfinite(sums.sum()):
            complete[present] += in_block
        else:
            missing = _missing(block)
            centered = np.where(missing, 0.0, centered)
            sums = _product(indicator, centered)
            weight[present] += _product(indicator, (~missing).astype(np.float64))
        total[present] += sums
        squares[present] += _product(indicator, np.multiply(centered, centered, out=buffer))
    return class_weight, weight + complete[:, None], total, squares


@np.errstate(over="ignore", invalid="ignore")
def _differences(X, codes, sample_weight, centers, columns, start, stop, size):
    """Return sums of (x - center of its class) and its square over a range of rows."""
    total, squares = np.zeros_like(centers), np.zeros_like(centers)
    n_classes = len(centers)
    for first, last in blocks(start, stop, len(columns), size, at_least=4 * n_classes):
        rows = slice(first, last)
        weights = None if sample_weight is None else sample_weight[rows]
        codes_here = codes[rows]
        difference = X[rows][:, columns] - centers[codes_here]
        difference[np.isnan(difference)] = 0.0
        present, codes_here, n_here = _present(codes_here, n_classes)
        indicator = _indicator(codes_here, weights, n_here)
        total[present] += _product(indicator, difference)
        squares[present] += _product(indicator, difference * difference)
    return total, squares


def _missing(X):
    """Return where X is NaN; raise if it is infinite anywhere."""
    assert_all_finite(X, allow_nan=True, estimator_name="ScratchGaussianNB", input_name="X")
    return np.isnan(X)


def _accumulate_sparse(X, codes, sample_weight, n_classes):
    """Return the moments of a CSR or CSC matrix from what it stores, in two passes over it."""
    codes = codes[:]
    n_features = X.shape[1]
    if not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    _missing(X.data)
    shape = (n_classes, n_features)
    weights = np.ones(len(codes)) if sample_weight is None else sample_weight
    class_weight = np.bincount(codes, weights=weights, minlength=n_classes)
    missing, stored, total, m2 = (np.zeros(n_classes * n_features) for _ in range(4))
    zeros = np.repeat(np.bincount(codes, minlength=n_classes), n_features)
    for cell, weight, value in _stored_values(X, codes, weights):
        there = ~np.isnan(value)
        zeros -= np.bincount(cell, minlength=len(zeros))
        missing += np.bincount(cell[~there], weight[~there], len(missing))
        stored += np.bincount(cell[there], weight[there], len(stored))
        total += np.bincount(cell[there], weight[there] * value[there], len(total))
    weight_of_cell = np.repeat(class_weight, n_features) - missing
    mean = _divide(total, weight_of_cell)
    for cell, weight, value in _stored_values(X, codes, weights):
        difference = value - mean[cell]
        difference[np.isnan(difference)] = 0.0
        m2 += np.bincount(cell, weight * difference * difference, len(m2))
    # What is not stored is 0, and differs from the mean by the mean. Where all is stored, the
    # weights of the two sums differ by rounding, which a large mean squared would make matter.
    m2 += np.where(zeros > 0, np.maximum(weight_of_cell - stored, 0.0), 0.0) * mean * mean
    return Moments(
        class_weight, weight_of_cell.reshape(shape), mean.reshape(shape), m2.reshape(shape)
    )


def _stored_values(X, codes, weights):
    """Yield (class * n_features + feature, weight, value) of what is stored, part by part."""
    n_features = X.shape[1]
    # Results have n_classes * n_features numbers: parts of that size make adding them up cheap.
    size = max(BLOCK, (codes.max(initial=0) + 1) * n_features)
    n_major = len(X.indptr) - 1
    first = 0
    while first < n_major:
        last = int(np.searchsorted(X.indptr, X.indptr[first] + size, side="right")) - 1
        last = min(max(last, first + 1), n_major)
        part = slice(X.indptr[first], X.indptr[last])
        major = np.repeat(np.arange(first, last), np.diff(X.indptr[first : last + 1]))
        row, column = (major, X.indices[part]) if X.format == "csr" else (X.indices[part], major)
        cell = codes[row] * n_features + column
        yield cell, weights[row], X.data[part].astype(np.float64)
        first = last


def _divide(numerator, denominator):
    """Divide, 0 where the denominator is 0."""
    return np.divide(
        numerator, denominator, out=np.zeros(np.shape(numerator)), where=denominator != 0
    )
