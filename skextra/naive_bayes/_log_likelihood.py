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


class Coefficients(NamedTuple):
    """What the log-likelihood needs of a model; all pairs (class, feature) unless said."""

    log_prior: np.ndarray  # (n_classes,)
    theta: np.ndarray
    var: np.ndarray
    center: np.ndarray  # (n_features,)
    linear: np.ndarray  # of x - center
    quadratic: np.ndarray  # of (x - center)^2
    constant: np.ndarray  # what is added where x is there
    far: np.ndarray  # where differences are squared instead


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
    silent = (weight == 0) & (weight.max(axis=1, keepdims=True) > 0)
    center = np.zeros(theta.shape[1])
    # Within a few standard deviations of 0 nothing cancels, and a pass over X is saved.
    if centered and not (theta * theta <= _NEAR * var).all():
        center = theta.mean(axis=0)
    offset = theta - center
    with np.errstate(divide="ignore", invalid="ignore"):
        far = ~(offset * offset <= _FAR * var) | (var == 0)
        constant = -0.5 * np.log(2.0 * np.pi * var)
        quadratic = np.where(far | silent, 0.0, -0.5 / var)
    linear = np.where(quadratic == 0, 0.0, -2.0 * quadratic * offset)
    constant = np.where(silent, 0.0, constant + quadratic * offset * offset)
    return Coefficients(log_prior, theta, var, center, linear, quadratic, constant, far & ~silent)


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
    n_samples, n_features = X.shape
    width = max(n_features, len(model.theta))
    compute = _sparse_block if sparse.issparse(X) else _dense_block

    # What overflows or is infinite is looked at where it shows in the sums.
    @np.errstate(over="ignore", invalid="ignore")
    def fill(start, stop, size):
        scratch = {}
        for first, last in blocks(start, stop, width, size):
            joint = compute(X[first:last], model, scratch)
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


def _dense_block(X, model, scratch):
    n_rows, n_classes = len(X), len(model.theta)
    buffer = centered = _buffer(scratch, "centered", X.shape)
    if X.dtype == np.float64 and not model.center.any():
        centered = X
    else:
        np.subtract(X, model.center, out=buffer)
    joint = np.dot(model.linear, centered.T, out=_buffer(scratch, "joint", (n_classes, n_rows)))
    np.multiply(centered, centered, out=buffer)
    joint += np.dot(
        model.quadratic, buffer.T, out=_buffer(scratch, "product", (n_classes, n_rows))
    )
    joint += model.constant.sum(axis=1)[:, None]
    _add_far(joint, X, model)
    return joint


def _sparse_block(X, model, scratch):
    joint = (X @ model.linear.T).T
    joint += (X.multiply(X) @ model.quadratic.T).T
    joint += model.constant.sum(axis=1)[:, None]
    columns = np.flatnonzero(model.far.any(axis=0))
    if len(columns):
        narrow = model._replace(
            theta=model.theta[:, columns], var=model.var[:, columns], far=model.far[:, columns]
        )
        _add_far(joint, X[:, columns].toarray(), narrow)
    return joint


def _repair(joint, X, model):
    """Do again the rows that are no numbers: leave NaN out, square differences if that fails."""
    rows = np.flatnonzero(~np.isfinite(joint).all(axis=0))
    X = X[rows].toarray() if sparse.issparse(X) else X[rows]
    there = ~_missing(X)
    with np.errstate(over="ignore", invalid="ignore"):
        centered = np.where(there, X - model.center, 0.0)
        again = model.linear @ centered.T
        again += model.quadratic @ np.square(centered).T
    again += model.constant @ there.T.astype(np.float64)
    _add_far(again, X, model)
    silent = (model.quadratic == 0) & ~model.far
    for row in np.flatnonzero(~np.isfinite(again).all(axis=0)):  # too large to be squared
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            terms = -0.5 * (
                np.log(2.0 * np.pi * model.var) + np.square(X[row] - model.theta) / model.var
            )
        again[:, row] = np.where(there[row] & ~silent, terms, 0.0).sum(axis=1)
    joint[:, rows] = again


def _add_far(joint, X, model):
    """Add the squared differences of the pairs that are not in the products."""
    for code in np.flatnonzero(model.far.any(axis=1)):
        columns = model.far[code]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            difference = X[:, columns] - model.theta[code, columns]
            terms = np.square(difference) / model.var[code, columns]
        joint[code] -= 0.5 * np.where(np.isnan(difference), 0.0, terms).sum(axis=1)
