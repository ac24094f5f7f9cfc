"""GaussianDensityDisplay: the bells of Gaussian naive Bayes over the data they stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from skextra._drawing import class_looks, divide, fit_labels, ink, legend, one_line
from skextra._sklearn import to_numpy
from skextra.inspection._classes import check_labels, names_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from matplotlib.figure import Figure
    from matplotlib.legend import Legend
    from matplotlib.lines import Line2D

    from skextra._types import AxesLike, Data, Names

_GRID_POINTS = 200
_BINS = 20


class GaussianDensityDisplay:
    r"""Class densities of Gaussian naive Bayes over the histograms of the data.

    Make it by :meth:`from_estimator`. One panel per feature shows, for each class, the histogram
    of the rows and the density that the model has learnt. With two features, a third panel shows
    the rows and the regions of the most probable class, the other features left out of account.

    Parameters
    ----------
    values : ndarray of shape (n_samples, n_shown)
        The shown features of the rows; NaN is a missing value.
    codes : ndarray of shape (n_samples,)
        Index of the class of each row in `classes`.
    classes : ndarray of shape (n_classes,)
        Class labels.
    means, variances : ndarray of shape (n_classes, n_shown)
        What the model says of each class and shown feature.
    priors : ndarray of shape (n_classes,)
        Prior probabilities of the classes.
    feature_names : sequence of str
        Names of the shown features.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
        The figure drawn into.
    axes_ : ndarray of shape (n_panels,) of matplotlib.axes.Axes
        One panel per feature, and one of the boundary if two features are shown.
    lines_ : list of list of matplotlib.lines.Line2D
        The densities: of each feature, for each class.
    legend_ : matplotlib.legend.Legend
        The names of the classes: below the panels, or in the first of given axes.

    See Also
    --------
    sklearn.inspection.DecisionBoundaryDisplay : Boundaries of any classifier of two features.

    Notes
    -----
    Naive Bayes takes features for independent given the class, so a feature is left out of account
    by leaving its factor out: on features :math:`a` and :math:`b` the most probable class is

    .. math::

        \arg\max_k \; \log \pi_k + \log N(x_a; \mu_{ka}, \sigma^2_{ka})
        + \log N(x_b; \mu_{kb}, \sigma^2_{kb}).

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_iris
    >>> from skextra import ScratchGaussianNB
    >>> from skextra.inspection import GaussianDensityDisplay
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> display = GaussianDensityDisplay.from_estimator(
    ...     ScratchGaussianNB().fit(X, y), X, y, features=[2, 3]
    ... )
    >>> [ax.get_xlabel() for ax in display.axes_]
    ['petal length (cm)', 'petal width (cm)', 'petal length (cm)']
    >>> plt.close()
    """

    figure_: Figure
    axes_: np.ndarray
    lines_: list[list[Line2D]]
    legend_: Legend

    def __init__(
        self,
        values: np.ndarray,
        codes: np.ndarray,
        *,
        classes: np.ndarray,
        means: np.ndarray,
        variances: np.ndarray,
        priors: np.ndarray,
        feature_names: Names,
    ) -> None:
        self.values = values
        self.codes = codes
        self.classes = classes
        self.means = means
        self.variances = variances
        self.priors = priors
        self.feature_names = feature_names

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Data,
        y: Data,
        *,
        features: Sequence[int | str] | np.ndarray | None = None,
        feature_names: Names | None = None,
        class_names: Names | None = None,
        ax: AxesLike | None = None,
    ) -> Self:
        """Draw a fitted Gaussian naive Bayes model over rows.

        Parameters
        ----------
        estimator : ScratchGaussianNB or sklearn.naive_bayes.GaussianNB
            A fitted one.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows, as `fit` takes them; NaN is a missing value and left out.
        y : array-like of shape (n_samples,)
            Classes of the rows.
        features : sequence of int or str, default=None
            The features to show, by position or name; None takes the first two.
        feature_names : sequence of str of shape (n_features,), default=None
            Names of all features; None takes ``feature_names_in_`` or numbers them.
        class_names : sequence of str of shape (n_classes,), default=None
            Names for the legend, in the order of ``classes_``; None takes the labels.
        ax : matplotlib.axes.Axes or array-like of them, default=None
            Where to draw: an axes to divide, or one per panel. None makes a figure.

        Returns
        -------
        GaussianDensityDisplay
            The display that was drawn.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        ValueError
            If it is no Gaussian naive Bayes, X has another number of features, or a feature or
            label is unknown to it.
        ImportError
            If matplotlib is not installed.
        """
        check_is_fitted(estimator)
        if not (hasattr(estimator, "theta_") and hasattr(estimator, "var_")):
            raise ValueError(
                f"{type(estimator).__name__} has no means theta_ and variances var_: give a "
                "ScratchGaussianNB or GaussianNB."
            )
        classes, y = to_numpy(estimator.classes_), to_numpy(y)
        means, variances = to_numpy(estimator.theta_), to_numpy(estimator.var_)
        if not hasattr(X, "shape"):
            X = np.asarray(X)
        if X.shape[1:] != means.shape[1:]:
            raise ValueError(
                f"X must have {means.shape[1]} features per row, as in fit; got shape {X.shape}."
            )
        check_consistent_length(X, y)
        check_labels("y", y, classes)
        unknown = np.setdiff1d(y, classes)
        if len(unknown):
            raise ValueError(
                f"y has the labels {unknown.tolist()}, unknown to the estimator: it has "
                f"{classes.tolist()}."
            )
        shown = list(names_of(classes, class_names).values())
        names = _feature_names(estimator, feature_names, means.shape[1])
        columns = _columns(features, names)
        display = cls(
            _values(X, columns),
            np.searchsorted(classes, y),
            classes=classes if class_names is None else np.asarray(shown),
            means=means[:, columns],
            variances=variances[:, columns],
            priors=to_numpy(estimator.class_prior_),
            feature_names=[names[column] for column in columns],
        )
        return display.plot(ax=ax)

    def plot(self, *, ax: AxesLike | None = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or array-like of them, default=None
            Where to draw: an axes to divide, or one per panel. None makes a figure.

        Returns
        -------
        self : GaussianDensityDisplay
            This object, with the figure and axes that were drawn into.
        """
        names = [one_line(name) for name in self.classes]
        n_features = len(self.feature_names)
        n_panels = n_features + (n_features == 2)
        # In a figure of its own a picture does not grow beyond the width of a page.
        n_columns = n_panels if np.iterable(ax) else 2 if n_panels == 4 else min(n_panels, 3)
        self.figure_, axes = divide(
            ax,
            -(-n_panels // n_columns),
            n_columns,
            cell=(3.7, 3.3),
            caller="GaussianDensityDisplay",
            legend_names=names,
        )
        self.axes_ = axes.ravel()[:n_panels]
        for left_over in axes.flat[n_panels:]:
            left_over.set_axis_off()
        self._looks = class_looks(len(self.classes))
        self.lines_ = [
            self._draw_densities(axis, feature)
            for feature, axis in enumerate(self.axes_[:n_features])
        ]
        for axis in axes[:, 0]:
            axis.set_ylabel("density")
        handles = self.lines_[0]
        if n_features == 2:
            # One entry a class, with its line and its marker.
            handles = list(zip(handles, self._draw_boundary(self.axes_[2]), strict=True))
        self.legend_ = legend(self.figure_, self.axes_, ax, handles, names)
        fit_labels(self.figure_, self.axes_, ax)
        return self

    def _draw_densities(self, axis, feature):
        values = self.values[:, feature]
        known = ~np.isnan(values)
        grid = self._grid(feature)
        edges = np.histogram_bin_edges(values[known], bins=_BINS)
        highest, lines = 0, []
        for code, (color, line, _) in enumerate(self._looks):
            rows = values[known & (self.codes == code)]
            if len(rows):
                style = {"density": True, "color": color}
                heights, _, _ = axis.hist(rows, edges, alpha=0.25, **style)
                axis.hist(rows, edges, histtype="step", linewidth=0.5, **style)
                highest = max(highest, heights.max())
            mean, variance = self.means[code, feature], self.variances[code, feature]
            density = np.exp(-((grid - mean) ** 2) / (2 * variance)) / np.sqrt(
                2 * np.pi * variance
            )
            lines += axis.plot(grid, density, color=color, linestyle=line)
        # A class that hardly varies has a needle for a bell, which would flatten all others.
        tallest = max(line.get_ydata().max() for line in lines)
        axis.set_ylim(0, 1.08 * min(max(tallest, highest), 3 * highest or np.inf))
        axis.set_xlabel(self.feature_names[feature])
        axis.set_title("bars: data, lines: model", fontsize="medium")
        return lines

    def _draw_boundary(self, axis):
        """Draw the regions and the rows in them; return the markers of each class."""
        a, b = self._grid(0), self._grid(1)
        squares = [
            (grid - self.means[:, [feature]]) ** 2 / self.variances[:, [feature]]
            + np.log(2 * np.pi * self.variances[:, [feature]])
            for feature, grid in enumerate((a, b))
        ]
        with np.errstate(divide="ignore"):
            log_priors = np.log(self.priors)
        joint = log_priors[:, None, None] - 0.5 * (squares[1][:, :, None] + squares[0][:, None, :])
        codes = joint.argmax(axis=0)
        n_classes = len(self.classes)
        levels = np.arange(n_classes + 1) - 0.5
        colors = [color for color, _, _ in self._looks]
        axis.contourf(a, b, codes, levels=levels, colors=colors, alpha=0.18)
        points = []
        for code, (color, _, marker) in enumerate(self._looks):
            rows = self.values[self.codes == code]
            look = {"color": color, "marker": marker, "edgecolors": axis.get_facecolor()}
            points.append(axis.scatter(*rows.T, s=14, linewidths=0.4, **look))
            if 0 < np.sum(codes == code) < codes.size:
                axis.contour(a, b, codes == code, levels=[0.5], colors=ink(), linewidths=0.8)
        axis.set(xlabel=self.feature_names[0], ylabel=self.feature_names[1])
        axis.set_title("regions: most probable class", fontsize="medium")
        return points

    def _grid(self, feature):
        """Points over the range of a feature, a little beyond the rows on either side."""
        values = self.values[:, feature]
        values = values[~np.isnan(values)]
        low, high = (values.min(), values.max()) if len(values) else (0, 1)
        margin = 0.08 * (high - low) or 0.5
        return np.linspace(low - margin, high + margin, _GRID_POINTS)


def _feature_names(estimator, feature_names, n_features):
    if feature_names is None:
        feature_names = getattr(estimator, "feature_names_in_", None)
    if feature_names is None:
        return [f"feature {column}" for column in range(n_features)]
    if len(feature_names) != n_features:
        raise ValueError(
            f"feature_names holds {len(feature_names)} names, but the estimator was fitted on "
            f"{n_features} features."
        )
    return [one_line(name) for name in feature_names]


def _columns(features, names):
    """Positions of the features to show."""
    if features is None:
        return list(range(min(2, len(names))))
    columns = []
    for feature in features:
        if isinstance(feature, str):
            if feature not in names:
                raise ValueError(f"features has {feature!r}, which is none of {names}.")
            columns.append(names.index(feature))
        elif -len(names) <= feature < len(names):
            columns.append(int(feature) % len(names))
        else:
            raise ValueError(f"features has {feature}, but there are {len(names)} features.")
    if not columns:
        raise ValueError("features is empty: name at least one.")
    return columns


def _values(X, columns):
    """Return the shown columns of X as a dense float64 array."""
    if sparse.issparse(X):
        return X.tocsc()[:, columns].toarray().astype(np.float64)
    X = X.to_numpy() if hasattr(X, "to_numpy") else to_numpy(X)
    return np.asarray(X[:, columns], dtype=np.float64)
