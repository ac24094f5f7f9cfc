"""Coefficients of the log-likelihood of a model, safe against cancellation.

For a class with mean m and variance v and any center c the square expands into products of
matrices, without a loop over classes::

    (x - m)^2 / v = (x - c)^2 / v - 2 (x - c) (m - c) / v + (m - c)^2 / v

Where (m - c)^2 / v is large the terms cancel and digits are lost. Such pairs of class and feature
are left out of the products, and the difference x - m is squared as it stands.
"""

from typing import NamedTuple

import numpy as np

from skextra._sklearn import to_numpy
from skextra.naive_bayes._prediction._differences import silent_pairs
from skextra.naive_bayes._state import likelihood_of

# (m - c)^2 / v up to here keeps the error of a term near 1e4 * 2^-53, about 1e-12.
_FAR = 1e4
_NEAR = 30.0
# With more classes the ratios seldom fit into the range of exp, and little is saved if they do.
_RELATIVE_UP_TO = 32
# Of larger models the coefficients take a smaller share of a prediction than comparing and keeping
# a copy of the attributes is worth.
_KEPT_UP_TO = 2**12


class Kept:
    """The coefficients of the last prediction and the attributes that they were made of."""

    def __init__(self):
        self.last = None, None


class Far(NamedTuple):
    """The pairs of one class whose differences are squared as they stand."""

    code: int
    columns: np.ndarray
    theta: np.ndarray  # of the columns, as is var
    var: np.ndarray


class Coefficients(NamedTuple):
    """What the log-likelihood needs of a model; (n_classes, n_features) unless said."""

    log_prior: np.ndarray  # (n_classes,)
    impossible: np.ndarray  # classes of prior 0
    theta: np.ndarray
    var: np.ndarray
    center: np.ndarray | None  # (n_features,); None if the origin does as well
    linear: np.ndarray  # of x - center
    quadratic: np.ndarray  # of (x - center)^2
    constant: np.ndarray  # what is added where x is there
    silent: np.ndarray  # pairs that say nothing
    far: tuple  # of Far
    bias: np.ndarray  # (n_classes, 1): what every row without gaps gets of each class
    ratios: tuple | None  # linear, quadratic and bias less those of the last class
    is_proper: bool  # whether all variances are positive and finite


def coefficients_of(model, *, centered):
    """Return the coefficients of a fitted model, those of its last prediction if they still hold.

    Attributes may be edited at any time, also in place: their bytes are compared.
    """
    attributes = model.theta_, model.var_, model.class_prior_
    kept, given = vars(model).get("_kept"), None
    if kept is not None and _are_float64(attributes) and model.theta_.size <= _KEPT_UP_TO:
        given = (centered, *((array.shape, array.tobytes()) for array in attributes))
        last, made = kept.last
        if last == given:
            return made
    theta, var, weight = likelihood_of(model)
    made = coefficients(log_prior_of(model), theta, var, weight, centered=centered)
    if given is not None:
        kept.last = given, made
    return made


def _are_float64(arrays):
    return all(type(array) is np.ndarray and array.dtype == np.float64 for array in arrays)


def log_prior_of(model):
    """Return the logarithms of the class priors of a model."""
    with np.errstate(divide="ignore"):
        return np.log(to_numpy(model.class_prior_).astype(np.float64, copy=False))


# Variances of 0 and infinity, and what comes of them, are looked at where they are used.
@np.errstate(divide="ignore", invalid="ignore", over="ignore")
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
    impossible = np.flatnonzero(log_prior == -np.inf)
    bias = constant.sum(axis=1)
    bias += log_prior
    bias[impossible] = 0.0
    bias, ratios = bias[:, None], None
    # Probabilities need the differences from one class only, which saves its products.
    if 1 < len(theta) <= _RELATIVE_UP_TO and not (far or len(impossible)):
        ratios = tuple(array[:-1] - array[-1] for array in (linear, quadratic, bias))
    is_proper = bool(var.min(initial=1.0) > 0 and var.max(initial=1.0) < np.inf)
    return Coefficients(
        log_prior, impossible, theta, var, center, linear, quadratic, constant, silent, far,
        bias, ratios, is_proper,
    )  # fmt: skip
