"""Load folders of images, one folder a class, into one array."""

from __future__ import annotations

import os
from contextlib import nullcontext
from numbers import Integral
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from sklearn.utils import Bunch

from skextra._sklearn import Interval, StrOptions, validate_params
from skextra.datasets._files._array_file import ArrayFile
from skextra.datasets._files._decode_many import decode_many, require_rich
from skextra.datasets._files._pixels import PixelFormat
from skextra.datasets._folders._class_folders import check_same_classes, list_classes
from skextra.datasets._load_messages import (
    describe,
    refuse_lost_classes,
    report_unreadable,
    warn_of_unused_range,
)
from skextra.datasets._load_parameters import (
    checked_range,
    image_shape,
    list_of_names,
    list_of_paths,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skextra._types import FilePath, Names


@validate_params(
    {
        "container_path": [str, os.PathLike, list, tuple],
        "categories": ["array-like", str, None],
        "exclude": ["array-like", str, None],
        "image_size": [Interval(Integral, 1, None, closed="left"), tuple, None],
        "keep_aspect": ["boolean"],
        "mode": [StrOptions({"L", "RGB"})],
        "value_range": [tuple, list, None],
        "on_error": [StrOptions({"raise", "warn", "skip"})],
        "return_X_y": ["boolean"],
        "n_jobs": [Integral, None],
        "mmap": [str, os.PathLike, None],
        "verbose": ["verbose"],
    },
    prefer_skip_nested_validation=True,
)
def load_image_folder(
    container_path: FilePath | Sequence[FilePath],
    *,
    categories: Names | None = None,
    exclude: Names | None = None,
    image_size: int | tuple[int, int] | None = None,
    keep_aspect: bool = False,
    mode: Literal["L", "RGB"] = "L",
    value_range: tuple[float, float] | None = None,
    on_error: Literal["raise", "warn", "skip"] = "raise",
    return_X_y: bool = False,
    n_jobs: int | None = None,
    mmap: FilePath | None = None,
    verbose: int = 0,
) -> Any:  # a union would have each caller say which of the four it is
    """Load images with folder names as classes.

    The folder is laid out as for :func:`sklearn.datasets.load_files`::

        container_path/
            glioma/
                slice_1.jpg
                patient_7/slice_2.png
            notumor/
                slice_3.tif

    Each folder directly below `container_path` is a class, with all files in it and in the folders
    inside it, whatever their format: any that Pillow reads, and DICOM. Files beside the class
    folders, hidden files, and what systems leave (``Thumbs.db``, ``__MACOSX``) are passed over.
    Symbolic links are followed, but no folder is entered twice for one class. Classes and files
    come in sorted order.

    A layout that can be read in two ways is refused, and the message says what to pass: a
    training and a test folder in place of classes, folders inside folders that may be the classes,
    masks among images, one file in two classes, class names that differ only in case.

    Parameters
    ----------
    container_path : str, path-like or list of them
        The folder that holds one folder per class. A list or tuple, such as a training and a test
        folder with the same classes, is loaded with one size and the same codes, and gives a list
        of as many results.

    categories : sequence of str, default=None
        The names of the folders that are classes; other folders are passed over. None takes all.

    exclude : sequence of str, default=None
        Files and folders to leave out: shell patterns of their names or of their paths relative
        to `container_path`, such as ``["masks", "*_mask.png"]``. None leaves out none, and is an
        error if some files look like masks of others; ``[]`` loads those as well.

    image_size : int or tuple of (int, int), default=None
        Height and width in pixels that every image is resized to, by antialiased bicubic
        interpolation; an int means a square. With None, images keep their size and all must have
        the same.

    keep_aspect : bool, default=False
        Whether resizing keeps the ratio of an image's sides, with black bars where it does not
        fill `image_size`. With False, images are stretched.

    mode : {"L", "RGB"}, default="L"
        Gray or colour pixels that every image is converted to.

    value_range : tuple of (float, float), default=None
        The values of pixels that become 0 and 255, for files with more than 8 bits: (0, 4095) for
        12-bit pixels in 16-bit files, Hounsfield units such as (-160, 240) for DICOM files of CT.
        Values outside are clipped. With None, 16-bit pixels are scaled from (0, 65535), and
        DICOM files by the window that they hold, or else by the range of their stored bits.
        Pixels of 8 bits stay as they are.

    on_error : {"raise", "warn", "skip"}, default="raise"
        What to do about files that cannot be read as an image, and folders that may not be
        listed: raise an error that lists them, or leave them out with or without a warning that
        lists them.

    return_X_y : bool, default=False
        If True, return ``(images, target)`` instead of a Bunch.

    n_jobs : int, default=None
        Number of threads that decode images, -1 for one per core. None means 1, or what a
        ``joblib.parallel_config(backend="threading")`` context says: a backend of processes could
        not fill the one array. Pillow lets other threads run while it decodes and resizes.

    mmap : str or path-like, default=None
        A ``.npy`` file to hold the images, for folders larger than memory. It appears when all
        images are in it, in place of one of that name; nothing is left if loading fails or is
        killed. The arrays returned are mapped from it copy-on-write: what is written to them
        stays out of the file. If the file is larger than memory, they are mapped read-only.
        ``numpy.load(mmap, mmap_mode="r")`` maps it again. With None, images are in memory.

    verbose : int, default=0
        If greater than 0, show a progress bar, which needs the extra ``plot``.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        images : ndarray of shape (n_samples, height, width) or \
                (n_samples, height, width, 3) and dtype uint8
            The images, gray or in colour.
        data : ndarray of shape (n_samples, n_features) and dtype uint8
            The same memory as `images`, one row per image.
        target : ndarray of shape (n_samples,) and dtype int64
            The class of each image as its index in `target_names`; the names themselves are
            ``target_names[target]``.
        target_names : ndarray of shape (n_classes,) and dtype str
            The names of the class folders, in Unicode's composed form (NFC).
        filenames : ndarray of shape (n_samples,) and dtype str
            The path of each image.
        skipped : dict of str to str
            The path of each file that was left out, and why: it cannot be read, or it is an image
            beside the class folders.
        DESCR : str
            Where the images come from, their size and how many there are of each class.

    (images, target) : tuple if ``return_X_y`` is True
        The two arrays above.

    Raises
    ------
    FileNotFoundError, NotADirectoryError, PermissionError
        If `container_path` does not exist, is a file, or may not be listed.
    ValueError
        If there are fewer than two class folders, a class has no image, files cannot be read
        (with ``on_error="raise"``), sizes differ (with ``image_size=None``), folders given
        together hold different classes, or the layout can be read in two ways.
    OSError
        If `mmap` cannot be written, for want of space or otherwise.
    ImportError
        If `verbose` asks for a progress bar and rich is not installed.

    Warns
    -----
    UserWarning
        If files cannot be read, with ``on_error="warn"``; and if the pixels of files with more
        than 8 bits reach less than half of the range of their format, so that they come out dark.

    See Also
    --------
    sklearn.datasets.load_files : The same for texts.
    make_brain_mri : Synthetic slices, where no files are at hand.
    near_duplicate_groups : Groups of images too alike to stand on both sides of a split.
    leakage_report : How many images of a test folder have a twin in a training folder.

    Notes
    -----
    - The orientation that a camera wrote into the EXIF data is applied.
    - 16-bit gray pixels are scaled from their full range. Pixels that are floats or 32-bit
      integers have no such range: such files count as unreadable without `value_range`.
    - DICOM files need the extra ``dicom``. Gray values are rescaled (RescaleSlope and
      RescaleIntercept), then windowed [1]_ by the first window of the file or by `value_range`;
      MONOCHROME1 is inverted. As windows differ from file to file, give `value_range` if
      brightness has to mean the same in all. Files with several frames or compressed pixels
      count as unreadable.
    - NIfTI and other volumes count as unreadable; the message says how to make slices.
    - Transparent pixels are laid over black.
    - Of an animation or a file with several pages, the first is taken.
    - Gray from a colour JPEG is its stored luma, and a JPEG of at least four times the asked size
      is decoded at a reduced scale: pixels can differ a little from a conversion and resize of
      the whole picture.
    - Images larger than Pillow's limit against decompression bombs,
      ``PIL.Image.MAX_IMAGE_PIXELS``, count as unreadable.

    References
    ----------
    .. [1] NEMA PS3.3, "Information Object Definitions", section C.11.2.1.2, Window Center and
       Window Width. https://dicom.nema.org/medical/dicom/current/output/html/part03.html

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from skextra.datasets import load_image_folder
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name, gray in [("dark", 10), ("light", 200)]:
    ...         (Path(folder) / name).mkdir()
    ...         Image.new("L", (6, 4), gray).save(Path(folder) / name / "a.png")
    ...     bunch = load_image_folder(folder)
    >>> bunch.images.shape, bunch.data.shape
    ((2, 4, 6), (2, 24))
    >>> bunch.target_names[bunch.target]
    array(['dark', 'light'], dtype='<U5')
    """
    pixel_format = PixelFormat(
        image_shape(image_size), mode, keep_aspect, checked_range(value_range)
    )
    categories = list_of_names("categories", categories, at_least=2)
    exclude = list_of_names("exclude", exclude)
    containers = list_of_paths(container_path)
    parts = [list_classes(each, categories=categories, exclude=exclude) for each in containers]
    check_same_classes(parts)
    if verbose > 0:
        require_rich()
    filenames = [file for part in parts for files in part.files.values() for file in files]
    counts = np.array([[len(files) for files in part.files.values()] for part in parts])
    target = np.concatenate([np.repeat(np.arange(len(row)), row) for row in counts])
    folder = np.repeat(np.arange(len(parts)), counts.sum(axis=1))
    unlisted = {path: reason for part in parts for path, reason in part.unlisted.items()}

    with nullcontext() if mmap is None else ArrayFile(os.fspath(mmap)) as file:
        images, errors, deep = decode_many(
            filenames,
            pixel_format,
            n_jobs=n_jobs,
            verbose=verbose,
            new_array=_new_array if file is None else file.create,
        )
        if errors or unlisted:
            report_unreadable(unlisted | errors, on_error)
            read = np.array([file not in errors for file in filenames], dtype=bool)
            for index, part in enumerate(parts):
                refuse_lost_classes(part, target[read & (folder == index)])
            # Rows move up in place: a second array would double the memory.
            for new, old in enumerate(np.flatnonzero(read)):
                images[new] = images[old]
            images, target, folder = images[: read.sum()], target[read], folder[read]
        warn_of_unused_range(deep)
        if file is not None:
            shape = images.shape
            del images  # Windows renames no file that is still mapped
            images = file.finish(shape)

    results = []
    for index, part in enumerate(parts):
        start, stop = np.searchsorted(folder, [index, index + 1])
        result = images[start:stop], target[start:stop]
        results.append(result if return_X_y else _bunch(part, *result, errors))
    return results if isinstance(container_path, (list, tuple)) else results[0]


def _bunch(part, images, target, errors):
    files = [file for files in part.files.values() for file in files]
    skipped = part.unlisted | {file: errors[file] for file in files if file in errors}
    skipped |= dict.fromkeys(part.loose, "lies beside the class folders, so that it has no class")
    return Bunch(
        data=images.reshape(len(images), -1),
        images=images,
        target=target,
        target_names=np.array(list(part.files)),
        filenames=np.array([file for file in files if file not in errors]),
        skipped=skipped,
        DESCR=describe(part, images, target),
    )


def _new_array(shape):
    return np.empty(shape, dtype=np.uint8)
