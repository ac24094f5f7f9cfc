"""leakage_report: test images with a twin in training, counted, listed and drawn."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image
from sklearn.utils import Bunch

from skextra.datasets import (
    _leakage,
    leakage_report,
    load_image_folder,
    make_brain_mri,
    near_duplicate_groups,
)
from tests.pictures import noise


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture
def pictures():
    """Three pictures that have nothing in common."""
    return np.random.default_rng(0).integers(0, 256, (3, 64, 64)).astype(np.uint8)


# What is found.


def test_twins_are_found_by_hand(pictures):
    """Of three test images the paler and the exact copy leak, the exact copy foremost."""
    a, b, c = pictures
    noisy = np.clip(b * 0.5 + np.random.default_rng(1).normal(60, 25, b.shape), 0, 255)
    report = leakage_report([a, b], np.array([c, noisy, a]), threshold=0.8)
    assert report.leaked.tolist() == [False, True, True]
    assert report.pairs.tolist() == [[2, 0], [1, 1]]
    assert report.correlations[0] == pytest.approx(1, abs=1e-6)
    small = [
        np.asarray(Image.fromarray(x.astype(np.float32)).resize((32, 32), Image.Resampling.BOX))
        for x in (b, noisy)
    ]
    assert report.correlations[1] == pytest.approx(np.corrcoef(np.reshape(small, (2, -1)))[0, 1])
    assert (report.n_train, report.n_test, report.n_leaked) == (2, 3, 2)


@pytest.mark.parametrize("rows", [5, 1024])
def test_equals_numpy_corrcoef_however_it_is_cut_into_blocks(rows, monkeypatch):
    """The most alike training image and its correlation are numpy's, block by block."""
    monkeypatch.setattr(_leakage, "_ROWS_PER_BLOCK", rows)
    coarse = np.random.default_rng(0).integers(0, 256, (60, 2, 3)).astype(np.uint8)
    images = np.array([np.asarray(Image.fromarray(c).resize((32, 32))) for c in coarse])
    train, test = images[:37], images[37:]
    correlation = np.corrcoef(images.reshape(60, -1))[37:, :37]
    report = leakage_report(train, test, threshold=0.9)
    np.testing.assert_array_equal(report.leaked, correlation.max(axis=1) >= 0.9)
    assert 3 < report.n_leaked < 23
    index, nearest = report.pairs.T
    np.testing.assert_array_equal(nearest, correlation[index].argmax(axis=1))
    np.testing.assert_allclose(report.correlations, correlation[index, nearest], atol=1e-6)
    assert np.all(np.diff(report.correlations) <= 0)


def test_those_that_leak_are_those_that_the_groups_would_join():
    """A test image leaks where, alone with the training set, it falls into a group of it."""
    X, _ = make_brain_mri(60, image_size=32, random_state=0)
    train, test = X[:40], np.concatenate([X[30:50] // 2, 255 - X[:5]])
    report = leakage_report(train, test)
    for image, leaks in zip(test, report.leaked, strict=True):
        groups = near_duplicate_groups(np.concatenate([train, image[np.newaxis]]))
        assert (groups[-1] in groups[:-1]) == leaks
    assert report.n_leaked == 10


def test_images_of_one_brightness_are_twins_of_the_same_brightness():
    """Black is a twin of black and not of gray, though neither correlates with anything."""
    levels = [np.full((9, 9), level, dtype=np.uint8) for level in (0, 5, 200)]
    report = leakage_report(levels[:2], [levels[2], levels[1], levels[0]])
    assert report.pairs.tolist() == [[1, 1], [2, 0]]
    assert report.correlations.tolist() == [1, 1]


def test_the_two_parts_may_differ_in_size_and_colour(pictures):
    """A test image twice as large and in colour is a twin as well."""
    large = np.repeat(np.repeat(pictures, 2, axis=1), 2, axis=2)
    report = leakage_report(pictures[:2], np.stack([large] * 3, axis=-1))
    assert report.leaked.tolist() == [True, True, False]


# What is said.


def test_the_text_counts_and_names_files(write):
    """Folders as load_image_folder returns them are named by their files."""
    twin = noise(20, 20)
    folder = write(
        {
            "x/a/1.png": twin,
            "x/b/1.png": noise(20, 20, seed=1),
            "y/a/old.png": twin,
            "y/b/2.png": noise(20, 20, seed=2),
        }
    )
    report = leakage_report(*load_image_folder([folder / "x", folder / "y"]))
    assert str(report).splitlines() == [
        "1 of 2 test images (50.0 %) has a near duplicate among 2 training images (correlation of "
        "at least 0.95).",
        f"  {folder / 'y/a/old.png'} ~ {folder / 'x/a/1.png'} (1.0000)",
    ]


def test_the_text_counts_what_it_does_not_list():
    """Of twelve pairs ten are listed."""
    X, _ = make_brain_mri(12, image_size=32, random_state=0)
    text = repr(leakage_report(X, X))
    assert text.startswith("12 of 12 test images (100.0 %) have")
    assert text.count("~") == 10
    assert text.endswith("and 2 more")


def test_without_a_twin_the_count_is_nought_and_nothing_is_drawn(pictures):
    """No leak is said in one line; drawing it is an error that says so."""
    report = leakage_report(pictures[:1], pictures[1:])
    assert str(report).startswith("0 of 2 test images (0.0 %) have")
    assert report.pairs.shape == (0, 2)
    with pytest.raises(ValueError, match="nothing to draw"):
        report.plot()


# What is drawn.


def test_the_picture_shows_each_test_image_above_its_twin():
    """Pairs stand in columns, from the most to the least alike, each with its correlation."""
    train, _ = make_brain_mri(9, image_size=32, random_state=0)
    rng = np.random.default_rng(0)
    test = np.clip(train[::-1] + rng.normal(0, np.arange(9)[:, None, None], train.shape), 0, 255)
    report = leakage_report(train, test.astype(np.uint8), threshold=0.5).plot(n_pairs=3)
    assert report.axes_.shape == (2, 3)
    for column, pair in zip(report.axes_.T, (0, 4, 8), strict=True):
        above, below = (axis.get_images()[0].get_array() for axis in column)
        index, twin = report.pairs[pair]
        np.testing.assert_array_equal(above, test.astype(np.uint8)[index])
        np.testing.assert_array_equal(below, train[twin])
        assert column[0].get_title() == f"correlation {report.correlations[pair]:.3f}"
    assert [axis.get_ylabel() for axis in report.axes_[:, 0]] == ["test", "training"]
    assert "9 of 9 test images" in report.figure_.get_suptitle()
    report.figure_.canvas.draw()  # a layout that does not fit would warn


def test_the_picture_goes_where_it_is_told(pictures):
    """Given axes are drawn into, in their own figure."""
    figure, axes = plt.subplots(2, 3)
    report = leakage_report(pictures, pictures).plot(ax=axes)
    assert report.figure_ is figure
    assert all(len(axis.get_images()) == 1 for axis in axes.flat)


# Bad input.


@pytest.mark.parametrize("name", ["train", "test"])
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((4, 9)), r"{} must have shape"),
        (np.zeros((0, 4, 4)), "0 sample"),
        (np.zeros((2, 0, 4)), "{} of shape .* have no pixels"),
        (np.full((2, 4, 4), np.nan), "{} contains NaN"),
        ([np.zeros((3, 3)), np.zeros((4, 4))], "{} must all have one size"),
        (Bunch(data=[[1]]), r"{} has no 'images', only \['data'\]"),
        (None, "The '{}' parameter of leakage_report"),
    ],
)
def test_bad_images_are_named_by_the_part_they_are_in(name, bad, message):
    """What is no set of images is an error that says which of the two it is."""
    parts = {"train": np.zeros((2, 4, 4)), "test": np.zeros((2, 4, 4))} | {name: bad}
    with pytest.raises(ValueError, match=message.format(name)):
        leakage_report(**parts)


@pytest.mark.parametrize("threshold", [0, 1.2, "high"])
def test_a_threshold_that_is_no_correlation_is_an_error(threshold):
    """It is named as scikit-learn names it."""
    with pytest.raises(ValueError, match="The 'threshold' parameter of leakage_report"):
        leakage_report(np.zeros((2, 4, 4)), np.zeros((2, 4, 4)), threshold=threshold)
