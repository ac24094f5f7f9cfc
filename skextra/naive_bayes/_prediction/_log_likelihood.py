"""Gaussian log-likelihood of rows under each class, block by block."""

from math import isfinite

import numpy as np
from scipy import sparse

from skextra.naive_bayes._blas import multiplies_narrow_matrices
from skextra.naive_bayes._blocks import blocks, map_rows
from skextra.naive_bayes._moments._dense import missing_in
from skextra.naive_bayes._prediction._differences import count_undefined, squared_differences
from skextra.naive_bayes._prediction._posterior import normalise, normalise_relative
from skextra.naive_bayes._sparse import row_parts

# Up to so many classes of at least so many features vectors are multiplied, 0.33 ns a number for 2
# classes of 20 features where a matrix of two rows takes 0.46 (EPYC with AVX2, one thread).
_VECTORS_UP_TO, _VECTORS_FROM = 2, 16
# With AVX-512, up to 14 classes of 10 to 128 features are multiplied as up to 7 columns at once.
# Nanoseconds a number from rows to probabilities, against one product for all classes, in blocks
# of 2**17 and 2**18: 2.0, 2.9 and 3.2 (8 classes of 30 features), 2.6, 3.2 and 3.4 (10 of 50). Of
# 784 features wide blocks take longer, 3.6 and 2.6 (Zen 4, one thread, OpenBLAS 0.3.31).
_NARROW, _NARROW_UP_TO = 7, 14
_NARROW_FEATURES = range(10, 129)


def joint_log_likelihood(X, model, finish, out, n_jobs=None):
    """Compute ``finish(log P(class, row))`` block by block.

    Parameters
    ----------
    X : ndarray, CSR or CSC matrix of shape (n_samples, n_features)
        Rows; NaN is a missing value, whose term is left out.
    model : Coefficients
        See `coefficients`.
    finish : callable
        Gets a block (n_classes, n_rows), which it may overwrite, and returns what is kept of it:
        a row for each class or one row. Other processes get it pickled.
    out : ndarray of shape (n_classes, n_samples) or (n_samples,)
        Where it is kept. One row a class, as scikit-learn has it in memory: what is done class by
        class then runs along the rows.
    n_jobs : int or None
        Threads.

    Returns
    -------
    result : ndarray of shape (n_samples, n_classes) or (n_samples,)
        `out`, transposed.
    n_undefined : int
        The number of rows that have a likelihood of 0, or none, under every class.

    Raises
    ------
    ValueError
        If X holds an infinite number.
    """
    n_samples, n_classes = X.shape[0], len(model.theta)
    kernel, n_numbers = _fill_dense, X.size
    if sparse.issparse(X):
        kernel, n_numbers = _fill_sparse, 5 * X.nnz

    def split(start, stop, local):
        if local:
            return X, start, stop, model, finish, out[..., start:stop]
        return X[start:stop], 0, stop - start, model, finish, None

    nanoseconds = n_numbers * (1.0 + 0.1 * n_classes) + 6.0 * n_samples * n_classes
    edge = n_undefined = 0
    for part, undefined in map_rows(kernel, split, n_samples, nanoseconds, n_jobs):
        rows = slice(edge, edge := edge + part.shape[-1])
        n_undefined += undefined
        if part.base is not out:  # it comes from another process
            out[..., rows] = part
    return out.T, n_undefined


# What overflows or is infinite is looked at where it shows in the sums.
@np.errstate(over="ignore", invalid="ignore")
def _fill_dense(X, start, stop, model, finish, out, size):
    """Write what is kept of rows `start` to `stop` into `out`, if None a new array.

    Return it and the number of rows that are undefined.
    """
    n_classes, n_features = model.theta.shape
    scratch, n_undefined = {}, 0
    products = model.linear, model.quadratic, model.bias
    ratios = model.ratios if finish is normalise else None
    if ratios is not None and out is None:
        out = np.empty((n_classes, stop - start))
    for first, last in blocks(start, stop, max(n_features, n_classes), size):
        block = X[first:last]
        if ratios is not None:
            part = out[:, first - start : last - start]
            joint = _expanded(block, model.center, *ratios, scratch)
            if normalise_relative(joint, part):
                continue
            if isfinite(joint.sum()):
                part[:-1], part[-1] = joint, 0.0
                normalise(part)
                continue
        joint = _expanded(block, model.center, *products, scratch)
        _add_far(joint, block, model.far)
        if not isfinite(joint.sum()):  # rows with gaps have come out as NaN
            n_undefined += _repair(joint, block, model)
        if len(model.impossible):
            joint[model.impossible] = -np.inf
        out = _keep(finish(joint), out, first - start, stop - start)
    return out, n_undefined


def _expanded(block, center, linear, quadratic, bias, scratch):
    """Return bias + linear (x - center) + quadratic (x - center)^2 of the rows of a block."""
    shape = (len(linear), len(block))
    square = _buffer(scratch, "square", block.shape, like=block)
    if center is not None:
        rows = np.subtract(block, center, out=square)
    elif block.dtype != np.float64:
        np.copyto(square, block)
        rows = square
    else:
        rows = block
    if _is_narrow(linear, rows):
        return _expanded_by_columns(rows, square, linear, quadratic, bias, scratch)
    joint = _products(linear, rows, _buffer(scratch, "joint", shape))
    np.multiply(rows, rows, out=square)
    joint += _products(quadratic, square, _buffer(scratch, "product", shape))
    joint += bias
    return joint


def _is_narrow(coefficients, rows):
    n_classes, n_features = coefficients.shape
    fits = 1 < n_classes <= _NARROW_UP_TO and n_features in _NARROW_FEATURES
    return fits and rows.flags.c_contiguous and multiplies_narrow_matrices()


def _expanded_by_columns(rows, square, linear, quadratic, bias, scratch):
    """Do the rest of `_expanded`, a few classes at a time, each of them a column."""
    n_rows, n_classes = len(rows), len(linear)
    joint = _buffer(scratch, "joint", (n_classes, n_rows))
    parts = [slice(first, first + _NARROW) for first in range(0, n_classes, _NARROW)]
    totals = [
        np.dot(rows, columns, out=_buffer(scratch, f"total {place}", (n_rows, columns.shape[1])))
        for place, part in enumerate(parts)
        for columns in [np.ascontiguousarray(linear[part].T)]
    ]
    np.multiply(rows, rows, out=square)
    for part, total in zip(parts, totals, strict=True):
        columns = np.ascontiguousarray(quadratic[part].T)
        total += np.dot(square, columns, out=_buffer(scratch, "product", total.shape))
        np.add(total.T, bias[part], out=joint[part])
    return joint


def _products(coefficients, rows, out):
    """Return the products of coefficients (n_classes, n_features) with each of the rows."""
    if len(coefficients) <= _VECTORS_UP_TO and rows.shape[1] >= _VECTORS_FROM:
        for row, products in zip(coefficients, out, strict=True):
            np.dot(rows, row, out=products)
        return out
    return np.dot(coefficients, rows.T, out=out)


@np.errstate(over="ignore", invalid="ignore")
def _fill_sparse(X, start, stop, model, finish, out, size):
    """Do the same for CSR or CSC rows; what is stored alone is worked on."""
    # scipy would copy what is not in this order for each block.
    linear, quadratic, missing = (
        np.ascontiguousarray(array.T) for array in (model.linear, model.quadratic, model.constant)
    )
    apart = [far.columns for far in model.far]
    columns = np.unique(np.concatenate(apart)) if apart else np.empty(0, dtype=int)
    far = tuple(far._replace(columns=np.searchsorted(columns, far.columns)) for far in model.far)
    n_undefined, n_rows = 0, max(1, size // max(len(columns), len(model.theta)))
    # Each part of a CSC matrix bisects all columns or scans all entries.
    n_stored = size if X.format == "csr" else max(4 * size, X.shape[1])
    for first, rows in row_parts(X, start, stop, n_rows, n_stored):
        data = rows.data.astype(np.float64)
        gaps = missing_in(data) if not np.isfinite(data.sum()) else None
        if gaps is not None:
            data[gaps] = 0.0
        joint = _with_data(rows, data) @ linear
        joint += _with_data(rows, data * data) @ quadratic
        if gaps is not None:
            joint -= _with_data(rows, gaps.astype(np.float64)) @ missing
        joint = np.ascontiguousarray(joint.T)
        joint += model.bias
        if far:
            _add_far(joint, rows[:, columns].toarray(), far)
        if not np.isfinite(joint.sum()):
            n_undefined += _repair(joint, rows, model)
        joint[model.impossible] = -np.inf
        out = _keep(finish(joint), out, first - start, stop - start)
    return out, n_undefined


def _keep(block, out, first, n_rows):
    """Write a finished block into `out`, made for `n_rows` rows where it is None; return it."""
    if out is None:
        out = np.empty((*block.shape[:-1], n_rows), dtype=block.dtype)
    out[..., first : first + block.shape[-1]] = block
    return out


def _with_data(rows, data):
    return sparse.csr_array((data, rows.indices, rows.indptr), shape=rows.shape)


def _buffer(scratch, name, shape, like=None):
    """Return an array that is kept from block to block: fresh memory costs more than the sums.

    It lies column by column if `like` does.
    """
    size = shape[0] * shape[1]
    if name not in scratch or scratch[name].size < size:
        scratch[name] = np.empty(size)
    by_columns = like is not None and abs(like.strides[0]) < abs(like.strides[1])
    return scratch[name][:size].reshape(shape, order="F" if by_columns else "C")


def _repair(joint, X, model):
    """Do again the rows that are no numbers: leave NaN out, square differences if that fails.

    Return how many rows stay without a likelihood over 0 under any class that is possible.
    """
    rows = np.flatnonzero(~np.isfinite(joint).all(axis=0))
    X = X[rows].toarray() if sparse.issparse(X) else X[rows]
    # In float32, as the rows may be, squares would lose half of the digits.
    X = X.astype(np.float64, copy=False)
    there = ~missing_in(X)
    with np.errstate(over="ignore", invalid="ignore"):
        centered = X.copy() if model.center is None else X - model.center
        centered[~there] = 0.0
        again = model.linear @ centered.T
        again += model.quadratic @ np.square(centered, out=centered).T
    again += model.constant @ there.T.astype(np.float64)
    _add_far(again, X, model.far)
    large = np.flatnonzero(~np.isfinite(again).all(axis=0))  # too large to be squared
    again[:, large] = squared_differences(
        X[large], there[large], model.theta, model.var, model.silent
    )
    again += np.maximum(model.log_prior, np.finfo(float).min)[:, None]
    again[model.impossible] = -np.inf
    joint[:, rows] = again
    return count_undefined(again)


def _add_far(joint, X, far):
    """Add the squared differences of the pairs that are not in the products."""
    for code, columns, theta, var in far:
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            difference = X[:, columns] - theta
            terms = np.square(difference) / var
        joint[code] -= 0.5 * np.where(np.isnan(difference), 0.0, terms).sum(axis=1)
