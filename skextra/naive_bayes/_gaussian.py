"""Gaussian naive Bayes."""

from numbers import Real

import numpy as np
from scipy.special import logsumexp
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from skextra._sklearn import (
    Interval,
    check_partial_fit_first_call,
    check_sample_weight,
    fit_context,
)
from skextra.naive_bayes._log_likelihood import joint_log_likelihood
from skextra.naive_bayes._moments import Moments, accumulate, empty, merge


class ScratchGaussianNB(ClassifierMixin, BaseEstimator):
    """Gaussian naive Bayes, exact in streaming and merging."""

    _parameter_constraints: dict = {
        "priors": ["array-like", None],
        "var_smoothing": [Interval(Real, 0, None, closed="left")],
        "n_jobs": [None, int],
    }

    def __init__(self, *, priors=None, var_smoothing=1e-9, n_jobs=None):
        self.priors = priors
        self.var_smoothing = var_smoothing
        self.n_jobs = n_jobs

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Fit on X and y, forgetting earlier fits."""
        y = validate_data(self, y=y)
        self.classes_ = None
        return self._update(X, y, np.unique(y), sample_weight)

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Add a batch of rows."""
        return self._update(X, y, classes, sample_weight)

    def _update(self, X, y, classes, sample_weight):
        first_call = check_partial_fit_first_call(self, classes)
        X, y = validate_data(self, X, y, reset=first_call)
        if sample_weight is not None:
            sample_weight = check_sample_weight(
                sample_weight, X, dtype=np.float64, ensure_non_negative=True
            )
        unique_y = np.unique(y)
        known = np.isin(unique_y, self.classes_)
        if not known.all():
            raise ValueError(
                f"The target label(s) {unique_y[~known]} in y do not exist in the initial "
                f"classes {self.classes_}"
            )
        if first_call:
            self._check_priors()
            self._moments = tuple(empty(len(self.classes_), X.shape[1]))
        codes = np.searchsorted(self.classes_, y)
        batch = accumulate(X, codes, sample_weight, len(self.classes_))
        self._moments = tuple(merge(Moments(*self._moments), batch))
        self._publish()
        return self

    def _check_priors(self):
        if self.priors is None:
            return
        priors = np.asarray(self.priors)
        if priors.shape[0] != len(self.classes_):
            raise ValueError("Number of priors must match number of classes.")
        if not np.isclose(priors.sum(), 1.0):
            raise ValueError("The sum of the priors should be 1.")
        if (priors < 0).any():
            raise ValueError("Priors must be non-negative.")

    def _publish(self):
        class_weight, weight, mean, m2 = self._moments
        pooled = weight.sum(axis=0)
        center = (weight * mean).sum(axis=0) / pooled
        spread = (m2 + weight * (mean - center) ** 2).sum(axis=0) / pooled
        self.epsilon_ = self.var_smoothing * spread.max()
        self.theta_ = mean.copy()
        self.var_ = np.divide(m2, weight, out=np.zeros_like(m2), where=weight > 0) + self.epsilon_
        self.class_count_ = class_weight.copy()
        if self.priors is None:
            self.class_prior_ = class_weight / class_weight.sum()
        else:
            self.class_prior_ = np.asarray(self.priors, dtype=np.float64)

    def predict_joint_log_proba(self, X):
        """Return log P(class, row)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        with np.errstate(divide="ignore"):
            log_prior = np.log(self.class_prior_)
        return joint_log_likelihood(X, log_prior, self.theta_, self.var_)

    def predict_log_proba(self, X):
        """Return log P(class | row)."""
        joint = self.predict_joint_log_proba(X)
        return joint - logsumexp(joint, axis=1, keepdims=True)

    def predict_proba(self, X):
        """Return P(class | row)."""
        return np.exp(self.predict_log_proba(X))

    def predict(self, X):
        """Return the most probable class of each row."""
        joint = self.predict_joint_log_proba(X)
        return self.classes_[joint.argmax(axis=1)]
