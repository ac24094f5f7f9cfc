"""From array-likes of images or flat rows to tensors: shapes, scaling, resizing, augmenting."""

from dataclasses import dataclass
from math import isqrt, pi

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
    dtype: torch.dtype

    @classmethod
    def from_data(cls, rows, weights, image_shape, size, *, are_images):
        """Decide the scaling from the training rows of shape (n_samples, n_features)."""
        dtype = torch.float32
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
            # Few numbers a row, each of which counts: double precision costs nothing here.
            return cls(image_shape, size, 1.0 / spread, -mean / spread, torch.float64)
        width = (high - low) or 1.0
        scale, offset = np.float64(2.0 / width), np.float64(-1.0 - 2.0 * low / width)
        return cls(image_shape, size, scale, offset, dtype)

    @property
    def n_channels(self):
        """Channels of an image."""
        return self.image_shape[2]

    def load(self, rows):
        """Return rows as one tensor (n_samples, channels, height, width) at the network's size.

        8-bit pixels stay 8-bit (a quarter of the memory) and are scaled batch by batch.
        """
        blocks = [
            self._load_block(rows[start : start + _RESIZE_BLOCK])
            for start in range(0, len(rows), _RESIZE_BLOCK)
        ]
        return torch.cat(blocks)

    def _load_block(self, rows):
        if rows.dtype != np.uint8:
            rows = rows.astype(np.float64) * self.scale + self.offset
        images = np.require(rows, requirements="CW").reshape(len(rows), *self.image_shape)
        images = torch.from_numpy(images).permute(0, 3, 1, 2)
        if images.dtype != torch.uint8:
            images = images.to(self.dtype)
        if self.size != self.image_shape[:2]:
            images = functional.interpolate(images, self.size, mode="bilinear", antialias=True)
        return images.contiguous()

    def to_input(self, batch):
        """Return a batch from `load` as the network's floating-point input."""
        if batch.dtype != torch.uint8:
            return batch
        return batch.to(self.dtype).mul_(float(self.scale)).add_(float(self.offset))


def random_affine(batch):
    """Flip, turn, shift and scale each image of a batch at random.

    Left and right are exchanged with probability 1/2; the rest is uniform: a turn within 10
    degrees, a shift within 6 % of each side, a scale between 0.9 and 1.1.

    Parameters
    ----------
    batch : tensor of shape (n_samples, channels, height, width)
        Floating-point images.

    Returns
    -------
    tensor of the same shape and dtype
    """
    n_samples = len(batch)

    def uniform(low, high):
        return torch.rand(n_samples, device=batch.device) * (high - low) + low

    angle = uniform(-pi / 18, pi / 18)
    scale = uniform(0.9, 1.1)
    flip = torch.sign(uniform(-1.0, 1.0))
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    theta = torch.stack(
        [
            torch.stack([cos * flip, -sin, uniform(-0.12, 0.12)], dim=1),
            torch.stack([sin * flip, cos, uniform(-0.12, 0.12)], dim=1),
        ],
        dim=1,
    )  # the grid spans [-1, 1]: 0.12 of it is 6 % of a side
    grid = functional.affine_grid(theta.to(batch.dtype), batch.shape, align_corners=False)
    return functional.grid_sample(batch, grid, padding_mode="border", align_corners=False)
