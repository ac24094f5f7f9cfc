"""A fitted classifier as plain values and arrays: what pickle, joblib, copy and skops store."""

import copy
from dataclasses import asdict

import numpy as np
import torch

from skextra.neural_network._inputs._images import ImageTransform
from skextra.neural_network._networks._architectures import build_module, is_ours
from skextra.neural_network._training._frozen import freeze, frozen_names
from skextra.neural_network._training._net import build_net
from skextra.neural_network._training._runtime import one_thread

FORMAT = 1


class OwnModule:
    """A module that a class or function of the user's has made, which pickle stores as it is.

    Parameters
    ----------
    module : torch.nn.Module
        On the CPU.
    """

    def __init__(self, module):
        self.module = module

    def __reduce__(self):
        """Return how pickle makes it again."""
        return OwnModule, (self.module,)

    def __getstate__(self):
        """Tell skops, which asks for the state, what to use."""
        raise TypeError(
            f"A network of the class {type(self.module).__name__}, which your own code has made, "
            "can be stored by skextra.neural_network.save_model, pickle or joblib, but not as a "
            "state of plain values, as skops needs it."
        )


def plain_state(attributes):
    """Return the attributes of a classifier with its network and transform as plain values."""
    state = dict(attributes)
    if "_transform" not in state:
        return state  # not fitted
    state["_state_format"] = FORMAT
    state["_transform"] = asdict(state["_transform"])
    net = state.pop("net_")
    state["_network"] = None if net is None else _plain_net(net, state["_origin"][0])
    return state


def _plain_net(net, architecture):
    module, optimizer = net.predictor, net.optimizer_
    if optimizer is not None and not net.optimizer_fits:
        optimizer = None  # the next call makes another one
    plain = {
        "history": list(net.history),
        "optimizer": None if optimizer is None else _to_arrays(optimizer.state_dict()),
    }
    if isinstance(architecture, str):
        plain["weights"] = _to_arrays(dict(module.state_dict()))
        if frozen := frozen_names(module):
            plain["frozen"] = frozen
    else:
        plain["module"] = OwnModule(module if net.device == "cpu" else copy.deepcopy(module).cpu())
    return plain


def restore_attributes(estimator, state):
    """Put back what `plain_state` returned, or the attributes that older pickles hold."""
    state = dict(state)
    found = state.pop("_state_format", None)
    if found is not None and found > FORMAT:
        raise ValueError(
            f"This pickle of {type(estimator).__name__} has the format {found}; this version of "
            f"skextra reads up to {FORMAT}. Install the version that wrote it, or a newer one."
        )
    if found is None:
        _take_over_older(estimator, state)
        return
    plain = state.pop("_network")
    state["_transform"] = ImageTransform(**_with_tuples(state["_transform"]))
    vars(estimator).update(state)
    estimator.net_ = None
    if plain is not None:
        estimator.net_ = restore_net(estimator, **plain)


def _with_tuples(fields):
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()
    }


def _take_over_older(estimator, state):
    """Take over attributes as pickles before the first format hold them, or of no fit."""
    vars(estimator).update(state)
    if "_transform" not in state:
        return
    if isinstance(state["_generator_state"], torch.Tensor):
        estimator._generator_state = state["_generator_state"].numpy().copy()
    estimator._origin = estimator._present_origin()
    net = state["net_"]
    if net is not None:
        plain = {} if net.optimizer_ is None else {"optimizer": net.optimizer_.state_dict()}
        weights = net.module_.state_dict() if isinstance(estimator.architecture, str) else None
        module = None if weights else OwnModule(net.module_)
        estimator.net_ = restore_net(estimator, weights, module, list(net.history), **plain)


def restore_net(estimator, weights=None, module=None, history=(), optimizer=None, *, frozen=None):
    """Return the net of a classifier whose other attributes are there.

    No thread is started meanwhile: a program that reads a model may fork afterwards.
    """
    n_classes = len(estimator.classes_)
    with one_thread():
        if module is not None:
            module = module.module
        else:
            image_shape = (*estimator._transform.size, estimator.image_shape_[2])
            with torch.random.fork_rng(devices=[]):  # initial weights, which are replaced
                module = build_module(
                    estimator._origin[0], image_shape, n_classes, estimator.recipe_["dropout"]
                )
            module.load_state_dict(_to_tensors(weights))
        frozen = frozen_names(module) if frozen is None else frozen
        freeze(
            module, []
        )  # a net begins with an optimizer, which one that is frozen whole has not
        channels_last = is_ours(module)
        net = build_net(
            module,
            estimator.recipe_,
            torch.device("cpu"),
            n_classes,
            channels_last=channels_last,
        )
        net.end_training()
        freeze(module, frozen)
        net.history.extend(history)
        if optimizer is not None:
            net.initialize_optimizer()
            net.optimizer_.load_state_dict(_to_tensors(optimizer))
            _lay_out_as_weights(net.optimizer_)
    return net


def _lay_out_as_weights(optimizer):
    """Give the optimizer's state the memory format of the weights.

    Fused optimizers pair the elements of both in the order in which they lie in memory.
    """
    for weights, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, torch.Tensor) and value.shape == weights.shape:
                state[name] = torch.empty_like(weights, dtype=value.dtype).copy_(value)


def _to_arrays(value):
    """Return nested containers with the tensors in them as arrays."""
    if isinstance(value, dict):
        return {key: _to_arrays(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_to_arrays(item) for item in value]
    if isinstance(value, torch.Tensor) and value.dtype != torch.bfloat16:  # NumPy has none
        return value.detach().cpu().numpy()
    return value


def _to_tensors(value):
    """Return nested containers with the arrays in them as tensors of their own."""
    if isinstance(value, dict):
        return {key: _to_tensors(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_to_tensors(item) for item in value]
    # A copy: joblib maps large arrays read-only from a file.
    return torch.tensor(value) if isinstance(value, np.ndarray) else value
