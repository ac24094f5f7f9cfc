"""What all pictures share: their axes, their images, and matplotlib's absence."""

import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest

from skextra._drawing import as_images, class_looks, divide, show_image

OPTIONS = {"cell": (2, 2), "caller": "SomeDisplay"}


def test_without_axes_there_is_a_new_figure_of_the_size_asked_for():
    figure, axes = divide(None, 2, 3, **OPTIONS)
    assert axes.shape == (2, 3)
    assert figure.get_size_inches().tolist() == [6, 4]


def test_one_axes_is_divided_in_its_place():
    figure, (left, right) = plt.subplots(1, 2)
    place = right.get_position()
    found, axes = divide(right, 2, 2, **OPTIONS)
    figure.canvas.draw()
    assert found is figure
    assert not right.axison
    assert left.axison
    for axis in axes.flat:
        inner = axis.get_position()
        assert place.x0 - 1e-6 <= inner.x0 < inner.x1 <= place.x1 + 1e-6


def test_one_axes_is_used_as_it_is_where_one_is_needed():
    figure, axis = plt.subplots()
    found, axes = divide(axis, 1, 1, **OPTIONS)
    assert (found, axes.tolist()) == (figure, [[axis]])
    assert axis.axison


@pytest.mark.parametrize("shape", [(2, 3), (6,), (3, 2)])
def test_axes_of_any_arrangement_will_do_where_their_number_is_right(shape):
    figure, given = plt.subplots(2, 3)
    _, axes = divide(given.reshape(shape), 2, 3, **OPTIONS)
    assert axes.shape == (2, 3)
    assert axes.ravel().tolist() == given.ravel().tolist()
    assert divide(list(given.ravel()), 2, 3, **OPTIONS)[0] is figure


def test_a_wrong_number_of_axes_is_an_error_with_both_numbers():
    _, given = plt.subplots(2, 2)
    with pytest.raises(ValueError, match=r"SomeDisplay draws 6 pictures \(2 x 3\).* 4 axes"):
        divide(given, 2, 3, **OPTIONS)


def test_axes_in_no_grid_is_divided_in_its_place():
    axis = plt.figure().add_axes((0.1, 0.2, 0.5, 0.6))
    _, axes = divide(axis, 2, 2, **OPTIONS)
    for inner in (one.get_position() for one in axes.flat):
        assert 0.1 - 1e-6 <= inner.x0 < inner.x1 <= 0.6 + 1e-6
        assert 0.2 - 1e-6 <= inner.y0 < inner.y1 <= 0.8 + 1e-6


@pytest.mark.parametrize(
    ("shape", "drawn"), [((4, 5), (4, 5)), ((4, 5, 1), (4, 5)), ((4, 5, 2), (4, 5))]
)
def test_gray_images_are_drawn_gray(shape, drawn):
    axis = plt.figure().add_subplot()
    image = np.arange(np.prod(shape)).reshape(shape).astype(np.uint8)
    show_image(axis, image)
    picture = axis.get_images()[0]
    assert picture.get_array().shape == drawn
    assert picture.get_cmap().name == "gray"
    assert (picture.get_clim() == (0, 255)) == (len(shape) == 2)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float64])
def test_colour_images_are_drawn_in_colour_whatever_their_range(dtype):
    axis = plt.figure().add_subplot()
    image = np.random.default_rng(0).integers(0, 256, (4, 5, 3)).astype(dtype)
    show_image(axis, image * 100 if dtype != np.uint8 else image)
    array = axis.get_images()[0].get_array()
    assert array.shape == (4, 5, 3)
    assert 0 <= array.min() < array.max() <= 1


@pytest.mark.parametrize(
    ("X_shape", "image_shape", "expected"),
    [
        ((2, 4, 5), None, (2, 4, 5)),
        ((2, 4, 5, 3), None, (2, 4, 5, 3)),
        ((2, 16), None, (2, 4, 4)),
        ((2, 20), (4, 5), (2, 4, 5)),
        ((2, 60), (4, 5, 3), (2, 4, 5, 3)),
    ],
)
def test_rows_unfold_into_images(X_shape, image_shape, expected):
    assert as_images(np.zeros(X_shape), image_shape).shape == expected


@pytest.mark.parametrize(
    ("X_shape", "image_shape", "message"),
    [
        ((2, 20), None, r"20 features per row, which are no image of 4x4 .*image_shape="),
        ((2, 20), (4, 4), "no image of 4x4"),
        ((20,), None, r"got shape \(20,\)"),
    ],
)
def test_rows_that_are_no_image_are_an_error(X_shape, image_shape, message):
    with pytest.raises(ValueError, match=message):
        as_images(np.zeros(X_shape), image_shape)


def test_without_matplotlib_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"SomeDisplay needs .* `pip install \"skextra\[plot\]"):
        divide(None, 1, 1, **OPTIONS)


def test_importing_the_displays_loads_neither_matplotlib_nor_torch():
    code = (
        "import sys, skextra.inspection; "
        "assert not {'matplotlib', 'torch', 'skorch', 'PIL'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_class_has_a_colour_a_line_and_a_marker():
    assert [len(set(looks)) for looks in zip(*class_looks(9), strict=True)] == [7, 7, 7]
