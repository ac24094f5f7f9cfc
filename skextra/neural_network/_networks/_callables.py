"""Networks that a callable of the user's returns: how it is called, and by what it is known."""

import copy
import functools
import inspect
import re

import numpy as np
import torch
from torch import nn
from torch.nn import UninitializedParameter

from skextra._fingerprint import FingerprintError, fingerprint

_PLAIN = (bool, int, float, complex, str, bytes, type(None))


def build_from_callable(architecture, image_shape, n_classes):
    """Return the network that a class or another callable makes for images of a shape.

    What a function returns is copied: it may return one and the same network each time, and a
    training must change neither that nor what was fitted before.
    """
    _refuse_arguments(architecture, image_shape, n_classes)
    module = architecture(image_shape, n_classes)
    if not isinstance(module, nn.Module):
        raise TypeError(
            f"architecture={describe(architecture)} returned {type(module).__name__}, no "
            "torch.nn.Module. It must return the network."
        )
    module = module if isinstance(architecture, type) else copy.deepcopy(module)
    if any(isinstance(weights, UninitializedParameter) for weights in module.parameters()):
        height, width, channels = image_shape
        with torch.no_grad():
            module.eval()(torch.zeros(1, channels, height, width))
    return module


def _refuse_arguments(architecture, image_shape, n_classes):
    """Refuse a callable that does not take an image shape and a number of classes."""
    try:
        signature = inspect.signature(architecture)
    except ValueError:  # code that is not Python's: calling it will tell
        return
    try:
        signature.bind(image_shape, n_classes)
    except TypeError as error:
        raise TypeError(
            f"architecture={describe(architecture)} is called with (image_shape, n_classes), here "
            f"({image_shape}, {n_classes}), but it takes {signature}: {error}. Wrap it in a "
            "function of these two."
        ) from error


def refuse_module(architecture):
    """Refuse a network that is built already, which can be called as well."""
    if isinstance(architecture, nn.Module):
        name = type(architecture).__name__
        raise TypeError(
            f"architecture is a network that is built already, a {name}; each fit needs one of "
            "its own. Give a callable of (image_shape, n_classes) that returns one: a class of "
            "torch.nn.Module, or a function."
        )


def describe(value):
    """Return the text by which a callable, or an argument in it, is known in files and messages.

    It is the same in every process. What is neither a plain value nor has a name is known by its
    class alone.
    """
    if isinstance(value, functools.partial):
        parts = [describe(part) for part in (value.func, *value.args)]
        parts += [f"{name}={describe(part)}" for name, part in value.keywords.items()]
        return f"functools.partial({', '.join(parts)})"
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, _PLAIN):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"{type(value).__name__}({', '.join(map(describe, value))})"
    if isinstance(value, dict):
        pairs = (f"{describe(key)}: {describe(part)}" for key, part in value.items())
        return f"{{{', '.join(pairs)}}}"
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{named.__module__}.{named.__qualname__}"


def have_same_name(description, other):
    """Return whether two descriptions differ at most in the modules that the names are in.

    A class of a script is in ``__main__`` there, and in the script's module elsewhere.
    """
    return _without_modules(description) == _without_modules(other)


def _without_modules(description):
    return re.sub(r"\b[^\W\d]\w*\.(?=[^\W\d<]|<locals>|<lambda>)", "", description)


def has_no_name(architecture):
    """Return whether an architecture is a lambda, or a partial of one."""
    return not isinstance(architecture, str) and "<lambda>" in describe(architecture)


def are_same(architecture, other):
    """Return whether two architectures make the same network: they are equal, or do the same."""
    if architecture is other or architecture == other:
        return True
    if isinstance(architecture, str) or isinstance(other, str):
        return False
    try:
        return fingerprint(architecture) == fingerprint(other)
    except FingerprintError:
        return False
