"""Layers that training leaves alone: their weights have ``requires_grad=False``."""


def is_frozen(module, name):
    """Return whether the weights of a layer are frozen.

    A layer without weights of its own, such as a batch norm with ``affine=False``, is as frozen as
    the smallest part of the network around it that has weights.
    """
    while True:
        weights = list(module.get_submodule(name).parameters())
        if weights or not name:
            return bool(weights) and not any(value.requires_grad for value in weights)
        name = name.rpartition(".")[0]


def frozen_layers(module):
    """Return the frozen layers that hold a state beside weights, such as batch norms.

    In training mode they would change that state, and use another one than in predictions.
    """
    return [
        layer
        for name, layer in module.named_modules()
        if next(layer.buffers(recurse=False), None) is not None and is_frozen(module, name)
    ]


def trained_weights(module):
    """Return the parameters of a network that are not frozen, or say that there are none."""
    weights = [parameter for parameter in module.parameters() if parameter.requires_grad]
    if not weights:
        raise ValueError(
            f"architecture={type(module).__name__} has no weights to train: all are frozen "
            "(requires_grad=False), or there are none. Leave at least the last layer unfrozen."
        )
    return weights


def frozen_names(module):
    """Return the names of the parameters that are frozen."""
    return [name for name, value in module.named_parameters() if not value.requires_grad]


def freeze(module, names):
    """Freeze the parameters of these names, and no others; whole numbers are never trained."""
    for name, value in module.named_parameters():
        value.requires_grad_(name not in names and value.is_floating_point())
