"""Parts of CSR and CSC matrices that share their memory, and the moments of such matrices."""

import numpy as np
from scipy import sparse

from skextra.naive_bayes._blocks import BLOCK, map_rows
from skextra.naive_bayes._moments import Moments, divide, missing_in

# About what the two passes cost in nanoseconds a stored number.
_COST = 30.0


def major_part(X, start, stop):
    """Return rows `start` to `stop` of a CSR matrix, or columns of a CSC one, without a copy."""
    begin, end = X.indptr[start], X.indptr[stop]
    other = X.shape[1] if X.format == "csr" else X.shape[0]
    shape = (stop - start, other) if X.format == "csr" else (other, stop - start)
    layout = sparse.csr_array if X.format == "csr" else sparse.csc_array
    indptr = X.indptr[start : stop + 1] - begin
    return layout((X.data[begin:end], X.indices[begin:end], indptr), shape=shape)


def row_parts(X, start, stop, n_rows):
    """Yield (first row, some rows as CSR) until rows `start` to `stop` are covered.

    A CSC matrix, whose indices have to be sorted, is not copied whole: where each column begins in
    the next part is found by bisecting all columns at once.
    """
    if X.format == "csr":
        for first in range(start, stop, n_rows):
            yield first, major_part(X, first, min(first + n_rows, stop))
        return
    begin = _bisect(X, X.indptr[:-1].astype(np.int64), start)
    for first in range(start, stop, n_rows):
        last = min(first + n_rows, stop)
        end = _bisect(X, begin, last)
        counts = end - begin
        indptr = np.concatenate([[0], np.cumsum(counts)])
        stored = np.arange(indptr[-1]) + np.repeat(begin - indptr[:-1], counts)
        part = sparse.csc_array(
            (X.data[stored], X.indices[stored] - first, indptr), shape=(last - first, X.shape[1])
        )
        yield first, part.tocsr()
        begin = end


def _bisect(X, low, row):
    """Return where each column of a CSC matrix, from `low` on, reaches a row."""
    low, high = low.copy(), X.indptr[1:].astype(np.int64)
    while (apart := np.flatnonzero(low < high)).size:
        middle = (low[apart] + high[apart]) // 2
        before = X.indices[middle] < row
        low[apart[before]] = middle[before] + 1
        high[apart[~before]] = middle[~before]
    return low


@np.errstate(over="ignore", invalid="ignore")  # in squares of finite numbers over 1e154
def accumulate_sparse(X, codes, sample_weight, n_classes, n_jobs=None):
    """Return the moments of a CSR or CSC matrix from what it stores, in two passes over it.

    Parameters, result and errors are those of `skextra.naive_bayes._moments.accumulate`. The parts
    are rows of a CSR matrix and columns of a CSC one.
    """
    n_samples, n_features = X.shape
    if not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    by_rows = X.format == "csr"
    n_rows_of, class_weight = _count(codes, sample_weight, n_classes)

    def part(start, stop, local):
        """Return a matrix, what to look at of it, and the codes and weights of its rows."""
        if local:
            return X, start, stop, codes, sample_weight
        rows = slice(start, stop) if by_rows else slice(None)
        weights = None if sample_weight is None else sample_weight[rows]
        return major_part(X, start, stop), 0, stop - start, codes[rows], weights

    def total_over_parts(kernel, split):
        length = n_samples if by_rows else n_features
        parts = map_rows(kernel, split, length, _COST * X.nnz, n_jobs)
        if by_rows:
            return [sum(pieces) for pieces in zip(*parts, strict=True)]
        return [np.concatenate(pieces, axis=1) for pieces in zip(*parts, strict=True)]

    n_stored, missing, stored, total = total_over_parts(
        _stored_sums, lambda *rows: (*part(*rows), n_classes)
    )
    weight = class_weight[:, None] - missing
    mean = divide(total, weight)

    def second_pass(start, stop, local):
        return (*part(start, stop, local), mean if by_rows else mean[:, start:stop])

    (m2,) = total_over_parts(_stored_squares, second_pass)
    # What is not stored is 0, and differs from the mean by the mean. Where all is stored, the
    # weights of the two sums differ by rounding, which a large mean squared would make matter.
    zeros = np.where(n_rows_of[:, None] > n_stored, np.maximum(weight - stored, 0.0), 0.0)
    m2 += zeros * mean * mean
    return Moments(class_weight, weight, mean, m2)


def _count(codes, sample_weight, n_classes):
    """Return the number and the weight of the rows of each class."""
    n_rows, weight = np.zeros(n_classes, dtype=np.int64), np.zeros(n_classes)
    for first in range(0, len(codes), BLOCK):
        part = codes[first : first + BLOCK]
        n_rows += np.bincount(part, minlength=n_classes)
        if sample_weight is not None:
            weight += np.bincount(part, sample_weight[first : first + BLOCK], n_classes)
    return n_rows, n_rows.astype(np.float64) if sample_weight is None else weight


def _stored_sums(X, start, stop, codes, sample_weight, n_classes, size):
    """Return counts of stored values, weights of missing and of other ones, and their sums.

    `start` to `stop` are rows of a CSR matrix and columns of a CSC one.
    """
    shape = (n_classes, X.shape[1] if X.format == "csr" else stop - start)
    count = np.zeros(shape, dtype=np.int64).ravel()
    missing, stored, total = (np.zeros(len(count)) for _ in range(3))
    for place, weight, value in _stored_values(X, start, stop, codes, sample_weight, shape, size):
        if not np.isfinite(value.sum()):
            gaps = missing_in(value)
            gap_weight = None if weight is None else weight[gaps]
            missing += np.bincount(place[gaps], gap_weight, len(count))
            count += np.bincount(place[gaps], minlength=len(count))
            place, value = place[~gaps], value[~gaps]
            weight = None if weight is None else weight[~gaps]
        in_place = np.bincount(place, minlength=len(count))
        count += in_place
        stored += in_place if weight is None else np.bincount(place, weight, len(count))
        total += np.bincount(place, value if weight is None else weight * value, len(count))
    return tuple(array.reshape(shape) for array in (count, missing, stored, total))


def _stored_squares(X, start, stop, codes, sample_weight, mean, size):
    """Return the sums of squared differences of stored values from their class means."""
    centers = mean.ravel()
    m2 = np.zeros(len(centers))
    for place, weight, value in _stored_values(
        X, start, stop, codes, sample_weight, mean.shape, size
    ):
        value -= centers[place]
        value[np.isnan(value)] = 0.0
        value *= value
        if weight is not None:
            value *= weight
        m2 += np.bincount(place, value, len(m2))
    return (m2.reshape(mean.shape),)


def _stored_values(X, start, stop, codes, sample_weight, shape, size):
    """Yield (place in an array of `shape`, weight or None, value) of what is stored, in parts."""
    n_classes, n_features = shape
    # Adding up what has n_classes * n_features numbers is cheap for parts of that size.
    size = max(size // 2, n_classes * n_features)
    for begin in range(X.indptr[start], X.indptr[stop], size):
        end = min(begin + size, X.indptr[stop])
        # In another dtype indptr would be copied whole to look a number up in it.
        edges = np.array([begin, end], dtype=X.indptr.dtype)
        first = int(np.searchsorted(X.indptr, edges[0], side="right")) - 1
        last = int(np.searchsorted(X.indptr, edges[1], side="left"))
        counts = np.diff(np.clip(X.indptr[first : last + 1], begin, end))
        weight = None
        if X.format == "csr":
            place = np.repeat(codes[first:last] * n_features, counts)
            place += X.indices[begin:end]
            if sample_weight is not None:
                weight = np.repeat(sample_weight[first:last], counts)
        else:
            rows = X.indices[begin:end]
            place = codes[rows] * n_features
            place += np.repeat(np.arange(first - start, last - start), counts)
            if sample_weight is not None:
                weight = sample_weight[rows]
        yield place, weight, X.data[begin:end].astype(np.float64)
