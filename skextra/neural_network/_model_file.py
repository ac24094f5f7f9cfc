"""A fitted classifier in one file that holds numbers and text, and nothing that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from skextra.neural_network._inputs._images import ImageTransform
from skextra.neural_network._networks._callables import (
    describe,
    has_no_name,
    have_same_name,
)
from skextra.neural_network._state import restore_net
from skextra.neural_network._tensor_file import (
    as_text,
    labels_as_text,
    labels_from_text,
    network_of,
    network_tensors,
    read,
    recipe_as_text,
    write,
)
from skextra.neural_network._training._frozen import frozen_names
from skextra.neural_network._tumor_cnn import TumorCNNClassifier

if TYPE_CHECKING:
    from skextra._types import FilePath, NetworkMaker

_HISTORY = ("n_iter_", "best_epoch_", "loss_curve_", "validation_scores_")


def save_model(classifier: TumorCNNClassifier, path: FilePath) -> None:
    """Write a fitted classifier to one file of numbers and text.

    The file is in the safetensors format [1]_: the weights as tensors, all else as JSON in its
    header. Reading it runs no code, unlike a pickle. It is written whole or not at all. The
    optimizer's state of `partial_fit` is not kept; a pickle keeps it.

    Parameters
    ----------
    classifier : TumorCNNClassifier
        A fitted classifier. Its `architecture` is kept by its name, a class or function of your
        own as well, and a partial by its arguments too.
    path : str or path
        The file; one that is there is replaced. The usual suffix is ``.safetensors``.

    Raises
    ------
    ValueError
        If a parameter cannot be written as text: a callable, or a RandomState instance; or if
        `architecture` is a lambda, which has no name.
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
    classifier = classifier._snapshot()  # a fit in another thread does not reach it
    transform = classifier._transform
    if has_no_name(classifier.architecture):
        raise ValueError(
            f"architecture={describe(classifier.architecture)} has no name by which load_model "
            "could know it again; pickle refuses a lambda as well. Give fit a function made by "
            "def, at the top level of a module, or a functools.partial of one."
        )
    tensors = {
        "scaling.scale": torch.tensor(transform.scale),
        "scaling.offset": torch.tensor(transform.offset),
        "generator": torch.tensor(classifier._generator_state),
    }
    if classifier.net_ is not None:
        tensors |= network_tensors(classifier.net_.predictor)
    network = {}
    if classifier.net_ is not None:
        module = classifier.net_.predictor
        network = {"network": type(module).__name__, "frozen": frozen_names(module)}
    description = network | {
        "parameters": {
            name: as_text(name, value) for name, value in classifier.get_params(deep=False).items()
        },
        "classes": labels_as_text(classifier.classes_),
        "seen": classifier._seen.tolist(),
        "image_shape": [int(side) for side in classifier.image_shape_],
        "size": [int(side) for side in transform.size],
        "are_features": transform.are_features,
        "clips": transform.clips,
        "of_integers": transform.of_integers,
        "n_features": classifier.n_features_in_,
        "feature_names": getattr(classifier, "feature_names_in_", np.array([])).tolist(),
        "recipe": recipe_as_text(classifier.recipe_),
        "history": {name: getattr(classifier, name) for name in _HISTORY},
    }
    write(path, description, tensors)


def load_model(path: FilePath, *, architecture: NetworkMaker | None = None) -> TumorCNNClassifier:
    """Read a classifier that `save_model` has written.

    Parameters
    ----------
    path : str or path
        The file.
    architecture : callable, default=None
        The `architecture` of a classifier that was trained with a class or function of your own:
        the file holds its name only, and one of another name is refused.

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
    description, tensors = read(path)
    try:
        return _restore(path, description, tensors, architecture)
    except (KeyError, TypeError, RuntimeError) as error:
        raise ValueError(f"{path} does not hold what a model needs: {error}") from error


def _restore(path, description, tensors, architecture):
    """Return the classifier that was described."""
    parameters, made_by = description["parameters"], None
    if isinstance(parameters["architecture"], dict):
        ((kind, made_by),) = parameters["architecture"].items()
        if architecture is None:
            raise ValueError(
                f"{path} holds the weights of a network that the {kind} {made_by} has made, which "
                "is not in the file: give it as architecture=."
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
    classifier.classes_ = labels_from_text(description["classes"])
    classifier.image_shape_ = tuple(description["image_shape"])
    classifier.n_features_in_ = description["n_features"]
    if description["feature_names"]:
        classifier.feature_names_in_ = np.array(description["feature_names"], dtype=object)
    classifier.recipe_ = description["recipe"]
    for name in _HISTORY:
        setattr(classifier, name, description["history"][name])
    classifier._seen = np.array(description["seen"])
    classifier._generator_state = tensors["generator"].numpy()
    classifier._transform = ImageTransform(
        classifier.image_shape_,
        tuple(description["size"]),
        tensors["scaling.scale"].numpy()[()],
        tensors["scaling.offset"].numpy()[()],
        description["are_features"],
        description["recipe"]["standardise_images"],
        description.get("clips", False),
        description.get("of_integers", False),
    )
    classifier._origin = classifier._present_origin()
    classifier.net_ = None
    if len(classifier.classes_) > 1:
        frozen = description.get("frozen")
        classifier.net_ = restore_net(classifier, network_of(tensors), frozen=frozen)
    if made_by is not None and not have_same_name(made_by, describe(architecture)):
        # Weights that fit may belong to another network all the same.
        raise ValueError(
            f"{path} holds the weights of a network that {made_by} has made, but "
            f"architecture={describe(architecture)} is given. Give the one that was trained."
        )
    return classifier
