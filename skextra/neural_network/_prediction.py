"""From rows to logits: one path for every prediction."""

import copy

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from skextra.neural_network._networks._architectures import ConvNorm, is_ours
from skextra.neural_network._training._net import in_format
from skextra.neural_network._training._runtime import explaining_lack_of_memory, threads_for

# Pixels computed at a time: what the first layers make of them (32 channels) stays in the cache,
# and the memory of a prediction does not grow with the number of images.
_BLOCK_PIXELS = 2**17
_MAX_BLOCK = 64


def logits(net, transform, rows, *, flip, adapt=None):
    """Return the network's outputs for rows as float64 of shape (n_samples, n_classes).

    Every block has the same number of images, the last one filled up with empty ones: oneDNN and
    BLAS choose their order of summation by the shape of a batch, so an image would get other last
    bits alone than among others.

    Parameters
    ----------
    net : TrainingNet
        The trained net.
    transform : ImageTransform
        How rows become images.
    rows : ndarray of shape (n_samples, n_features)
        Images, one a row.
    flip : bool
        Whether to average the outputs for an image and its mirror image.
    adapt : callable, default=None
        Returns the module whose outputs are asked for, made of the network.
    """
    n_pixels = transform.size[0] * transform.size[1]
    block = int(np.clip(_BLOCK_PIXELS // n_pixels, 1, _MAX_BLOCK))
    outputs = []
    with (
        torch.inference_mode(),
        threads_for(block * n_pixels) as look,
        explaining_lack_of_memory("predicting", block, net.device),
    ):
        module = kept_for_inference(net, transform.dtype)
        if adapt is not None:
            module = adapt(module)
        for start in range(0, len(rows), block):
            look()
            stored = transform.load(rows[start : start + block], transform.dtype)
            n_images = len(stored)
            stored = functional.pad(stored, (0, 0, 0, 0, 0, 0, 0, block - n_images))
            pixels = transform.to_pixels(stored.to(net.device), transform.dtype)
            images = in_format(transform.to_input(pixels), net.memory_format)
            output = module(images)
            if flip:
                output = (output + module(images.flip(3))) / 2
            outputs.append(output[:n_images].double().cpu())
    return torch.cat(outputs).numpy()


def kept_for_inference(net, dtype):
    """Return the module of a net that predicts, ready to compute in a precision.

    One that had to be made is kept with a copy of the weights it was made of, and made again when
    they are others: comparing them costs a hundredth of making it.
    """
    module, kept = net.predictor, net._folded
    if kept is not None and kept[:2] == (module, dtype) and _are_equal(module, kept[2]):
        return kept[3]
    with torch.inference_mode(False), torch.no_grad():
        ready = for_inference(module, dtype)
        if ready is not module:
            # In one assignment: another thread may predict with the same net.
            net._folded = (module, dtype, [value.clone() for value in _values(module)], ready)
    return ready


def _values(module):
    """Return parameters and buffers: at a fifth of the cost of asking the module for them."""
    values, layers = [], [module]
    while layers:
        layer = layers.pop()
        values += layer._parameters.values()
        values += layer._buffers.values()
        layers += layer._modules.values()
    return [value for value in values if value is not None]


def _are_equal(module, values):
    present = _values(module)
    return len(present) == len(values) and all(map(torch.equal, present, values))


def for_inference(module, dtype):
    """Return a module in a precision, with batch norms folded into the convolutions before them.

    A batch norm in evaluation is a scale and an offset per channel: the weights of a convolution
    can carry them. That is only so where the convolution's output goes nowhere else, which is
    known of the networks of this package alone: others stay as they are. A module to which
    nothing has to be done is returned itself.
    """
    module.eval()
    has_dtype = all(weights.dtype == dtype for weights in module.parameters())
    places = list(_foldable(module)) if is_ours(module) else []
    if has_dtype and not places:
        return module
    module = copy.deepcopy(module).to(dtype)
    if places:
        for layers, place in reversed(list(_foldable(module))):
            layers[place] = fuse_conv_bn_eval(layers[place], layers.pop(place + 1))
        _unwrap(module)
    return module


def _unwrap(module):
    """Put the layer itself in the place of each :class:`ConvNorm` that holds one only.

    Of a block of 64 digits the calls of the wrappers are a tenth of the time.
    """
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, ConvNorm) and len(child) == 1:
                setattr(parent, name, child[0])


def _foldable(module):
    """Yield (layers, place) of each convolution that a batch norm follows."""
    for layers in module.modules():
        if isinstance(layers, ConvNorm):
            for place in range(len(layers) - 1):
                pair = layers[place], layers[place + 1]
                if isinstance(pair[0], nn.Conv2d) and isinstance(pair[1], nn.BatchNorm2d):
                    yield layers, place
