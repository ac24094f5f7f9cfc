"""Axes to draw into: those of a new figure, those that are given, or parts of a given one."""

import numpy as np

from skextra._drawing._legend import fit_names


def require_pyplot(caller):
    """Return matplotlib.pyplot, or raise an ImportError that says how to install it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f'{caller} needs matplotlib: install it by `pip install "skextra[plot]"`.'
        ) from error
    return plt


def divide(
    ax, n_rows, n_columns, *, cell, caller, sharex=False, legend_names=(), height_ratios=None
):
    """Return a figure and an array of axes with ticks and labels to draw into.

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
        Whether all share the axis of x: only the lowest have its labels, the highest a title.
    legend_names : sequence of str, default=()
        Names for which a strip is kept below the axes, if a given axes is divided.
    height_ratios : sequence of float, default=None
        Heights of the rows to each other; None makes them equal.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The figure of the axes.
    axes : ndarray of shape (n_rows, n_columns)
        The axes.

    Raises
    ------
    ValueError
        If `ax` is another number of axes.
    """
    plt = require_pyplot(caller)
    shape = n_rows, n_columns
    if ax is None:
        size = max(n_columns * cell[0], 3.6), n_rows * cell[1]
        return plt.subplots(*shape, figsize=size, layout="constrained", squeeze=False,
                            sharex=sharex, height_ratios=height_ratios)  # fmt: skip
    if (axes := given_axes(ax, shape, caller)) is not None:
        return axes.flat[0].figure, axes
    if shape == (1, 1):
        return ax.figure, np.array([[ax]])
    ax.set_axis_off()
    settle(ax.figure)
    # In points: the room that ticks and labels take beside each axes, and a title above.
    between, below, above = (7, 34, 32)
    strip = 0
    if legend_names:
        box = ax.get_window_extent()
        strip = fit_names(ax.figure, legend_names, box.width, box.height / 3).height + 8
        strip *= 72 / ax.figure.dpi
    axes = inside(
        ax,
        shape,
        left=[50] * n_columns,
        right=[6] * n_columns,
        top=[above] + [between if sharex else above] * (n_rows - 1),
        bottom=[between if sharex else below] * (n_rows - 1) + [below + strip],
        height_ratios=height_ratios,
    )
    if sharex:
        for upper in axes[:-1].flat:
            upper.sharex(axes[-1, 0])
            upper.tick_params(labelbottom=False)
    return ax.figure, axes


def settle(figure):
    """Let a layout engine find places: it gives an axes its own only when it draws."""
    root = figure.get_figure(root=True)
    if root.get_layout_engine() is not None:
        root.draw_without_rendering()


def given_axes(ax, shape, caller):
    """Return given axes in the shape that is needed; None if `ax` is a single one to divide."""
    from matplotlib.axes import Axes

    if isinstance(ax, Axes):
        return None
    axes = np.asarray(ax, dtype=object)
    n_needed = int(np.prod(shape))
    if axes.size != n_needed:
        raise ValueError(
            f"{caller} draws {n_needed} pictures ({shape[0]} x {shape[1]}), but ax "
            f"holds {axes.size} axes. Give that many, a single one to be divided, or None."
        )
    return axes.reshape(shape)


def inside(ax, shape, *, left, right, top, bottom, height_ratios=None):
    """Return axes that divide a given one, with margins around each.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        The axes, which is then switched off.
    shape : tuple of (int, int)
        Rows and columns.
    left, right : sequence of float of shape (n_columns,)
        Room beside the axes of each column, in points.
    top, bottom : sequence of float of shape (n_rows,)
        Room above and below the axes of each row, in points.
    height_ratios : sequence of float, default=None
        Heights of the rows to each other; None makes them equal.

    Returns
    -------
    ndarray of shape (n_rows, n_columns) of matplotlib.axes.Axes
    """
    point = ax.figure.dpi / 72
    box = ax.get_window_extent()
    ax.set_axis_off()
    # As shares of the given axes, so that they follow it to where a layout engine puts it.
    widths = _with_margins(left, right, box.width / point)
    heights = _with_margins(top, bottom, box.height / point, height_ratios)
    axes = np.empty(shape, dtype=object)
    for row in range(shape[0]):
        for column in range(shape[1]):
            x, y = sum(widths[: 3 * column + 1]), 1 - sum(heights[: 3 * row + 2])
            place = x, y, widths[3 * column + 1], heights[3 * row + 1]
            axes[row, column] = ax.inset_axes(place, zorder=2)
            axes[row, column].set_in_layout(False)
    return axes


def _with_margins(before, after, length, ratios=None):
    """Return shares of [before, axes, after, before, axes, after, ...], which add up to 1."""
    margins = sum(before) + sum(after)
    # In an axes too small for its labels, these give way.
    shrink = min(1, 2 / 3 * length / margins) if margins else 1
    ratios = ratios or [1] * len(before)
    free = (length - shrink * margins) / sum(ratios)
    cells = zip(before, ratios, after, strict=True)
    parts = [part for b, r, a in cells for part in (b * shrink, r * free, a * shrink)]
    return [part / length for part in parts]
