"""What all pictures share: axes to draw into, images on them, colours for any eye and printer."""

from textwrap import fill

import numpy as np

# Okabe and Ito's colours, without those too pale on white: told apart with any colour vision.
BLUE, ORANGE, GREEN, PURPLE, VERMILION, SKY = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#D55E00",
    "#56B4E9",
)
# Lines and markers tell the classes apart where the printer has no colours.
CLASS_COLORS = (BLUE, ORANGE, GREEN, PURPLE, VERMILION, SKY, "#000000")
CLASS_LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (1, 1)))
CLASS_MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def require_pyplot(caller):
    """Return matplotlib.pyplot, or raise an ImportError that says how to install it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f'{caller} needs matplotlib: install it by `pip install "skextra[plot]"`.'
        ) from error
    return plt


def divide(ax, n_rows, n_columns, *, cell, caller, sharex=False, layout="compressed"):
    """Return a figure and an array of axes to draw into.

    Parameters
    ----------
    ax : matplotlib.axes.Axes, array-like of them, or None
        An axes to divide, the axes themselves, or None for a new figure.
    n_rows, n_columns : int
        How many are needed.
    cell : tuple of (float, float)
        Width and height of an axes of a new figure, in inches.
    caller : str
        Who draws, for messages.
    sharex : bool, default=False
        Whether all share the axis of x.
    layout : {"compressed", "constrained"}, default="compressed"
        How a new figure is laid out; "compressed" is for images, whose aspect is fixed.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The figure of the axes.
    axes : ndarray of shape (n_rows, n_columns)
        The axes.

    Raises
    ------
    ValueError
        Where `ax` is another number of axes, or an axes outside any grid.
    """
    plt = require_pyplot(caller)
    shape = n_rows, n_columns
    if ax is None:
        size = n_columns * cell[0], n_rows * cell[1]
        return plt.subplots(*shape, figsize=size, layout=layout, squeeze=False, sharex=sharex)
    if not isinstance(ax, plt.Axes):
        axes = np.asarray(ax, dtype=object)
        if axes.size != n_rows * n_columns:
            raise ValueError(
                f"{caller} draws {n_rows * n_columns} pictures ({n_rows} x {n_columns}), but ax "
                f"holds {axes.size} axes. Give that many, a single one to be divided, or None."
            )
        axes = axes.reshape(shape)
        return axes.flat[0].figure, axes
    if shape == (1, 1):
        return ax.figure, np.array([[ax]])
    place = ax.get_subplotspec()
    if place is None:
        raise ValueError(
            f"{caller} cannot divide an axes that is in no grid: make it by plt.subplots()."
        )
    ax.set_axis_off()
    grid = place.subgridspec(n_rows, n_columns)
    return ax.figure, grid.subplots(squeeze=False, sharex=sharex)


def show_image(ax, image):
    """Draw one image without ticks: colour where it has three channels, else gray."""
    if image.ndim == 3 and image.shape[2] not in (3, 4):
        image = image.mean(axis=2)
    if image.dtype == np.uint8:
        lowest, highest = 0, 255
    else:
        lowest, highest = float(image.min()), float(image.max())
    if image.ndim == 3:  # matplotlib wants colours from 0 to 1
        image = (image - lowest) / ((highest - lowest) or 1)
    ax.imshow(image, cmap="gray", vmin=lowest, vmax=highest)
    ax.set(xticks=[], yticks=[])


def wrapped(*lines, width):
    """Return lines as one text, each broken where it is longer than ``width`` characters."""
    return "\n".join(fill(line, width) for line in lines)


def outlined():
    """Return the effect that keeps a white line visible on white."""
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=2.5, foreground="black")]


def as_images(X, image_shape, estimator=None):
    """Return X as images of shape (n_samples, height, width[, channels]).

    Flat rows unfold into `image_shape`, else into the estimator's ``image_shape_``, else into a
    square.
    """
    X = np.asarray(X)
    if X.ndim in (3, 4):
        return X
    if X.ndim != 2:
        raise ValueError(
            f"X must be images of shape (n_samples, height, width[, channels]) or rows of shape "
            f"(n_samples, n_features), got shape {X.shape}."
        )
    n_features = X.shape[1]
    shape = image_shape or getattr(estimator, "image_shape_", None)
    if shape is None:
        side = round(n_features**0.5)
        shape = side, side
    if np.prod(shape) != n_features:
        raise ValueError(
            f"X has {n_features} features a row, which are no image of {'x'.join(map(str, shape))}"
            " pixels. Give image_shape=(height, width) or (height, width, channels)."
        )
    return X.reshape(len(X), *shape)
