"""Coefficients of the log-likelihood of a model, safe against cancellation.

For a class with mean m and variance v and any center c the square expands into products of
matrices, without a loop over classes::

    (x - m)^2 / v = (x - c)^2 / v - 2 (x - c) (m - c) / v + (m - c)^2 / v

Where (m - c)^2 / v is large the terms cancel and digits are lost. Such pairs of class and feature
are left out of the products, and the difference x - m is squared as it stands.
"""

from typing import NamedTuple

import numpy as np

from skextra.naive_bayes._differences import silent_pairs

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
    weight : ndarray of shape (n_classes, n_features) or None
        Weights behind the means, None if they are not known. A class that has some weight, but
        none for a feature, has only seen it missing: the feature says nothing of that class.
    centered : bool
        Whether x may be shifted; not for sparse rows, whose zeros would become numbers.

    Returns
    -------
    Coefficients
    """
    silent = silent_pairs(weight, theta.shape)
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
