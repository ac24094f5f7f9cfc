"""ReliabilityDisplay: whether probabilities are what they say, for any number of classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d

from skextra._drawing import BLUE, class_looks, divide, fit_labels, ink, legend
from skextra.inspection._classes import check_labels, names_of

if TYPE_CHECKING:
    from typing import Self

    from matplotlib.figure import Figure
    from matplotlib.legend import Legend
    from matplotlib.lines import Line2D
    from numpy.typing import ArrayLike

    from skextra._types import AxesLike, Data, Names

_MAX_CURVES = 7  # as many as there are colours


class ReliabilityDisplay:
    r"""Reliability diagram of any number of classes, with its calibration error.

    Make it by :meth:`from_estimator` or :meth:`from_predictions`. The bars show, for predictions
    of about the same confidence, which share of them is correct. Bars that end on the diagonal
    mean calibrated probabilities; bars below it mean that the classifier is overconfident. Thin
    lines show the same for each class against the rest. The panel below counts the predictions of
    each confidence.

    Parameters
    ----------
    confidence, accuracy : ndarray of shape (n_bins,)
        Mean confidence of the predicted class and share of right predictions in each bin; NaN in
        an empty one.
    counts : ndarray of shape (n_bins,)
        Number of predictions in each bin.
    class_curves : list of tuple of (ndarray, ndarray)
        For each class, its mean probability and its frequency in the bins that are not empty.
    class_ece : ndarray of shape (n_classes,)
        Calibration error of each class against the rest.
    class_names : list of str
        What to call the classes.

    Attributes
    ----------
    ece_ : float
        Expected calibration error of the predicted class, from 0 to 1.
    figure_ : matplotlib.figure.Figure
        The figure drawn into.
    axes_ : ndarray of shape (2,) of matplotlib.axes.Axes
        The diagram, and the counts below.
    lines_ : list of matplotlib.lines.Line2D
        The lines of the classes.
    legend_ : matplotlib.legend.Legend
        The names and errors.

    See Also
    --------
    sklearn.calibration.CalibrationDisplay : The same for two classes.
    sklearn.calibration.CalibratedClassifierCV : Calibrate the probabilities of a classifier.

    Notes
    -----
    With :math:`n` samples and the predictions of bin :math:`b` in :math:`B_b`, the expected
    calibration error [1]_ is

    .. math::

        \mathrm{ECE} = \sum_b \frac{|B_b|}{n} \,
        \bigl| \mathrm{accuracy}(B_b) - \mathrm{confidence}(B_b) \bigr|

    over bins of equal width of the probability of the predicted class. For a class against the
    rest, its probability takes the place of the confidence and its frequency that of the accuracy.
    The error depends on the number of bins: compare errors only if they have the same number.

    References
    ----------
    .. [1] C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On Calibration of Modern Neural
       Networks", ICML 2017. :doi:`10.48550/arXiv.1706.04599`

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_digits
    >>> from skextra import ScratchGaussianNB
    >>> from skextra.inspection import ReliabilityDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> classifier = ScratchGaussianNB(var_smoothing=0.01).fit(X[:1000], y[:1000])
    >>> display = ReliabilityDisplay.from_estimator(classifier, X[1000:], y[1000:])
    >>> print(f"{display.ece_:.3f}")
    0.106
    >>> plt.close()
    """

    ece_: float
    figure_: Figure
    axes_: np.ndarray
    lines_: list[Line2D]
    legend_: Legend

    def __init__(
        self,
        *,
        confidence: np.ndarray,
        accuracy: np.ndarray,
        counts: np.ndarray,
        class_curves: list[tuple[np.ndarray, np.ndarray]],
        class_ece: np.ndarray,
        class_names: list[str],
    ) -> None:
        self.confidence = confidence
        self.accuracy = accuracy
        self.counts = counts
        self.class_curves = class_curves
        self.class_ece = class_ece
        self.class_names = class_names

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Data,
        y: ArrayLike,
        *,
        n_bins: int = 15,
        class_names: Names | None = None,
        ax: AxesLike | None = None,
    ) -> Self:
        """Predict probabilities with a fitted classifier and draw.

        Parameters
        ----------
        estimator : classifier
            A fitted classifier with ``predict_proba``.
        X : array-like
            Rows or images that it was not fitted to.
        y : array-like of shape (n_samples,)
            True classes.
        n_bins : int, default=15
            Number of bins of equal width.
        class_names : sequence of str of shape (n_classes,), default=None
            Names for the legend, in the order of ``classes_``; None takes the labels.
        ax : matplotlib.axes.Axes or array-like of them, default=None
            Where to draw: an axes to divide, or two. None makes a figure.

        Returns
        -------
        ReliabilityDisplay
            The display that was drawn.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        ValueError
            If it has no ``predict_proba``, or labels and probabilities do not fit together.
        ImportError
            If matplotlib is not installed.
        """
        check_is_fitted(estimator)
        if not hasattr(estimator, "predict_proba"):
            raise ValueError(f"{type(estimator).__name__} has no predict_proba.")
        return cls.from_predictions(
            y,
            estimator.predict_proba(X),
            labels=estimator.classes_,
            n_bins=n_bins,
            class_names=class_names,
            ax=ax,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_prob: ArrayLike,
        *,
        labels: ArrayLike | None = None,
        n_bins: int = 15,
        class_names: Names | None = None,
        ax: AxesLike | None = None,
    ) -> Self:
        """Draw probabilities that were predicted elsewhere.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True classes.
        y_prob : array-like of shape (n_samples, n_classes)
            Probability of each class.
        labels : array-like of shape (n_classes,), default=None
            The classes of the columns of `y_prob`; None takes the sorted classes in `y_true`.
        n_bins : int, default=15
            Number of bins of equal width.
        class_names : sequence of str of shape (n_classes,), default=None
            Names for the legend, in the order of `labels`; None takes the labels.
        ax : matplotlib.axes.Axes or array-like of them, default=None
            Where to draw: an axes to divide, or two. None makes a figure.

        Returns
        -------
        ReliabilityDisplay
            The display that was drawn.

        Raises
        ------
        ValueError
            If `y_prob` holds no probabilities, or has not one row per sample and one column per
            class, or `y_true` has labels that are no classes.
        ImportError
            If matplotlib is not installed.
        """
        y_true, y_prob = column_or_1d(y_true), np.asarray(y_prob, dtype=np.float64)
        labels = np.unique(y_true) if labels is None else np.asarray(labels)
        _check_probabilities(y_prob, labels)
        check_consistent_length(y_true, y_prob)
        check_labels("y_true", y_true, labels)
        if not (isinstance(n_bins, (int, np.integer)) and n_bins >= 1):
            raise ValueError(f"n_bins={n_bins!r} must be a whole number of at least 1.")
        right = labels[y_prob.argmax(axis=1)] == y_true
        confidence, accuracy, counts = _binned(y_prob.max(axis=1), right, n_bins)
        curves = [
            _binned(y_prob[:, code], y_true == label, n_bins) for code, label in enumerate(labels)
        ]
        display = cls(
            confidence=confidence,
            accuracy=accuracy,
            counts=counts,
            class_curves=[(stated[n > 0], seen[n > 0]) for stated, seen, n in curves],
            class_ece=np.array([_calibration_error(*curve) for curve in curves]),
            class_names=list(names_of(labels, class_names).values()),
        )
        return display.plot(ax=ax)

    def plot(self, *, ax: AxesLike | None = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or array-like of them, default=None
            Where to draw: an axes to divide, or two. None makes a figure.

        Returns
        -------
        self : ReliabilityDisplay
            This object, with the figure and axes that were drawn into.
        """
        self.ece_ = _calibration_error(self.confidence, self.accuracy, self.counts)
        n_bins = len(self.counts)
        shown = list(np.argsort(-self.class_ece, kind="stable")[:_MAX_CURVES])
        shown = sorted(shown) if len(self.class_names) > 1 else []
        names = ["predicted class"]
        names += [f"{self.class_names[code]}: {self.class_ece[code]:.1%}" for code in shown]
        self.figure_, axes = divide(
            ax, 2, 1, cell=(5.2, 2.6), caller="ReliabilityDisplay", sharex=True,
            legend_names=names, height_ratios=(3, 1),
        )  # fmt: skip
        self.axes_ = axes[:, 0]
        diagram, histogram = self.axes_
        edges = np.linspace(0, 1, n_bins + 1)[:-1]
        bars = diagram.bar(
            edges, np.nan_to_num(self.accuracy), 1 / n_bins, align="edge",
            color=BLUE, alpha=0.35, edgecolor=BLUE,
        )  # fmt: skip
        diagram.plot([0, 1], [0, 1], color=ink(), linestyle="--", linewidth=1)
        looks = class_looks(len(shown))
        self.lines_ = [
            diagram.plot(*self.class_curves[code], color=color, linestyle=line, marker=marker,
                         markersize=3, linewidth=1)[0]
            for code, (color, line, marker) in zip(shown, looks, strict=True)
        ]  # fmt: skip
        diagram.set(xlim=(0, 1), ylim=(0, 1), ylabel="share that is right")
        # How many classes are drawn is said where not all are.
        n_classes = len(self.class_names)
        rest = (
            f"; the {len(shown)} worst of {n_classes} classes"
            if 0 < len(shown) < n_classes
            else ""
        )
        diagram.set_title(f"expected calibration error (ECE): {self.ece_:.1%}{rest}")
        histogram.bar(edges, self.counts, 1 / n_bins, align="edge", color="gray")
        # One number, in the middle: in the corners it would lie over those of its neighbours.
        most = int(self.counts.max())
        histogram.set(ylim=(0, 1.4 * most), yticks=[most])
        histogram.set(xlabel="probability that was predicted", ylabel="count")
        self.legend_ = legend(self.figure_, self.axes_, ax, [bars, *self.lines_], names)
        fit_labels(self.figure_, self.axes_, ax)
        return self


def _binned(probability, happened, n_bins):
    """Return the mean probability, the frequency and the count of each bin of equal width."""
    bins = np.minimum((probability * n_bins).astype(int), n_bins - 1)
    counts = np.bincount(bins, minlength=n_bins)
    with np.errstate(invalid="ignore"):
        stated = np.bincount(bins, probability, minlength=n_bins) / counts
        seen = np.bincount(bins, happened, minlength=n_bins) / counts
    return stated, seen, counts


def _calibration_error(stated, seen, counts):
    return float(np.nansum(counts * np.abs(seen - stated)) / counts.sum())


def _check_probabilities(y_prob, labels):
    if y_prob.ndim != 2 or y_prob.shape[1] != len(labels):
        raise ValueError(
            f"y_prob has shape {y_prob.shape}, but must have one column for each of the "
            f"{len(labels)} labels {labels.tolist()}."
        )
    sums = y_prob.sum(axis=1)
    if not (np.all(y_prob >= 0) and np.allclose(sums, 1, atol=1e-3)):
        raise ValueError(
            "y_prob holds no probabilities: its rows must not be negative and must add up to 1. "
            "Give what predict_proba returns, not scores."
        )
