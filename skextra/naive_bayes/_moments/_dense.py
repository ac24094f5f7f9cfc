"""Moments of dense rows, in one pass over them, and further ones only for what would lose digits.

The sums of a block by class are products with the indicator of the classes, whose entries are the
weights. They are taken relative to a point among the rows, the shift, if digits would cancel.
"""

import itertools

import numpy as np
from scipy import sparse

from skextra._sklearn import assert_all_finite
from skextra.naive_bayes._blas import BLAS
from skextra.naive_bayes._blocks import BLOCK, blocks, map_rows
from skextra.naive_bayes._moments import Moments, divide, empty, two_sum

# From this many classes the indicator is a sparse matrix; with fewer, each class is a row of
# weights. Nanoseconds a number of X for the sums of a block in the cache, one thread of an EPYC
# with AVX2, at 2 classes x 20 features, 3 x 5, 8 x 30, 20 x 20 and 100 x 100: a row a class 0.4,
# 1.7, 2.0, 4.4 and 24, one dense matrix 0.6, 1.5, 0.8, 1.9 and 6.4, a sparse one 0.7, 1.2, 0.6,
# 0.7 and 0.6; sorting the rows and np.add.reduceat 1.8, 2.8, 1.6, 1.9 and 2.7.
_SPARSE_FROM = 3
# With fewer features two classes are one product of matrices: 0.27 ns a number for 10 features,
# where two products of vectors take 0.53 (Zen 4, one thread).
_VECTORS_FROM = 16
# sum((x - shift)^2) - sum(x - shift)^2 / n loses this factor of its digits before another pass
# over differences from the class means replaces it: 7 of 53 bits.
_LOSS = 128.0
# Each pass has centers with 52 bits more of the means: two do unless the rows span many orders.
_PASSES = 8
# The rows that decide on the shift: about so many numbers, but at least and at most so many rows.
_FIRST_NUMBERS, _FEWEST_ROWS, _MOST_ROWS = 2**13, 2**6, 2**10
# If it helps a smaller share of the features, these are left to another pass.
_WORTH_A_SHIFT = 0.05
# Squares lose up to two of the digits before a shift is worth the subtraction.
_NEAR = 30.0
# Up to so many features a row, subtracting one row from each is slower than from a tiled block.
_TILED_UP_TO = 256
# About what a pass costs in nanoseconds a number, from which map_rows decides on threads.
_COST = 1.5


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
        Non-negative weights of any dtype; None is 1 for all. Rows of weight 0 are left out.
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
        with BLAS.work(_COST * X.size):
            return _accumulate_by_class(X, codes[:], sample_weight, n_classes)
    # Few rows need no shift: another pass, if they need it, is cheap.
    shift = _shift(X, sample_weight) if X.size > BLOCK else None
    part_of = getattr(codes, "part", lambda start, stop: codes[start:stop])

    def rows(start, stop, local):
        weights = None if sample_weight is None else sample_weight[start:stop]
        return X[start:stop], part_of(start, stop), weights

    def total_over_parts(kernel, cost, *arguments):
        parts = map_rows(kernel, lambda *part: (*rows(*part), *arguments), n_samples, cost, n_jobs)
        return parts[0] if len(parts) == 1 else [sum(part) for part in zip(*parts, strict=True)]

    class_weight, weight, total, squares = total_over_parts(
        _sums, _COST * X.size, n_classes, shift
    )
    mean = divide(total, weight)
    correction = mean * total
    m2 = squares - correction
    if shift is None:
        low = np.zeros(mean.shape)
    else:
        mean, low = two_sum(np.where(weight > 0, shift, 0.0), mean)
    safe = correction <= _LOSS * m2  # false of what is not a number
    if safe.all():
        return Moments(class_weight, weight, mean, low, m2)
    unsafe = np.flatnonzero(~safe.all(axis=0))
    for _ in range(_PASSES):
        if not len(unsafe):
            break
        cost = 3 * _COST * n_samples * len(unsafe)
        rest, again = total_over_parts(_differences, cost, mean[:, unsafe], unsafe)
        residue = divide(rest, weight[:, unsafe])
        mean[:, unsafe], low[:, unsafe] = two_sum(mean[:, unsafe], residue)
        correction = residue * rest
        again = np.fmax(again - correction, np.where(np.isinf(again), np.inf, 0.0))
        m2[:, unsafe] = again
        lossy = ~(correction <= _LOSS * again) & np.isfinite(correction)
        unsafe = unsafe[lossy.any(axis=0)]
    return Moments(class_weight, weight, mean, low, m2)


def _accumulate_by_class(X, codes, sample_weight, n_classes):
    """Return the moments of a few wide rows per class, whose sums by block would be mostly 0.

    3,000 rows of 5,000 features in 1,000 classes take 0.1 s, by blocks 0.9 s, both in one thread.
    """
    moments = empty(n_classes, X.shape[1])
    weights = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight, np.float64)
    present = np.flatnonzero(weights > 0)
    if len(present) < len(X):
        missing_in(X[weights == 0])
    order = present[np.argsort(codes[present], kind="stable")]
    edges = np.searchsorted(codes[order], np.arange(n_classes + 1))
    buffer = np.empty((np.diff(edges).max(), X.shape[1]))
    for code, (first, last) in enumerate(itertools.pairwise(edges.tolist())):
        if first == last:
            continue
        rows = order[first:last]
        row_weight = weights[rows]
        values = buffer[: len(rows)]
        for place, row in enumerate(rows):
            values[place] = X[row]
        weight, missing = row_weight.sum(), None
        moments.class_weight[code] = weight
        sums = row_weight @ values
        if not np.isfinite(sums.sum()):
            missing = missing_in(values)
            values[missing] = 0.0
            sums, weight = row_weight @ values, row_weight @ ~missing
        moments.weight[code] = weight
        mean = divide(sums, moments.weight[code])
        values -= mean
        if missing is not None:
            values[missing] = 0.0
        rest = row_weight @ values
        residue = divide(rest, moments.weight[code])
        moments.mean[code], moments.mean_low[code] = two_sum(mean, residue)
        values *= values
        moments.m2[code] = np.fmax(row_weight @ values - residue * rest, 0.0)
    return moments


def _shift(X, sample_weight):
    """Return a point that later sums are relative to; None if the origin does as well.

    Without a shift a pass over X is saved. The first rows decide: if their means lie within a few
    of their standard deviations of 0, squares lose no more than two digits to cancellation.
    """
    n_rows = min(_MOST_ROWS, max(_FEWEST_ROWS, _FIRST_NUMBERS // max(X.shape[1], 1)))
    first = X[:n_rows]
    if sample_weight is not None:
        first = first[sample_weight[:n_rows] > 0]
    first = first.astype(np.float64)
    there = np.isfinite(first)
    count = np.full(X.shape[1], float(len(first)))
    if not there.all():
        first[~there] = 0.0
        count = there.sum(axis=0).astype(np.float64)
    mean = divide(first.sum(axis=0), count)
    square = divide(np.einsum("ij,ij->j", first, first), count)
    if (square > _NEAR * (square - mean * mean)).mean() <= _WORTH_A_SHIFT:
        return None
    # The median: one value far from all others would make a mean far from all rows.
    first[~there] = np.inf
    first.sort(axis=0)
    middle = first[(count / 2).astype(int), np.arange(X.shape[1])] if len(first) else mean
    return np.where(count > 0, middle, 0.0)


def _indicator(codes, weights, n_classes, last=None):
    """Return the matrix (n_classes, n_rows) of the weight of each row in its class.

    `last`, that of another block, is written over if it is as large: to make a new sparse matrix
    takes a tenth of the time that a block does.
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
    if sparse.issparse(indicator) or block.shape[1] < _VECTORS_FROM:
        return indicator @ block
    sums = np.empty((len(indicator), block.shape[1]))
    for row, out in zip(indicator, sums, strict=True):
        np.dot(row, block, out=out)
    return sums


def _present(codes, n_classes):
    """Return the classes in a block and the codes among them.

    Sums are as large as there are classes: with more classes than rows most would stay 0.
    """
    if n_classes <= len(codes):
        return slice(None), codes, n_classes
    present, codes = np.unique(codes, return_inverse=True)
    return present, codes, len(present)


def _weighted_blocks(X, codes, sample_weight, edges):
    """Yield (rows, their codes, their weights or None) of each block, without weights of 0.

    What is left out is looked at for infinity nevertheless.
    """
    for first, last in edges:
        rows, codes_here = X[first:last], codes[first:last]
        if sample_weight is None:
            yield rows, codes_here, None
            continue
        weights = sample_weight[first:last].astype(np.float64)
        there = weights > 0
        if not there.all():
            missing_in(rows[~there])
            rows, codes_here, weights = rows[there], codes_here[there], weights[there]
        if len(rows):
            yield rows, codes_here, weights


def _count(codes, weights, n_classes):
    """Return the sums of the weights of each class."""
    if n_classes == 2 and weights is None:
        second = codes.sum()
        return np.array([len(codes) - second, second], dtype=np.float64)
    return np.bincount(codes, weights=weights, minlength=n_classes)


class _Workspace:
    """Memory that the blocks of one kernel share: fresh memory costs more than the sums."""

    def __init__(self, shift):
        self._shift, self._buffer, self._tiled = shift, None, None

    def rows_and_scratch(self, block, by_vectors):
        """Return the block in float64 and relative to the shift, and an array of its shape.

        Both may be the same. A sparse product would copy each block that lies column by column.
        """
        if self._buffer is None or len(self._buffer) < len(block):
            self._buffer = np.empty_like(block, np.float64, order="K" if by_vectors else "C")
            self._tiled = None
        scratch = self._buffer[: len(block)]
        is_plain = block.dtype == np.float64 and (by_vectors or block.flags.c_contiguous)
        if self._shift is None and is_plain:
            return block, scratch
        if self._shift is None:
            np.copyto(scratch, block)
        elif len(self._shift) > _TILED_UP_TO or not scratch.flags.c_contiguous:
            np.subtract(block, self._shift, out=scratch)
        else:
            if self._tiled is None:
                self._tiled = np.tile(self._shift, (len(self._buffer), 1))
            if not (block.dtype == np.float64 and block.flags.c_contiguous):
                np.copyto(scratch, block)
                block = scratch
            np.subtract(block, self._tiled[: len(block)], out=scratch)
        return scratch, scratch


# What overflows or is infinite is looked at where it shows in the sums.
@np.errstate(over="ignore", invalid="ignore")
def _sums(X, codes, sample_weight, n_classes, shift, size):
    """Return the weights of rows and the sums of (x - shift) and its square, by class."""
    n_rows, n_features = X.shape
    shape = (n_classes, n_features)
    class_weight, complete = np.zeros(n_classes), np.zeros(n_classes)
    weight, total, squares = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    workspace, indicator = _Workspace(shift), None
    edges = blocks(0, n_rows, n_features, size, at_least=4 * n_classes)
    for rows, codes_here, weights in _weighted_blocks(X, codes, sample_weight, edges):
        present, codes_here, n_here = _present(codes_here, n_classes)
        indicator = _indicator(codes_here, weights, n_here, indicator)
        in_block = _count(codes_here, weights, n_here)
        class_weight[present] += in_block
        block, scratch = workspace.rows_and_scratch(rows, n_here < _SPARSE_FROM)
        sums = _product(indicator, block)
        if np.isfinite(sums.sum()):
            complete[present] += in_block
        else:
            missing = missing_in(rows)
            np.copyto(scratch, block)
            np.copyto(scratch, 0.0, where=missing)
            block = scratch
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
    edges = blocks(0, len(X), len(columns), size, at_least=4 * n_classes)
    for rows, codes_here, weights in _weighted_blocks(X, codes, sample_weight, edges):
        difference = rows[:, columns].astype(np.float64, copy=False)
        difference -= centers[codes_here]
        missing = np.isnan(difference)
        if missing.any():
            difference[missing] = 0.0
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
    """Return which numbers are NaN; raise if any is infinite."""
    assert_all_finite(X, allow_nan=True, estimator_name="ScratchGaussianNB", input_name="X")
    return np.isnan(X)
