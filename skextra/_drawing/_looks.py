"""Colours, lines and markers that anybody can tell apart, also on dark backgrounds."""

from itertools import cycle, islice

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
CLASS_LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (1, 1)))
CLASS_MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def ink():
    """Return the colour of text in the style that is active: it differs from the background."""
    import matplotlib as mpl

    return mpl.rcParams["text.color"]


def class_colors():
    """Return seven colours for classes; the last is that of text."""
    return (BLUE, ORANGE, GREEN, PURPLE, VERMILION, SKY, ink())


def class_looks(n_classes):
    """Return a (colour, line style, marker) for each class; more than seven go round."""
    looks = zip(cycle(class_colors()), cycle(CLASS_LINES), cycle(CLASS_MARKERS), strict=False)
    return list(islice(looks, n_classes))


def outlined():
    """Return the effect that keeps a white line visible on white."""
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=2.5, foreground="black")]
