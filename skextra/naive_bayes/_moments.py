"""Weighted count, mean and sum of squared differences, per class and feature."""

from typing import NamedTuple

import numpy as np


class Moments(NamedTuple):
    """Weight, mean and M2 of the rows of each class.

    ``class_weight`` has shape (n_classes,); ``weight``, ``mean`` and ``m2`` have shape
    (n_classes, n_features) and count only values that are not missing.
    """

    class_weight: np.ndarray
    weight: np.ndarray
    mean: np.ndarray
    m2: np.ndarray


def empty(n_classes, n_features):
    """Return the moments of no rows at all."""
    shape = (n_classes, n_features)
    return Moments(np.zeros(n_classes), np.zeros(shape), np.zeros(shape), np.zeros(shape))


def merge(left, right):
    """Return the moments of the rows of both sides together."""
    weight = left.weight + right.weight
    share = np.divide(right.weight, weight, out=np.zeros_like(weight), where=weight > 0)
    delta = right.mean - left.mean
    mean = left.mean + delta * share
    m2 = left.m2 + right.m2 + delta * delta * left.weight * share
    return Moments(left.class_weight + right.class_weight, weight, mean, m2)


def accumulate(X, codes, sample_weight, n_classes):
    """Return the moments of the rows of ``X``, whose classes are ``codes``."""
    moments = empty(n_classes, X.shape[1])
    for code in range(n_classes):
        rows = codes == code
        X_class = X[rows].astype(np.float64)
        w = np.ones(len(X_class)) if sample_weight is None else sample_weight[rows]
        total = w.sum()
        if total == 0:
            continue
        moments.class_weight[code] = total
        moments.weight[code] = total
        moments.mean[code] = w @ X_class / total
        X_class -= moments.mean[code]
        moments.m2[code] = w @ (X_class * X_class)
    return moments
