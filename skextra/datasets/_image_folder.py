"""Load folders of images, one folder a class, into one array."""

import os
import warnings
from contextlib import nullcontext
from numbers import Integral

import numpy as np
from sklearn.utils import Bunch

from skextra._sklearn import Interval, StrOptions, validate_params
from skextra.datasets._array_file import ArrayFile
from skextra.datasets._class_folders import check_same_classes, list_classes
from skextra.datasets._decode_many import decode_all, require_rich

_FILES_PER_MESSAGE = 100


@validate_params(
    {
        "container_path": [str, os.PathLike, list, tuple],
        "image_size": [Interval(Integral, 1, None, closed="left"), tuple, None],
        "keep_aspect": ["boolean"],
        "mode": [StrOptions({"L", "RGB"})],
        "on_error": [StrOptions({"raise", "warn", "skip"})],
        "return_X_y": ["boolean"],
        "n_jobs": [Integral, None],
        "mmap": [str, os.PathLike, None],
        "verbose": ["verbose"],
    },
    prefer_skip_nested_validation=True,
)
def load_image_folder(
    container_path,
    *,
    image_size=None,
    keep_aspect=False,
    mode="L",
    on_error="raise",
    return_X_y=False,
    n_jobs=None,
    mmap=None,
    verbose=0,
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
    and hidden files and folders are passed over. Symbolic links are followed, but no folder is
    entered twice for one class. Classes and files come in sorted order.

    Parameters
    ----------
    container_path : str, path-like or list of them
        The folder that holds one folder a class. A list or tuple, such as a training and a test
        folder with the same classes, is loaded with one size and the same codes, and gives a list
        of as many results.

    image_size : int or tuple of (int, int), default=None
        Height and width in pixels that every image is resized to, by antialiased bicubic
        interpolation; an int means a square. With None, images keep their size and all must have
        the same.

    keep_aspect : bool, default=False
        Whether resizing keeps the ratio of an image's sides, with black bars where it does not
        fill `image_size`. With False, images are stretched.

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

    mmap : str or path-like, default=None
        A ``.npy`` file to hold the images, for folders larger than memory. It appears when all
        images are in it, in place of one of that name; nothing is left where loading fails. The
        arrays returned are mapped from it copy-on-write: what one writes to them stays out of the
        file. Where it is larger than memory, they are mapped read-only.
        ``numpy.load(mmap, mmap_mode="r")`` maps it again. With None, images are in memory.

    verbose : int, default=0
        Above 0, show a progress bar, which needs the extra ``plot``.

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
        skipped : dict of str to str
            The path of each file that was left out, and why it cannot be read.
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
        (with ``on_error="raise"``), or sizes differ (with ``image_size=None``); where folders
        given together hold other classes, or `container_path` holds a training and a test part.
    OSError
        Where `mmap` cannot be written, for want of space or otherwise.
    ImportError
        Where `verbose` asks for a progress bar and rich is not installed.

    Warns
    -----
    UserWarning
        Where files cannot be read, with ``on_error="warn"``.

    See Also
    --------
    sklearn.datasets.load_files : The same for texts.
    make_brain_mri : Synthetic slices, where no files are at hand.
    near_duplicate_groups : Groups of images too alike to stand on both sides of a split.
    leakage_report : How many images of a test folder have a twin in a training folder.

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
    containers = _containers(container_path)
    parts = [list_classes(container) for container in containers]
    check_same_classes(containers, parts)
    if verbose > 0:
        require_rich()
    filenames = [file for part in parts for files in part.values() for file in files]
    counts = np.array([[len(files) for files in part.values()] for part in parts])
    target = np.concatenate([np.repeat(np.arange(len(row)), row) for row in counts])
    folder = np.repeat(np.arange(len(parts)), counts.sum(axis=1))

    with nullcontext() if mmap is None else ArrayFile(os.fspath(mmap)) as file:
        images, errors = decode_all(
            filenames,
            shape,
            mode=mode,
            keep_aspect=keep_aspect,
            n_jobs=n_jobs,
            verbose=verbose,
            new_array=_new_array if file is None else file.create,
        )
        if errors:
            _report(errors, on_error)
            read = np.array([file not in errors for file in filenames])
            for index, container in enumerate(containers):
                _check_no_class_lost(container, list(parts[0]), target[read & (folder == index)])
            # Rows move up in place: a second array would double the memory.
            for new, old in enumerate(np.flatnonzero(read)):
                images[new] = images[old]
            images, target, folder = images[: read.sum()], target[read], folder[read]
        if file is not None:
            images = file.finish(images.shape)

    results = []
    for index, (container, part) in enumerate(zip(containers, parts, strict=True)):
        start, stop = np.searchsorted(folder, [index, index + 1])
        result = images[start:stop], target[start:stop]
        results.append(result if return_X_y else _bunch(container, part, *result, errors))
    return results if isinstance(container_path, (list, tuple)) else results[0]


def _bunch(container, files_of_class, images, target, errors):
    files = [file for files in files_of_class.values() for file in files]
    target_names = np.array(list(files_of_class))
    return Bunch(
        data=images.reshape(len(images), -1),
        images=images,
        target=target,
        target_names=target_names,
        filenames=np.array([file for file in files if file not in errors]),
        skipped={file: errors[file] for file in files if file in errors},
        DESCR=_describe(container, images, target_names, target),
    )


def _containers(container_path):
    """Paths of the folders, as a list of str."""
    if not isinstance(container_path, (list, tuple)):
        return [os.fspath(container_path)]
    if not container_path or not all(isinstance(p, (str, os.PathLike)) for p in container_path):
        raise ValueError(f"container_path={container_path!r} is not a list of paths of folders.")
    return [os.fspath(path) for path in container_path]


def _new_array(shape):
    return np.empty(shape, dtype=np.uint8)


def _image_shape(image_size):
    """(height, width), or None for images that keep their size."""
    if image_size is None:
        return None
    pair = image_size if isinstance(image_size, tuple) else (image_size, image_size)
    if len(pair) != 2 or not all(_is_count(n) for n in pair):
        raise ValueError(
            f"image_size={image_size!r} is no number of pixels and no pair of a height and a "
            "width of at least 1 pixel."
        )
    return pair


def _is_count(number):
    return isinstance(number, Integral) and not isinstance(number, bool) and number >= 1


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


def _check_no_class_lost(container, target_names, target):
    counts = np.bincount(target, minlength=len(target_names))
    lost = [name for name, count in zip(target_names, counts, strict=True) if count == 0]
    if lost:
        raise ValueError(
            f"No file could be read as an image in the class folders {lost} of {container!r}."
        )


def _describe(container, images, target_names, target):
    counts = np.bincount(target, minlength=len(target_names))
    size = "x".join(map(str, images.shape[1:3]))
    kind = "gray" if images.ndim == 3 else "colour"
    lines = [f"{len(images)} {kind} images of {size} pixels (height x width) from {container!r}."]
    for name, count in zip(target_names.tolist(), counts, strict=True):
        # A name of bytes that are no UTF-8 could not be printed as it is.
        lines.append(f"  {name if name.isprintable() else repr(name)}: {count}")
    return "\n".join(lines)
