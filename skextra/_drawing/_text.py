"""Text that fits: measured, broken into lines, shortened, and never read as mathematics."""

from bisect import bisect
from functools import lru_cache

# The smallest that can be read on a screen or on paper.
SIZES = (8, 7, 6, 5)


def one_line(text):
    """Return a label as text of one line: class names may hold line breaks."""
    return " ".join(str(text).split())


def extent(figure, text, fontsize):
    """Return the width and the height of a text in pixels, also of several lines."""
    import matplotlib as mpl

    fonts = [str(mpl.rcParams[f"font.{what}"]) for what in ("family", "sans-serif", "weight")]
    return _extent(text, fontsize, figure.dpi, *fonts)


@lru_cache(maxsize=20_000)  # the same words are measured again and again
def _extent(text, fontsize, dpi, *fonts):
    from matplotlib.text import Text

    artist = Text(0, 0, text, fontsize=fontsize, parse_math=False)
    artist.set_figure(_ruler(dpi))
    box = artist.get_window_extent()
    return box.width, box.height


@lru_cache(maxsize=4)
def _ruler(dpi):
    from matplotlib.figure import Figure

    return Figure(dpi=dpi)


def wrapped(figure, text, width, fontsize):
    """Return the lines of a text, each at most `width` pixels wide; long words are cut."""

    def measure(text):
        return extent(figure, text, fontsize)[0]

    lines, line = [], ""
    for word in one_line(text).split(" "):
        longer = f"{line} {word}".strip()
        if measure(longer) <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        while len(word) > 1 and measure(word) > width:
            fits = range(1, len(word) + 1)
            n_letters = max(1, bisect(fits, width, key=lambda k, word=word: measure(word[:k])))
            lines.append(word[:n_letters])
            word = word[n_letters:]
        line = word
    return [*lines, line]


def fitted(figure, texts, width, fontsize, max_lines):
    """Return texts as lines below each other, each text shortened to its share of `max_lines`."""
    share = max(1, max_lines // max(1, len(texts)))
    lines = []
    for text in texts:
        own = wrapped(figure, text, width, fontsize)
        if len(own) > share:
            last = own[share - 1]
            while last and extent(figure, last + "…", fontsize)[0] > width:
                last = last[:-1]
            own = [*own[: share - 1], last + "…"]
        lines += own
    return "\n".join(lines)


def fitted_to_box(figure, texts, width, height, sizes=SIZES):
    """Return texts as lines, and the largest font size at which they fit into a box of pixels.

    Smaller letters come before words that are cut, and those before texts that are shortened.
    """
    for words_are_whole in (True, False):
        for size in sizes:
            words = [word for text in texts for word in one_line(text).split(" ")]
            if words_are_whole and any(extent(figure, word, size)[0] > width for word in words):
                continue
            text = fitted(figure, texts, width, size, 10**6)
            if len(text.splitlines()) * line_height(figure, size) <= height:
                return text, size
    n_lines = max(1, int(height // line_height(figure, size)))
    return fitted(figure, texts[:n_lines], width, size, n_lines), size


def line_height(figure, fontsize):
    """Return the height of a line in pixels."""
    one, two = (extent(figure, text, fontsize)[1] for text in ("Ag", "Ag\nAg"))
    return max(one, two - one)


def literal(texts):
    """Let texts show a dollar sign as one, where matplotlib would read mathematics."""
    for text in texts:
        text.set_parse_math(False)
