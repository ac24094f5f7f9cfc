"""ConfusionExamplesDisplay: a confusion matrix whose cells each show an image."""

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


class ConfusionExamplesDisplay:
    """Confusion matrix with an example image in each cell.

    Make it by :meth:`from_estimator` or :meth:`from_predictions`. Rows are true classes, columns
    predicted ones. A cell gives the number of images, their share of the row, and the image that
    was predicted with the highest confidence. Cells of mistakes have frames, thicker for larger
    shares.

    Parameters
    ----------
    images : ndarray of shape (n_samples, height, width) or (n_samples, height, width, channels)
        The images.
    counts : ndarray of shape (n_classes, n_classes)
        How many images of each true class (row) are predicted as each class (column).
    examples : ndarray of shape (n_classes, n_classes) and dtype int64
        Index of the image that each cell shows, -1 for an empty one.
    class_names : list of str
        What to call the classes.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
        The figure drawn into.
    axes_ : ndarray of shape (n_classes, n_classes) of matplotlib.axes.Axes
        The cells.

    See Also
    --------
    sklearn.metrics.ConfusionMatrixDisplay : The counts, in colours.
    PredictionGridDisplay : Mistakes one by one, those of the highest confidence first.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_digits
    >>> from skextra import ScratchGaussianNB
    >>> from skextra.inspection import ConfusionExamplesDisplay
    >>> X, y = load_digits(n_class=4, return_X_y=True)
    >>> classifier = ScratchGaussianNB(var_smoothing=0.01).fit(X[:300], y[:300])
    >>> display = ConfusionExamplesDisplay.from_estimator(classifier, X[300:], y[300:])
    >>> display.counts.shape
    (4, 4)
    >>> plt.close()
    """

    figure_: Figure
    axes_: np.ndarray

    def __init__(
        self,
        images: np.ndarray,
        *,
        counts: np.ndarray,
        examples: np.ndarray,
        class_names: list[str],
    ) -> None:
        self.images = images
        self.counts = counts
        self.examples = examples
        self.class_names = class_names

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike,
        *,
        class_names: Names | None = None,
        image_shape: tuple[int, ...] | None = None,
        ax: AxesLike | None = None,
    ) -> Self:
        """Predict with a fitted classifier and draw.

        Parameters
        ----------
        estimator : classifier
            A fitted classifier. If it has ``predict_proba``, probabilities decide which image is
            shown.
        X : array-like of shape (n_samples, height, width), (n_samples, height, width, channels) \
                or (n_samples, n_features)
            Images, or flat rows.
        y : array-like of shape (n_samples,)
            True classes.
        class_names : sequence of str of shape (n_classes,), default=None
            Names of the classes, in the order of ``classes_``; None takes the labels.
        image_shape : tuple of int, default=None
            ``(height, width)`` or ``(height, width, channels)`` into which flat rows unfold; None
            takes the estimator's ``image_shape_``, or a square.
        ax : matplotlib.axes.Axes or array-like of them, default=None
            Where to draw: an axes to divide, or one per cell. None makes a figure.

        Returns
        -------
        ConfusionExamplesDisplay
            The display that was drawn.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        ValueError
            If X and y differ in length, y has labels that are no classes of the estimator, or
            flat rows do not unfold.
        ImportError
            If matplotlib is not installed.
        """
        check_is_fitted(estimator)
        images = as_images(X, image_shape, innermost(estimator)[0])
        has_proba = hasattr(estimator, "predict_proba")
        y_pred = estimator.predict_proba(X) if has_proba else estimator.predict(X)
        return cls.from_predictions(
            images, y, y_pred, labels=estimator.classes_, class_names=class_names, ax=ax
        )

    @classmethod
    def from_predictions(
        cls,
        X: ArrayLike,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        labels: ArrayLike | None = None,
        class_names: Names | None = None,
        image_shape: tuple[int, ...] | None = None,
        ax: AxesLike | None = None,
    ) -> Self:
        """Draw images with predictions made elsewhere.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width), (n_samples, height, width, channels) \
                or (n_samples, n_features)
            Images, or flat rows.
        y_true : array-like of shape (n_samples,)
            True classes.
        y_pred : array-like of shape (n_samples,) or (n_samples, n_classes)
            Predicted classes, or the probability of each of the `labels`.
        labels : array-like of shape (n_classes,), default=None
            The classes, in the order of rows, columns, and the columns of `y_pred`; None takes
            the sorted classes in `y_true`, and those in `y_pred` if it holds classes.
        class_names : sequence of str of shape (n_classes,), default=None
            Names of the classes, in the order of `labels`; None takes the labels.
        image_shape : tuple of int, default=None
            ``(height, width)`` or ``(height, width, channels)`` into which flat rows unfold; None
            takes a square.
        ax : matplotlib.axes.Axes or array-like of them, default=None
            Where to draw: an axes to divide, or one per cell. None makes a figure.

        Returns
        -------
        ConfusionExamplesDisplay
            The display that was drawn.

        Raises
        ------
        ValueError
            If lengths differ, the number of labels is not that of columns, labels are none of
            `labels`, or flat rows do not unfold.
        ImportError
            If matplotlib is not installed.
        """
        images, y_true, y_pred = (
            as_images(X, image_shape),
            column_or_1d(y_true),
            np.asarray(y_pred),
        )
        check_consistent_length(images, y_true, y_pred)
        if labels is None:
            found = [np.unique(y_true)] + [np.unique(y_pred)] * (y_pred.ndim == 1)
            check_labels("y_true", y_true, found[-1], source="the predictions", known=False)
            labels = np.unique(np.concatenate(found))
        labels = np.asarray(labels)
        check_labels("y_true", y_true, labels)
        confidence = np.zeros(len(y_true))
        if y_pred.ndim == 2:
            if y_pred.shape[1] != len(labels):
                raise ValueError(
                    f"y_pred has {y_pred.shape[1]} columns, but there are {len(labels)} labels: "
                    f"{labels.tolist()}. Give the labels of the columns."
                )
            y_pred, confidence = labels[y_pred.argmax(axis=1)], y_pred.max(axis=1)
        unknown = np.setdiff1d(np.concatenate([y_true, y_pred]), labels)
        if len(unknown):
            raise ValueError(
                f"y_true or y_pred has the labels {unknown.tolist()}, which are not among the "
                f"classes {labels.tolist()}."
            )
        counts = np.zeros((len(labels), len(labels)), dtype=np.int64)
        examples = np.full_like(counts, -1)
        for row, true in enumerate(labels):
            for column, predicted in enumerate(labels):
                here = np.flatnonzero((y_true == true) & (y_pred == predicted))
                counts[row, column] = len(here)
                if len(here):
                    examples[row, column] = here[confidence[here].argmax()]
        display = cls(
            images,
            counts=counts,
            examples=examples,
            class_names=list(names_of(labels, class_names).values()),
        )
        return display.plot(ax=ax)

    def plot(self, *, ax: AxesLike | None = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or array-like of them, default=None
            Where to draw: an axes to divide, or one per cell. None makes a figure.

        Returns
        -------
        self : ConfusionExamplesDisplay
            This object, with the figure and axes that were drawn into.
        """
        totals = self.counts.sum(axis=1, keepdims=True)
        shares = self.counts / np.where(totals == 0, 1, totals)
        n_classes = len(self.class_names)
        titles = [
            [[f"{count} ({share:.0%})"] if count else ["0"] for count, share in
             zip(*line, strict=True)]
            for line in zip(self.counts, shares, strict=True)
        ]  # fmt: skip
        # The names of the columns stand above the first row.
        titles[0] = [
            [f"predicted: {name}", *cell]
            for name, cell in zip(self.class_names, titles[0], strict=True)
        ]
        n_right = int(np.trace(self.counts))
        heading = f"{n_right} of {self.counts.sum()} predictions are right; mistakes are framed"
        captions = Captions(titles, [f"true: {name}" for name in self.class_names], heading)
        self.figure_, self.axes_, _ = picture_grid(
            ax, captions, cell=(1.25, 1.25), caller="ConfusionExamplesDisplay"
        )
        for row in range(n_classes):
            for column in range(n_classes):
                self._draw(self.axes_[row, column], row, column, shares[row, column])
        return self

    def _draw(self, axis, row, column, share):
        index = self.examples[row, column]
        if index < 0:
            axis.set(xticks=[], yticks=[], facecolor="none")
            axis.set_box_aspect(1)
        else:
            show_image(axis, self.images[index])
        mistakes = row != column and index >= 0
        for edge in axis.spines.values():
            edge.set(
                color=VERMILION if mistakes else "gray",
                linewidth=1.5 + 3 * min(1, 4 * share) if mistakes else 0.5,
            )
