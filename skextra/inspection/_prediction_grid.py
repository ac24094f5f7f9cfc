"""PredictionGridDisplay: images with their true and predicted class, mistakes first."""

import numpy as np
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d

from skextra.inspection._drawing import VERMILION, as_images, divide, show_image, wrapped


class PredictionGridDisplay:
    """Images with their true and predicted class, mistakes first.

    Make it by :meth:`from_estimator` or :meth:`from_predictions`. Mistakes come first, the surest
    of them foremost, each in a thick frame; then come the right predictions, the least sure
    foremost. Without true classes the least sure come first.

    Parameters
    ----------
    images : ndarray of shape (n_samples, height, width) or (n_samples, height, width, channels)
        The images.
    y_pred : ndarray of shape (n_samples,)
        Predicted class of each.
    y_true : ndarray of shape (n_samples,), default=None
        True class of each.
    confidence : ndarray of shape (n_samples,), default=None
        Probability of the predicted class of each.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
        The figure drawn into.
    axes_ : ndarray of shape (n_rows, n_columns) of matplotlib.axes.Axes
        The cells of the grid; those left over are empty.
    shown_ : ndarray of shape (n_shown,)
        Index of the image in each cell, row by row.

    See Also
    --------
    SaliencyDisplay : Which part of an image decides.
    sklearn.metrics.ConfusionMatrixDisplay : How often each class is taken for another.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_digits
    >>> from skextra import ScratchGaussianNB
    >>> from skextra.inspection import PredictionGridDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> classifier = ScratchGaussianNB(var_smoothing=0.01).fit(X[:1000], y[:1000])
    >>> display = PredictionGridDisplay.from_estimator(classifier, X[1000:], y[1000:])
    >>> display.axes_.shape
    (2, 6)
    >>> plt.close()
    """

    def __init__(self, images, *, y_pred, y_true=None, confidence=None):
        self.images = images
        self.y_pred = y_pred
        self.y_true = y_true
        self.confidence = confidence

    @classmethod
    def from_estimator(
        cls, estimator, X, y=None, *, n_images=12, n_columns=6, image_shape=None, ax=None
    ):
        """Predict with a fitted classifier and draw.

        Parameters
        ----------
        estimator : classifier
            A fitted one; with ``predict_proba``, probabilities are shown and decide the order.
        X : array-like of shape (n_samples, height, width), (n_samples, height, width, channels) \
                or (n_samples, n_features)
            Images, or flat rows.
        y : array-like of shape (n_samples,), default=None
            True classes.
        n_images : int, default=12
            Most images to draw.
        n_columns : int, default=6
            Most images in a row of the grid.
        image_shape : tuple of int, default=None
            ``(height, width)`` or ``(height, width, channels)`` into which flat rows unfold; None
            takes the estimator's ``image_shape_``, or a square.
        ax : matplotlib.axes.Axes or array-like of them, default=None
            Where to draw: an axes to divide, or one for each cell. None makes a figure.

        Returns
        -------
        PredictionGridDisplay

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        ValueError
            If X and y differ in length, or flat rows do not unfold.
        ImportError
            If matplotlib is not installed.
        """
        check_is_fitted(estimator)
        images = as_images(X, image_shape, estimator)
        if hasattr(estimator, "predict_proba"):
            y_pred = np.asarray(estimator.predict_proba(X))
            options = {"labels": estimator.classes_}
        else:
            y_pred, options = estimator.predict(X), {}
        return cls.from_predictions(
            images, y, y_pred, **options, n_images=n_images, n_columns=n_columns, ax=ax
        )

    @classmethod
    def from_predictions(
        cls,
        X,
        y_true,
        y_pred,
        *,
        labels=None,
        n_images=12,
        n_columns=6,
        image_shape=None,
        ax=None,
    ):
        """Draw images with predictions made elsewhere.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width), (n_samples, height, width, channels) \
                or (n_samples, n_features)
            Images, or flat rows.
        y_true : array-like of shape (n_samples,) or None
            True classes, if they are known.
        y_pred : array-like of shape (n_samples,) or (n_samples, n_classes)
            Predicted classes, or the probability of each of the `labels`.
        labels : array-like of shape (n_classes,), default=None
            The classes that the columns of `y_pred` stand for; None takes the sorted classes in
            `y_true`.
        n_images : int, default=12
            Most images to draw.
        n_columns : int, default=6
            Most images in a row of the grid.
        image_shape : tuple of int, default=None
            ``(height, width)`` or ``(height, width, channels)`` into which flat rows unfold; None
            takes a square.
        ax : matplotlib.axes.Axes or array-like of them, default=None
            Where to draw: an axes to divide, or one for each cell. None makes a figure.

        Returns
        -------
        PredictionGridDisplay

        Raises
        ------
        ValueError
            If lengths differ, the number of labels is not that of columns, or flat rows do not
            unfold.
        ImportError
            If matplotlib is not installed.
        """
        images = as_images(X, image_shape)
        y_true = None if y_true is None else column_or_1d(y_true)
        y_pred, confidence = np.asarray(y_pred), None
        if y_pred.ndim == 2:
            y_pred, confidence = _most_probable(y_pred, labels, y_true)
        check_consistent_length(images, y_true, y_pred)
        display = cls(images, y_pred=y_pred, y_true=y_true, confidence=confidence)
        return display.plot(n_images=n_images, n_columns=n_columns, ax=ax)

    def plot(self, *, n_images=12, n_columns=6, ax=None):
        """Draw.

        Parameters
        ----------
        n_images : int, default=12
            Most images to draw.
        n_columns : int, default=6
            Most images in a row of the grid.
        ax : matplotlib.axes.Axes or array-like of them, default=None
            Where to draw: an axes to divide, or one for each cell. None makes a figure.

        Returns
        -------
        self : PredictionGridDisplay
        """
        self.shown_ = self._order()[:n_images]
        n_columns = max(1, min(n_columns, len(self.shown_)))
        n_rows = max(1, -(-len(self.shown_) // n_columns))
        height = 2.2 if self.y_true is None else 2.4
        self.figure_, self.axes_ = divide(
            ax, n_rows, n_columns, cell=(2, height), caller="PredictionGridDisplay"
        )
        for axis, index in zip(self.axes_.flat, self.shown_, strict=False):
            self._draw(axis, index)
        for axis in self.axes_.flat[len(self.shown_) :]:
            axis.set_axis_off()
        if ax is None and self.y_true is not None:
            n_wrong = int(np.sum(self.y_pred != self.y_true))
            title = f"{n_wrong} of {len(self.y_pred)} predictions are wrong"
            title += ": these come first, in thick frames" if n_wrong else ""
            self.figure_.suptitle(wrapped(title, width=20 * n_columns), fontsize="medium")
        return self

    def _order(self):
        """Return the indices of all images in the order of drawing."""
        confidence = np.zeros(len(self.y_pred)) if self.confidence is None else self.confidence
        if self.y_true is None:
            return np.argsort(confidence, kind="stable")
        wrong = self.y_pred != self.y_true
        # Sure mistakes before doubtful ones, doubtful successes before sure ones.
        return np.lexsort((np.where(wrong, -confidence, confidence), ~wrong))

    def _draw(self, axis, index):
        show_image(axis, self.images[index])
        lines = [f"predicted: {self.y_pred[index]}"]
        if self.confidence is not None:
            lines[0] += f" ({self.confidence[index]:.0%})"
        wrong = False
        if self.y_true is not None:
            lines.append(f"true: {self.y_true[index]}")
            wrong = self.y_pred[index] != self.y_true[index]
        axis.set_title(wrapped(*lines, width=28), fontsize=8)
        for edge in axis.spines.values():
            edge.set(color=VERMILION if wrong else "gray", linewidth=3.5 if wrong else 0.5)


def _most_probable(probabilities, labels, y_true):
    """Return the most probable label of each row and its probability."""
    if labels is None and y_true is None:
        raise ValueError("y_pred holds probabilities, but neither labels nor y_true name classes.")
    labels = np.unique(y_true) if labels is None else np.asarray(labels)
    if len(labels) != probabilities.shape[1]:
        raise ValueError(
            f"y_pred has {probabilities.shape[1]} columns, but there are {len(labels)} labels: "
            f"{labels.tolist()}. Give the labels of the columns."
        )
    return labels[probabilities.argmax(axis=1)], probabilities.max(axis=1)
