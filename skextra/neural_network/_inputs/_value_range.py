"""The pixels that become -1 and 1."""

import warnings

import numpy as np

from skextra.neural_network._inputs._rows import row_blocks

_HOT_SHARE = 0.005  # of the images, or of the places, that a fault of the detector may reach
_HOT_FACTOR = 4.0  # how much wider the range has to be by them


def value_range(rows):
    """Return (low, high, clips): the pixels that become -1 and 1, and whether others are clipped.

    Pixels that reach a quarter of the range of an 8- or 16-bit type have that range: 0 to 255,
    for instance. All others have the smallest and largest value of the training images. Values
    that only one image or one place in 200 has, and that make the range four times wider, are
    faults of a detector: they are left out of the range, and a warning says so.
    """
    if rows.dtype == bool:
        return 0.0, 1.0, False
    of_images, of_places = _extremes(rows)
    low, high = float(of_images[0].min()), float(of_images[1].max())
    usual_low, usual_high = _usual_range(of_images, of_places)
    clips = high - low > _HOT_FACTOR * (usual_high - usual_low) > 0
    if clips:
        warnings.warn(
            f"X has pixels from {low:g} to {high:g}, but only few images or places have any "
            f"outside of {usual_low:g} to {usual_high:g}: these are clipped to that range. Take "
            "faulty pixels out of X, or scale X yourself.",
            UserWarning,
            stacklevel=2,
        )
        low, high = usual_low, usual_high
    if rows.dtype.kind in "iu" and rows.dtype.itemsize <= 2:
        largest = float(np.iinfo(rows.dtype).max)
        if low >= 0 and high >= largest / 4:
            return 0.0, largest, clips and usual_high < largest
    return low, high, clips


def _extremes(rows):
    """Return the least and greatest value of each image, and those of each place."""
    lows, highs, low, high = [], [], None, None
    for block in row_blocks(rows):
        lows.append(block.min(axis=1))
        highs.append(block.max(axis=1))
        least, greatest = block.min(axis=0), block.max(axis=0)
        low = least if low is None else np.minimum(low, least)
        high = greatest if high is None else np.maximum(high, greatest)
    return (np.concatenate(lows), np.concatenate(highs)), (low, high)


def _usual_range(of_images, of_places):
    """Return the range without the most extreme images, or places if that leaves less."""
    ranges = []
    for lows, highs in (of_places, of_images):
        lows, highs = np.sort(lows), np.sort(highs)
        # Of fewer than ten there is no telling which is out of place.
        n_left_out = max(1, int(_HOT_SHARE * len(lows))) if len(lows) >= 10 else 0
        ranges.append((float(lows[n_left_out]), float(highs[-1 - n_left_out])))
    return min(ranges, key=lambda ends: ends[1] - ends[0])
