"""What ScratchGaussianNB looks at before and after the numbers: input, priors, features."""

import contextlib
import warnings

import numpy as np

from skextra._sklearn import to_numpy


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


def check_priors(priors, n_classes):
    """Raise where priors, if there are any, are no probabilities of so many classes."""
    if priors is None:
        return
    priors = to_numpy(priors)
    if priors.shape[0] != n_classes:
        raise ValueError("Number of priors must match number of classes.")
    if not np.isclose(priors.sum(), 1.0):
        raise ValueError("The sum of the priors should be 1.")
    if (priors < 0).any():
        raise ValueError("Priors must be non-negative.")


def check_same_features(model, other):
    """Raise where two models have other features or names of features."""
    if model.n_features_in_ != other.n_features_in_:
        raise ValueError(
            f"merge of a model of {model.n_features_in_} features with one of "
            f"{other.n_features_in_} features."
        )
    names = [getattr(each, "feature_names_in_", None) for each in (model, other)]
    if (names[0] is None) != (names[1] is None) or not np.array_equal(*names):
        raise ValueError(f"merge of models with other feature names: {names[0]}, {names[1]}.")


def warn_of_silent_features(model, moments):
    """Warn of classes that have no value of a feature."""
    if moments.weight.min() > 0:
        return
    silent = (moments.weight == 0) & (moments.class_weight[:, None] > 0)
    for code in np.flatnonzero(silent.any(axis=1)):
        features = np.flatnonzero(silent[code])
        names = getattr(model, "feature_names_in_", np.arange(model.n_features_in_))[features]
        label = to_numpy(model.classes_)[[code]].tolist()[0]
        warnings.warn(
            f"Class {label!r} has no value of the features {names.tolist()}: they are left "
            "out of its likelihood.",
            stacklevel=4,
        )
