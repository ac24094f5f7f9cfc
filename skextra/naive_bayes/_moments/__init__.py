"""Weighted count, mean and sum of squared differences (M2), per class and feature.

The moments of two sets of rows merge into those of their union by the pairwise formula of Chan,
Golub and LeVeque (1983, :doi:`10.1080/00031305.1983.10483115`), of which Welford's update (1962,
:doi:`10.1080/00401706.1962.10490022`) is the case of one row. M2 gains the squared difference of
the two means; if the means are 1e7 standard deviations from 0, their last bit is 1e-9 of these.
So each mean is a sum of two floats, by the error-free transformation of Knuth (Ogita, Rump and
Oishi 2005, :doi:`10.1137/030601818`).
"""

from typing import NamedTuple

import numpy as np


class Moments(NamedTuple):
    """Moments of the rows of each class.

    ``class_weight`` has shape (n_classes,); the others have shape (n_classes, n_features) and
    count only values that are not missing. The mean is ``mean + mean_low``, of which ``mean`` is
    the float64 next to it. Where ``weight`` is 0, so are the mean and ``m2``.
    """

    class_weight: np.ndarray
    weight: np.ndarray
    mean: np.ndarray
    mean_low: np.ndarray
    m2: np.ndarray


def empty(n_classes, n_features):
    """Return the moments of no rows at all."""
    shape = (n_classes, n_features)
    return Moments(np.zeros(n_classes), *(np.zeros(shape) for _ in range(4)))


@np.errstate(over="ignore", invalid="ignore")
def two_sum(left, right):
    """Return the rounded sum and what rounding took from it, 0 where the sum is infinite."""
    total = left + right
    rounded = total - left
    rest = (left - (total - rounded)) + (right - rounded)
    if not np.isfinite(rest).all():
        rest = np.where(np.isfinite(rest), rest, 0.0)
    return total, rest


@np.errstate(over="ignore", invalid="ignore")
def merge(left, right):
    """Return the moments of the rows of both sides together."""
    weight = left.weight + right.weight
    share = divide(right.weight, weight)
    delta, rest = two_sum(right.mean, -left.mean)
    rest += right.mean_low - left.mean_low
    mean, low = two_sum(left.mean, delta * share)
    mean, low = two_sum(mean, low + (left.mean_low + rest * share))
    delta = delta + rest
    m2 = left.m2 + right.m2 + delta * delta * left.weight * share
    return Moments(left.class_weight + right.class_weight, weight, mean, low, m2)


def place(moments, index, n_classes):
    """Return the moments with its classes at the places `index` among `n_classes`."""
    placed = empty(n_classes, moments.mean.shape[1])
    for old, new in zip(moments, placed, strict=True):
        new[index] = old
    return placed


@np.errstate(over="ignore", invalid="ignore")
def pooled_variance(moments):
    """Return the variance of each feature over the rows of all classes."""
    weight = moments.weight.sum(axis=0)
    heaviest = moments.class_weight.argmax()
    apart = moments.mean - moments.mean[heaviest]
    apart += moments.mean_low - moments.mean_low[heaviest]
    apart -= divide(np.einsum("ij,ij->j", moments.weight, apart), weight)
    between = np.einsum("ij,ij,ij->j", moments.weight, apart, apart)
    return divide(moments.m2.sum(axis=0) + between, weight)


def divide(numerator, denominator):
    """Divide, 0 where the denominator, which is not negative, is 0."""
    if denominator.all():
        return numerator / denominator
    return np.divide(
        numerator, denominator, out=np.zeros(np.shape(numerator)), where=denominator != 0
    )
