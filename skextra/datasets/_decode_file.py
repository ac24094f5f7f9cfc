"""One image file to pixels (pure functions)."""

import os

import numpy as np


def decode_image(file, shape, mode, *, keep_aspect=False):
    """Decode one file to a uint8 array.

    Parameters
    ----------
    file : str
        Path of the file.
    shape : tuple of (int, int) or None
        Height and width to resize to, None to keep the image's own.
    mode : {"L", "RGB"}
        Gray or colour.
    keep_aspect : bool, default=False
        Whether to keep the ratio of the sides, with black bars, or to stretch.

    Returns
    -------
    pixels : ndarray of shape (height, width) or (height, width, 3) and dtype uint8
        The image, upright.

    Raises
    ------
    Exception
        Almost anything that a decoder may meet in a damaged file: see `failure_reason`.
    """
    from PIL import Image, ImageOps

    if not os.path.isfile(file):  # opening a pipe would wait for ever
        raise OSError("not a regular file, or a link that leads nowhere")
    if os.path.getsize(file) == 0:
        raise OSError("empty file")
    with Image.open(file) as image:
        # JPEG alone heeds this: gray without a way through RGB, and large pictures at 1/2, 1/4
        # or 1/8, still twice the asked size so that the resize below has enough to work with.
        image.draft("L" if mode == "L" else None, shape and (2 * max(shape),) * 2)
        ImageOps.exif_transpose(image, in_place=True)
        image = _convert(image, mode)
        if shape is not None and image.size != shape[::-1]:
            image = _resize(image, shape[::-1], keep_aspect)
        return np.asarray(image)


def _resize(image, size, keep_aspect):
    """Resize to (width, height), antialiased: stretched, or in the middle of black bars."""
    from PIL import Image

    if not keep_aspect:
        return image.resize(size, Image.Resampling.BICUBIC)
    scale = min(side / own for side, own in zip(size, image.size, strict=True))
    inner = tuple(
        min(side, max(1, round(own * scale))) for side, own in zip(size, image.size, strict=True)
    )
    canvas = Image.new(image.mode, size, "black")
    corner = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    canvas.paste(image.resize(inner, Image.Resampling.BICUBIC), corner)
    return canvas


def _convert(image, mode):
    """Convert to gray or colour, where Pillow's own conversion would clip or hide."""
    from PIL import Image

    if image.mode == "F" or image.mode.startswith("I"):
        pixels = np.asarray(image)
        if image.mode == "F" or pixels.min() < 0 or pixels.max() > 65535:
            raise ValueError(
                f"pixels of mode {image.mode!r} have no fixed range, save them as 8 or 16 bits"
            )
        # Pillow would clip at 255; 65535 is 257 * 255.
        image = Image.fromarray(np.rint(pixels / 257).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image)
    if image.mode == "LAB":  # of which Pillow makes colour alone
        image = image.convert("RGB")
    return image if image.mode == mode else image.convert(mode)


def failure_reason(error):
    """Why a file failed, in one line."""
    from PIL import Image, UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):  # its own message names the path once more
        return "not an image in a format that Pillow reads"
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return f"more than {Image.MAX_IMAGE_PIXELS} pixels, a possible decompression bomb"
    return str(error) or type(error).__name__
