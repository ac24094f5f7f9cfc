"""A fitted classifier in one file that holds numbers and text, and nothing that runs."""

import hashlib
import importlib.metadata
import inspect
import json
import os
from numbers import Integral, Real

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from sklearn.utils.validation import check_is_fitted

from skextra._atomic import write_whole
from skextra.neural_network._inputs._images import ImageTransform
from skextra.neural_network._networks._architectures import find_architecture
from skextra.neural_network._training._net import build_net
from skextra.neural_network._tumor_cnn import TumorCNNClassifier

FORMAT = 1
_HISTORY = ("n_iter_", "best_epoch_", "loss_curve_", "validation_scores_")


def save_model(classifier, path):
    """Write a fitted classifier to one file of numbers and text.

    The file is in the safetensors format [1]_: the weights as tensors, all else as JSON in its
    header. Reading it runs no code, unlike a pickle. It is written whole or not at all. The
    optimizer's state of `partial_fit` is not kept; a pickle keeps it.

    Parameters
    ----------
    classifier : TumorCNNClassifier
        A fitted classifier. What its `architecture` names is kept by its name, a class of your
        own as well.
    path : str or path
        The file; one that is there is replaced. The usual suffix is ``.safetensors``.

    Raises
    ------
    ValueError
        If a parameter cannot be written as text: a callable, or a RandomState instance.
    TypeError
        If `classifier` is no TumorCNNClassifier, or its classes are neither numbers nor strings.

    See Also
    --------
    load_model : Read the file.

    References
    ----------
    .. [1] https://huggingface.co/docs/safetensors

    Examples
    --------
    >>> import os, tempfile
    >>> from sklearn.datasets import load_digits
    >>> from skextra import TumorCNNClassifier
    >>> from skextra.neural_network import load_model, save_model
    >>> digits = load_digits()
    >>> classifier = TumorCNNClassifier(architecture="linear", max_epochs=2, random_state=0)
    >>> _ = classifier.fit(digits.images, digits.target)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "digits.safetensors")
    ...     save_model(classifier, path)
    ...     again = load_model(path)
    >>> bool((again.predict(digits.images) == classifier.predict(digits.images)).all())
    True
    """
    if not isinstance(classifier, TumorCNNClassifier):
        raise TypeError(f"save_model takes a TumorCNNClassifier, got {classifier!r}.")
    check_is_fitted(classifier)
    transform = classifier._transform
    tensors = {
        "scaling.scale": torch.tensor(transform.scale),
        "scaling.offset": torch.tensor(transform.offset),
        "generator": classifier._generator_state,
    }
    if classifier.net_ is not None:
        for name, weights in classifier.net_.predictor.state_dict().items():
            # Copies, since the format knows neither views nor weights that two layers share.
            tensors[f"network.{name}"] = weights.cpu().clone(memory_format=torch.contiguous_format)
    description = {
        "parameters": {
            name: _as_text(name, value)
            for name, value in classifier.get_params(deep=False).items()
        },
        "classes": _labels_as_text(classifier.classes_),
        "seen": classifier._seen.tolist(),
        "image_shape": [int(side) for side in classifier.image_shape_],
        "size": [int(side) for side in transform.size],
        "are_features": transform.are_features,
        "n_features": classifier.n_features_in_,
        "feature_names": getattr(classifier, "feature_names_in_", np.array([])).tolist(),
        "recipe": {name: _as_text(name, value) for name, value in classifier.recipe_.items()},
        "history": {name: getattr(classifier, name) for name in _HISTORY},
    }
    metadata = {
        "skextra": str(FORMAT),
        "written_by": f"skextra {importlib.metadata.version('skextra')}",
        "model": json.dumps(description, allow_nan=False),
    }
    metadata["sha256"] = _digest(metadata, tensors)
    write_whole(path, safetensors.torch.save(tensors, metadata))


def load_model(path, *, architecture=None):
    """Read a classifier that `save_model` has written.

    Parameters
    ----------
    path : str or path
        The file.
    architecture : type, default=None
        The class of :class:`torch.nn.Module` of a classifier that was trained with a class of
        your own. The file holds its name only.

    Returns
    -------
    TumorCNNClassifier
        Its predictions are those of the one that was saved, bit for bit, on the same machine.
        It computes on the device that its parameter `device` names, or on the CPU where there is
        no such device.

    Raises
    ------
    ValueError
        If the file is damaged, holds something else, was written in a newer format, or needs
        `architecture`.
    FileNotFoundError
        If there is no such file.
    """
    description, tensors = _read(path)
    try:
        return _restore(path, description, tensors, architecture)
    except (KeyError, TypeError, RuntimeError) as error:
        raise ValueError(f"{path} does not hold what a model needs: {error}") from error


def _read(path):
    """Return the description and the tensors of a file, checked against its digest."""
    with open(path, "rb"):  # a missing or unreadable file is told by the system's own error
        pass
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
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


def _restore(path, description, tensors, architecture):
    """Return the classifier that was described."""
    parameters = description["parameters"]
    if isinstance(parameters["architecture"], dict):
        name = parameters["architecture"]["class"]
        if architecture is None:
            raise ValueError(
                f"{path} holds the weights of a network of the class {name}, which is not in the "
                "file: give it as architecture=."
            )
        parameters["architecture"] = architecture
    elif architecture is not None:
        raise ValueError(
            f"architecture={architecture!r} is given, but {path} holds a network of the "
            f"architecture {parameters['architecture']!r}, which needs no class."
        )
    if parameters["image_shape"] is not None:
        parameters["image_shape"] = tuple(parameters["image_shape"])
    if isinstance(parameters["class_weight"], list):
        parameters["class_weight"] = dict(parameters["class_weight"])
    classifier = TumorCNNClassifier(**parameters)
    classifier.classes_ = np.array(
        description["classes"]["labels"], description["classes"]["dtype"]
    )
    classifier.image_shape_ = tuple(description["image_shape"])
    classifier.n_features_in_ = description["n_features"]
    if description["feature_names"]:
        classifier.feature_names_in_ = np.array(description["feature_names"], dtype=object)
    classifier.recipe_ = description["recipe"]
    for name in _HISTORY:
        setattr(classifier, name, description["history"][name])
    classifier._seen = np.array(description["seen"])
    classifier._generator_state = tensors["generator"]
    classifier._transform = ImageTransform(
        classifier.image_shape_,
        tuple(description["size"]),
        tensors["scaling.scale"].numpy()[()],
        tensors["scaling.offset"].numpy()[()],
        description["are_features"],
        description["recipe"]["standardise_images"],
    )
    classifier.net_ = None
    if len(classifier.classes_) > 1:
        classifier.net_ = _restore_net(classifier, tensors)
    return classifier


def _restore_net(classifier, tensors):
    factory, _ = find_architecture(classifier.architecture)
    image_shape = (*classifier._transform.size, classifier.image_shape_[2])
    n_classes = len(classifier.classes_)
    with torch.random.fork_rng(devices=[]):  # initial weights, which are replaced
        module = factory(image_shape, n_classes, classifier.recipe_["dropout"])
    weights = {
        name.removeprefix("network."): value
        for name, value in tensors.items()
        if name.startswith("network.")
    }
    module.load_state_dict(weights)
    net = build_net(module, classifier.recipe_, torch.device("cpu"), n_classes)
    net.finish()
    return net


def _as_text(name, value):
    """Return a parameter as JSON can hold it."""
    if name == "init_from":
        return None  # its weights have long become those of the classifier
    if name == "architecture" and inspect.isclass(value):
        return {"class": f"{value.__module__}.{value.__qualname__}"}
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


def _number(value):
    """Return a NumPy number as one of Python's, anything else as it is."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, bool | str):
        return value
    if isinstance(value, Integral):
        return int(value)
    return float(value) if isinstance(value, Real) else value


def _labels_as_text(classes):
    labels = classes.tolist()
    if not all(isinstance(label, str | bool | int | float) for label in labels):
        raise TypeError(
            f"Classes that are neither numbers nor strings cannot be written: {labels}."
        )
    return {"dtype": classes.dtype.str if classes.dtype != object else "O", "labels": labels}


def _digest(metadata, tensors):
    """Return the digest of all that a file holds but the digest."""
    digest = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()
