"""Decode many files into one array, on threads and with progress."""

import warnings

import numpy as np
from joblib import Parallel, delayed

from skextra.datasets._decode_file import decode_image, failure_reason

_FILES_PER_TASK = 32
_CHANNELS = {"L": (), "RGB": (3,)}


def decode_all(filenames, shape, *, mode, keep_aspect, n_jobs, verbose, new_array):
    """Decode files into one array.

    Parameters
    ----------
    filenames : list of str
        The files, at least one.
    shape : tuple of (int, int) or None
        Height and width of all images; None takes those of the first that can be read.
    mode : {"L", "RGB"}
        Gray or colour.
    keep_aspect : bool
        Whether resizing keeps the ratio of the sides.
    n_jobs : int or None
        Number of threads.
    verbose : int
        Above 0, show a progress bar.
    new_array : callable
        Takes the shape and returns the uint8 array to fill.

    Returns
    -------
    images : ndarray of shape (n_files, height, width) or (n_files, height, width, 3)
        The images; the rows of files that failed hold anything.
    errors : dict of str to str
        The reason of each file that failed, in the order of `filenames`.

    Raises
    ------
    ValueError
        Where sizes differ and `shape` is None.
    """
    from PIL import Image

    errors = {}
    # Threads share this filter, so the main one sets it for all. A picture a little over Pillow's
    # limit only warns, one far over it raises: here both count as unreadable.
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        first = None
        if shape is None:
            first, shape = _first_size(filenames, mode, errors)
            if first is None:
                return np.empty((len(filenames), 0, 0), dtype=np.uint8), errors
        images = new_array((len(filenames), *shape, *_CHANNELS[mode]))
        todo = [i for i, file in enumerate(filenames) if file not in errors]
        tasks = [todo[i : i + _FILES_PER_TASK] for i in range(0, len(todo), _FILES_PER_TASK)]
        results = Parallel(n_jobs=n_jobs, require="sharedmem", return_as="generator_unordered")(
            delayed(_decode_into)(images, filenames, task, mode, keep_aspect, first)
            for task in tasks
        )
        for result in _with_progress(results, len(todo)) if verbose > 0 else results:
            errors.update(result[1])
    # In the order of the files, not in that in which they failed.
    return images, {file: errors[file] for file in filenames if file in errors}


def require_rich():
    """Raise where the progress bar's library is missing."""
    try:
        import rich  # noqa: F401  (only whether it is there)
    except ImportError as error:
        raise ImportError(
            "The progress bar of load_image_folder needs rich: install it by "
            '`pip install "skextra[plot]"`, or pass verbose=0.'
        ) from error


def _with_progress(results, n_files):
    """Yield the results, moving a bar on by the number of files of each."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = TextColumn("Loading images"), BarColumn(), MofNCompleteColumn(), Remaining()
    with Progress(*columns) as bar:
        task = bar.add_task("", total=n_files)
        for result in results:
            bar.advance(task, result[0])
            yield result


def _first_size(filenames, mode, errors):
    """Find the first readable file and its (height, width); note those before it in errors."""
    for file in filenames:
        try:
            return file, decode_image(file, None, mode).shape[:2]
        except Exception as error:
            errors[file] = failure_reason(error)
    return None, None


def _decode_into(images, filenames, indices, mode, keep_aspect, first):
    """Fill some rows of images; returns their number and {file: reason} of those that failed.

    ``first`` is the file whose size all must have, None where all are resized.
    """
    errors = {}
    height, width = images.shape[1:3]
    shape = None if first else (height, width)
    for i in indices:
        try:
            pixels = decode_image(filenames[i], shape, mode, keep_aspect=keep_aspect)
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
    return len(indices), errors
