"""PredictionGridDisplay: images with their true and predicted class, mistakes first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d

from skextra._drawing import VERMILION, Captions, as_images, picture_grid, show_image
from skextra.inspection._classes import check_labels, names_of
from skextra.inspection._estimators import innermost

if TYPE_CHECKING:
    from typing import Self

    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

    from skextra._types import AxesLike, Names


class PredictionGridDisplay:
    """Images with their true and predicted class, mistakes first.

    Make it by :meth:`from_estimator` or :meth:`from_predictions`. Mistakes come first, each
    in a thick frame, beginning with those of the highest confidence. Correct predictions follow,
    beginning with those of the lowest confidence. Without true classes, those of the lowest
    confidence come first.

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
    names : dict, default=None
        The name to show for each label; None shows the labels.

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

    figure_: Figure
    axes_: np.ndarray
    shown_: np.ndarray

    def __init__(
        self,
        images: np.ndarray,
        *,
        y_pred: np.ndarray,
        y_true: np.ndarray | None = None,
        confidence: np.ndarray | None = None,
        names: dict[Any, str] | None = None,
    ) -> None:
        self.images = images
        self.y_pred = y_pred
        self.y_true = y_true
        self.confidence = confidence
        self.names = names

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        class_names: Names | None = None,
        n_images: int = 12,
        n_columns: int = 6,
        image_shape: tuple[int, ...] | None = None,
        ax: AxesLike | None = None,
    ) -> Self:
        """Predict with a fitted classifier and draw.

        Parameters
        ----------
        estimator : classifier
            A fitted classifier. If it has ``predict_proba``, probabilities are shown and decide
            the order.
        X : array-like of shape (n_samples, height, width), (n_samples, height, width, channels) \
                or (n_samples, n_features)
            Images, or flat rows.
        y : array-like of shape (n_samples,), default=None
            True classes.
        class_names : sequence of str of shape (n_classes,), default=None
            Names for the titles, in the order of ``classes_``; None takes the labels.
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
            The display that was drawn.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        ValueError
            If X and y differ in length, no label in y is a class of the estimator, or flat rows
            do not unfold.
        ImportError
            If matplotlib is not installed.
        """
        check_is_fitted(estimator)
        images = as_images(X, image_shape, innermost(estimator)[0])
        classes = estimator.classes_
        if y is not None:
            check_labels("y", column_or_1d(y), classes)
        y_pred = (estimator.predict_proba if hasattr(estimator, "predict_proba") else
                  estimator.predict)(X)  # fmt: skip
        return cls.from_predictions(
            images, y, y_pred, labels=classes, class_names=class_names,
            n_images=n_images, n_columns=n_columns, ax=ax,
        )  # fmt: skip

    @classmethod
    def from_predictions(
        cls,
        X: ArrayLike,
        y_true: ArrayLike | None,
        y_pred: ArrayLike,
        *,
        labels: ArrayLike | None = None,
        class_names: Names | None = None,
        n_images: int = 12,
        n_columns: int = 6,
        image_shape: tuple[int, ...] | None = None,
        ax: AxesLike | None = None,
    ) -> Self:
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
            `y_true`, and those in `y_pred` if it holds classes.
        class_names : sequence of str of shape (n_classes,), default=None
            Names for the titles, in the order of `labels`; None takes the labels.
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
            The display that was drawn.

        Raises
        ------
        ValueError
            If lengths differ, the number of labels is not that of columns, `y_true` and `y_pred`
            have no label in common, or flat rows do not unfold.
        ImportError
            If matplotlib is not installed.
        """
        images = as_images(X, image_shape)
        y_true = None if y_true is None else column_or_1d(y_true)
        y_pred, confidence = np.asarray(y_pred), None
        if y_pred.ndim == 2:
            y_pred, confidence = _most_probable(y_pred, labels, y_true)
        check_consistent_length(images, y_true, y_pred)
        if y_true is not None:
            known = y_pred if labels is None else labels
            check_labels(
                "y_true", y_true, known, source="the predictions", known=labels is not None
            )
        found = [np.unique(y_pred)] if y_true is None else [np.unique(y_true), np.unique(y_pred)]
        classes = np.unique(np.concatenate(found)) if labels is None else np.asarray(labels)
        names = None if class_names is None else names_of(classes, class_names)
        display = cls(images, y_pred=y_pred, y_true=y_true, confidence=confidence, names=names)
        return display.plot(n_images=n_images, n_columns=n_columns, ax=ax)

    def plot(self, *, n_images: int = 12, n_columns: int = 6, ax: AxesLike | None = None) -> Self:
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
            This object, with the figure and axes that were drawn into.
        """
        self.shown_ = self._order()[:n_images]
        n_columns = max(1, min(n_columns, len(self.shown_)))
        n_rows = max(1, -(-len(self.shown_) // n_columns))
        rows = [self._titles(index) for index in self.shown_]
        rows += [[]] * (n_rows * n_columns - len(rows))
        captions = Captions(
            [rows[i : i + n_columns] for i in range(0, len(rows), n_columns)],
            heading=self._heading(),
        )
        self.figure_, self.axes_, _ = picture_grid(
            ax, captions, cell=(2, 1.9), caller="PredictionGridDisplay"
        )
        for axis, index in zip(self.axes_.flat, self.shown_, strict=False):
            self._draw(axis, index)
        for axis in self.axes_.flat[len(self.shown_) :]:
            axis.set_axis_off()
        return self

    def _heading(self):
        if self.y_true is None:
            return None
        n_wrong = int(np.sum(self.y_pred != self.y_true))
        heading = f"{n_wrong} of {len(self.y_pred)} predictions are wrong"
        return heading + (": these come first, in thick frames" if n_wrong else "")

    def _order(self):
        """Return the indices of all images in the order of drawing."""
        confidence = np.zeros(len(self.y_pred)) if self.confidence is None else self.confidence
        if self.y_true is None:
            return np.argsort(confidence, kind="stable")
        wrong = self.y_pred != self.y_true
        # Sure mistakes before doubtful ones, doubtful successes before sure ones.
        return np.lexsort((np.where(wrong, -confidence, confidence), ~wrong))

    def _titles(self, index):
        names = self.names or {}
        predicted = _plain(self.y_pred[index])
        lines = [f"predicted: {names.get(predicted, predicted)}"]
        if self.confidence is not None:
            lines[0] += f" ({self.confidence[index]:.0%})"
        if self.y_true is not None:
            true = _plain(self.y_true[index])
            lines.append(f"true: {names.get(true, true)}")
        return lines

    def _draw(self, axis, index):
        show_image(axis, self.images[index])
        wrong = self.y_true is not None and self.y_pred[index] != self.y_true[index]
        for edge in axis.spines.values():
            edge.set(color=VERMILION if wrong else "gray", linewidth=3.5 if wrong else 0.5)


def _plain(label):
    return label.item() if hasattr(label, "item") else label


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
