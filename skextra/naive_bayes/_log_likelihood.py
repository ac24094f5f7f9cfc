"""Gaussian log-likelihood of a block of rows under each class."""

import numpy as np


def joint_log_likelihood(X, log_prior, theta, var):
    """Return log P(class) + log P(row | class), of shape (n_samples, n_classes)."""
    out = np.empty((X.shape[0], len(theta)), dtype=np.result_type(X.dtype, theta.dtype))
    constant = log_prior - 0.5 * np.log(2.0 * np.pi * var).sum(axis=1)
    for k in range(len(theta)):
        difference = X - theta[k]
        out[:, k] = constant[k] - 0.5 * (difference * difference) @ (1.0 / var[k])
    return out
