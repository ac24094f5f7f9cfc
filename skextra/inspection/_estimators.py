"""Estimators inside searches and pipelines, and rows in the form in which they were fitted."""

import numpy as np


def innermost(estimator, X=None):
    """Return the estimator inside searches and pipelines, and the rows that reach it.

    Parameters
    ----------
    estimator : estimator
        A fitted one.
    X : array-like, default=None
        Rows; the steps of pipelines before the last transform them.

    Returns
    -------
    estimator : estimator
        The last step of a pipeline, the best estimator of a search, or what was given.
    X : array-like or None
        The rows as this estimator takes them.
    """
    while True:
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif hasattr(estimator, "named_steps"):
            if X is not None and len(estimator) > 1:
                X = estimator[:-1].transform(X)
            estimator = estimator[-1]
        elif hasattr(estimator, "estimator_") and hasattr(estimator.estimator_, "predict"):
            estimator = estimator.estimator_  # scikit-learn's tuned and fixed thresholds
        else:
            return estimator, X


def rows_like(X):
    """Return a function that gives images the form of X: its shape, and its columns if it has any.

    Parameters
    ----------
    X : array-like or DataFrame
        What a user gave.

    Returns
    -------
    callable
        Takes an ndarray of images and returns rows for `predict`.
    """
    shape = np.shape(X)[1:]
    if not hasattr(X, "columns"):
        return lambda images: images.reshape(-1, *shape)
    frame, columns = type(X), list(X.columns)
    option = "columns" if hasattr(X, "iloc") else "schema"  # pandas, polars
    return lambda images: frame(images.reshape(-1, *shape), **{option: columns})
