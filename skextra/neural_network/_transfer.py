"""Features that another classifier has learnt, as the beginning of a new training."""

import os

from sklearn.frozen import FrozenEstimator


def find_source(init_from):
    """Return the fitted classifier that `init_from` stands for.

    Parameters
    ----------
    init_from : TumorCNNClassifier, FrozenEstimator, str or path
        A fitted classifier, the same frozen, or the file in which `save_model` stored it.
    """
    if isinstance(init_from, str | os.PathLike):
        from skextra.neural_network._model_file import load_model

        return load_model(init_from)
    if isinstance(init_from, FrozenEstimator):
        init_from = init_from.estimator
    if getattr(init_from, "net_", None) is None:
        raise ValueError(
            f"init_from={init_from!r} is no fitted TumorCNNClassifier of two classes or more. "
            "scikit-learn's clone, and so every search, takes the fit away: give "
            "sklearn.frozen.FrozenEstimator(classifier) or the file of save_model there."
        )
    return init_from


def copy_features(source, module, *, with_head):
    """Copy the weights of a network into another of the same kind, its last layer only if asked.

    Parameters
    ----------
    source, module : torch.nn.Module
        Where the weights come from and go to.
    with_head : bool
        Whether the last layer, which knows the classes, is copied as well.
    """
    if type(source) is not type(module):
        raise ValueError(
            f"init_from has the network {type(source).__name__}, but this classifier has "
            f"{type(module).__name__}. Give both the same architecture."
        )
    head = [name for name, layer in module.named_modules() if _has_own_weights(layer)][-1]
    target = module.state_dict()
    for name, weights in source.state_dict().items():
        if name.rpartition(".")[0] == head and not with_head:
            continue
        if name not in target or target[name].shape != weights.shape:
            found = tuple(target[name].shape) if name in target else "no such layer"
            raise ValueError(
                f"init_from has weights {name} of shape {tuple(weights.shape)}, this classifier "
                f"has {found}. Give images of the same size and number of channels, for instance "
                f"with the same image_size."
            )
        target[name] = weights
    module.load_state_dict(target)


def _has_own_weights(layer):
    return next(layer.parameters(recurse=False), None) is not None
