"""From array-likes of images or flat rows to tensors: shapes, scaling, resizing."""

import warnings
from dataclasses import dataclass
from math import isqrt

import numpy as np
import torch
from torch.nn import functional

MIN_SIDE = 8  # three 2x2 poolings leave one pixel of eight
_RESIZE_BLOCK = 256  # images resized at a time, so that float copies of X stay small


def pixels_of(X):
    """Return the (height, width, channels) of one image of a 3-D or 4-D array, else None."""
    shape = tuple(X.shape) if hasattr(X, "shape") else np.asarray(X).shape
    if len(shape) == 3:
        return (*shape[1:], 1)
    return shape[1:] if len(shape) == 4 else None


def shape_of_rows(n_features, image_shape):
    """Return the (height, width, channels) into which flat rows unfold.

    Without `image_shape` a square number of features is a square gray image, any other
    number a strip of one row.
    """
    if image_shape is None:
        side = isqrt(n_features)
        return (side, side, 1) if side * side == n_features else (1, n_features, 1)
    shape = tuple(int(side) for side in image_shape)
    if len(shape) not in (2, 3) or min(shape) < 1:
        raise ValueError(
            f"image_shape must be (height, width) or (height, width, channels) with positive "
            f"numbers, got {image_shape!r}."
        )
    shape = (*shape, 1)[:3]
    if np.prod(shape) != n_features:
        raise ValueError(
            f"image_shape={image_shape!r} holds {np.prod(shape)} values, but X has {n_features} "
            f"features a row. Give the image_shape whose product is {n_features}."
        )
    return shape


def network_size(image_shape, image_size, *, resize_up):
    """Return the (height, width) at which the network sees images of `image_shape`."""
    if resize_up:
        return (image_size, image_size)
    return tuple(max(MIN_SIDE, min(side, image_size)) for side in image_shape[:2])


@dataclass(frozen=True)
class ImageTransform:
    """How rows become the network's input, decided once in `fit`.

    Pixels become ``x * scale + offset``. The scaling maps the range of the pixels to [-1, 1],
    or standardises each feature of rows that are no pixels; it is a property of the fitted
    estimator, so the same numbers mean the same image whatever their dtype.
    """

    image_shape: tuple  # (height, width, channels) of X
    size: tuple  # (height, width) the network sees
    scale: np.ndarray
    offset: np.ndarray
    are_features: bool
    standardises: bool = False  # each image to mean 0 and standard deviation 1

    @classmethod
    def from_data(cls, rows, weights, image_shape, size, *, are_images):
        """Decide the scaling from the training rows of shape (n_samples, n_features)."""
        info = np.iinfo(rows.dtype) if rows.dtype.kind in "iu" else None
        if rows.dtype == bool:
            low, high = 0.0, 1.0
        elif info is not None and info.bits <= 16:
            low, high = 0.0, float(info.max)
        elif are_images:
            # Wide integers and floats do not tell their range; the training images do.
            low, high = float(rows.min()), float(rows.max())
        else:
            rows = rows.astype(np.float64)
            mean = np.average(rows, axis=0, weights=weights)
            spread = np.sqrt(np.average((rows - mean) ** 2, axis=0, weights=weights))
            spread[spread == 0] = 1.0
            return cls(image_shape, size, 1.0 / spread, -mean / spread, are_features=True)
        width = (high - low) or 1.0
        scale, offset = np.float64(2.0 / width), np.float64(-1.0 - 2.0 * low / width)
        return cls(image_shape, size, scale, offset, are_features=False)

    @property
    def dtype(self):
        """Precision of predictions: features are few numbers, double precision costs nothing."""
        return torch.float64 if self.are_features else torch.float32

    @property
    def pixel_range(self):
        """The pixels that become -1 and 1."""
        return tuple(float((end - self.offset) / self.scale) for end in (-1.0, 1.0))

    def warn_of_other_range(self, rows):
        """Warn where float images are plainly not on the scale of those that were fitted."""
        if self.are_features or rows.dtype.kind != "f":
            return
        low, high = self.pixel_range
        lowest, highest = float(rows.min()), float(rows.max())
        slack = (high - low) / 2
        if lowest < low - slack or highest > high + slack:
            found = "far outside"
        elif high >= 100 and 0 < highest <= 1 and lowest >= 0:
            found = "in a small part of"
        else:
            return
        warnings.warn(
            f"X has pixels from {lowest:g} to {highest:g}, {found} the range from {low:g} to "
            f"{high:g} that was fitted. Give images on the scale of the training images.",
            UserWarning,
            stacklevel=5,
        )

    def load(self, rows, dtype=torch.float32):
        """Return rows as one tensor (n_samples, channels, height, width) at the network's size.

        8-bit pixels stay 8-bit (a quarter of the memory) and are scaled batch by batch.
        """
        blocks = [
            self._load_block(rows[start : start + _RESIZE_BLOCK], dtype)
            for start in range(0, len(rows), _RESIZE_BLOCK)
        ]
        return torch.cat(blocks)

    def _load_block(self, rows, dtype):
        if rows.dtype != np.uint8:
            rows = rows.astype(np.float64) * self.scale + self.offset
        images = np.require(rows, requirements="CW").reshape(len(rows), *self.image_shape)
        images = torch.from_numpy(images).permute(0, 3, 1, 2)
        if images.dtype != torch.uint8:
            images = images.to(dtype)
        if self.size != self.image_shape[:2]:
            images = functional.interpolate(images, self.size, mode="bilinear", antialias=True)
        return images.contiguous(memory_format=torch.channels_last)

    def to_pixels(self, batch, dtype=torch.float32):
        """Return a batch from `load` as floating-point pixels, from -1 to 1."""
        if batch.dtype != torch.uint8:
            return batch
        return batch.to(dtype).mul_(float(self.scale)).add_(float(self.offset))

    def to_input(self, pixels):
        """Return pixels, augmented or not, as the network's input."""
        if self.standardises:
            mean = pixels.mean(dim=(1, 2, 3), keepdim=True)
            spread = pixels.std(dim=(1, 2, 3), keepdim=True, correction=0)
            # A hundredth of the range: less is noise, which should not be blown up.
            pixels = (pixels - mean) / spread.clamp(min=0.01)
        return pixels.contiguous(memory_format=torch.channels_last)
