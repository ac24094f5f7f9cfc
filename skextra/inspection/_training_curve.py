"""TrainingCurveDisplay: how a network's training went."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skextra._drawing import BLUE, GREEN, VERMILION, divide, fit_labels, ink
from skextra.inspection._estimators import innermost

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    from skextra._types import AxesLike

_MARKERS_UP_TO = 60


class TrainingCurveDisplay:
    """Training loss, validation accuracy and learning rate, epoch by epoch.

    Make it by :meth:`from_estimator`. What is known is drawn, one panel each above the other. If
    a validation score decided which weights were kept, that epoch is marked.

    Parameters
    ----------
    loss_curve : array-like of shape (n_epochs,)
        Mean training loss of each epoch.
    validation_scores : array-like of shape (n_epochs,), default=None
        Accuracy on the part held out after each epoch.
    learning_rates : array-like of shape (n_epochs,), default=None
        Learning rate at the end of each epoch.
    best_epoch : int, default=None
        Epoch, counted from 1, whose weights were kept.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
        The figure drawn into.
    axes_ : ndarray of shape (n_panels,) of matplotlib.axes.Axes
        The panels from top to bottom: loss, validation accuracy and learning rate, as far as they
        are known.
    lines_ : list of matplotlib.lines.Line2D
        The curve of each panel.

    See Also
    --------
    sklearn.model_selection.LearningCurveDisplay : Scores by the number of training samples.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from skextra import TumorCNNClassifier
    >>> from skextra.datasets import make_brain_mri
    >>> from skextra.inspection import TrainingCurveDisplay
    >>> X, y = make_brain_mri(80, image_size=16, random_state=0)
    >>> classifier = TumorCNNClassifier(max_epochs=5, early_stopping=True, random_state=0)
    >>> display = TrainingCurveDisplay.from_estimator(classifier.fit(X, y))
    >>> [ax.get_ylabel() for ax in display.axes_]
    ['training loss', 'validation accuracy', 'learning rate']
    >>> plt.close()
    """

    figure_: Figure
    axes_: np.ndarray
    lines_: list[Line2D]

    def __init__(
        self,
        loss_curve: Sequence[float] | np.ndarray,
        *,
        validation_scores: Sequence[float] | np.ndarray | None = None,
        learning_rates: Sequence[float] | np.ndarray | None = None,
        best_epoch: int | None = None,
    ) -> None:
        self.loss_curve = loss_curve
        self.validation_scores = validation_scores
        self.learning_rates = learning_rates
        self.best_epoch = best_epoch

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: AxesLike | None = None) -> Self:
        """Draw the training of a fitted classifier.

        Parameters
        ----------
        estimator : TumorCNNClassifier or another estimator with a ``loss_curve_``
            A fitted one, such as also :class:`sklearn.neural_network.MLPClassifier`; a pipeline
            that ends in one or a search that refitted one will do.
        ax : matplotlib.axes.Axes or array-like of them, default=None
            Where to draw: an axes to divide, or one for each panel. None makes a figure.

        Returns
        -------
        TrainingCurveDisplay
            The display that was drawn.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        ValueError
            If it has no loss curve, or an empty one.
        ImportError
            If matplotlib is not installed.
        """
        check_is_fitted(estimator)
        estimator, _ = innermost(estimator)
        loss_curve = getattr(estimator, "loss_curve_", None)
        if loss_curve is None or len(loss_curve) == 0:
            raise ValueError(
                f"{type(estimator).__name__} has no loss curve. Give a fitted estimator with "
                "epochs in its loss_curve_, such as TumorCNNClassifier."
            )
        scores = getattr(estimator, "validation_scores_", None)
        best_epoch = None
        if scores is not None:
            best_epoch = getattr(estimator, "best_epoch_", 1 + int(np.argmax(scores)))
        display = cls(
            loss_curve,
            validation_scores=scores,
            learning_rates=_learning_rates(estimator),
            best_epoch=best_epoch,
        )
        return display.plot(ax=ax)

    def plot(self, *, ax: AxesLike | None = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or array-like of them, default=None
            Where to draw: an axes to divide, or one for each panel. None makes a figure.

        Returns
        -------
        self : TrainingCurveDisplay
            This object, with the figure and axes that were drawn into.
        """
        panels = [
            ("training loss", self.loss_curve, BLUE, "o"),
            ("validation accuracy", self.validation_scores, VERMILION, "s"),
            ("learning rate", self.learning_rates, GREEN, "^"),
        ]
        panels = [panel for panel in panels if panel[1] is not None]
        self.figure_, axes = divide(
            ax,
            len(panels),
            1,
            cell=(6, 2.2),
            caller="TrainingCurveDisplay",
            sharex=True,
        )
        self.axes_ = axes[:, 0]
        self.lines_ = []
        for axis, (label, values, color, marker) in zip(self.axes_, panels, strict=True):
            marker = marker if len(values) <= _MARKERS_UP_TO else None
            epochs = np.arange(1, len(values) + 1)
            self.lines_ += axis.plot(epochs, values, color=color, marker=marker, markersize=4)
            axis.set_ylabel(label)
            axis.grid(alpha=0.3)
        # Loss and rate have a zero that means something: the curve falls towards it.
        self.axes_[0].set_ylim(bottom=0)
        if self.learning_rates is not None:
            self.axes_[-1].set_ylim(bottom=0)
            # Not as a factor above the axes, which would lie over the panel above.
            self.axes_[-1].yaxis.set_major_formatter("{x:.3g}")
        self.axes_[-1].set_xlabel("epoch")
        self.axes_[-1].xaxis.get_major_locator().set_params(integer=True)
        if self.best_epoch:
            self._mark_best_epoch()
        fit_labels(self.figure_, self.axes_, ax)
        return self

    def _mark_best_epoch(self):
        for axis in self.axes_:
            axis.axvline(self.best_epoch, color=ink(), linestyle="--", linewidth=1)
        label = f"dashed: epoch {self.best_epoch}, whose weights were kept"
        if self.validation_scores is not None:
            label += f" (accuracy {self.validation_scores[self.best_epoch - 1]:.3f})"
        self.axes_[0].set_title(label, fontsize="medium")


def _learning_rates(estimator):
    """Learning rate at the end of each epoch, None where the estimator does not tell.

    No estimator stores them: the schedule is run again, without a network.
    """
    recipe, net = getattr(estimator, "recipe_", None), getattr(estimator, "net_", None)
    if recipe is None or net is None:
        return None
    n_epochs = len(estimator.loss_curve_)
    optimizer = getattr(net, "optimizer_", None)
    # A schedule leaves its mark on the optimizer; partial_fit trains without one.
    unscheduled = optimizer is not None and "initial_lr" not in optimizer.param_groups[0]
    if recipe["lr_scheduler"] is None or unscheduled:
        return [recipe["learning_rate"]] * n_epochs

    import torch

    from skextra.neural_network._training._schedules import make_schedule

    n_batches = net.history[-1]["train_batch_count"]
    optimizer = torch.optim.AdamW([torch.zeros(1)], lr=recipe["learning_rate"])
    stand_in = SimpleNamespace(optimizer_=optimizer, lr=recipe["learning_rate"], recipe=recipe)
    schedule = make_schedule(
        recipe["lr_scheduler"],
        stand_in,
        recipe["max_epochs"],
        SimpleNamespace(n_batches=n_batches),
    )
    rates = []
    for loss in estimator.loss_curve_:
        for _ in range(n_batches):
            rate = optimizer.param_groups[0]["lr"]
            optimizer.step()
            schedule.after_update()
        rates.append(rate)
        schedule.after_epoch(loss)
    return rates
