"""Gaussian log-likelihood of rows under each class, safe against cancellation.

For a class with mean m and variance v and any center c the square expands into products of
matrices, without a loop over classes::

    (x - m)^2 / v = (x - c)^2 / v - 2 (x - c) (m - c) / v + (m - c)^2 / v

Where (m - c)^2 / v is large the terms cancel and digits are lost. Such pairs of class and feature
are left out of the products, and the difference x - m is squared as it stands.
"""

from typing import NamedTuple

import numpy as np
from scipy import sparse

from skextra.naive_bayes._blocks import blocks, map_rows
from skextra.naive_bayes._moments import _missing

# (m - c)^2 / v up to here keeps the error of a term near 1e4 * 2^-53, about 1e-12.
_FAR = 1e4
_NEAR = 30.0


class Far(NamedTuple):
    """The pairs of one class whose differences are squared as they stand."""

    code: int
    columns: np.ndarray
    theta: np.ndarray  # of the columns, as is var
    var: np.ndarray


class Coefficients(NamedTuple):
    """What the log-likelihood needs of a model; (n_classes, n_features) unless said."""

    log_prior: np.ndarray  # (n_classes,)
    theta: np.ndarray
    var: np.ndarray
    center: np.ndarray | None  # (n_features,); None if the origin does as well
    linear: np.ndarray  # of x - center
    quadratic: np.ndarray  # of (x - center)^2
    constant: np.ndarray  # what is added where x is there
    silent: np.ndarray  # pairs that say nothing
    far: tuple  # of Far


def coefficients(log_prior, theta, var, weight, *, centered=True):
    """Return the coefficients of a model.

    Parameters
    ----------
    log_prior : ndarray of shape (n_classes,)
        Logarithms of the class priors.
    theta, var : ndarray of shape (n_classes, n_features)
        Means and variances.
    weight : ndarray of shape (n_classes, n_features)
        Weights behind the means. A class that has some weight, but none for a feature, has only
        seen it missing: the feature says nothing of that class.
    centered : bool
        Whether x may be shifted; not for sparse rows, whose zeros would become numbers.

    Returns
    -------
    Coefficients
    """
    theta, var = (np.asarray(array, dtype=np.float64) for array in (theta, var))
    silent = weight == 0
    if silent.any():
        silent &= weight.max(axis=1, keepdims=True) > 0
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        quadratic = -0.5 / var
        center, offset, square = None, theta, theta * theta * quadratic
        # Within a few standard deviations of 0 nothing cancels, and a pass over X is saved.
        if centered and not (square >= -0.5 * _NEAR).all():
            center = theta.mean(axis=0)
            offset = theta - center
            np.multiply(offset, offset, out=square)
            square *= quadratic
        close = square >= -0.5 * _FAR  # false of what is no number, as of a variance of 0
        linear = offset * quadratic
        linear *= -2.0
        constant = np.log(2.0 * np.pi * var)
    constant *= -0.5
    far = ()
    if silent.any() or not close.all():
        for array in (quadratic, linear, square):
            array[silent | ~close] = 0.0
        constant[silent] = 0.0
        apart = ~(close | silent)
        far = tuple(
            Far(code, columns, theta[code, columns], var[code, columns])
            for code in np.flatnonzero(apart.any(axis=1)).tolist()
            for columns in [np.flatnonzero(apart[code])]
        )
    constant += square
    return Coefficients(log_prior, theta, var, center, linear, quadratic, constant, silent, far)


def joint_log_likelihood(X, model, finish, out, n_jobs=None):
    """Return ``finish(log P(class, row))`` block by block.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_samples, n_features)
        Rows; NaN is a missing value, whose term is left out.
    model : Coefficients
        See `coefficients`.
    finish : callable
        Gets a block (n_classes, n_rows), which it may overwrite, and returns what is kept of it:
        a row for each class or one row.
    out : ndarray of shape (n_classes, n_samples) or (n_samples,)
        Where it is kept. One row a class, as scikit-learn has it in memory: what is done class by
        class then runs along the rows.
    n_jobs : int or None
        Threads.

    Returns
    -------
    ndarray of shape (n_samples, n_classes) or (n_samples,)
        `out`, transposed.

    Raises
    ------
    ValueError
        If X holds an infinite number.
    """
    n_samples, width = X.shape
    if sparse.issparse(X):
        compute = _SparseRows(X, model)
        width = compute.width
    else:
        compute = _DenseRows(X, model)
    width = max(width, len(model.theta))

    # What overflows or is infinite is looked at where it shows in the sums.
    @np.errstate(over="ignore", invalid="ignore")
    def fill(start, stop, size):
        scratch = {}
        for first, last in blocks(start, stop, width, size):
            joint = compute(first, last, scratch)
            if not np.isfinite(joint.sum()):
                _repair(joint, X[first:last], model)
            joint += model.log_prior[:, None]
            out[..., first:last] = finish(joint)

    map_rows(fill, n_samples, width, n_jobs)
    return out.T


def _buffer(scratch, name, shape):
    """Return an array that is kept from block to block: fresh memory costs more than the sums."""
    size = shape[0] * shape[1]
    if name not in scratch or scratch[name].size < size:
        scratch[name] = np.empty(size)
    return scratch[name][:size].reshape(shape)


class _DenseRows:
    """The log-likelihood of rows of an array; rows with gaps come out as NaN."""

    def __init__(self, X, model):
        self._X, self._model = X, model
        self._constant = model.constant.sum(axis=1)[:, None]

    def __call__(self, first, last, scratch):
        model, X = self._model, self._X[first:last]
        shape = (len(model.theta), len(X))
        square = _buffer(scratch, "square", X.shape)
        if model.center is not None:
            rows = np.subtract(X, model.center, out=square)
        elif X.dtype != np.float64:
            np.copyto(square, X)
            rows = square
        else:
            rows = X
        joint = np.dot(model.linear, rows.T, out=_buffer(scratch, "joint", shape))
        np.multiply(rows, rows, out=square)
        joint += np.dot(model.quadratic, square.T, out=_buffer(scratch, "product", shape))
        joint += self._constant
        _add_far(joint, X, model.far)
        return joint


class _SparseRows:
    """The log-likelihood of rows of a CSR matrix; what is stored alone is worked on."""

    def __init__(self, X, model):
        self._X = X
        self._constant = model.constant.sum(axis=1)[:, None]
        # scipy would copy what is not in this order for each block.
        self._linear, self._quadratic, self._missing = (
            np.ascontiguousarray(array.T)
            for array in (model.linear, model.quadratic, model.constant)
        )
        apart = [far.columns for far in model.far]
        self._columns = np.unique(np.concatenate(apart)) if apart else np.empty(0, dtype=int)
        self._far = tuple(
            far._replace(columns=np.searchsorted(self._columns, far.columns)) for far in model.far
        )
        self.width = len(self._columns) + X.nnz // max(1, X.shape[0]) + 1

    def __call__(self, first, last, scratch):
        rows = self._X[first:last]
        data = rows.data.astype(np.float64)
        missing = _missing(data) if not np.isfinite(data.sum()) else None
        if missing is not None:
            data[missing] = 0.0

        def with_data(data):
            return sparse.csr_array((data, rows.indices, rows.indptr), shape=rows.shape)

        joint = with_data(data) @ self._linear
        joint += with_data(data * data) @ self._quadratic
        if missing is not None:
            joint -= with_data(missing.astype(np.float64)) @ self._missing
        joint = np.ascontiguousarray(joint.T)
        joint += self._constant
        if self._far:
            _add_far(joint, rows[:, self._columns].toarray(), self._far)
        return joint


def _repair(joint, X, model):
    """Do again the rows that are no numbers: leave NaN out, square differences if that fails."""
    rows = np.flatnonzero(~np.isfinite(joint).all(axis=0))
    X = X[rows].toarray() if sparse.issparse(X) else X[rows]
    there = ~_missing(X)
    with np.errstate(over="ignore", invalid="ignore"):
        centered = np.where(there, X if model.center is None else X - model.center, 0.0)
        again = model.linear @ centered.T
        again += model.quadratic @ np.square(centered).T
    again += model.constant @ there.T.astype(np.float64)
    _add_far(again, X, model.far)
    for row in np.flatnonzero(~np.isfinite(again).all(axis=0)):  # too large to be squared
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            terms = -0.5 * (
                np.log(2.0 * np.pi * model.var) + np.square(X[row] - model.theta) / model.var
            )
        again[:, row] = np.where(there[row] & ~model.silent, terms, 0.0).sum(axis=1)
    joint[:, rows] = again


def _add_far(joint, X, far):
    """Add the squared differences of the pairs that are not in the products."""
    for code, columns, theta, var in far:
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            difference = X[:, columns] - theta
            terms = np.square(difference) / var
        joint[code] -= 0.5 * np.where(np.isnan(difference), 0.0, terms).sum(axis=1)
