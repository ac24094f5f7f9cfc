"""An estimator that takes the place of one whose worker died."""

import numpy as np
from sklearn.base import BaseEstimator


class FailingEstimator(BaseEstimator):
    """Raise an error when fitted, whatever the parameters."""

    def __init__(self, error=None):
        self.error = error

    def set_params(self, **params):
        """Take no notice: they belong to another estimator."""
        return self

    def fit(self, X, y=None):
        """Raise the error."""
        raise self.error


def rows_only(X):
    """Return an array with the rows of X and no columns."""
    n_rows = X.shape[0] if hasattr(X, "shape") else len(X)
    return np.empty((n_rows, 0))
