"""A file of tensors and a description of them in JSON, which holds nothing that runs."""

import hashlib
import importlib.metadata
import json
import os
from numbers import Integral, Real

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError

from skextra._atomic import write_whole
from skextra.neural_network._networks._callables import describe

FORMAT = 1
_NETWORK = "network."  # begins the names of the tensors that are the network's


def write(path, description, tensors):
    """Write a description and named tensors, whole or not at all."""
    metadata = {
        "skextra": str(FORMAT),
        "written_by": f"skextra {importlib.metadata.version('skextra')}",
        "model": json.dumps(description, allow_nan=False),
    }
    metadata["sha256"] = _digest(metadata, tensors)
    write_whole(path, safetensors.torch.save(tensors, metadata))


def read(path):
    """Return the description and the tensors of a file, checked against its digest."""
    with open(path, "rb") as file:  # a missing or unreadable file is told by the system's error
        content = file.read()
    try:
        tensors = safetensors.torch.load(content)
        length = int.from_bytes(content[:8], "little")
        metadata = json.loads(content[8 : 8 + length]).get("__metadata__", {})
    except (SafetensorError, ValueError) as error:
        raise ValueError(
            f"{path} is damaged, or is no file of save_model: {error}. A pickle is read by joblib "
            "or pickle, if you trust where it comes from."
        ) from error
    if "skextra" not in metadata:
        raise ValueError(f"{path} holds tensors, but no model that save_model has written.")
    if metadata["skextra"].isdecimal() and int(metadata["skextra"]) > FORMAT:
        raise ValueError(
            f"{path} was written by {metadata.get('written_by')} in format "
            f"{metadata['skextra']}; this version reads format {FORMAT}. Install the version "
            "that wrote it, or a newer one."
        )
    if metadata.pop("sha256", None) != _digest(metadata, tensors):
        raise ValueError(f"{path} is damaged: its content does not match its digest.")
    return json.loads(metadata["model"]), tensors


def network_tensors(module):
    """Return the weights and buffers of a network under the names that the file has for them."""
    # Copies, since the format knows neither views nor weights that two layers share.
    return {
        _NETWORK + name: value.cpu().clone(memory_format=torch.contiguous_format)
        for name, value in module.state_dict().items()
    }


def network_of(tensors):
    """Return the state of the network among the tensors of a file."""
    return {
        name.removeprefix(_NETWORK): value
        for name, value in tensors.items()
        if name.startswith(_NETWORK)
    }


def as_text(name, value):
    """Return a parameter as JSON can hold it."""
    if name == "init_from":
        return None  # its weights have long become those of the classifier
    if name == "architecture" and not isinstance(value, str):
        return {"class" if isinstance(value, type) else "callable": describe(value)}
    if name == "class_weight" and isinstance(value, dict):
        return [[_number(label), float(weight)] for label, weight in value.items()]
    if name == "image_shape" and value is not None:
        return [int(side) for side in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    value = _number(value)
    if value is not None and not isinstance(value, str | bool | int | float):
        raise ValueError(
            f"{name}={value!r} cannot be written without code: fit with a name or a number there, "
            "or use pickle or joblib."
        )
    return value


def recipe_as_text(recipe):
    """Return a recipe as JSON can hold it; a callable is there by its name, which says enough.

    A callable that is a parameter is refused before; this one was a parameter of the fit only.
    """
    return {
        name: f"{value!r}" if callable(value) else as_text(name, value)
        for name, value in recipe.items()
    }


def _number(value):
    """Return a NumPy number as one of Python's, anything else as it is."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, bool | str):
        return value
    if isinstance(value, Integral):
        return int(value)
    return float(value) if isinstance(value, Real) else value


def labels_as_text(classes):
    """Return class labels as JSON can hold them."""
    labels = classes.tolist()
    if not all(isinstance(label, str | bool | int | float) for label in labels):
        raise TypeError(
            f"Classes that are neither numbers nor strings cannot be written: {labels}."
        )
    return {"dtype": classes.dtype.str if classes.dtype != object else "O", "labels": labels}


def labels_from_text(description):
    """Return the class labels that `labels_as_text` has described."""
    return np.array(description["labels"], description["dtype"])


def _digest(metadata, tensors):
    """Return the digest of all that a file holds but the digest."""
    digest = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()
