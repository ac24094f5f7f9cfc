"""Text that fits: broken between words, cut inside them only if need be, shortened last."""

import pytest
from matplotlib.figure import Figure

from skextra._drawing._text import extent, fitted, fitted_to_box, line_height, one_line, wrapped

FIGURE = Figure(dpi=100)


def width_of(text, size=8):
    return extent(FIGURE, text, size)[0]


def test_lines_break_between_words():
    width = width_of("one two") + 1
    assert wrapped(FIGURE, "one two two one", width, 8) == ["one two", "two one"]


def test_long_word_is_cut_at_the_width():
    lines = wrapped(FIGURE, "m" * 30, width_of("m" * 12) + 1, 8)
    assert lines == ["m" * 12, "m" * 12, "m" * 6]


@pytest.mark.parametrize("width", [0.1, 5, 40, 1000])
@pytest.mark.parametrize("text", ["", "a", "two words", "W" * 40, "$x_1$ {", "a\nb\tc"])
def test_no_letter_is_lost(text, width):
    lines = wrapped(FIGURE, text, width, 8)
    assert "".join(lines).replace(" ", "") == one_line(text).replace(" ", "")
    assert all(width_of(line) <= width or len(line) == 1 for line in lines)


def test_texts_share_the_lines_there_are():
    width = width_of("one two")
    text = fitted(FIGURE, ["one two three", "four"], width, 8, 2)
    assert text.splitlines()[1] == "four"
    assert text.splitlines()[0].endswith("…")


def test_smaller_letters_come_before_cut_words():
    word = "unbreakable"
    text, size = fitted_to_box(FIGURE, [word], width_of(word, 6) + 0.5, 100)
    assert (text, size) == (word, 6)


def test_box_too_small_for_all_shortens():
    text, size = fitted_to_box(FIGURE, ["many words " * 20], 40, 2.5 * line_height(FIGURE, 5))
    assert size == 5
    assert len(text.splitlines()) == 2
    assert text.endswith("…")


def test_dollars_are_measured_as_they_are_drawn():
    assert width_of("$x$") > width_of("x")
