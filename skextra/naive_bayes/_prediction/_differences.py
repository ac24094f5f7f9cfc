"""Gaussian log-likelihood by the formula as it stands: for few rows, and where products fail."""

import numpy as np

from skextra.naive_bayes._blocks import BLOCK, blocks
from skextra.naive_bayes._moments._dense import missing_in

# The coefficients of a large model take as long as the differences of some twenty rows.
_FEW_ROWS, _LARGE_MODEL = 16, 2**14


def silent_pairs(weight, shape):
    """Return which pairs of class and feature say nothing; none do if `weight` is None."""
    if weight is None or weight.all():
        return np.zeros(shape, dtype=bool)
    return (weight == 0) & (weight.max(axis=1, keepdims=True) > 0)


def are_few(X, shape):
    """Whether differences are squared sooner than the coefficients of such a model are there."""
    return len(X) <= _FEW_ROWS and shape[0] * shape[1] >= _LARGE_MODEL


def few_rows(X, log_prior, theta, var, weight):
    """Compute log P(class, row) of dense rows without coefficients.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Rows; NaN is a missing value, whose term is left out.
    log_prior, theta, var, weight : ndarray
        As in `coefficients`.

    Returns
    -------
    joint : ndarray of shape (n_classes, n_samples)
        The logarithms.
    n_undefined : int
        The number of rows that have a likelihood of 0, or none, under every class.

    Raises
    ------
    ValueError
        If X holds an infinite number.
    """
    there = ~missing_in(X)
    joint = squared_differences(X, there, theta, var, silent_pairs(weight, theta.shape))
    joint += log_prior[:, None]
    joint[np.isneginf(log_prior)] = -np.inf
    return joint, count_undefined(joint)


def count_undefined(joint):
    """Return how many rows have a likelihood of 0, or none, under every class."""
    return int(np.count_nonzero(~np.isfinite(joint.max(axis=0))))


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def squared_differences(X, there, theta, var, silent):
    """Return the log-likelihood of rows (n_classes, n_samples) by the formula as it stands."""
    n_classes, n_features = theta.shape
    joint = np.empty((n_classes, len(X)))
    is_whole = there.all() and not silent.any()
    for first, last in blocks(0, n_classes, n_features, BLOCK // 4):
        part = slice(first, last)
        log_var = np.log(2.0 * np.pi * var[part])
        for row in range(len(X)):
            terms = X[row] - theta[part]
            np.square(terms, out=terms)
            terms /= var[part]
            terms += log_var
            if not is_whole:
                terms[silent[part] | ~there[row]] = 0.0
            joint[part, row] = terms.sum(axis=1)
    joint *= -0.5
    return joint
