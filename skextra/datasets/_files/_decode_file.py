"""One image file to 8-bit pixels (pure functions)."""

import os
import stat

import numpy as np

from skextra.datasets._files._other_formats import other_format
from skextra.datasets._files._pixels import DeepPixels, scaled_to_bytes

_HEAD_BYTES = 352  # up to and with NIfTI's mark, the last of those that are looked for


def decode_file(file, pixel_format):
    """Decode one file.

    Parameters
    ----------
    file : str
        Path of the file.
    pixel_format : PixelFormat
        What it becomes.

    Returns
    -------
    pixels : ndarray of shape (height, width) or (height, width, 3) and dtype uint8
        The image, upright.
    deep : DeepPixels or None
        For pixels of more than 8 bits that were scaled from the range of their format.

    Raises
    ------
    Exception
        Almost anything that a decoder may meet in a damaged file: see `failure_reason`.
    """
    from PIL import ImageOps

    shape, mode = pixel_format.shape, pixel_format.mode
    with open_image(file) as image:
        if isinstance(image, _DicomFile):
            image, deep = image.read(pixel_format.value_range)
        else:
            # JPEG alone heeds this: gray without a way through RGB, and large pictures at 1/2,
            # 1/4 or 1/8, still twice the asked size so that the resize below has enough.
            image.draft("L" if mode == "L" else None, shape and (2 * max(shape),) * 2)
            deep_channels = _has_deep_channels(image)  # known only until the image is decoded
            ImageOps.exif_transpose(image, in_place=True)
            image, deep = _to_8_bits(image, pixel_format.value_range, deep_channels)
        image = _convert(image, mode)
        if shape is not None and image.size != shape[::-1]:
            image = _resize(image, shape[::-1], pixel_format.keep_aspect)
        return np.asarray(image), deep


def open_image(file):
    """Open a file as a picture, without decoding its pixels.

    Parameters
    ----------
    file : str
        Path of the file.

    Returns
    -------
    PIL.Image.Image or a DICOM file
        A context manager with ``size``, ``mode`` and ``format``.

    Raises
    ------
    OSError
        If the file is empty, no regular file, or no picture.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        status = os.stat(file)
    except PermissionError:
        raise
    except OSError as error:
        raise OSError("not a regular file, or a link that leads nowhere") from error
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
        raise OSError("not a regular file, or a link that leads nowhere")
    if status.st_size == 0:
        raise OSError("empty file")
    try:
        return Image.open(file)
    except UnidentifiedImageError:
        with open(file, "rb") as stream:
            head = stream.read(_HEAD_BYTES)
        if head[128:132] == b"DICM" or file.lower().endswith((".dcm", ".dicom", ".ima")):
            return _DicomFile(file)
        reason = other_format(head, os.path.basename(file))
        raise OSError(reason or "not an image in a format that Pillow reads") from None


class _DicomFile:
    """A DICOM file, with what the files that Pillow opens have."""

    format = "DICOM"

    def __init__(self, file):
        from skextra.datasets._files._dicom import read_header

        self._file = file
        self.size, self.mode = read_header(file)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        """Close nothing: the file is open only while it is read."""

    def read(self, value_range):
        from skextra.datasets._files._dicom import read_dicom

        return read_dicom(self._file, value_range)


def _to_8_bits(image, value_range, deep_channels):
    """Return the image with 8-bit pixels, and how far deeper ones use their range."""
    from PIL import Image

    if image.mode == "F" or image.mode.startswith("I"):
        pixels = np.asarray(image)
        if value_range is not None:
            return Image.fromarray(scaled_to_bytes(pixels, *value_range)), None
        if image.mode == "F" or pixels.min() < 0 or pixels.max() > 65535:
            raise ValueError(
                f"pixels of mode {image.mode!r} have no fixed range: give value_range, or save "
                "them as 8 or 16 bits"
            )
        # Pillow would clip at 255.
        deep = DeepPixels(float(pixels.max()), 65535)
        return Image.fromarray(scaled_to_bytes(pixels, 0, 65535)), deep
    if deep_channels:
        if value_range is not None:
            raise ValueError(
                "16-bit colour or alpha, of which Pillow keeps the upper 8 bits, so that "
                "value_range cannot be applied: save it as 16-bit gray"
            )
        highest = max(top for _, top in image.convert("RGB").getextrema())
        return image, DeepPixels(257.0 * highest, 65535)
    return image, None


def _has_deep_channels(image):
    """Return whether Pillow shortens channels of 16 bits while it decodes."""
    return any(";16" in str(argument) for tile in getattr(image, "tile", ()) for argument in tile)


def _convert(image, mode):
    """Convert 8-bit pixels to gray or colour, without what Pillow alone would hide."""
    from PIL import Image

    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image)
    if image.mode == "LAB":  # of which Pillow makes colour alone
        image = image.convert("RGB")
    return image if image.mode == mode else image.convert(mode)


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


def failure_reason(error):
    """Return why a file failed, in one line."""
    from PIL import Image

    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return f"more than {Image.MAX_IMAGE_PIXELS} pixels, a possible decompression bomb"
    if isinstance(error, PermissionError):
        return "this file may not be read: Permission denied"
    return " ".join(str(error).split()) or type(error).__name__
