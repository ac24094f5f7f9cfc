"""Grad-CAM: where the last convolution of a network sees evidence for a class."""

import threading
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn
from torch.nn import functional


def grad_cam(estimator, images, codes, layer=None):
    """Return the class activation maps of images.

    Parameters
    ----------
    estimator : TumorCNNClassifier
        A fitted one with a net.
    images : ndarray of shape (n_samples, height, width[, channels])
        Images as `predict` takes them.
    codes : ndarray of shape (n_samples,)
        Index of the class to explain for each image.
    layer : str, default=None
        Name of the layer in ``net_.module_`` that puts out the feature maps; None takes those that
        the last convolution leads to.

    Returns
    -------
    ndarray of shape (n_samples, height, width), dtype float64
        Non-negative, not scaled.
    """
    module = estimator.net_.module_.eval()
    weights = next(module.parameters())
    maps = np.empty(images.shape[:3])
    target = None
    for index, code in enumerate(codes):
        batch = network_input(estimator, images[index : index + 1]).to(weights)
        if target is None:
            target = _last_maps(module, batch) if layer is None else _named(module, layer)
        activations, gradients = _activations_and_gradients(module, target, batch, int(code))
        importance = gradients.mean(dim=(2, 3), keepdim=True)
        heat = functional.relu((importance * activations).sum(dim=1, keepdim=True))
        heat = functional.interpolate(heat, images.shape[1:3], mode="bilinear")
        maps[index] = heat[0, 0].double().cpu().numpy()
    return maps


def network_input(estimator, image):
    """Return the tensor that reaches the network when the estimator predicts one image.

    It is caught on its way: predictions may run through a copy of the module, with batch norms
    folded, and what comes before is the estimator's own affair.
    """
    kind = type(estimator.net_.module_)
    thread, caught = threading.get_ident(), []

    def catch(module, arguments):
        if not caught and type(module) is kind and threading.get_ident() == thread:
            caught.append(arguments[0])

    # For all modules of the process, as the copy is not at hand.
    handle = nn.modules.module.register_module_forward_pre_hook(catch)
    try:
        estimator.predict_proba(image)
    finally:
        handle.remove()
    return caught[0].clone()  # no inference tensor, which could take no part in a gradient


def _last_maps(module, batch):
    """Return the layer that puts out the feature maps that the last convolution leads to."""
    ran = []  # the convolution, and whatever runs after it and still has places

    def note(layer, arguments, output):
        is_convolution = isinstance(layer, nn.Conv2d)
        if not (is_convolution or ran) or not _are_maps(output):
            return
        if (is_convolution and not ran) or output.shape[2:].numel() > 1:
            ran.append(layer)

    with _hooks(module.modules(), note), torch.no_grad():
        module(batch)
    if not ran:
        raise ValueError(
            f"{type(module).__name__} has no convolution (torch.nn.Conv2d) for Grad-CAM: use "
            "method='occlusion'."
        )
    return ran[-1]


def _are_maps(output):
    return isinstance(output, torch.Tensor) and output.ndim == 4


def _named(module, name):
    layers = dict(module.named_modules())
    if name not in layers:
        convolutions = [key for key, value in layers.items() if isinstance(value, nn.Conv2d)]
        raise ValueError(
            f"layer={name!r} is no layer of {type(module).__name__}. Its convolutions are "
            f"{convolutions}."
        )
    return layers[name]


def _activations_and_gradients(module, layer, batch, code):
    """Output of a layer for one image, and the gradient of the class's logit by it."""
    caught = []

    def cut(layer, arguments, output):
        if not _are_maps(output):  # an activation may run again, after flattening
            return None
        # From here on, gradients are counted; a copy goes on, as what follows may work in place.
        caught.append(output.detach().requires_grad_())
        return caught[-1].clone()

    with _hooks([layer], cut), torch.enable_grad():
        logit = module(batch)[0, code]
    if not caught:
        raise ValueError(
            f"The layer {type(layer).__name__} gives no maps of shape (n, channels, height, "
            "width): name a convolution."
        )
    (gradients,) = torch.autograd.grad(logit, caught[-1])
    return caught[-1].detach(), gradients


@contextmanager
def _hooks(layers, function):
    handles = [layer.register_forward_hook(function) for layer in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
