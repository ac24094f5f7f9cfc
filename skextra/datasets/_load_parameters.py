"""Parameters of load_image_folder that need more than a check of their type."""

import os
from numbers import Integral, Real

import numpy as np


def list_of_names(parameter, names, at_least=0):
    """Return a list of str, or None; other values are an error that names the parameter."""
    if names is None:
        return None
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{parameter}={names!r} is not a list of str.")
    if len(set(names)) < at_least:
        raise ValueError(f"{parameter}={names!r} must name at least {at_least} folders.")
    return list(names)


def checked_range(value_range):
    """Return (lowest, highest) as floats, or None."""
    if value_range is None:
        return None
    numbers = len(value_range) == 2 and all(
        isinstance(number, Real) and np.isfinite(number) for number in value_range
    )
    if not numbers or not value_range[0] < value_range[1]:
        raise ValueError(
            f"value_range={value_range!r} must be two numbers, the values that become 0 and 255, "
            "such as (0, 4095)."
        )
    return tuple(map(float, value_range))


def list_of_paths(container_path):
    """Return the paths of the folders, as a list of str."""
    if not isinstance(container_path, (list, tuple)):
        return [os.fspath(container_path)]
    if not container_path or not all(isinstance(p, (str, os.PathLike)) for p in container_path):
        raise ValueError(f"container_path={container_path!r} is not a list of paths of folders.")
    return [os.fspath(path) for path in container_path]


def image_shape(image_size):
    """Return (height, width), or None for images that keep their size."""
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
