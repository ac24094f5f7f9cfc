"""Small pictures for tests of folders and displays."""

import io

import numpy as np
from PIL import Image


def gray(value, height=4, width=6):
    """Return an even gray picture."""
    return Image.new("L", (width, height), value)


def noise(height, width, channels=(), seed=0):
    """Return a picture of random pixels."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, *channels))
    return Image.fromarray(pixels.astype(np.uint8))


def as_bytes(image, kind, **options):
    """Return what a file of the picture holds."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
