"""Legends and labels of ordinary axes, in the room that they have."""

from dataclasses import dataclass

from skextra._drawing._text import (
    SIZES,
    extent,
    fitted,
    fitted_to_box,
    line_height,
    literal,
    one_line,
    wrapped,
)

_HANDLE = 44  # points that a line, its gap and the border take beside a name
_LEADING = 1.35  # of a legend's lines


@dataclass(frozen=True)
class FittedNames:
    """Names as a legend shows them.

    Attributes
    ----------
    texts : list of str
        The names, broken or shortened; fewer than there are if even those do not fit.
    fontsize : float
        In points.
    n_columns : int
        Columns of the legend.
    height : float
        What the legend takes, in pixels.
    """

    texts: list
    fontsize: float
    n_columns: int
    height: float


def fit_names(figure, names, width, height, sizes=(9, *SIZES)):
    """Return names as a legend of at most this width and height in pixels can show them."""
    point = figure.dpi / 72
    handle, border = _HANDLE * point, 12 * point
    for size in sizes:
        longest = max(extent(figure, one_line(name), size)[0] for name in names)
        n_columns = max(1, min(len(names), int((width - border) // (longest + handle))))
        room = max((width - border) / n_columns - handle, point)
        lines = [wrapped(figure, name, room, size) for name in names]
        n_rows = -(-len(names) // n_columns)
        n_lines = sum(sorted(map(len, lines))[-n_rows:])
        needed = n_lines * line_height(figure, size) * _LEADING + border
        if needed <= height:
            return FittedNames(["\n".join(line) for line in lines], size, n_columns, needed)
    n_rows = max(1, int((height - border) // (line_height(figure, size) * _LEADING)))
    shown = names if len(names) <= n_rows else [*names[: n_rows - 1], "…"]
    texts = [
        fitted(figure, [name], max(width - border - handle, point), size, 1) for name in shown
    ]
    return FittedNames(texts, size, 1, height)


def legend(figure, axes, ax, handles, names):
    """Draw a legend where it hides nothing, if there is such a place.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure.
    axes : ndarray of matplotlib.axes.Axes
        The axes drawn into.
    ax : matplotlib.axes.Axes, array-like of them, or None
        What the caller gave. None: the legend stands below the panels and the figure grows. A
        single one that was divided: it stands in the strip that `divide` kept. Else it stands in
        the first axes.
    handles : list
        Artists, or tuples of them.
    names : list of str
        Their names.

    Returns
    -------
    matplotlib.legend.Legend
    """
    from matplotlib.axes import Axes

    if ax is None:
        fit = fit_names(figure, names, 0.96 * figure.bbox.width, float("inf"))
        place = figure, {"loc": "outside lower center"}
        grown = fit.height / figure.dpi
        figure.set_size_inches(figure.get_figwidth(), figure.get_figheight() + grown)
    elif isinstance(ax, Axes) and ax is not axes.flat[0]:
        box = ax.get_window_extent()
        fit = fit_names(figure, names, box.width, box.height / 3)
        place = ax, {"loc": "lower center", "borderaxespad": 0}
    else:
        box = axes.flat[0].get_window_extent()
        fit = fit_names(figure, names, box.width, box.height)
        place = axes.flat[0], {}
    where, options = place
    drawn = where.legend(
        handles[: len(fit.texts)], fit.texts, fontsize=fit.fontsize, ncols=fit.n_columns, **options
    )
    literal(drawn.get_texts())
    return drawn


def fit_labels(figure, axes, ax):
    """Break and shrink the titles and labels of axes so that each stays beside its own.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure.
    axes : sequence of matplotlib.axes.Axes
        The axes, with their titles and labels set.
    ax : matplotlib.axes.Axes, array-like of them, or None
        What the caller gave; a figure of its own has more room.
    """
    figure.get_figure(root=True).draw_without_rendering()
    point = figure.dpi / 72
    more, sizes = (12, (10, 9, 8)) if ax is None else (0, (10, 9, *SIZES))
    for axis in axes:
        box = axis.get_window_extent()
        for text, length, room in (
            (axis.title, box.width, 30),
            (axis.xaxis.label, box.width, 17 + more),
            (axis.yaxis.label, box.height, 17 + more),
        ):
            if text.get_text():
                fit, size = fitted_to_box(figure, [text.get_text()], length, room * point, sizes)
                text.set(text=fit, fontsize=size, parse_math=False)
