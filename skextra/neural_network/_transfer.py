"""Features that another classifier has learnt, as the beginning of a new training."""

import os

import numpy as np
from sklearn.frozen import FrozenEstimator

from skextra.neural_network._networks._architectures import find_architecture
from skextra.neural_network._tensor_file import labels_from_text, network_of, read


def copy_from(init_from, module, classes):
    """Copy the weights that `init_from` stands for into a network.

    Parameters
    ----------
    init_from : TumorCNNClassifier, FrozenEstimator, str or path
        A fitted classifier, the same frozen, or the file in which `save_model` stored it.
    module : torch.nn.Module
        The network that they go to.
    classes : ndarray of shape (n_classes,)
        Its classes: the last layer is copied as well if the source has the same.
    """
    if isinstance(init_from, str | os.PathLike):
        description, tensors = read(init_from)
        name, known = _network_name(description), labels_from_text(description["classes"])
        weights = network_of(tensors)
        if not weights:
            raise ValueError(f"init_from={os.fspath(init_from)!r} knows one class: no network.")
    else:
        source = _fitted(init_from)
        name, known = type(source.net_.module_).__name__, source.classes_
        weights = source.net_.module_.state_dict()
    if name != type(module).__name__:
        raise ValueError(
            f"init_from has the network {name}, but this classifier has "
            f"{type(module).__name__}. Give both the same architecture."
        )
    copy_features(weights, module, with_head=np.array_equal(known, classes))


def _fitted(init_from):
    """Return the fitted classifier that `init_from` is or holds."""
    if isinstance(init_from, FrozenEstimator):
        init_from = init_from.estimator
    if getattr(init_from, "net_", None) is None:
        raise ValueError(
            f"init_from={init_from!r} is no fitted TumorCNNClassifier of two classes or more. "
            "scikit-learn's clone, and so every search, takes the fit away: give "
            "sklearn.frozen.FrozenEstimator(classifier) or the file of save_model there."
        )
    return init_from


def _network_name(description):
    """Return the name of the class of the network in a file; its module may have moved."""
    architecture = description["parameters"]["architecture"]
    if "network" in description:
        return description["network"]
    if isinstance(architecture, dict):  # files that older versions wrote
        return architecture["class"].rpartition(".")[2]
    factory, _ = find_architecture(architecture)
    return factory.__name__


def copy_features(weights, module, *, with_head):
    """Copy the weights of a network into another of the same kind, its last layer only if asked.

    Parameters
    ----------
    weights : dict of str to tensor
        The state of the network that they come from.
    module : torch.nn.Module
        The network that they go to.
    with_head : bool
        Whether the last layer, which knows the classes, is copied as well.
    """
    head = [name for name, layer in module.named_modules() if _has_own_weights(layer)][-1]
    target = module.state_dict()
    for name, value in weights.items():
        if name.rpartition(".")[0] == head and not with_head:
            continue
        if name not in target or target[name].shape != value.shape:
            found = tuple(target[name].shape) if name in target else "no such layer"
            raise ValueError(
                f"init_from has weights {name} of shape {tuple(value.shape)}, this classifier "
                f"has {found}. Give images of the same size and number of channels, for instance "
                f"with the same image_size, and the same architecture."
            )
        target[name] = value
    module.load_state_dict(target)


def _has_own_weights(layer):
    return next(layer.parameters(recurse=False), None) is not None
