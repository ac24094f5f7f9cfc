"""Moments of CSR and CSC matrices from what they store, in two passes over it."""

import numpy as np

from skextra.naive_bayes._blocks import BLOCK, map_rows
from skextra.naive_bayes._moments import Moments, divide, two_sum
from skextra.naive_bayes._moments._dense import missing_in
from skextra.naive_bayes._sparse import major_part, row_parts

# About what the two passes cost in nanoseconds a stored number.
_COST = 30.0


@np.errstate(over="ignore", invalid="ignore")  # in squares of finite numbers over 1e154
def accumulate_sparse(X, codes, sample_weight, n_classes, n_jobs=None):
    """Return the moments of a CSR or CSC matrix; what it does not store is 0.

    Parameters, result and errors are those of `_dense.accumulate`. The parts are columns of a CSC
    matrix that stores each entry once, in order, else rows.
    """
    is_canonical = X.has_canonical_format
    by_rows = X.format == "csr" or not is_canonical
    weights = sample_weight
    coarse_unit = None if weights is None else _coarse_unit(weights)

    def part(start, stop, local):
        """Return a matrix, what to look at of it, and the codes and weights of its rows."""
        if local:
            return X, is_canonical, start, stop, codes, weights
        rows = slice(start, stop) if by_rows else slice(None)
        weights_here = None if weights is None else weights[rows]
        share = X[start:stop] if by_rows else major_part(X, start, stop)
        return share, is_canonical, 0, stop - start, codes[rows], weights_here

    def total_over_parts(kernel, split):
        parts = map_rows(kernel, split, X.shape[0 if by_rows else 1], _COST * X.nnz, n_jobs)
        if by_rows:
            return [sum(pieces) for pieces in zip(*parts, strict=True)]
        return [np.concatenate(pieces, axis=-1) for pieces in zip(*parts, strict=True)]

    class_weight = _class_weight(codes, weights, n_classes, coarse_unit)
    missing, stored, total = total_over_parts(
        _stored_sums, lambda *rows: (*part(*rows), n_classes, coarse_unit)
    )
    weight = np.maximum((class_weight[..., None] - missing).sum(axis=0), 0.0)
    # The coarse halves of these sums are exact, so that the zeros are counted to the last digit,
    # and where all is stored there are none: the square of a large mean would show it.
    zeros = np.maximum((class_weight[..., None] - missing - stored).sum(axis=0), 0.0)
    mean = divide(total, weight)

    def second_pass(start, stop, local):
        return (*part(start, stop, local), mean if by_rows else mean[:, start:stop])

    rest, m2 = total_over_parts(_stored_differences, second_pass)
    rest -= zeros * mean
    residue = divide(rest, weight)
    m2 += zeros * mean * mean
    m2 = np.fmax(m2 - residue * rest, np.where(np.isinf(m2), np.inf, 0.0))
    return Moments(class_weight.sum(axis=0), weight, *two_sum(mean, residue), m2)


def _coarse_unit(weights):
    """Return a power of 2 of which sums of multiples of its last bit are exact; see `_halves`."""
    largest = float(weights.max()) * max(2, len(weights))
    return 2.0 ** np.ceil(np.log2(largest)) if 0 < largest < 2.0**1000 else 0.0


def _halves(weight, coarse_unit):
    """Return the weights as multiples of a bit that add up without rounding, and the rest."""
    if not coarse_unit:
        return weight, np.zeros_like(weight)
    coarse = (weight + coarse_unit) - coarse_unit
    return coarse, weight - coarse


def _weight_sums(place, weight, n_places, coarse_unit):
    """Return the sums of coarse and fine halves of the weights (2, n_places)."""
    if weight is None:
        return np.stack([np.bincount(place, minlength=n_places), np.zeros(n_places)])
    return np.stack([np.bincount(place, h, n_places) for h in _halves(weight, coarse_unit)])


def _class_weight(codes, sample_weight, n_classes, coarse_unit):
    """Return the sums of the halves of the weights of each class, of shape (2, n_classes)."""
    total = np.zeros((2, n_classes))
    for first in range(0, len(codes), BLOCK):
        weight = None
        if sample_weight is not None:
            weight = sample_weight[first : first + BLOCK].astype(np.float64)
        total += _weight_sums(codes[first : first + BLOCK], weight, n_classes, coarse_unit)
    return total


def _stored_sums(X, is_canonical, start, stop, codes, sample_weight, n_classes, coarse_unit, size):
    """Return the weights of missing and of other stored values, in halves, and their sums.

    `start` to `stop` are the columns of a canonical CSC matrix, else rows.
    """
    by_rows = X.format == "csr" or not is_canonical
    shape = (n_classes, X.shape[1] if by_rows else stop - start)
    n_places = shape[0] * shape[1]
    missing, stored, total = np.zeros((2, n_places)), np.zeros((2, n_places)), np.zeros(n_places)
    values = _stored_values(X, is_canonical, start, stop, codes, sample_weight, shape, size)
    for place, weight, value in values:
        if not np.isfinite(value.sum()):
            gaps = missing_in(value)
            gap_weight = None if weight is None else weight[gaps]
            missing += _weight_sums(place[gaps], gap_weight, n_places, coarse_unit)
            place, value = place[~gaps], value[~gaps]
            weight = None if weight is None else weight[~gaps]
        stored += _weight_sums(place, weight, n_places, coarse_unit)
        total += np.bincount(place, value if weight is None else weight * value, n_places)
    return missing.reshape(2, *shape), stored.reshape(2, *shape), total.reshape(shape)


def _stored_differences(X, is_canonical, start, stop, codes, sample_weight, mean, size):
    """Return the sums of differences of stored values from their class means, and of squares."""
    centers = mean.ravel()
    total, squares = np.zeros(len(centers)), np.zeros(len(centers))
    values = _stored_values(X, is_canonical, start, stop, codes, sample_weight, mean.shape, size)
    for place, weight, value in values:
        value -= centers[place]
        value[np.isnan(value)] = 0.0
        weighted = value if weight is None else weight * value
        total += np.bincount(place, weighted, len(centers))
        squares += np.bincount(place, weighted * value, len(centers))
    return total.reshape(mean.shape), squares.reshape(mean.shape)


def _stored_values(X, is_canonical, start, stop, codes, sample_weight, shape, size):
    """Yield (place in an array of `shape`, weight or None, value) of what is stored, in parts.

    Values of rows of weight 0 are looked at for infinity and left out.
    """
    # Adding up what has n_classes * n_features numbers is cheap for parts of that size.
    size = max(size // 2, shape[0] * shape[1])
    if is_canonical:
        parts = _canonical_values(X, start, stop, codes, sample_weight, shape[1], size)
    else:
        parts = _row_values(X, start, stop, codes, sample_weight, shape[1], size)
    for place, weight, value in parts:
        if weight is not None and not (there := weight > 0).all():
            missing_in(value[~there])
            place, weight, value = place[there], weight[there], value[there]
        yield place, weight, value


def _row_values(X, start, stop, codes, sample_weight, n_features, size):
    """Yield what rows store, row part by row part, after entries stored twice are added."""
    for first, rows in row_parts(X, start, stop, size, size):
        here = slice(first, first + rows.shape[0])
        weights = None if sample_weight is None else sample_weight[here]
        yield from _canonical_values(
            rows, 0, rows.shape[0], codes[here], weights, n_features, max(1, rows.nnz)
        )


def _canonical_values(X, start, stop, codes, sample_weight, n_features, size):
    """Yield what rows of a CSR or columns of a CSC matrix store, `size` numbers at a time."""
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
                weight = np.repeat(sample_weight[first:last].astype(np.float64), counts)
        else:
            rows = X.indices[begin:end]
            place = codes[rows] * n_features
            place += np.repeat(np.arange(first - start, last - start), counts)
            if sample_weight is not None:
                weight = sample_weight[rows].astype(np.float64)
        yield place, weight, X.data[begin:end].astype(np.float64)
