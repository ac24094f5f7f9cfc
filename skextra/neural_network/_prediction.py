"""From rows to logits: one path for every prediction."""

import copy

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from skextra.neural_network._training._runtime import explaining_lack_of_memory, threads_for

# Pixels computed at a time: what the first layers make of them (32 channels) stays in the cache,
# and the memory of a prediction does not grow with the number of images.
_BLOCK_PIXELS = 2**17
_MAX_BLOCK = 64


def logits(net, transform, rows, *, flip):
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
    """
    n_pixels = transform.size[0] * transform.size[1]
    block = int(np.clip(_BLOCK_PIXELS // n_pixels, 1, _MAX_BLOCK))
    outputs = []
    with (
        torch.inference_mode(),
        threads_for(block * n_pixels),
        explaining_lack_of_memory("predicting", block, net.device),
    ):
        module = for_inference(net.predictor, transform.dtype)
        for start in range(0, len(rows), block):
            stored = transform.load(rows[start : start + block], transform.dtype)
            n_images = len(stored)
            stored = functional.pad(stored, (0, 0, 0, 0, 0, 0, 0, block - n_images))
            images = transform.to_input(
                transform.to_pixels(stored.to(net.device), transform.dtype)
            )
            output = module(images)
            if flip:
                output = (output + module(images.flip(3))) / 2
            outputs.append(output[:n_images].double().cpu())
    return torch.cat(outputs).numpy()


def for_inference(module, dtype):
    """Return a module in a precision, with batch norms folded into the convolutions before them.

    A batch norm in evaluation is a scale and an offset a channel: the weights of a convolution
    can carry them. A module to which nothing has to be done is returned as it is.
    """
    module.eval()
    has_dtype = all(weights.dtype == dtype for weights in module.parameters())
    if has_dtype and next(_foldable(module), None) is None:
        return module
    module = copy.deepcopy(module).to(dtype)
    for parent, place in list(_foldable(module)):
        parent[place] = fuse_conv_bn_eval(parent[place], parent[place + 1])
        parent[place + 1] = nn.Identity()
    return module


def _foldable(module):
    """Yield (sequential, place) of each convolution that a batch norm follows."""
    for parent in module.modules():
        if type(parent) is not nn.Sequential:
            continue
        for place in range(len(parent) - 1):
            convolution, norm = parent[place], parent[place + 1]
            if (
                isinstance(convolution, nn.Conv2d)
                and isinstance(norm, nn.BatchNorm2d)
                and norm.running_var is not None
            ):
                yield parent, place
