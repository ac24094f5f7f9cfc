"""The sums behind the fitted attributes: their layouts, and attributes that were set by hand."""

import numpy as np

from skextra._sklearn import to_numpy
from skextra.naive_bayes._moments import Moments, divide

# Raised when the private state changes so that this version could not read it. 1: without
# mean_low.
STATE_VERSION = 2


def upgraded(state):
    """Return a pickled state of this or an earlier layout in the present one."""
    state = dict(state)
    version = state.pop("_state_version", None)
    if version is not None and version > STATE_VERSION:
        raise ValueError(
            f"This ScratchGaussianNB was pickled by a later version of skextra (layout "
            f"{version}, this version reads up to {STATE_VERSION}): update skextra."
        )
    if len(state.get("_moments", ())) == 4:
        class_weight, weight, mean, m2 = state["_moments"]
        state["_moments"] = (class_weight, weight, mean, np.zeros_like(mean), m2)
    return state


def variance_of(moments, epsilon):
    """Return the smoothed variances."""
    variance = divide(moments.m2, moments.weight)
    variance += epsilon
    return variance


def moments_of(model):
    """Return the moments of a fitted model, by its attributes if these were set by hand.

    A model put together from its attributes has no others. In a fitted one, each of `theta_`,
    `var_` and `class_count_` that is no longer what the moments make it counts as given.
    """
    theta, var = to_numpy(model.theta_), to_numpy(model.var_)
    count = to_numpy(model.class_count_)
    moments = _stored(model, theta.shape)
    if moments is None or not _is_published(moments.class_weight, count):
        count = count.astype(np.float64)
        weight = np.repeat(count[:, None], theta.shape[1], axis=1)
        nothing = np.zeros(theta.shape)
        moments = moments or Moments(count, weight, nothing, nothing, nothing)
        m2 = divide(moments.m2, moments.weight) * weight
        moments = moments._replace(class_weight=count, weight=weight, m2=m2)
    if not _is_published(moments.mean, theta):
        mean = theta.astype(np.float64)
        moments = moments._replace(mean=mean, mean_low=np.zeros_like(mean))
    if not _is_published(variance_of(moments, model.epsilon_), var):
        variance = np.maximum(var.astype(np.float64) - model.epsilon_, 0.0)
        moments = moments._replace(m2=variance * moments.weight)
    return moments


def likelihood_of(model):
    """Return means, variances and the weights behind them, None if these are not known.

    Attributes of float32, as scikit-learn's array API support has them, have lost digits that the
    moments still have.
    """
    theta, var = to_numpy(model.theta_), to_numpy(model.var_)
    moments = _stored(model, theta.shape)
    if moments is not None and theta.dtype != np.float64:
        if _is_published(moments.mean, theta):
            theta = moments.mean
        variance = variance_of(moments, model.epsilon_)
        if _is_published(variance, var):
            var = variance
    theta, var = (array.astype(np.float64, copy=False) for array in (theta, var))
    return theta, var, None if moments is None else moments.weight


def _stored(model, shape):
    """Return the moments that a fit has kept, None if there are none of the attributes' shape."""
    stored = vars(model).get("_moments")
    return Moments(*stored) if stored is not None and stored[2].shape == shape else None


def _is_published(exact, attribute):
    """Whether an attribute still is what was published of an exact array."""
    with np.errstate(over="ignore"):
        return np.array_equal(exact.astype(attribute.dtype), attribute, equal_nan=True)
