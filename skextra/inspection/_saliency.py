"""SaliencyDisplay: which part of an image speaks for a class."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from skextra._drawing import (
    SIZES,
    Captions,
    as_images,
    fitted_to_box,
    outlined,
    picture_grid,
    require_pyplot,
    show_image,
)
from skextra.inspection._classes import check_labels, names_of
from skextra.inspection._estimators import innermost, rows_like
from skextra.inspection._heatmaps import grad_cam_maps, target_codes

if TYPE_CHECKING:
    from typing import Self

    from matplotlib.colorbar import Colorbar
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

    from skextra._types import AxesLike, Names

_METHODS = ("grad_cam", "occlusion")


class SaliencyDisplay:
    r"""Which part of an image speaks for a class.

    Make it by :meth:`from_estimator`. Each image is drawn twice: as it is, and below with a
    heat map over it. The line in it runs at half of the map's maximum, and is left out where
    occlusion changes the probability by less than a tenth of what it does elsewhere.

    - ``"grad_cam"`` [1]_ asks the network: the feature maps :math:`A^k` that its last convolution
      leads to are weighted by the mean gradient of the class's logit :math:`s_c` with respect to
      them.
    - ``"occlusion"`` [2]_ asks any classifier: a patch of the image's mean gray hides one part
      after another, and the map shows how far the probability of the class falls.

    A heat map shows what this model reacts to, and neither where a tumour is nor whether the
    model is right. It is a programming exercise on medical images, never medical advice.

    Parameters
    ----------
    images : ndarray of shape (n_samples, height, width) or (n_samples, height, width, channels)
        The images.
    heatmaps : ndarray of shape (n_samples, height, width)
        The map of each: from 0 to 1 for Grad-CAM, a difference of probabilities for occlusion.
    method : {"grad_cam", "occlusion"}
        What the maps are.
    targets : ndarray of shape (n_samples,)
        The class that each map explains.
    probabilities : ndarray of shape (n_samples,)
        The probability of that class.
    y_true : ndarray of shape (n_samples,), default=None
        The true class of each image.
    names : dict, default=None
        The name to show for each label; None shows the labels.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
        The figure drawn into.
    axes_ : ndarray of shape (2, n_samples) of matplotlib.axes.Axes
        Images above, heat maps below.
    colorbar_ : matplotlib.colorbar.Colorbar
        The scale of the heat maps.

    See Also
    --------
    PredictionGridDisplay : Images with their predictions, mistakes first.

    Notes
    -----
    The feature maps are those that the last convolution leads to: after its batch norm,
    activation and pooling, as they stand before they are flattened or averaged. With :math:`Z`
    places in each, Grad-CAM is

    .. math::

        L = \max\Bigl(0, \sum_k \alpha_k A^k\Bigr), \qquad
        \alpha_k = \frac{1}{Z} \sum_{i,j} \frac{\partial s_c}{\partial A^k_{ij}},

    enlarged to the image and divided by its maximum. Where nothing speaks for the class, the map
    is 0 everywhere.

    Occlusion is the mean, over all patches that cover a pixel, of the probability of the class
    for the whole image less that for the image with the patch.

    References
    ----------
    .. [1] R. R. Selvaraju, M. Cogswell, A. Das, R. Vedantam, D. Parikh and D. Batra, "Grad-CAM:
       visual explanations from deep networks via gradient-based localization", ICCV 2017.
       :doi:`10.1109/ICCV.2017.74`
    .. [2] M. D. Zeiler and R. Fergus, "Visualizing and understanding convolutional networks",
       ECCV 2014. :doi:`10.1007/978-3-319-10590-1_53`

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_digits
    >>> from skextra import ScratchGaussianNB
    >>> from skextra.inspection import SaliencyDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> classifier = ScratchGaussianNB(var_smoothing=0.01).fit(X, y)
    >>> display = SaliencyDisplay.from_estimator(classifier, X[:3], method="occlusion")
    >>> display.heatmaps.shape
    (3, 8, 8)
    >>> plt.close()
    """

    names: dict[Any, str]
    figure_: Figure
    axes_: np.ndarray
    colorbar_: Colorbar

    def __init__(
        self,
        images: np.ndarray,
        heatmaps: np.ndarray,
        *,
        method: Literal["grad_cam", "occlusion"],
        targets: np.ndarray,
        probabilities: np.ndarray,
        y_true: np.ndarray | None = None,
        names: dict[Any, str] | None = None,
    ) -> None:
        self.images = images
        self.heatmaps = heatmaps
        self.method = method
        self.targets = targets
        self.probabilities = probabilities
        self.y_true = y_true
        self.names = names or {}

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        method: Literal["grad_cam", "occlusion"] = "grad_cam",
        target: Any = None,
        class_names: Names | None = None,
        layer: str | None = None,
        patch_size: int | None = None,
        stride: int | None = None,
        image_shape: tuple[int, ...] | None = None,
        ax: AxesLike | None = None,
    ) -> Self:
        """Explain the predictions of a fitted classifier and draw.

        Parameters
        ----------
        estimator : classifier
            For ``"grad_cam"`` a fitted :class:`~skextra.TumorCNNClassifier` whose network has a
            convolution, or a search or pipeline around one; for ``"occlusion"`` any fitted
            classifier with ``predict_proba``.
        X : array-like of shape (n_samples, height, width), (n_samples, height, width, channels) \
                or (n_samples, n_features)
            The images to explain, or flat rows, also of a table: a few.
        y : array-like of shape (n_samples,), default=None
            True classes, for the titles.
        method : {"grad_cam", "occlusion"}, default="grad_cam"
            See above.
        target : label or array-like of shape (n_samples,), default=None
            The class to explain, or that for each image; None takes the predicted one.
        class_names : sequence of str of shape (n_classes,), default=None
            Names for the titles, in the order of ``classes_``; None takes the labels.
        layer : str, default=None
            For ``"grad_cam"``, the name of a layer in ``net_.module_.named_modules()`` whose
            output is the feature maps; None takes the last that still has places.
        patch_size : int, default=None
            For ``"occlusion"``, the side of the patch in pixels; None takes a fifth of the image's
            shorter side.
        stride : int, default=None
            For ``"occlusion"``, the step between patches in pixels; None takes a third
            of `patch_size`.
        image_shape : tuple of int, default=None
            ``(height, width)`` or ``(height, width, channels)`` into which flat rows unfold; None
            takes the estimator's ``image_shape_``, or a square.
        ax : matplotlib.axes.Axes or array-like of them, default=None
            Where to draw: an axes to divide, or two for each image. None makes a figure.

        Returns
        -------
        SaliencyDisplay
            The display that was drawn.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        ValueError
            If the estimator does not suit the method, or a parameter is not as described.
        ImportError
            If matplotlib is not installed.
        """
        if method not in _METHODS:
            raise ValueError(f"method={method!r} is unknown. There are {', '.join(_METHODS)}.")
        check_is_fitted(estimator)
        if not hasattr(estimator, "predict_proba"):
            raise ValueError(f"{type(estimator).__name__} has no predict_proba.")
        for name, size in (("patch_size", patch_size), ("stride", stride)):
            if size is not None and not (isinstance(size, Integral) and size >= 1):
                raise ValueError(f"{name}={size!r} must be at least 1 pixel, or None.")
        check_consistent_length(X, y)
        classes = np.asarray(estimator.classes_)
        names = names_of(classes, class_names)
        if y is not None:
            check_labels("y", y, classes)
        images = as_images(X, image_shape, innermost(estimator)[0])
        probabilities = np.asarray(estimator.predict_proba(X))
        codes = target_codes(target, classes, probabilities)
        if method == "grad_cam":
            heatmaps = grad_cam_maps(*innermost(estimator, X), images.shape[1:3], codes, layer)
        else:
            from skextra.inspection._occlusion import occlusion

            form = rows_like(X)

            def predict(images):
                return np.asarray(estimator.predict_proba(form(images)))

            heatmaps = occlusion(predict, images, codes, patch_size=patch_size, stride=stride)
        display = cls(
            images,
            heatmaps,
            method=method,
            targets=classes[codes],
            probabilities=probabilities[np.arange(len(codes)), codes],
            y_true=None if y is None else np.asarray(y),
            names=names,
        )
        return display.plot(ax=ax)

    def plot(self, *, ax: AxesLike | None = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or array-like of them, default=None
            Where to draw: an axes to divide, or two for each image. None makes a figure.

        Returns
        -------
        self : SaliencyDisplay
            This object, with the figure and axes that were drawn into.
        """
        require_pyplot("SaliencyDisplay")
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize

        if self.method == "grad_cam":
            colors, label = "inferno", "evidence for the class (share of the largest)"
            scale = Normalize(0, 1)
        else:
            colors, label = "PuOr_r", "fall of the probability where hidden"
            largest = float(np.abs(self.heatmaps).max()) or 1.0
            scale = Normalize(-largest, largest)
        n_images = len(self.images)
        method = self.method.replace("grad_cam", "Grad-CAM")
        captions = Captions(
            [[self._titles(index) for index in range(n_images)], [[]] * n_images],
            ["image", method],
        )
        self.figure_, self.axes_, bar = picture_grid(
            ax, captions, cell=(1.9, 1.9), caller="SaliencyDisplay", color_bar=True
        )
        for index, (above, below) in enumerate(self.axes_.T):
            show_image(above, self.images[index])
            show_image(below, self.images[index])
            self._draw_heat(below, self.heatmaps[index], colors, scale)
        place = (
            {"cax": bar} if bar is not None else {"ax": list(self.axes_.flat), "fraction": 0.05}
        )
        self.colorbar_ = self.figure_.colorbar(ScalarMappable(scale, colors), **place)
        self._label_color_bar(label)
        return self

    def _titles(self, index):
        target = self.names.get(_plain(self.targets[index]), self.targets[index])
        lines = [f"explained: {target} ({self.probabilities[index]:.0%})"]
        if self.y_true is not None:
            true = _plain(self.y_true[index])
            lines.append(f"true: {self.names.get(true, true)}")
        return lines

    def _label_color_bar(self, label):
        axis = self.colorbar_.ax
        height = axis.get_window_extent().height
        text, size = fitted_to_box(
            self.figure_, [label], height, 24 * self.figure_.dpi / 72, SIZES
        )
        axis.tick_params(labelsize=size)
        axis.set_ylabel(text, fontsize=size, labelpad=1)

    @staticmethod
    def _draw_heat(axis, heat, colors, scale):
        """Lay heat over an image, the clearer the stronger, with a line at half of its maximum."""
        strength = np.abs(heat) / max(abs(scale.vmin), scale.vmax)
        axis.imshow(heat, cmap=colors, norm=scale, alpha=0.75 * np.sqrt(strength))
        # Where the probability hardly moves, half of its largest move means nothing.
        if heat.max() > max(0.1 * scale.vmax, heat.min()):
            lines = axis.contour(heat, levels=[heat.max() / 2], colors="white", linewidths=1)
            lines.set_path_effects(outlined())


def _plain(label):
    return label.item() if hasattr(label, "item") else label
