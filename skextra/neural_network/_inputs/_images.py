"""From array-likes of images or flat rows to tensors: shapes, scaling, resizing."""

import warnings
from dataclasses import dataclass
from math import isqrt

import numpy as np
import torch
from torch.nn import functional

from skextra.neural_network._inputs import _rows
from skextra.neural_network._inputs._rows import column_blocks, row_blocks
from skextra.neural_network._inputs._streaming import StreamedImages
from skextra.neural_network._inputs._value_range import value_range

MIN_SIDE = 8  # three 2x2 poolings leave one pixel of eight
_RESIZE_BLOCK = 256  # images resized at a time, at most
CACHE_BYTES = 2**28  # training images that are kept in memory at the network's size
_RANGE_ROWS = 1000  # rows of which a median is taken
FAR_FEATURES = 30.0  # standard deviations: no sample of a population is so far away in the median


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


def network_size(image_shape, image_size, *, resize_up, are_features=False):
    """Return the (height, width) at which the network sees images of `image_shape`.

    A strip of features is never shrunk: its neighbours have nothing in common, and their mean
    would say nothing of either.
    """
    if resize_up:
        return (image_size, image_size)
    if are_features and image_shape[0] == 1:
        image_size = max(image_size, image_shape[1])
    return tuple(max(MIN_SIDE, min(side, image_size)) for side in image_shape[:2])


def are_pixels(rows, image_shape, *, are_images, is_told):
    """Return whether rows hold pixels, which share one scale, or features, with one each.

    Parameters
    ----------
    rows : ndarray of shape (n_samples, n_features)
        Images, or flat rows.
    image_shape : tuple of int
        (height, width, channels) of a row.
    are_images : bool
        Whether X had an axis for height and one for width.
    is_told : bool
        Whether the parameter `image_shape` says how flat rows unfold.
    """
    if are_images:
        return True
    is_narrow = rows.dtype == bool or (rows.dtype.kind in "iu" and rows.dtype.itemsize <= 2)
    # A table of whole numbers may come in a narrow type as well; few tables have the 64 or more
    # columns of a square image.
    return is_narrow and (is_told or image_shape[0] >= MIN_SIDE)


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
    clips: bool = False  # pixels outside `pixel_range` to its ends
    of_integers: bool = False  # whether the training images were whole numbers

    @classmethod
    def from_data(cls, rows, weights, image_shape, size, *, are_features):
        """Decide the scaling from the training rows of shape (n_samples, n_features)."""
        of_integers = rows.dtype.kind in "biu"
        if are_features:
            means, spreads = [], []
            for columns in column_blocks(rows):
                means.append(np.average(columns, axis=0, weights=weights))
                columns = (columns - means[-1]) ** 2
                spreads.append(np.sqrt(np.average(columns, axis=0, weights=weights)))
            mean, spread = np.concatenate(means), np.concatenate(spreads)
            spread[spread == 0] = 1.0
            return cls(
                image_shape, size, 1.0 / spread, -mean / spread, True, of_integers=of_integers
            )
        low, high, clips = value_range(rows)
        width = (high - low) or 1.0
        return cls(
            image_shape,
            size,
            np.float64(2.0 / width),
            np.float64(-1.0 - 2.0 * low / width),
            are_features=False,
            clips=clips,
            of_integers=of_integers,
        )

    @property
    def dtype(self):
        """Precision of predictions: features are few numbers, double precision costs nothing."""
        return torch.float64 if self.are_features else torch.float32

    @property
    def pixel_range(self):
        """The pixels that become -1 and 1."""
        return tuple(float((end - self.offset) / self.scale) for end in (-1.0, 1.0))

    def warn_of_other_range(self, rows, stacklevel=2):
        """Warn where rows are plainly not on the scale of those that were fitted.

        Parameters
        ----------
        rows : ndarray of shape (n_samples, n_features)
            Rows to predict.
        stacklevel : int
            As of :func:`warnings.warn`, counted from the caller of this method.
        """
        message = self._other_features(rows) if self.are_features else self._other_pixels(rows)
        if message:
            warnings.warn(message, UserWarning, stacklevel=stacklevel + 1)

    def _other_features(self, rows):
        distance = float(np.median(np.abs(rows[:_RANGE_ROWS] * self.scale + self.offset)))
        if distance <= FAR_FEATURES:
            return None
        return (
            f"X has features that lie {distance:.3g} standard deviations from the mean of the "
            "training rows, in the median. Give features on the scale of the training rows."
        )

    def _other_pixels(self, rows):
        low, high = self.pixel_range
        lowest = float(min(block.min() for block in row_blocks(rows)))
        highest = float(max(block.max() for block in row_blocks(rows)))
        slack = (high - low) / 2
        # One faulty pixel is no other scale where such pixels were clipped in training.
        ends = (np.median(rows[:_RANGE_ROWS]),) * 2 if self.clips else (lowest, highest)
        if ends[0] < low - slack or ends[1] > high + slack:
            found = "far outside"
        elif self._fill_a_sliver(rows, lowest, highest):
            found = "in a small part of"
        else:
            return None
        return (
            f"X has pixels from {lowest:g} to {highest:g}, {found} the range from {low:g} to "
            f"{high:g} that was fitted. Give images on the scale of the training images."
        )

    def _fill_a_sliver(self, rows, lowest, highest):
        """Return whether the pixels vary, but by less than a tenth of the range that was fitted.

        A few dark images do so as well. What tells another scale is many images, pixels below the
        range, or broken numbers where the training images had whole ones.
        """
        low, high = self.pixel_range
        if not 0 < highest - lowest < (high - low) / 10:
            return False
        if len(rows) >= 5 or lowest < low:
            return True
        if not self.of_integers or rows.dtype.kind != "f":
            return False
        return any((block % 1 != 0).any() for block in row_blocks(rows))

    def load(self, rows, dtype=torch.float32):
        """Return rows as one tensor (n_samples, channels, height, width) at the network's size.

        8-bit pixels stay 8-bit (a quarter of the memory) and are scaled batch by batch.
        """
        row_bytes = rows.shape[1] * (1 if rows.dtype == np.uint8 else 8)
        step = int(np.clip(_rows.BLOCK_BYTES // row_bytes, 1, _RESIZE_BLOCK))
        blocks = [
            self._load_block(rows[start : start + step], dtype)
            for start in range(0, len(rows), step)
        ]
        return torch.cat(blocks)

    def load_or_stream(self, rows):
        """Return training images at the network's size, or what reads them batch by batch.

        Those that fit into `CACHE_BYTES` are kept. Of more, each batch is read from X, resized and
        scaled when it is its turn: with the same bits, more slowly where images have to shrink.
        """
        n_values = len(rows) * self.image_shape[2] * self.size[0] * self.size[1]
        if n_values * (1 if rows.dtype == np.uint8 else 4) <= CACHE_BYTES:
            return self.load(rows)
        return StreamedImages(self, rows)

    def _load_block(self, rows, dtype):
        if rows.dtype != np.uint8:
            rows = rows.astype(np.float64) * self.scale + self.offset
            if self.clips:
                rows = rows.clip(-1.0, 1.0)
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
        pixels = batch.to(dtype).mul_(float(self.scale)).add_(float(self.offset))
        return pixels.clamp_(-1.0, 1.0) if self.clips else pixels

    def to_input(self, pixels):
        """Return pixels, augmented or not, as the network's input."""
        if self.standardises:
            mean = pixels.mean(dim=(1, 2, 3), keepdim=True)
            spread = pixels.std(dim=(1, 2, 3), keepdim=True, correction=0)
            # A hundredth of the range: less is noise, which should not be blown up.
            pixels = (pixels - mean) / spread.clamp(min=0.01)
        return pixels
