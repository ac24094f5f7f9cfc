"""What every file becomes: pixels of 8 bits, of one size and mode."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class PixelFormat:
    """What every file becomes.

    Attributes
    ----------
    shape : tuple of (int, int) or None
        Height and width to resize to, None to keep each image's own.
    mode : {"L", "RGB"}
        Gray or colour.
    keep_aspect : bool
        Whether to keep the ratio of the sides, with black bars, or to stretch.
    value_range : tuple of (float, float) or None
        The values of pixels with more than 8 bits that become 0 and 255; None takes the range
        that the file itself has.
    """

    shape: tuple | None = None
    mode: str = "L"
    keep_aspect: bool = False
    value_range: tuple | None = None


@dataclass(frozen=True)
class DeepPixels:
    """How far the pixels of a file with more than 8 bits use the range of their format.

    Attributes
    ----------
    highest : float
        The highest pixel.
    limit : float
        The highest that its format allows, which becomes 255.
    """

    highest: float
    limit: float


def scaled_to_bytes(values, lowest, highest):
    """Return values as uint8: 0 at `lowest` and below, 255 at `highest` and above."""
    shares = (np.asarray(values, dtype=np.float64) - lowest) / (highest - lowest)
    return np.rint(np.clip(shares, 0, 1) * 255).astype(np.uint8)
