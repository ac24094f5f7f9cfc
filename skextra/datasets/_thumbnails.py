"""Standardised thumbnails of images (pure functions)."""

import numpy as np
from sklearn.utils import check_array

_SIDE = 32
_PIXELS_PER_BLOCK = 2**20
# A thumbnail whose pixels, scaled to 1, vary less than this varies by rounding alone.
_FLAT = 1e-5


def check_images(images, name="images"):
    """Return images as an array of shape (n_samples, height, width[, n_channels]).

    Parameters
    ----------
    images : array-like
        The images.
    name : str, default="images"
        The parameter to name in messages.

    Returns
    -------
    ndarray

    Raises
    ------
    ValueError
        If they are a dictionary, have another number of dimensions, differ in size, or have no
        pixel or such as are no finite numbers.
    """
    if isinstance(images, dict):
        raise ValueError(f"{name} is a dictionary. Give the images in it, {name}['images'].")
    if isinstance(images, (list, tuple)) and len({np.shape(image) for image in images}) > 1:
        shapes = sorted({np.shape(image) for image in images})[:2]
        raise ValueError(
            f"{name} must all have one size, got shapes {shapes[0]} and {shapes[1]}. Resize them "
            "first, as load_image_folder does with image_size."
        )
    images = check_array(images, allow_nd=True, ensure_2d=False, input_name=name)
    if images.ndim not in (3, 4):
        raise ValueError(
            f"{name} must have shape (n_samples, height, width) or "
            f"(n_samples, height, width, n_channels), got {images.shape}."
        )
    if images.size == 0:
        raise ValueError(f"{name} of shape {images.shape} have no pixels.")
    return images


def standardised_thumbnails(images):
    """Shrink images to 32x32 gray pixels with mean 0 and length 1.

    Parameters
    ----------
    images : ndarray
        What `check_images` returned.

    Returns
    -------
    thumbnails : ndarray of shape (n_samples, 1024) and dtype float32
        One row per image; the product of two rows is their correlation.
    flat : ndarray of shape (n_samples,) and dtype bool
        Which images are of one brightness; their rows are 0.
    brightness : ndarray of shape (n_samples,) and dtype float32 or float64
        The mean brightness of each image.
    """
    n_samples, height, width = images.shape[:3]
    dtype = np.result_type(images.dtype, np.float32)
    rows, columns = area_weights(height, dtype), area_weights(width, dtype)
    thumbnails = np.empty((n_samples, _SIDE * _SIDE), dtype=np.float32)
    flat = np.empty(n_samples, dtype=bool)
    brightness = np.empty(n_samples, dtype=dtype)
    step = max(1, _PIXELS_PER_BLOCK // (height * width))
    for start in range(0, n_samples, step):
        block = slice(start, start + step)
        gray = _to_gray(images[block], dtype)
        # Relative to its first pixel a constant image is exactly 0, and a large offset does not
        # drown a small contrast in rounding.
        offset = gray[:, :1, :1].copy()
        gray -= offset
        # All rows in one product: a product per image would pay for starting threads each time.
        narrow = (gray.reshape(-1, width) @ columns.T).reshape(len(gray), height, _SIDE)
        small = (rows @ narrow).reshape(len(gray), -1)
        brightness[block] = offset.ravel() + small.mean(axis=1)
        # Scaled to 1, so that squares neither overflow nor vanish.
        largest = np.abs(small).max(axis=1, keepdims=True)
        small /= np.where(largest == 0, 1, largest)
        small -= small.mean(axis=1, keepdims=True)
        length = np.linalg.norm(small, axis=1)
        flat[block] = length <= _FLAT * _SIDE
        small[flat[block]] = 0
        thumbnails[block] = small / np.where(flat[block], 1, length)[:, None]
    return thumbnails, flat, brightness


def _to_gray(images, dtype):
    """Mean over channels, as a new floating-point array of shape (n_samples, height, width)."""
    if images.ndim == 3:
        return images.astype(dtype)
    gray = images[..., 0].astype(dtype)
    for channel in range(1, images.shape[3]):
        gray += images[..., channel]
    gray /= images.shape[3]
    return gray


def area_weights(length, dtype):
    """Matrix (32, length) that averages ``length`` pixels over 32 stretches of equal length."""
    edges = np.linspace(0, length, _SIDE + 1)
    pixels = np.arange(length)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return (np.clip(overlap, 0, None) * (_SIDE / length)).astype(dtype)
