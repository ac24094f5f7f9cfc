"""What ScratchGaussianNB looks at besides the numbers: input, weights, priors, features."""

import contextlib
import sys
import warnings
from collections.abc import Mapping
from numbers import Number

import numpy as np

from skextra._sklearn import check_sample_weight, to_numpy

_PART = 2**17
# Packages between the caller's line and a warning.
_INSIDE = {"skextra", "sklearn", "joblib", "contextlib"}


@contextlib.contextmanager
def unchanged_by_errors(model):
    """Take back all that was set, by scikit-learn's validation too, if an error comes."""
    before = vars(model).copy()
    try:
        yield
    except BaseException:
        vars(model).clear()
        vars(model).update(before)
        raise


def is_plain(X, *y):
    """Whether scikit-learn would hand back the arrays as they are.

    Its look for frames and names takes longer than all the rest of a call with few rows.
    """
    return (
        type(X) is np.ndarray
        and X.ndim == 2
        and X.size > 0
        and X.dtype.kind in "fiub"
        and all(
            type(labels) is np.ndarray
            and labels.dtype.kind in "iubU"
            and labels.shape == X.shape[:1]
            for labels in y
        )
    )


def check_weights(sample_weight, X):
    """Return the weights of rows, in their own dtype: blocks of them are converted later.

    Parameters
    ----------
    sample_weight : array-like of shape (n_samples,), number or None
        What the caller has passed.
    X : ndarray or sparse matrix of shape (n_samples, n_features)
        The rows.

    Returns
    -------
    ndarray of shape (n_samples,) or None
        Finite weights that are not negative, at least one of them positive.

    Raises
    ------
    ValueError
        If the weights are anything else.
    """
    if sample_weight is None:
        return None
    if isinstance(sample_weight, Number) and not isinstance(sample_weight, complex):
        sample_weight = np.broadcast_to(np.float64(sample_weight), X.shape[:1])
    is_array = type(sample_weight) is np.ndarray and sample_weight.dtype.kind in "fiub"
    if not (is_array and sample_weight.shape == X.shape[:1]):
        if not isinstance(sample_weight, list | tuple):
            sample_weight = to_numpy(sample_weight)
        sample_weight = check_sample_weight(sample_weight, X, dtype=np.float64)
    parts = [sample_weight[first : first + _PART] for first in range(0, X.shape[0], _PART)]
    smallest, largest = min(p.min() for p in parts), max(p.max() for p in parts)
    if not (smallest >= 0 and 0 < largest < np.inf):
        # In scikit-learn's words; what is NaN compares as false.
        check_sample_weight(
            np.asarray(sample_weight), X, dtype=np.float64, ensure_non_negative=True
        )
    return sample_weight


def check_priors(priors, n_classes):
    """Return priors as an array, None if there are none; raise if they are no probabilities."""
    if priors is None:
        return None
    if isinstance(priors, Mapping | set | frozenset):
        raise TypeError(
            f"priors must be an array of probabilities in the order of classes_, got a "
            f"{type(priors).__name__}. With priors by label, pass [priors[label] for label in "
            "sorted(priors)]."
        )
    try:
        array = to_numpy(priors).astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"priors must be numbers, got {priors!r}.") from error
    if array.ndim != 1:
        raise ValueError(
            f"priors must be an array of shape (n_classes,), got one of shape {array.shape}."
        )
    if array.shape[0] != n_classes:
        raise ValueError("Number of priors must match number of classes.")
    if not np.isclose(array.sum(), 1.0):
        raise ValueError("The sum of the priors should be 1.")
    if (array < 0).any():
        raise ValueError("Priors must be non-negative.")
    return array


def check_same_features(model, other):
    """Raise if two models have other features or names of features."""
    n_here, n_there = model.theta_.shape[1], other.theta_.shape[1]
    if n_here != n_there:
        raise ValueError(f"merge of a model of {n_here} features with one of {n_there} features.")
    names = [getattr(each, "feature_names_in_", None) for each in (model, other)]
    if (names[0] is None) != (names[1] is None) or not np.array_equal(*names):
        raise ValueError(f"merge of models with other feature names: {names[0]}, {names[1]}.")


def warn_at_caller(message, category=UserWarning):
    """Warn of the line that called the package, scikit-learn in between or not."""
    level, frame = 1, sys._getframe()
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in _INSIDE:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def warn_of_moments(model, moments):
    """Warn of classes that have no value of a feature, and of variances that overflowed."""
    if moments.weight.min() == 0:
        silent = (moments.weight == 0) & (moments.class_weight[:, None] > 0)
        for code in np.flatnonzero(silent.any(axis=1)):
            features = _names(model, silent[code])
            label = to_numpy(model.classes_)[[code]].tolist()[0]
            warn_at_caller(
                f"Class {label!r} has no value of the features {features}: they are left "
                "out of its likelihood."
            )
    if not np.isfinite(moments.m2.sum()):
        features = _names(model, ~np.isfinite(moments.m2).all(axis=0))
        warn_at_caller(
            f"The variance of the features {features} is over the largest float64, as a value "
            "that stands for no data makes it: put NaN in its place.",
            RuntimeWarning,
        )


def warn_of_predictions(model, var, possible, n_undefined):
    """Warn of rows without a probability, and of variances that make them, in one warning.

    Parameters
    ----------
    model : ScratchGaussianNB
        The model that predicts.
    var : ndarray of shape (n_classes, n_features)
        Its variances.
    possible : ndarray of shape (n_classes,), dtype bool
        Which classes have a prior probability over 0.
    n_undefined : int
        The number of rows whose joint likelihood is 0 or NaN under every class.
    """
    smallest, largest = var.min(initial=1.0), var.max(initial=1.0)
    if n_undefined == 0 and smallest > 0 and largest < np.inf:
        return
    said = []
    bad = ~((var > 0) & (var < np.inf)) & possible[:, None]
    if bad.any():
        said.append(
            f"the variance of the features {_names(model, bad.any(axis=0))} is 0 or not finite in "
            f"{int(bad.any(axis=1).sum())} of {len(var)} classes"
        )
    if n_undefined:
        said.append(f"{n_undefined} rows have a likelihood of 0, or none, under every class")
    if said:
        warn_at_caller(
            f"Probabilities may be NaN and labels arbitrary: {'; '.join(said)}. Raise "
            "var_smoothing, fit more rows, or put NaN in the place of values that stand for no "
            "data.",
            RuntimeWarning,
        )


def _names(model, which):
    """Return the names of features, their numbers if they have none."""
    features = np.flatnonzero(which)
    names = getattr(model, "feature_names_in_", None)
    names = features.tolist() if names is None else names[features].tolist()
    return names if len(names) <= 10 else [*names[:10], f"and {len(names) - 10} more"]
