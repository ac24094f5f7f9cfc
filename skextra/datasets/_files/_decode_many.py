"""Decode many files into one array, on threads and with progress."""

import importlib.util
import warnings

import numpy as np
from joblib import Parallel, delayed

from skextra.datasets._files._decode_file import decode_file, failure_reason

_FILES_PER_TASK = 32
_CHANNELS = {"L": (), "RGB": (3,)}


def decode_many(filenames, pixel_format, *, n_jobs, verbose, new_array):
    """Decode files into one array.

    Parameters
    ----------
    filenames : list of str
        The files.
    pixel_format : PixelFormat
        What they become; without a shape, all must have that of the first that can be read.
    n_jobs : int or None
        Number of threads.
    verbose : int
        If greater than 0, show a progress bar.
    new_array : callable
        Takes the shape and returns the uint8 array to fill.

    Returns
    -------
    images : ndarray of shape (n_files, height, width) or (n_files, height, width, 3)
        The images; the rows of files that failed hold anything.
    errors : dict of str to str
        The reason of each file that failed, in the order of `filenames`.
    deep : list of DeepPixels
        One for each file with more than 8 bits that was scaled from the range of its format.

    Raises
    ------
    ValueError
        If sizes differ and `pixel_format` has no shape.
    """
    from PIL import Image

    errors, deep = {}, []
    # Threads share these filters, so the main one sets them for all. A picture a little over
    # Pillow's limit only warns, one far over it raises: here both count as unreadable.
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        # What it says of a value in the header of a file is of no use to who loads thousands.
        warnings.filterwarnings("ignore", module="pydicom")
        first, shape = None, pixel_format.shape
        if shape is None:
            first, shape = _first_size(filenames, pixel_format, errors)
            if first is None:
                return np.empty((len(filenames), 0, 0), dtype=np.uint8), errors, deep
        images = new_array((len(filenames), *shape, *_CHANNELS[pixel_format.mode]))
        todo = [i for i, file in enumerate(filenames) if file not in errors]
        tasks = [todo[i : i + _FILES_PER_TASK] for i in range(0, len(todo), _FILES_PER_TASK)]
        results = Parallel(n_jobs=n_jobs, require="sharedmem", return_as="generator_unordered")(
            delayed(_decode_into)(images, filenames, task, pixel_format, first) for task in tasks
        )
        for result in _with_progress(results, len(todo)) if verbose > 0 else results:
            errors.update(result[1])
            deep += result[2]
    # In the order of the files, not in that in which they failed.
    return images, {file: errors[file] for file in filenames if file in errors}, deep


def require_rich():
    """Raise if the progress bar's library is missing."""
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
    with Progress(*columns, console=_console()) as bar:
        task = bar.add_task("", total=n_files)
        for result in results:
            bar.advance(task, result[0])
            yield result


def _console():
    """Return the console to draw on: a plain one in notebooks without ipywidgets."""
    import rich
    from rich.console import Console

    console = rich.get_console()
    if console.is_jupyter and importlib.util.find_spec("ipywidgets") is None:
        # rich would warn in the cell and show nothing; as text it shows the bar when it is full.
        return Console(force_jupyter=False)
    return console


def _first_size(filenames, pixel_format, errors):
    """Find the first readable file and its (height, width); note those before it in errors."""
    for file in filenames:
        try:
            return file, decode_file(file, pixel_format)[0].shape[:2]
        except Exception as error:
            errors[file] = failure_reason(error)
    return None, None


def _decode_into(images, filenames, indices, pixel_format, first):
    """Fill some rows of images; return their number, {file: reason} of failures, and deep pixels.

    ``first`` is the file whose size all must have, None if all are resized.
    """
    errors, deep = {}, []
    height, width = images.shape[1:3]
    for i in indices:
        try:
            pixels, use = decode_file(filenames[i], pixel_format)
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
        if use is not None:
            deep.append(use)
    return len(indices), errors, deep
