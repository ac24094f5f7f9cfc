"""Pixels of more than 8 bits, and how they become 8-bit pixels."""

from dataclasses import dataclass

import numpy as np


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
