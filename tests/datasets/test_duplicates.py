"""near_duplicate_groups: chains of correlated thumbnails, constants, dtypes and memory."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import StratifiedGroupKFold

from skextra.datasets import (
    _duplicates,
    _thumbnails,
    load_image_folder,
    make_brain_mri,
    near_duplicate_groups,
)


def directions(count, side=32, seed=0):
    """Orthogonal images of mean 0: their correlations are cosines one can choose."""
    normal = np.random.default_rng(seed).standard_normal((side * side, count))
    normal -= normal.mean(axis=0)
    return np.linalg.qr(normal)[0].T.reshape(count, side, side)


def at_correlation(correlation):
    """Two images that correlate as asked."""
    u, v = directions(2)
    return [u, correlation * u + np.sqrt(1 - correlation**2) * v]


def blurred(n_images, seed=0, side=64):
    """Random smooth pictures, many of which correlate."""
    coarse = np.random.default_rng(seed).integers(0, 256, (n_images, 2, 3)).astype(np.uint8)
    return np.array([Image.fromarray(c).resize((side, side)) for c in coarse])


def same_partition(a, b):
    return np.array_equal(a[:, None] == a, np.asarray(b)[:, None] == b)


# By hand.


def test_copies_are_one_group_and_strangers_are_not():
    """A copy and copies of another brightness or contrast join; a negative does not."""
    a, b = directions(2)
    images = [a, b, a, 3 * a + 7, -a, b - 100]
    groups = near_duplicate_groups(images)
    assert groups.tolist() == [0, 1, 0, 0, 2, 1]
    assert groups.dtype == np.int64


@pytest.mark.parametrize(("correlation", "alike"), [(0.951, True), (0.949, False)])
def test_default_threshold(correlation, alike):
    """Just over a correlation of 0.95 two images join, just under they do not."""
    groups = near_duplicate_groups(at_correlation(correlation))
    assert (groups[0] == groups[1]) == alike


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.999, 1])
def test_threshold_is_the_least_correlation(threshold):
    """Exactly at the threshold images join, a thousandth below they do not."""
    assert near_duplicate_groups(at_correlation(threshold), threshold=threshold).tolist() == [0, 0]
    below = at_correlation(threshold - 1e-3)
    assert near_duplicate_groups(below, threshold=threshold).tolist() == [0, 1]


def test_a_chain_is_one_group():
    """Images too far apart join where one between them is close to both."""
    u, v = directions(2)
    angles = np.arange(4) * np.arccos(0.96)
    chain = [np.cos(angle) * u + np.sin(angle) * v for angle in angles]
    assert near_duplicate_groups(chain).tolist() == [0, 0, 0, 0]
    assert near_duplicate_groups([chain[0], chain[3]]).tolist() == [0, 1]


def test_constant_images_join_by_their_brightness():
    """Images of one brightness correlate with nothing; the same brightness is one group."""
    a = directions(1)[0]
    images = [np.full((32, 32), 5), a, np.zeros((32, 32)), np.full((32, 32), 5), a * 0]
    assert near_duplicate_groups(images).tolist() == [0, 1, 2, 0, 2]


@pytest.mark.parametrize("value", [0.1, 1e-30, 1e30, -7.7])
def test_constants_of_any_size_are_constant(value):
    """No rounding makes a pattern of a constant, and a fine checkerboard shows none either."""
    rng = np.random.default_rng(0)
    board = value * (np.indices((50, 64)).sum(axis=0) % 2)
    images = np.array([np.full((50, 64), value), rng.random((50, 64)) * value, board], "f4")
    assert near_duplicate_groups(images).tolist() == [0, 1, 2]
    assert near_duplicate_groups(np.repeat(images, 2, axis=0)).tolist() == [0, 0, 1, 1, 2, 2]


def test_brightness_beyond_single_precision_is_told_apart():
    """Even images of 1e300 and 2e300 are two groups, without a warning."""
    images = np.ones((3, 4, 4)) * np.array([1e300, 2e300, 1e300])[:, None, None]
    assert near_duplicate_groups(images).tolist() == [0, 1, 0]


def test_small_contrast_on_a_large_offset_is_seen():
    """A pattern of a few levels on top of 60,000 is compared like any other."""
    a, b = (np.random.default_rng(0).random((2, 64, 64)) * 8).astype(np.uint16)
    images = np.array([a, b, a + 60_000, b + 60_000], dtype=np.uint16)
    assert near_duplicate_groups(images).tolist() == [0, 1, 0, 1]


# Against references.


@pytest.mark.parametrize(("side", "threshold"), [(32, 0.9), (64, 0.9), (96, 0.92)])
def test_equals_numpy_corrcoef_of_pillow_thumbnails(side, threshold):
    """The groups are the components of numpy.corrcoef over Pillow's box-filtered thumbnails."""
    images = blurred(120, side=side)
    small = [
        np.asarray(Image.fromarray(x.astype(np.float32)).resize((32, 32), Image.Resampling.BOX))
        for x in images
    ]
    correlation = np.corrcoef(np.reshape(small, (120, -1)))
    n_groups, expected = connected_components(correlation >= threshold)
    assert 20 < n_groups < 110
    assert same_partition(near_duplicate_groups(images, threshold=threshold), expected)


def test_blocks_change_nothing(monkeypatch):
    """However images and products are cut into blocks, the groups are the same."""
    images = blurred(100)
    expected = near_duplicate_groups(images)
    monkeypatch.setattr(_duplicates, "_ROWS_PER_BLOCK", 7)
    monkeypatch.setattr(_thumbnails, "_PIXELS_PER_BLOCK", 3 * 64 * 64)
    np.testing.assert_array_equal(near_duplicate_groups(images), expected)


@pytest.mark.parametrize("shape", [(32, 32), (50, 37), (7, 5), (1, 40), (224, 200)])
def test_thumbnail_is_the_mean_over_areas(shape):
    """Weights of any length sum to one a thumbnail pixel, and every pixel counts the same."""
    for length in shape:
        weights = _thumbnails.area_weights(length, np.float64)
        np.testing.assert_allclose(weights.sum(axis=1), 1)
        np.testing.assert_allclose(weights.sum(axis=0), 32 / length)


# Kinds of input.


@pytest.mark.parametrize(
    "dtype", ["u1", "u2", "i4", "i8", "f2", "f4", "f8", ">f4", "?"], ids=lambda d: np.dtype(d).name
)
def test_any_numeric_dtype(dtype):
    """Copies are found in pictures of any numeric dtype."""
    a, b = np.random.default_rng(0).integers(0, 2, (2, 16, 16))
    images = np.array([a, b, a]).astype(dtype)
    assert near_duplicate_groups(images).tolist() == [0, 1, 0]


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_channels_are_averaged(channels):
    """Colour images are grouped as their mean over channels is."""
    rng = np.random.default_rng(0)
    images = blurred(40)[..., None] + rng.integers(0, 50, (40, 64, 64, channels))
    np.testing.assert_array_equal(
        near_duplicate_groups(images), near_duplicate_groups(images.mean(axis=3))
    )


def test_input_is_left_as_it_was():
    """Neither integers nor floats are written to, and read-only arrays will do."""
    for dtype in (np.uint8, np.float32, np.float64):
        images = blurred(5).astype(dtype)
        before = images.copy()
        images.flags.writeable = False
        near_duplicate_groups(images)
        np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((4, 9)), r"must have shape .* got \(4, 9\)"),
        (np.zeros((2, 2, 2, 2, 2)), "must have shape"),
        (np.zeros((0, 4, 4)), "0 sample"),
        (np.zeros((3, 0, 4)), "no pixels"),
        (np.zeros((3, 4, 4, 0)), "no pixels"),
        (np.full((3, 4, 4), np.nan), "images contains NaN"),
        (np.full((3, 4, 4), np.inf), "images contains infinity"),
        (np.zeros((3, 4, 4), dtype=complex), "Complex"),
        ([[["a"]]], "strings"),
        ([np.zeros((3, 3)), np.zeros((4, 4))], r"one size, got shapes \(3, 3\) and \(4, 4\)"),
        (scipy.sparse.csr_array((4, 4)), "must be an array-like"),
        ({"images": np.zeros((3, 4, 4))}, r"Give the images in it, images\['images'\]"),
    ],
)
def test_bad_images(images, message):
    """What is no set of images is an error that says why."""
    with pytest.raises(ValueError, match=message):
        near_duplicate_groups(images)


@pytest.mark.parametrize("threshold", [0, -0.5, 1.01, "high"])
def test_bad_threshold(threshold):
    """A threshold that is no positive correlation is named as scikit-learn names it."""
    with pytest.raises(ValueError, match="The 'threshold' parameter of near_duplicate_groups"):
        near_duplicate_groups(np.zeros((2, 4, 4)), threshold=threshold)


# Properties.


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), n_images=st.integers(1, 40), data=st.data())
def test_order_of_images_only_renumbers(seed, n_images, data):
    """Shuffled images fall into the same groups, numbered by first appearance."""
    images = blurred(n_images, seed, side=32)
    order = np.array(data.draw(st.permutations(range(n_images))))
    groups, shuffled = near_duplicate_groups(images), near_duplicate_groups(images[order])
    assert same_partition(groups[order], shuffled)
    for labels in (groups, shuffled):
        first = np.unique(labels, return_index=True)[1]
        assert np.all(np.diff(first) > 0)
        assert labels.max() + 1 == len(first)


def test_no_split_by_groups_parts_near_duplicates():
    """With the groups, StratifiedGroupKFold leaves no test image with a twin in training."""
    X, y = make_brain_mri(40, image_size=32, random_state=0)
    X, y = np.concatenate([X, X // 2, 255 - X // 3]), np.tile(y, 3)
    groups = near_duplicate_groups(X)
    twins = np.corrcoef(X.reshape(len(X), -1)) >= 0.96
    for train, test in StratifiedGroupKFold(4).split(X, y, groups):
        assert not twins[np.ix_(test, train)].any()


def test_memory_is_bounded_even_where_all_are_alike():
    """4,000 copies, 16 million pairs, take 4 KiB an image and less than 96 MiB beside."""
    images = np.broadcast_to(directions(1), (4000, 32, 32))
    tracemalloc.start()
    try:
        groups = near_duplicate_groups(images)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert groups.max() == 0
    assert peak < 4000 * 4096 + 96 * 2**20


def test_identical_real_slices_are_never_parted(real_slices):
    """Published slices that are the same at 64x64 are in one group, and most are alone."""
    images, _ = load_image_folder(real_slices, image_size=64, return_X_y=True)
    groups = near_duplicate_groups(images)
    first = {}
    same = [first.setdefault(image.tobytes(), index) for index, image in enumerate(images)]
    assert len(images) - len(first) > 100
    np.testing.assert_array_equal(groups, groups[same])
    assert np.bincount(groups).max() < len(images) / 50
