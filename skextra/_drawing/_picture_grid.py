"""A grid of images, each with a title that fits above it, whatever the names."""

from dataclasses import dataclass

from skextra._drawing._axes import given_axes, inside, require_pyplot, settle
from skextra._drawing._text import (
    SIZES,
    fitted,
    fitted_to_box,
    line_height,
    literal,
    wrapped,
)

_PAD = 3  # points between a text and what it belongs to
_BAR = 64  # points for a colour bar with its ticks and label
_SHARE_OF_WIDTH = 0.94  # of a column that a title may take, so that neighbours stay apart
_MAX_LINES = 8


@dataclass
class Captions:
    """The texts around a grid of images.

    Attributes
    ----------
    titles : list of list of list of str
        For each row and column, the lines above the image; each may be broken further.
    row_labels : list of str or None
        A label left of each row.
    heading : str or None
        A line above all, only in a figure of its own.
    """

    titles: list
    row_labels: list | None = None
    heading: str | None = None


def picture_grid(ax, captions, *, cell, caller, color_bar=False):
    """Return a figure, axes for images with their titles set, and an axes for a colour bar.

    Parameters
    ----------
    ax : matplotlib.axes.Axes, array-like of them, or None
        An axes to divide, the axes themselves, or None for a new figure.
    captions : Captions
        The texts; their number is that of rows and columns.
    cell : tuple of (float, float)
        Width and height of an image in a new figure, in inches.
    caller : str
        Who draws, for messages.
    color_bar : bool, default=False
        Whether to keep room for a colour bar.

    Returns
    -------
    figure : matplotlib.figure.Figure
    axes : ndarray of shape (n_rows, n_columns)
    bar : matplotlib.axes.Axes or None
        Of the colour bar; None without one, and if the axes were given.
    """
    plt = require_pyplot(caller)
    shape = len(captions.titles), len(captions.titles[0])
    if ax is not None and (axes := given_axes(ax, shape, caller)) is not None:
        _label_given(axes, captions)
        return axes.flat[0].figure, axes, None
    if own_figure := ax is None:
        ax = _whole_figure(plt, captions, shape, cell, color_bar)
    else:
        ax.set_axis_off()
        settle(ax.figure)
    return _divided(ax, captions, shape, color_bar, own_figure)


def _whole_figure(plt, captions, shape, cell, color_bar):
    """Return an axes that fills a new figure, as large as images and texts need."""
    n_rows, n_columns = shape
    figure = plt.figure(layout="none")
    point = figure.dpi / 72
    label = _label_width(figure, captions, cell[1] * figure.dpi, SIZES[0]) if (
        captions.row_labels) else 0  # fmt: skip
    width = n_columns * cell[0] + label / figure.dpi + color_bar * _BAR / 72 + 0.2
    width = max(width, 3.2)
    column = (width - 0.2 - label / figure.dpi - color_bar * _BAR / 72) / n_columns * figure.dpi
    tops = _title_heights(figure, captions, column * _SHARE_OF_WIDTH, SIZES[0], _MAX_LINES)
    head = 0.1
    if captions.heading:
        lines = wrapped(figure, captions.heading, 0.96 * width * figure.dpi, 10)
        head += (len(lines) * line_height(figure, 10) + _PAD * point) / figure.dpi
    height = head + n_rows * cell[1] + sum(tops) / figure.dpi + 0.1
    figure.set_size_inches(width, height)
    if captions.heading:
        literal([figure.suptitle("\n".join(lines), fontsize=10, y=1 - 0.06 / height, va="top")])
    edges = {"left": 0.1 / width, "right": 1 - 0.1 / width}
    edges |= {"bottom": 0.1 / height, "top": 1 - head / height}
    return figure.add_subplot(figure.add_gridspec(1, 1, **edges)[0])


def _divided(ax, captions, shape, color_bar, own_figure):
    """Divide an axes into images with room for their titles, row labels and a colour bar."""
    figure = ax.figure
    n_rows, n_columns = shape
    point = figure.dpi / 72
    box = ax.get_window_extent()
    for size, n_lines in [*((size, 10**6) for size in SIZES), (SIZES[-1], None)]:
        label = _label_width(figure, captions, box.height / n_rows / 2, size)
        bar = min(_BAR * point, box.width / 4) if color_bar else 0
        column = (box.width - label - bar) / n_columns
        if n_lines is None:  # not even the smallest letters fit: shorten
            room = box.height / 2 / n_rows - 2 * _PAD * point
            n_lines = max(1, int(room // line_height(figure, size)))
        if own_figure:
            n_lines = min(n_lines, _MAX_LINES)
        tops = _title_heights(figure, captions, column * _SHARE_OF_WIDTH, size, n_lines)
        if own_figure or sum(tops) <= box.height / 2:
            break
    gap = (1 - _SHARE_OF_WIDTH) * column / 2 / point
    margins = {
        "left": [label / point + gap] + [gap] * (n_columns - 1),
        "right": [gap] * (n_columns - 1) + [bar / point + gap],
        "top": [top / point for top in tops],
        "bottom": [0.0] * n_rows,
    }
    axes = inside(ax, shape, **margins)
    row_height = (box.height - sum(tops)) / n_rows
    for row, (line, titles) in enumerate(zip(axes, captions.titles, strict=True)):
        for axis, texts in zip(line, titles, strict=True):
            title = fitted(figure, texts, column * _SHARE_OF_WIDTH, size, n_lines)
            _set_title(axis, title, size)
        if captions.row_labels:
            text, own = fitted_to_box(
                figure, [captions.row_labels[row]], row_height * 0.96, label, (size,)
            )
            _set_label(line[0], text, own)
    return figure, axes, _bar_axes(ax, box, bar) if color_bar else None


def _bar_axes(ax, box, bar):
    """Return a thin axes at the right edge of a divided one."""
    left = 1 - 0.92 * bar / box.width
    axes = ax.inset_axes((left, 0.08, 0.14 * bar / box.width, 0.84))
    axes.set_in_layout(False)
    return axes


def _title_heights(figure, captions, width, size, max_lines):
    """Return the room that the titles of each row need, in pixels."""
    heights = []
    for row in captions.titles:
        n_lines = max(
            len(fitted(figure, texts, width, size, max_lines).splitlines()) for texts in row
        )
        heights.append(n_lines * line_height(figure, size) + (_PAD + 2) * figure.dpi / 72)
    return heights


def _label_width(figure, captions, length, size):
    """Return the room that row labels need beside the images, in pixels."""
    if not captions.row_labels:
        return 0
    n_lines = max(len(wrapped(figure, text, length, size)) for text in captions.row_labels)
    return min(n_lines, 3) * line_height(figure, size) + (_PAD + 2) * figure.dpi / 72


def _label_given(axes, captions):
    """Set titles and labels of axes that were given: each in the room that it has."""
    figure = axes.flat[0].figure
    settle(figure)
    everything = [other.get_window_extent() for other in figure.axes]
    top = figure.bbox.height
    for line, titles in zip(axes, captions.titles, strict=True):
        for axis, texts in zip(line, titles, strict=True):
            box = axis.get_window_extent()
            above = [
                other.y0
                for other in everything
                if other.y0 >= box.y1 - 1 and other.x0 < box.x1 and other.x1 > box.x0
            ]
            room = min([top, *above]) - box.y1 - (_PAD + 2) * figure.dpi / 72
            if texts:
                text, size = fitted_to_box(figure, texts, box.width, room)
                _set_title(axis, text, size)
    if captions.row_labels:
        for axis, label in zip(axes[:, 0], captions.row_labels, strict=True):
            box = axis.get_window_extent()
            beside = [other.x1 for other in everything if other.x1 <= box.x0 + 1
                      and other.y0 < box.y1 and other.y1 > box.y0]  # fmt: skip
            room = box.x0 - max([0, *beside]) - (_PAD + 2) * figure.dpi / 72
            _set_label(axis, *fitted_to_box(figure, [label], box.height, room))


def _set_title(axis, text, size):
    axis.set_title(text, fontsize=size, pad=_PAD, parse_math=False)
    axis.title.set_in_layout(False)  # its room is kept already


def _set_label(axis, text, size):
    axis.set_ylabel(text, fontsize=size, labelpad=_PAD, parse_math=False)
    axis.yaxis.label.set_in_layout(False)
