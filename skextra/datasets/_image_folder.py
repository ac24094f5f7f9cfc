"""Load a folder of images, one folder a class, into one array."""

import os
import warnings
from numbers import Integral
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from sklearn.utils import Bunch

from skextra._sklearn import Interval, StrOptions, validate_params
from skextra.datasets._decoding import decode_image, failure_reason

# Files that Windows hides by an attribute, where other systems hide by a leading dot.
_HIDDEN_NAMES = {"Thumbs.db", "desktop.ini"}
_FILES_PER_TASK = 32
_FILES_PER_MESSAGE = 10
_CHANNELS = {"L": (), "RGB": (3,)}


@validate_params(
    {
        "container_path": [str, os.PathLike],
        "image_size": [Interval(Integral, 1, None, closed="left"), tuple, None],
        "mode": [StrOptions({"L", "RGB"})],
        "on_error": [StrOptions({"raise", "warn", "skip"})],
        "return_X_y": ["boolean"],
        "n_jobs": [Integral, None],
    },
    prefer_skip_nested_validation=True,
)
def load_image_folder(
    container_path,
    *,
    image_size=None,
    mode="L",
    on_error="raise",
    return_X_y=False,
    n_jobs=None,
):
    """Load images with folder names as classes.

    The folder is laid out as for :func:`sklearn.datasets.load_files`::

        container_path/
            glioma/
                slice_1.jpg
                patient_7/slice_2.png
            notumor/
                slice_3.tif

    Each folder directly below `container_path` is a class, with all files in it and in the folders
    inside it, whatever their format: any that Pillow reads will do. Files beside the class folders
    and hidden files and folders are passed over. Classes and files come in sorted order.

    Parameters
    ----------
    container_path : str or path-like
        The folder that holds one folder a class.

    image_size : int or tuple of (int, int), default=None
        Height and width in pixels that every image is resized to, by antialiased bicubic
        interpolation and without keeping the aspect; an int means a square. With None, images
        keep their size and all must have the same.

    mode : {"L", "RGB"}, default="L"
        Gray or colour pixels that every image is converted to.

    on_error : {"raise", "warn", "skip"}, default="raise"
        What to do about files that cannot be read as an image: raise an error that lists them, or
        leave them out with or without a warning that lists them.

    return_X_y : bool, default=False
        If True, return ``(images, target)`` instead of a Bunch.

    n_jobs : int, default=None
        Number of threads that decode images, -1 for one a core. None means 1, or what a
        ``joblib.parallel_config(backend="threading")`` context says: a backend of processes could
        not fill the one array. Pillow lets other threads run while it decodes and resizes.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        images : ndarray of shape (n_samples, height, width) or \
                (n_samples, height, width, 3) and dtype uint8
            The images, gray or in colour.
        data : ndarray of shape (n_samples, n_features) and dtype uint8
            The same memory as `images`, one row an image.
        target : ndarray of shape (n_samples,) and dtype int64
            The class of each image as its index in `target_names`; the names themselves are
            ``target_names[target]``.
        target_names : ndarray of shape (n_classes,) and dtype str
            The names of the class folders.
        filenames : ndarray of shape (n_samples,) and dtype str
            The path of each image.
        DESCR : str
            Where the images come from, their size and how many there are of each class.

    (images, target) : tuple if ``return_X_y`` is True
        The two arrays above.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        Where `container_path` does not exist or is a file.
    ValueError
        Where there are fewer than two class folders, a class has no image, files cannot be read
        (with ``on_error="raise"``), or sizes differ (with ``image_size=None``).

    Warns
    -----
    UserWarning
        Where files cannot be read, with ``on_error="warn"``.

    See Also
    --------
    sklearn.datasets.load_files : The same for texts.
    make_brain_mri : Synthetic slices, where no files are at hand.
    near_duplicate_groups : Groups of images too alike to stand on both sides of a split.

    Notes
    -----
    - The orientation that a camera wrote into the EXIF data is applied.
    - 16-bit gray pixels are scaled from their full range, 0 to 65535. Pixels that are floats or
      32-bit integers have no such range: such files count as unreadable.
    - Transparent pixels are laid over black.
    - Of an animation or a file with several pages, the first is taken.
    - Gray from a colour JPEG is its stored luma, and a JPEG of at least four times the asked size
      is decoded at a reduced scale: pixels can differ a little from a conversion and resize of
      the whole picture.
    - Images larger than Pillow's limit against decompression bombs,
      ``PIL.Image.MAX_IMAGE_PIXELS``, count as unreadable.

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
    shape = _image_shape(image_size)
    container = os.fspath(container_path)
    target_names, files_of_class = _list_classes(container)
    filenames = [file for files in files_of_class for file in files]
    target = np.repeat(np.arange(len(target_names)), [len(files) for files in files_of_class])

    images, errors = _decode_all(filenames, shape, mode, n_jobs)
    if errors:
        _report(errors, on_error)
        read = np.array([file not in errors for file in filenames])
        # Rows move up in place: a second array would double the memory.
        for new, old in enumerate(np.flatnonzero(read)):
            images[new] = images[old]
        images, target = images[: read.sum()], target[read]
        filenames = [file for file in filenames if file not in errors]
        _check_no_class_lost(target_names, target)

    if return_X_y:
        return images, target
    return Bunch(
        data=images.reshape(len(images), -1),
        images=images,
        target=target,
        target_names=np.array(target_names),
        filenames=np.array(filenames),
        DESCR=_describe(container, images, target_names, target),
    )


def _image_shape(image_size):
    """(height, width), or None for images that keep their size."""
    if image_size is None:
        return None
    if isinstance(image_size, Integral):
        return image_size, image_size
    if len(image_size) != 2 or not all(isinstance(n, Integral) and n >= 1 for n in image_size):
        raise ValueError(
            f"image_size={image_size!r} is not a pair of a height and a width of at least 1 pixel."
        )
    return image_size


def _list_classes(container):
    """Names of the class folders and the files of each, both sorted."""
    if not os.path.exists(container):
        raise FileNotFoundError(f"container_path={container!r} does not exist.")
    if not os.path.isdir(container):
        raise NotADirectoryError(
            f"container_path={container!r} is a file. Give the folder that holds a folder a class."
        )
    entries = [name for name in sorted(os.listdir(container)) if not _is_hidden(name)]
    names = [name for name in entries if os.path.isdir(os.path.join(container, name))]
    if len(names) < 2:
        found = f"the one folder {names[0]!r}" if names else "no folder"
        loose = f" and {len(entries) - len(names)} files" if len(entries) > len(names) else ""
        raise ValueError(
            f"Found {found}{loose} in {container!r}. Images must lie in one folder a class, "
            "and there must be at least two classes."
        )
    top = Path(container).resolve()
    files_of_class = [
        list(_files_below(os.path.join(container, name), above={top, *top.parents}))
        for name in names
    ]
    for name, files in zip(names, files_of_class, strict=True):
        if not files:
            raise ValueError(
                f"The class folder {name!r} in {container!r} has no file. Put images into it or "
                "remove it."
            )
    return names, files_of_class


def _is_hidden(name):
    return name.startswith(".") or name in _HIDDEN_NAMES


def _files_below(folder, above):
    """Paths of all files at any depth, sorted; links are followed unless they lead back up."""
    here = Path(folder).resolve()
    if here in above:
        return
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if _is_hidden(name):
            continue
        if os.path.isdir(path):
            yield from _files_below(path, above | {here})
        else:
            yield path


def _decode_all(filenames, shape, mode, n_jobs):
    """Decode files into one array; returns it and {file: reason} of those that failed."""
    from PIL import Image

    errors = {}
    # Threads share this filter, so the main one sets it for all. A picture a little over Pillow's
    # limit only warns, one far over it raises: here both count as unreadable.
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        first = None
        if shape is None:
            first, shape = _first_size(filenames, mode, errors)
        images = np.empty((len(filenames), *shape, *_CHANNELS[mode]), dtype=np.uint8)
        todo = [i for i, file in enumerate(filenames) if file not in errors]
        results = Parallel(n_jobs=n_jobs, require="sharedmem")(
            delayed(_decode_into)(images, filenames, todo[i : i + _FILES_PER_TASK], mode, first)
            for i in range(0, len(todo), _FILES_PER_TASK)
        )
    for result in results:
        errors.update(result)
    # In the order of the files, not in that in which they failed.
    return images, {file: errors[file] for file in filenames if file in errors}


def _first_size(filenames, mode, errors):
    """Find the first readable file and its (height, width); note those before it in errors."""
    for file in filenames:
        try:
            return file, decode_image(file, None, mode).shape[:2]
        except Exception as error:
            errors[file] = failure_reason(error)
    # Nothing was readable: any size will do for the empty array.
    return None, (0, 0)


def _decode_into(images, filenames, indices, mode, first):
    """Fill some rows of images; returns {file: reason} of those that failed.

    ``first`` is the file whose size all must have, None where all are resized.
    """
    errors = {}
    height, width = images.shape[1:3]
    for i in indices:
        try:
            pixels = decode_image(filenames[i], None if first else (height, width), mode)
        except Exception as error:  # a damaged file can make a decoder raise almost anything
            errors[filenames[i]] = failure_reason(error)
            continue
        if pixels.shape != images.shape[1:]:
            raise ValueError(
                f"Images differ in size: {first!r} has {height}x{width} pixels (height x width), "
                f"{filenames[i]!r} has {pixels.shape[0]}x{pixels.shape[1]}. Give image_size, for "
                f"example image_size={height}, to resize all of them."
            )
        images[i] = pixels
    return errors


def _report(errors, on_error):
    if on_error == "skip":
        return
    lines = [f"  {file!r}: {reason}" for file, reason in errors.items()]
    if len(lines) > _FILES_PER_MESSAGE:
        more = len(lines) - _FILES_PER_MESSAGE
        lines[_FILES_PER_MESSAGE:] = [f"  and {more} more"]
    what = f"{len(errors)} file{'s' * (len(errors) > 1)} cannot be read as an image"
    if on_error == "warn":
        warnings.warn("\n".join([f"{what} and left out:", *lines]), stacklevel=4)
        return
    remedy = 'Remove them, or pass on_error="warn" or "skip" to leave them out.'
    raise ValueError("\n".join([f"{what}:", *lines, remedy]))


def _check_no_class_lost(target_names, target):
    counts = np.bincount(target, minlength=len(target_names))
    lost = [name for name, count in zip(target_names, counts, strict=True) if count == 0]
    if lost:
        raise ValueError(f"No file could be read as an image in the class folders {lost}.")


def _describe(container, images, target_names, target):
    counts = np.bincount(target, minlength=len(target_names))
    size = "x".join(map(str, images.shape[1:3]))
    kind = "gray" if images.ndim == 3 else "colour"
    lines = [f"{len(images)} {kind} images of {size} pixels (height x width) from {container!r}."]
    lines += [f"  {name}: {count}" for name, count in zip(target_names, counts, strict=True)]
    return "\n".join(lines)
