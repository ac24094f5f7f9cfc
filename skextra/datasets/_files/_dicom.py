"""DICOM files to pictures, by pydicom: rescaling, windows and MONOCHROME1."""

import numpy as np

from skextra.datasets._files._other_formats import FRAMES
from skextra.datasets._files._pixels import DeepPixels, scaled_to_bytes


def read_header(file):
    """Return the size (width, height) and the kind of pixels of a DICOM file."""
    dataset = _dataset(file, stop_before_pixels=True)
    size = int(dataset.get("Columns", 0)), int(dataset.get("Rows", 0))
    return size, f"{dataset.get('BitsStored', '?')}-bit {dataset.get('Modality', '')}".strip()


def read_dicom(file, value_range):
    """Read a DICOM file as a picture with 8-bit pixels.

    Gray pixels are rescaled to the units of the scanner (RescaleSlope and RescaleIntercept), and
    the file's first window (WindowCenter, WindowWidth) becomes 0 to 255, as section C.11.2.1.2
    of part 3 of the DICOM standard defines it. MONOCHROME1 is inverted, so that bright is bright.

    Parameters
    ----------
    file : str
        Path of the file.
    value_range : tuple of (float, float) or None
        Values, in rescaled units, that become 0 and 255 in place of the file's window.

    Returns
    -------
    image : PIL.Image.Image
        Gray or colour.
    deep : DeepPixels or None
        For pixels scaled from the range of their bits, as the file has no window.

    Raises
    ------
    OSError, ValueError
        If pydicom is missing, or for files without pixels, with several frames, with compressed
        pixels, or with lookup tables.
    """
    from PIL import Image

    dataset = _dataset(file)
    _refuse_what_is_not_one_plain_picture(dataset)
    photometric = dataset.PhotometricInterpretation
    if photometric == "RGB" and dataset.BitsAllocated == 8:
        return Image.fromarray(np.ascontiguousarray(dataset.pixel_array)), None
    if photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise ValueError(
            f"DICOM pixels of the kind {photometric} are not read: save them as PNG with pydicom"
        )
    slope = float(dataset.get("RescaleSlope", 1) or 1)
    values = dataset.pixel_array * slope + float(dataset.get("RescaleIntercept", 0) or 0)
    gray, deep = _to_gray(dataset, values, value_range)
    return Image.fromarray(255 - gray if photometric == "MONOCHROME1" else gray), deep


def _dataset(file, **options):
    try:
        import pydicom
    except ImportError as error:
        raise OSError(
            'DICOM file: reading it needs pydicom, which `pip install "skextra[dicom]"` brings'
        ) from error
    try:
        return pydicom.dcmread(file, **options)
    except pydicom.errors.InvalidDicomError as error:
        raise OSError("not a DICOM file, though its name says so") from error


def _refuse_what_is_not_one_plain_picture(dataset):
    from PIL import Image

    if not any(
        name in dataset for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
    ):
        raise ValueError("DICOM file without a picture: it holds no pixels")
    n_frames = int(dataset.get("NumberOfFrames", 1) or 1)
    # The rescaling of enhanced files lies in these groups, and one frame may hide there as well.
    if n_frames > 1 or "PerFrameFunctionalGroupsSequence" in dataset:
        raise ValueError(FRAMES)
    syntax = dataset.file_meta.TransferSyntaxUID if hasattr(dataset, "file_meta") else None
    if syntax is not None and syntax.is_compressed:
        raise ValueError(
            f"DICOM file with compressed pixels ({syntax.name}): decompress it first, by "
            "`gdcmconv --raw` or by pydicom's Dataset.decompress() and save_as()"
        )
    if int(dataset.Rows) * int(dataset.Columns) > (Image.MAX_IMAGE_PIXELS or np.inf):
        raise Image.DecompressionBombError
    if "ModalityLUTSequence" in dataset:
        raise ValueError("DICOM file with a modality lookup table: save it as PNG with pydicom")


def _to_gray(dataset, values, value_range):
    """Return rescaled values as uint8, by the first of: value_range, window, range of the bits."""
    bits = int(dataset.get("BitsStored", 32))
    is_plain = bits <= 8 and "RescaleSlope" not in dataset  # as the pixels of any 8-bit picture
    if value_range is not None and not is_plain:
        return scaled_to_bytes(values, *value_range), None
    center, width = _first(dataset.get("WindowCenter")), _first(dataset.get("WindowWidth"))
    if center is not None and width is not None:
        return _windowed(values, center, width, dataset.get("VOILUTFunction", "LINEAR")), None
    if "VOILUTSequence" in dataset:
        raise ValueError("DICOM file with a lookup table and no window: give value_range")
    if bits > 16:
        raise ValueError("DICOM pixels of more than 16 bits have no fixed range: give value_range")
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    if not dataset.PixelRepresentation:
        low, high = 0, 2**bits - 1
    slope = float(dataset.get("RescaleSlope", 1) or 1)
    intercept = float(dataset.get("RescaleIntercept", 0) or 0)
    low, high = sorted((low * slope + intercept, high * slope + intercept))
    deep = DeepPixels(float(values.max()), high) if bits > 8 else None
    return scaled_to_bytes(values, low, high), deep


def _windowed(values, center, width, function):
    if function == "SIGMOID":
        return np.rint(255 / (1 + np.exp(-4 * (values - center) / width))).astype(np.uint8)
    if function == "LINEAR_EXACT":
        low, high = center - width / 2, center + width / 2
    else:
        low, high = center - 0.5 - (width - 1) / 2, center - 0.5 + (width - 1) / 2
    if not low < high:  # a threshold
        return np.where(values <= low, 0, 255).astype(np.uint8)
    return scaled_to_bytes(values, low, high)


def _first(value):
    """Return the first of one or several numbers, or None."""
    if value is None or value == "":
        return None
    return (
        float(value[0])
        if hasattr(value, "__len__") and not isinstance(value, str)
        else float(value)
    )
