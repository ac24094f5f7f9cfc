"""From arrays to tensors: shapes, scaling, resizing, augmentation."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from skextra.neural_network._inputs._images import (
    ImageTransform,
    network_size,
    pixels_of,
    shape_of_rows,
)


def transform_of(rows, image_shape, size=None):
    weights = np.ones(len(rows))
    size = size or image_shape[:2]
    return ImageTransform.from_data(rows, weights, image_shape, size, are_features=False)


def as_input(transform, rows):
    loaded = transform.load(rows, transform.dtype)
    return transform.to_input(transform.to_pixels(loaded, transform.dtype)).numpy()


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((5, 4), None), ((5, 4, 6), (4, 6, 1)), ((5, 4, 6, 3), (4, 6, 3)), ((2,), None)],
)
def test_images_are_arrays_of_three_or_four_dimensions(shape, expected):
    assert pixels_of(np.zeros(shape)) == expected
    assert pixels_of(np.zeros(shape).tolist()) == expected


@pytest.mark.parametrize(
    ("n_features", "image_shape", "expected"),
    [
        (64, None, (8, 8, 1)),
        (10, None, (1, 10, 1)),
        (12, (3, 4), (3, 4, 1)),
        (12, (2, 2, 3), (2, 2, 3)),
        (12, [12, 1], (12, 1, 1)),
    ],
)
def test_flat_rows_unfold_to_the_given_shape_a_square_or_a_strip(
    n_features, image_shape, expected
):
    assert shape_of_rows(n_features, image_shape) == expected


@pytest.mark.parametrize("image_shape", [(3, 3), (2, 3, 2), (12,), (0, 12), (1, 2, 3, 2)])
def test_an_image_shape_that_cannot_hold_a_row_is_named_in_the_error(image_shape):
    with pytest.raises(ValueError, match="image_shape"):
        shape_of_rows(10, image_shape)


@pytest.mark.parametrize(
    ("image_shape", "image_size", "resize_up", "expected"),
    [
        ((224, 180, 1), 128, False, (128, 128)),
        ((28, 200, 1), 128, False, (28, 128)),
        ((1, 10, 1), 128, False, (8, 10)),
        ((28, 28, 1), 64, True, (64, 64)),
    ],
)
def test_sides_shrink_to_the_size_and_grow_only_on_request(
    image_shape, image_size, resize_up, expected
):
    assert network_size(image_shape, image_size, resize_up=resize_up) == expected


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_narrow_integer_pixels_are_divided_by_the_largest_value_of_their_type(dtype):
    largest = np.iinfo(dtype).max
    rows = np.full((3, 64), 0, dtype)
    rows[1], rows[2] = largest, largest // 5
    pixels = as_input(transform_of(rows, (8, 8, 1)), rows)
    assert pixels.dtype == np.float32
    assert_allclose(pixels[:, 0, 0, 0], [-1, 1, (0.2 - 0.5) / 0.5], rtol=1e-4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_other_pixels_are_scaled_by_the_range_of_the_training_images(dtype):
    rows = np.linspace(10, 30, 128).round().reshape(2, 64).astype(dtype)
    transform = transform_of(rows, (8, 8, 1))
    pixels = as_input(transform, rows)
    assert_allclose([pixels.min(), pixels.max()], [-1, 1], rtol=1e-6)
    assert_allclose(as_input(transform, rows + 10).max(), 2, rtol=1e-6)


def test_the_same_pixels_mean_the_same_image_whatever_their_dtype():
    rows = np.random.default_rng(0).integers(0, 256, (5, 64)).astype(np.uint8)
    transform = transform_of(rows, (8, 8, 1))
    assert_allclose(as_input(transform, rows.astype(float)), as_input(transform, rows), atol=1e-6)


def test_features_are_standardised_with_their_weights():
    rows = np.array([[1.0, 5.0], [3.0, 5.0], [9.0, 5.0]])
    weights = np.array([1.0, 3.0, 0.0])
    transform = ImageTransform.from_data(rows, weights, (1, 2, 1), (1, 2), are_features=True)
    features = as_input(transform, rows[:2])[:, 0, 0]
    assert features.dtype == np.float64
    mean, spread = 2.5, np.sqrt(0.75)
    expected = [[(1 - mean) / spread, 0], [(3 - mean) / spread, 0]]
    assert_allclose(features, expected, atol=1e-12)


def test_channels_come_first_and_stay_in_order():
    images = np.arange(2 * 8 * 9 * 3, dtype=np.uint8).reshape(2, 8, 9, 3)
    transform = transform_of(images.reshape(2, -1), (8, 9, 3))
    loaded = transform.load(images.reshape(2, -1))
    assert loaded.dtype == torch.uint8
    assert np.array_equal(loaded.numpy(), images.transpose(0, 3, 1, 2))


def test_shrinking_averages_the_pixels_it_covers():
    images = np.zeros((1, 16, 16), np.uint8)
    images[:, ::2] = 200  # stripes of one pixel vanish to their mean where sampling would alias
    transform = transform_of(images.reshape(1, -1), (16, 16, 1), (8, 8))
    inner = transform.load(images.reshape(1, -1))[0, 0, 2:-2].numpy()
    assert_allclose(inner, 100, atol=1)


def test_many_images_load_as_each_one_alone():
    rows = np.random.default_rng(0).integers(0, 256, (300, 144)).astype(np.uint8)
    transform = transform_of(rows, (12, 12, 1), (8, 8))
    assert torch.equal(transform.load(rows)[257:258], transform.load(rows[257:258]))


def test_standardised_images_have_mean_0_and_spread_1_each_and_a_plain_one_stays_plain():
    rows = np.random.default_rng(0).integers(0, 256, (3, 64)).astype(np.uint8)
    rows[2] = 200
    transform = replace(transform_of(rows, (8, 8, 1)), standardises=True)
    pixels = as_input(transform, rows)
    assert_allclose(pixels.mean(axis=(1, 2, 3)), 0, atol=1e-6)
    assert_allclose(pixels[:2].std(axis=(1, 2, 3)), 1, rtol=1e-6)
    assert np.array_equal(pixels[2], np.zeros((1, 8, 8)))


@pytest.mark.parametrize(
    ("dtype", "factor", "message"),
    [
        (float, 3.0, r"from 0 to 765, far outside the range from 0 to 255 that was fitted"),
        (np.float32, -1.0, "far outside"),
        (float, 1 / 255, r"from 0 to 1, in a small part of the range from 0 to 255"),
    ],
)
def test_float_images_on_another_scale_than_the_fitted_ones_warn(dtype, factor, message):
    rows = np.linspace(0, 255, 128).astype(np.uint8).reshape(2, 64)
    transform = transform_of(rows, (8, 8, 1))
    with pytest.warns(UserWarning, match=message):
        transform.warn_of_other_range((rows * factor).astype(dtype))


def test_features_on_another_scale_warn():
    rows, size = np.random.default_rng(0).normal(size=(50, 64)), (8, 8)
    features = ImageTransform.from_data(rows, np.ones(50), (8, 8, 1), size, are_features=True)
    with pytest.warns(UserWarning, match="standard deviations from the mean"):
        features.warn_of_other_range(rows + 100)


def test_images_near_the_fitted_range_and_features_do_not_warn():
    rows = np.linspace(0, 200, 128).reshape(2, 64)
    transform_of(rows, (8, 8, 1)).warn_of_other_range(rows * 1.2)
    transform_of(rows, (8, 8, 1)).warn_of_other_range((rows * 1.2).astype(np.int64))
    weights, size = np.ones(2), (8, 8)
    features = ImageTransform.from_data(rows, weights, (8, 8, 1), size, are_features=True)
    features.warn_of_other_range(rows * 1.2)


def test_integers_on_another_scale_warn():
    rows = np.linspace(0, 200, 128).reshape(2, 64)
    with pytest.warns(UserWarning, match="from 0 to 600, far outside the range from 0 to 200"):
        transform_of(rows, (8, 8, 1)).warn_of_other_range((rows * 3).astype(np.int64))
