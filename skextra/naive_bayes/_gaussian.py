"""ScratchGaussianNB: validation, priors, Bayes' rule, fitted attributes."""

from __future__ import annotations

from functools import partial
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse
from sklearn import get_config
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from skextra._sklearn import (
    Interval,
    check_partial_fit_first_call,
    check_same_namespace,
    doc_link_template,
    floating_dtype,
    from_numpy,
    is_foreign,
    to_numpy,
)
from skextra.naive_bayes._checks import (
    check_priors,
    check_same_features,
    check_weights,
    is_plain,
    unchanged_by_errors,
    warn_of_moments,
    warn_of_predictions,
)
from skextra.naive_bayes._collections import check_features, collect, is_collection
from skextra.naive_bayes._collections import predict as predict_lazily
from skextra.naive_bayes._collections import score as score_collection
from skextra.naive_bayes._labels import Codes, check_known, classes_in, union
from skextra.naive_bayes._moments import Moments, merge, place, pooled_variance
from skextra.naive_bayes._moments._rows import moments_of_rows
from skextra.naive_bayes._prediction._coefficients import Kept, coefficients_of, log_prior_of
from skextra.naive_bayes._prediction._differences import are_few, few_rows
from skextra.naive_bayes._prediction._log_likelihood import joint_log_likelihood
from skextra.naive_bayes._prediction._posterior import (
    joint,
    log_normalise,
    most_probable,
    normalise,
)
from skextra.naive_bayes._state import (
    STATE_VERSION,
    likelihood_of,
    moments_of,
    upgraded,
    variance_of,
)

if TYPE_CHECKING:
    from typing import Self

    from numpy.typing import ArrayLike
    from sklearn.utils import Tags

    from skextra._types import Data, Predicted


class ScratchGaussianNB(ClassifierMixin, BaseEstimator):
    r"""Gaussian naive Bayes that streams, merges and takes missing values.

    After one `fit` on dense data it has the attributes and predictions of
    :class:`sklearn.naive_bayes.GaussianNB`. Beyond that, any split of the rows over `partial_fit`
    calls and any `merge` of models fitted apart equal one `fit`, NaN is a missing value, and X may
    be sparse.

    Parameters
    ----------
    priors : array-like of shape (n_classes,), default=None
        Prior probabilities of the classes. None takes their share of the weights.
    var_smoothing : float, default=1e-9
        Share of the largest variance of a feature that is added to all variances.
    n_jobs : int, default=None
        Parts into which `fit` and the predictions divide large X; None is 1 unless in a
        :class:`joblib.parallel_config` context, -1 all cores. They run in threads, unless such a
        context names another backend: processes or a cluster.

    Attributes
    ----------
    class_count_ : ndarray of shape (n_classes,), dtype float64
        Sum of the weights of the rows of each class.
    class_prior_ : ndarray of shape (n_classes,), dtype float64
        Probability of each class.
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.
    epsilon_ : float
        What is added to the variances: `var_smoothing` times the largest variance of a feature
        over all rows seen, by weight.
    theta_ : ndarray of shape (n_classes, n_features), dtype float64
        Mean of each feature in each class.
    var_ : ndarray of shape (n_classes, n_features), dtype float64
        Variance of each feature in each class, smoothing included.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features_in,)
        Names of the columns, where X had string column names.

    See Also
    --------
    sklearn.naive_bayes.GaussianNB : The same model in scikit-learn.
    TumorCNNClassifier : A classifier for images.

    Notes
    -----
    With weights :math:`w_i` of the rows of class :math:`k`, of sum :math:`N_k` out of :math:`N`,

    .. math::

        \pi_k = \frac{N_k}{N}, \qquad
        \mu_{kj} = \frac{1}{N_k} \sum_{i \in k} w_i x_{ij}, \qquad
        \sigma^2_{kj} = \frac{1}{N_k} \sum_{i \in k} w_i (x_{ij} - \mu_{kj})^2 + \varepsilon,

    .. math::

        \log P(k, x) = \log \pi_k - \frac{1}{2} \sum_j
        \left[ \log 2 \pi \sigma^2_{kj} + \frac{(x_j - \mu_{kj})^2}{\sigma^2_{kj}} \right].

    A missing :math:`x_j` is left out of the moments of its feature and of the sum over :math:`j`,
    which is exact marginalisation. Moments are kept without :math:`\varepsilon` and merge by the
    pairwise formula of [1]_, of which [2]_ is the case of one row.

    It differs from scikit-learn on purpose: :math:`\varepsilon` comes from all rows seen and from
    their weights (there: from the last batch, without weights), weights must not be negative, and
    attributes and probabilities are float64 whatever the dtype of X, unless the process may use
    scikit-learn's array API dispatch (``SCIPY_ARRAY_API=1``), with which they have its dtype.

    References
    ----------
    .. [1] T. F. Chan, G. H. Golub and R. J. LeVeque, "Algorithms for computing the sample
       variance: analysis and recommendations", The American Statistician 37(3), 1983.
       :doi:`10.1080/00031305.1983.10483115`
    .. [2] B. P. Welford, "Note on a method for calculating corrected sums of squares and
       products", Technometrics 4(3), 1962. :doi:`10.1080/00401706.1962.10490022`

    Examples
    --------
    >>> import numpy as np
    >>> from skextra import ScratchGaussianNB
    >>> X = np.array([[-1, -1], [-2, -1], [-3, -2], [1, 1], [2, 1], [3, 2]])
    >>> y = np.array([1, 1, 1, 2, 2, 2])
    >>> ScratchGaussianNB().fit(X, y).predict([[-0.8, -1], [np.nan, 1]])
    array([1, 2])

    Two models, fitted apart, merge into the one that has seen all rows:

    >>> left = ScratchGaussianNB().fit(X[::2], y[::2])
    >>> right = ScratchGaussianNB().fit(X[1::2], y[1::2])
    >>> np.allclose(left.merge(right).var_, ScratchGaussianNB().fit(X, y).var_)
    True
    """

    _doc_link_module = "skextra"
    _doc_link_template = doc_link_template

    _parameter_constraints: dict = {
        "priors": ["array-like", None],
        "var_smoothing": [Interval(Real, 0, None, closed="left")],
        "n_jobs": [Integral, None],
    }

    class_count_: np.ndarray
    class_prior_: np.ndarray
    classes_: np.ndarray
    epsilon_: float
    theta_: np.ndarray
    var_: np.ndarray
    n_features_in_: int
    feature_names_in_: np.ndarray

    def __init__(
        self,
        *,
        priors: ArrayLike | None = None,
        var_smoothing: float = 1e-9,
        n_jobs: int | None = None,
    ) -> None:
        self.priors = priors
        self.var_smoothing = var_smoothing
        self.n_jobs = n_jobs

    def fit(self, X: Data, y: Data, sample_weight: Data | None = None) -> Self:
        """Fit to rows X of classes y, forgetting what was fitted before.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Real numbers, CSR or CSC if sparse; NaN is a missing value. A Dask array or DataFrame
            is read block by block where its blocks lie.
        y : array-like of shape (n_samples,)
            Class labels. With a collection of Dask as X, they and the weights may be collections
            divided into blocks as X is, or in memory if the sizes of the blocks are known.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows; None is 1 for all.

        Returns
        -------
        self : ScratchGaussianNB
            The fitted estimator.

        Raises
        ------
        ValueError
            If X, y, the weights or the priors are not as described.
        """
        self._validate_params()
        with unchanged_by_errors(self):
            if is_collection(X):
                check_features(self, X, reset=True)
                return self._keep(*collect(self, X, y, sample_weight))
            X, y = self._validate(X, y, reset=True)
            classes = from_numpy(classes_in(to_numpy(y)), y)
            return self._update(X, y, classes, sample_weight, None)

    def partial_fit(
        self,
        X: Data,
        y: Data,
        classes: ArrayLike | None = None,
        sample_weight: Data | None = None,
    ) -> Self:
        """Add rows X of classes y to what was fitted before.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Real numbers, CSR or CSC if sparse; NaN is a missing value. A Dask array or DataFrame
            is read block by block where its blocks lie.
        y : array-like of shape (n_samples,)
            Class labels. With a collection of Dask as X, they and the weights may be collections
            divided into blocks as X is, or in memory if the sizes of the blocks are known.
        classes : array-like of shape (n_classes,), default=None
            All classes that any call will see; required in the first call.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows; None is 1 for all.

        Returns
        -------
        self : ScratchGaussianNB
            The fitted estimator.

        Raises
        ------
        ValueError
            If X, y, the weights or the priors are not as described, or a label is not among the
            classes.
        """
        self._validate_params()
        with unchanged_by_errors(self):
            first_call = check_partial_fit_first_call(self, classes)
            if is_collection(X):
                check_features(self, X, reset=first_call)
            else:
                X, y = self._validate(X, y, reset=first_call)
                check_known(to_numpy(y), to_numpy(self.classes_))
            past = None if first_call else moments_of(self)
            if is_collection(X):
                known = to_numpy(self.classes_)
                check_priors(self.priors, len(known))
                _, moments = collect(self, X, y, sample_weight, known)
                return self._keep(self.classes_, moments, past)
            return self._update(X, y, self.classes_, sample_weight, past)

    def merge(self, other: ScratchGaussianNB) -> Self:
        """Add what another fitted model has seen.

        Classes that only one of the two knows are kept. The parameters stay those of this model.

        Parameters
        ----------
        other : ScratchGaussianNB
            A fitted model of the same features; it is not changed.

        Returns
        -------
        self : ScratchGaussianNB
            The fitted estimator.

        Raises
        ------
        TypeError
            If `other` is no ScratchGaussianNB.
        ValueError
            If the features differ in number or name, the labels in type, or the parameters are
            not valid for the classes of both. This model is then unchanged.
        """
        if not isinstance(other, ScratchGaussianNB):
            raise TypeError(f"merge takes a ScratchGaussianNB, got {type(other).__name__}.")
        check_is_fitted(self, "theta_")
        check_is_fitted(other, "theta_")
        check_same_features(self, other)
        self._validate_params()
        here, there = to_numpy(self.classes_), to_numpy(other.classes_)
        classes = union(here, there)
        check_priors(self.priors, len(classes))
        sides = [
            place(moments_of(model), Codes(labels, classes)[:], len(classes))
            for model, labels in ((self, here), (other, there))
        ]
        with unchanged_by_errors(self):
            self._moments = tuple(merge(*sides))
            if len(classes) > len(here) or classes.dtype != here.dtype:
                self.classes_ = from_numpy(classes, self.classes_)
            self._publish(self.theta_)
            warn_of_moments(self, Moments(*self._moments))
        return self

    def predict_joint_log_proba(self, X: Data) -> Predicted:
        """Return log P(class, row) for each row of X.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows; NaN is a missing value. A Dask array or DataFrame gives a lazy Dask array.

        Returns
        -------
        ndarray of shape (n_samples, n_classes), dtype float64
            The columns stand in the order of `classes_`.
        """
        return self._predict(X, joint, "predict_joint_log_proba")

    def predict_log_proba(self, X: Data) -> Predicted:
        """Return log P(class | row) for each row of X.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows; NaN is a missing value. A Dask array or DataFrame gives a lazy Dask array.

        Returns
        -------
        ndarray of shape (n_samples, n_classes), dtype float64
            The columns stand in the order of `classes_`.
        """
        return self._predict(X, log_normalise, "predict_log_proba")

    def predict_proba(self, X: Data) -> Predicted:
        """Return P(class | row) for each row of X.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows; NaN is a missing value. A Dask array or DataFrame gives a lazy Dask array.

        Returns
        -------
        ndarray of shape (n_samples, n_classes), dtype float64
            Each row sums to 1; the columns stand in the order of `classes_`.
        """
        return self._predict(X, normalise, "predict_proba")

    def predict(self, X: Data) -> Predicted:
        """Return the most probable class of each row of X.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows; NaN is a missing value. A Dask array or DataFrame gives a lazy Dask array.

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels from `classes_`.
        """
        return self._predict(X, most_probable, "predict")

    def score(self, X: Data, y: Data, sample_weight: Data | None = None) -> float:
        """Return the share of the rows, by weight, whose class is predicted right.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows; NaN is a missing value. Of a Dask array or DataFrame, the rows are predicted and
            compared where they lie, and the result is computed at once.
        y : array-like of shape (n_samples,)
            Class labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows; None is 1 for all.

        Returns
        -------
        float
            Between 0 and 1.
        """
        if not is_collection(X):
            return super().score(X, y, sample_weight)
        check_is_fitted(self, "theta_")
        check_features(self, X, reset=False)
        return score_collection(self, X, y, sample_weight)

    def _validate_params(self):
        # For values of the usual kinds scikit-learn's look takes a quarter of a small fit, and so
        # does its decorator, which forbids nested calls to validate parameters: there are none.
        usual = self.priors is None and type(self.n_jobs) in (int, type(None))
        usual = usual and type(self.var_smoothing) is float and self.var_smoothing >= 0
        if not (usual or get_config()["skip_parameter_validation"]):
            super()._validate_params()

    def _validate(self, X, *y, reset):
        """Return X, and y where it is given, as scikit-learn validates them."""
        named = hasattr(self, "feature_names_in_")
        if not named and is_plain(X, *y):
            if reset:
                self.n_features_in_ = X.shape[1]
            if X.shape[1] == getattr(self, "n_features_in_", None):
                return (X, *y) if y else X
        return validate_data(
            self,
            X,
            *y,
            reset=reset,
            accept_sparse=("csr", "csc"),
            # The moments and the likelihood find what is not finite on their one pass.
            ensure_all_finite=False,
        )

    def _update(self, X, y, classes, sample_weight, past):
        """Add validated rows to the moments of past ones; None if there are none."""
        given = X
        X, y = to_numpy(X), to_numpy(y)
        sample_weight = check_weights(sample_weight, X)
        known = to_numpy(classes)
        check_priors(self.priors, len(known))
        moments = moments_of_rows(X, Codes(y, known), sample_weight, len(known), self.n_jobs)
        return self._keep(classes, moments, past, given)

    def _keep(self, classes, moments, past=None, like=None):
        """Keep moments, and past ones; the attributes are arrays of the kind of `like`."""
        check_priors(self.priors, classes.shape[0])
        if past is not None:
            moments = merge(past, moments)
        self.classes_, self._moments = classes, tuple(moments)
        self._publish(moments.mean if like is None else like)
        warn_of_moments(self, moments)
        return self

    def _publish(self, like):
        """Set the fitted attributes from the moments, as arrays of the kind of `like`."""
        moments = Moments(*self._moments)
        self._kept = Kept()
        self.epsilon_ = 0.0
        if self.var_smoothing > 0:
            self.epsilon_ = float(self.var_smoothing * pooled_variance(moments).max())
        prior = check_priors(self.priors, len(moments.class_weight))
        if prior is None:
            prior = moments.class_weight / moments.class_weight.sum()
        dtype = floating_dtype(like)
        variance = variance_of(moments, self.epsilon_)
        with np.errstate(over="ignore"):  # the variance of float32 rows may not fit into it
            self.theta_ = from_numpy(moments.mean.astype(dtype), like)
            self.var_ = from_numpy(variance.astype(dtype, copy=False), like)
            self.class_count_ = from_numpy(moments.class_weight.astype(dtype), like)
            self.class_prior_ = from_numpy(prior.astype(dtype), like)

    def _predict(self, X, finish, method):
        if not hasattr(self, "theta_"):  # scikit-learn's look at the tags takes a while
            check_is_fitted(self, "theta_")
        if is_collection(X):
            check_features(self, X, reset=False)
            return predict_lazily(self, X, method)
        if not (type(X) is type(self.theta_) is np.ndarray):
            check_same_namespace(X, self, attribute="theta_", method=method)
        X = self._validate(X, reset=False)
        rows = to_numpy(X)
        shape, dtype, like = (np.shape(self.class_prior_)[0], rows.shape[0]), np.float64, X
        result_dtype = np.result_type(floating_dtype(X), to_numpy(self.theta_).dtype)
        if finish is most_probable:
            like = X if is_foreign(X, self.classes_) else self.classes_
            classes = to_numpy(self.classes_)
            finish = partial(most_probable, classes)
            shape, dtype, result_dtype = rows.shape[:1], classes.dtype, classes.dtype
        is_sparse = sparse.issparse(rows)
        if not is_sparse and are_few(rows, np.shape(self.theta_)):
            log_prior, (theta, var, weight) = log_prior_of(self), likelihood_of(self)
            joint, n_undefined = few_rows(rows, log_prior, theta, var, weight)
            result = finish(joint).T
            warn_of_predictions(self, var, log_prior > -np.inf, n_undefined)
        else:
            model, out = coefficients_of(self, centered=not is_sparse), np.empty(shape, dtype)
            result, n_undefined = joint_log_likelihood(rows, model, finish, out, self.n_jobs)
            if n_undefined or not model.is_proper:
                warn_of_predictions(self, model.var, model.log_prior > -np.inf, n_undefined)
        return from_numpy(result.astype(result_dtype, copy=False), like)

    def __sklearn_tags__(self) -> Tags:
        """Return scikit-learn's description of what the estimator takes."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        tags.array_api_support = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled, with the version of its layout."""
        state = {**super().__getstate__(), "_state_version": STATE_VERSION}
        state.pop("_kept", None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take what was pickled, unless a later version wrote it in a layout of its own."""
        super().__setstate__(upgraded(state))
        self._kept = Kept()
