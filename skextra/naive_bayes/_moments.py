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

# From this many classes the indicator is a sparse matrix; with fewer, each class is a row of
# weights. Nanoseconds a number of X for the sums of a block in the cache, one thread of an EPYC
# with AVX2, at 2 classes x 20 features, 3 x 5, 8 x 30, 20 x 20 and 100 x 100: a row a class 0.4,
# 1.7, 2.0, 4.4 and 24, one dense matrix 0.6, 1.5, 0.8, 1.9 and 6.4, a sparse one 0.7, 1.2, 0.6,
# 0.7 and 0.6; sorting the rows and np.add.reduceat 1.8, 2.8, 1.6, 1.9 and 2.7.
_SPARSE_FROM = 3
# sum((x - shift)^2) - sum(x - shift)^2 / n loses this factor of its digits before a second pass
# over differences from the class means replaces it: 10 of 53 bits.
_LOSS = 1e3
# About what a pass costs in nanoseconds a number, from which map_rows decides on threads.
_COST = 2.0


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
    share = divide(right.weight, weight)
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


@np.errstate(over="ignore", invalid="ignore")
def pooled_variance(moments):
    """Return the variance of each feature over the rows of all classes."""
    weight = moments.weight.sum(axis=0)
    center = divide(np.einsum("ij,ij->j", moments.weight, moments.mean), weight)
    apart = moments.mean - center
    between = np.einsum("ij,ij,ij->j", moments.weight, apart, apart)
    return divide(moments.m2.sum(axis=0) + between, weight)


@np.errstate(over="ignore", invalid="ignore")  # in squares of finite numbers over 1e154
def accumulate(X, codes, sample_weight, n_classes, n_jobs=None):
    """Return the moments of rows.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
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
    n_samples, n_features = X.shape
    if n_samples < 8 * n_classes and n_features >= 512:
        return _accumulate_by_class(X, codes[:], sample_weight, n_classes)
    # Few rows need no shift: where it would have helped they are gone over again.
    shift = _shift(X) if X.size > BLOCK else None

    part_of = getattr(codes, "part", lambda start, stop: codes[start:stop])

    def rows(start, stop, local):
        weights = None if sample_weight is None else sample_weight[start:stop]
        return X[start:stop], part_of(start, stop), weights

    def first_pass(*part):
        return (*rows(*part), n_classes, shift)

    cost = _COST * X.size
    parts = map_rows(_sums, first_pass, n_samples, cost, n_jobs)
    class_weight, weight, total, squares = (sum(part) for part in zip(*parts, strict=True))
    offset = divide(total, weight)
    correction = offset * total
    m2 = squares - correction
    mean = offset if shift is None else np.where(weight > 0, shift + offset, 0.0)
    # The negation also catches what is not a number.
    unsafe = np.flatnonzero((~(correction <= _LOSS * m2)).any(axis=0))
    if len(unsafe):
        centers = mean[:, unsafe]

        def second_pass(*part):
            return (*rows(*part), centers, unsafe)

        cost = 3 * _COST * n_samples * len(unsafe)
        parts = map_rows(_differences, second_pass, n_samples, cost, n_jobs)
        rest, m2_unsafe = (sum(part) for part in zip(*parts, strict=True))
        residue = divide(rest, weight[:, unsafe])
        mean[:, unsafe] += residue
        least = np.where(np.isinf(m2_unsafe), np.inf, 0.0)
        m2[:, unsafe] = np.fmax(m2_unsafe - residue * rest, least)
    return Moments(class_weight, weight, mean, m2)


def _accumulate_by_class(X, codes, sample_weight, n_classes):
    """Return the moments of a few wide rows a class, where sums by block are mostly zeros.

    So few rows add up without a loss that would ask for a second pass. 3,000 rows of 5,000
    features in 1,000 classes take 0.1 s, by blocks 0.9 s, both in one thread.
    """
    moments = empty(n_classes, X.shape[1])
    order = np.argsort(codes, kind="stable")
    edges = np.searchsorted(codes[order], np.arange(n_classes + 1))
    buffer = np.empty((np.diff(edges).max(), X.shape[1]))
    for code, (first, last) in enumerate(itertools.pairwise(edges.tolist())):
        rows = order[first:last]
        weights = np.ones(len(rows)) if sample_weight is None else sample_weight[rows]
        moments.class_weight[code] = weights.sum()
        if moments.class_weight[code] == 0:
            continue
        values = buffer[: len(rows)]
        for place, row in enumerate(rows):
            values[place] = X[row]
        weight, missing = moments.class_weight[code], None
        sums = weights @ values
        if not np.isfinite(sums.sum()):
            missing = missing_in(values)
            values[missing] = 0.0
            sums, weight = weights @ values, weights @ ~missing
        moments.weight[code] = weight
        moments.mean[code] = divide(sums, weight)
        values -= moments.mean[code]
        if missing is not None:
            values[missing] = 0.0
        values *= values
        np.dot(weights, values, out=moments.m2[code])
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
    mean = divide(first.sum(axis=0), count.astype(float))
    square = divide(np.einsum("ij,ij->j", first, first), count.astype(float))
    if X.dtype == np.float64 and (square <= 30 * (square - mean * mean)).all():
        return None
    return mean


def _indicator(codes, weights, n_classes, last=None):
    """Return the matrix (n_classes, n_rows) of the weight of each row in its class.

    `last`, the one of another block, is written over if it is as large: to make a sparse matrix
    anew takes a tenth of the time that a block does.
    """
    n_rows = len(codes)
    if n_classes < _SPARSE_FROM:
        indicator = np.ones((n_classes, n_rows))
        if n_classes == 2:
            indicator[1] = codes
            indicator[0] -= indicator[1]
        return indicator if weights is None else np.multiply(indicator, weights, out=indicator)
    if last is not None and last.shape == (n_classes, n_rows):
        last.indices[:] = codes
    else:
        each = np.arange(n_rows + 1, dtype=np.int32)
        stored = (np.ones(n_rows), codes.astype(np.int32), each)
        last = sparse.csc_array(stored, shape=(n_classes, n_rows))
    if weights is not None:
        last.data[:] = weights
    return last


def _product(indicator, block):
    """Return the sums of the rows of a block by class."""
    if sparse.issparse(indicator):
        return indicator @ block
    return np.stack([np.dot(row, block) for row in indicator])


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
def _sums(X, codes, sample_weight, n_classes, shift, size):
    """Return the weights of rows and the sums of (x - shift) and its square, by class."""
    n_rows, n_features = X.shape
    shape = (n_classes, n_features)
    class_weight, complete = np.zeros(n_classes), np.zeros(n_classes)
    weight, total, squares = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    buffer = indicator = None
    for first, last in blocks(0, n_rows, n_features, size, at_least=4 * n_classes):
        block = X[first:last]
        weights = None if sample_weight is None else sample_weight[first:last]
        present, codes_here, n_here = _present(codes[first:last], n_classes)
        indicator = _indicator(codes_here, weights, n_here, indicator)
        in_block = np.bincount(codes_here, weights=weights, minlength=n_here)
        class_weight[present] += in_block
        by_vectors = n_here < _SPARSE_FROM
        if buffer is None:  # a sparse product would copy each block of columns into rows
            buffer = np.empty_like(block, np.float64, order="K" if by_vectors else "C")
        scratch = buffer[: len(block)]
        if shift is not None:
            block = np.subtract(block, shift, out=scratch)
        elif block.dtype != np.float64 or not (by_vectors or block.flags.c_contiguous):
            np.copyto(scratch, block)
            block = scratch
        sums = _product(indicator, block)
        if np.isfinite(sums.sum()):
            complete[present] += in_block
        else:
            missing = missing_in(X[first:last])
            block = np.where(missing, 0.0, block)
            sums = _product(indicator, block)
            weight[present] += _product(indicator, (~missing).astype(np.float64))
        total[present] += sums
        squares[present] += _product(indicator, np.multiply(block, block, out=scratch))
    return class_weight, weight + complete[:, None], total, squares


@np.errstate(over="ignore", invalid="ignore")
def _differences(X, codes, sample_weight, centers, columns, size):
    """Return the sums of (x - center of its class) and its square, by class."""
    total, squares = np.zeros_like(centers), np.zeros_like(centers)
    n_classes, indicator = len(centers), None
    for first, last in blocks(0, len(X), len(columns), size, at_least=4 * n_classes):
        weights = None if sample_weight is None else sample_weight[first:last]
        codes_here = codes[first:last]
        difference = X[first:last][:, columns] - centers[codes_here]
        difference[np.isnan(difference)] = 0.0
        present, codes_here, n_here = _present(codes_here, n_classes)
        indicator = _indicator(codes_here, weights, n_here, indicator)
        total[present] += _product(indicator, difference)
        difference *= difference
        sums = _product(indicator, difference)
        if not np.isfinite(sums.sum()):  # 0 times infinity in the row of another class
            sums = sparse.csr_array(indicator) @ difference
        squares[present] += sums
    return total, squares


def missing_in(X):
    """Return where X is NaN; raise if it is infinite anywhere."""
    assert_all_finite(X, allow_nan=True, estimator_name="ScratchGaussianNB", input_name="X")
    return np.isnan(X)


def divide(numerator, denominator):
    """Divide, 0 where the denominator, which is not negative, is 0."""
    if np.min(denominator, initial=1.0) > 0:
        return numerator / denominator
    return np.divide(
        numerator, denominator, out=np.zeros(np.shape(numerator)), where=denominator != 0
    )
