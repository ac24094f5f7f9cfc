"""What load_image_folder says: of files it cannot read, of dark pixels, of what it has loaded."""

import warnings

import numpy as np

from skextra.datasets._files._other_formats import ways_out

_FILES_PER_MESSAGE = 100


def report_unreadable(errors, on_error):
    """Raise or warn with a list of files and reasons, as load_image_folder's `on_error` says."""
    if on_error == "skip":
        return
    lines = [f"  {file!r}: {reason}" for file, reason in errors.items()]
    if len(lines) > _FILES_PER_MESSAGE:
        more = len(lines) - _FILES_PER_MESSAGE
        lines[_FILES_PER_MESSAGE:] = [f"  and {more} more"]
    what = f"{len(errors)} file{'s' * (len(errors) > 1)} cannot be read as an image"
    help_lines = ways_out(errors.values())
    if on_error == "warn":
        text = "\n".join([f"{what} and left out:", *lines, *help_lines])
        warnings.warn(text, stacklevel=4)
        return
    remedy = 'Remove them, or pass on_error="warn" or "skip" to leave them out.'
    raise ValueError("\n".join([f"{what}:", *lines, remedy, *help_lines]))


def refuse_lost_classes(part, target):
    """Raise if a class of a folder has no readable image left."""
    counts = np.bincount(target, minlength=len(part.files))
    lost = [name for name, count in zip(part.files, counts, strict=True) if count == 0]
    if lost:
        message = f"No file could be read as an image in the class folders {lost} of "
        message += f"{part.container!r}."
        if part.unlisted:
            message += f" Folders that may not be listed: {list(part.unlisted)}."
        raise ValueError(message)


def warn_of_unused_range(deep):
    """Warn if no pixel of files with more than 8 bits reaches half of what their format allows.

    Parameters
    ----------
    deep : list of DeepPixels
        What the files with more than 8 bits hold. They are judged together, as one dark image
        among others is nothing unusual.
    """
    if not deep or any(use.highest > 0.5 * use.limit for use in deep):
        return
    highest = max(use.highest for use in deep)
    limit = max(use.limit for use in deep)
    n_bits = max(8, int(np.ceil(np.log2(max(highest, 0) + 1))))
    warnings.warn(
        f"The pixels of {len(deep)} files with more than 8 bits reach {highest:g} of {limit:g}, "
        f"so that they come out dark: at most {255 * max(highest, 0) / limit:.0f} of 255. If "
        f"their range is smaller, as that of {n_bits}-bit pixels in 16-bit files, give "
        f"value_range=(0, {2**n_bits - 1}), the same for training and test images. If it is not, "
        f"value_range=(0, {limit:g}) loads them without this warning.",
        stacklevel=4,
    )


def describe(part, images, target):
    """Return how many images of which size and class come from a folder."""
    counts = np.bincount(target, minlength=len(part.files))
    size = "x".join(map(str, images.shape[1:3]))
    kind = "gray" if images.ndim == 3 else "colour"
    lines = [
        f"{len(images)} {kind} images of {size} pixels (height x width) from {part.container!r}."
    ]
    for name, count in zip(part.files, counts, strict=True):
        # A name of bytes that are no UTF-8 could not be printed as it is.
        lines.append(f"  {name if name.isprintable() else repr(name)}: {count}")
    return "\n".join(lines)
