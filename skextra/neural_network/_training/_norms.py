"""Statistics of batch norms that fit the weights that predict."""

import contextlib

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from skextra.neural_network._training._frozen import is_frozen

# Rows whose activations are averaged: the error of a mean over 1,024 rows is a thirtieth of the
# spread, and less than that over the places of each image.
N_ROWS = 1024
# Rows of one call to `partial_fit` from which its statistics are better than a moving average over
# the calls: measured with calls of 8, 32 and 100 rows.
MIN_STREAMED_ROWS = 32
_MIN_BATCH = 64  # the variance within a few rows is smaller than that of the population


def norms_of(module):
    """Return the names of the batch norms whose statistics training moves."""
    return [
        name
        for name, layer in module.named_modules()
        if isinstance(layer, _BatchNorm)
        and layer.running_mean is not None
        and not is_frozen(module, name)
    ]


@torch.no_grad()
def recompute(module, names, batches):
    """Replace the running statistics of batch norms by those of the present weights.

    The running statistics are a moving average over past updates, and begin at mean 0 and
    variance 1. After few updates, and for averaged weights, they belong to no weights that any
    network has. Their mean over a sample of the training rows [1]_ does. No random numbers are
    drawn: what is left out or changed at random in training is not here.

    Parameters
    ----------
    module : torch.nn.Module
        A network; it is in evaluation mode afterwards.
    names : list of str
        Its batch norms whose statistics are to be replaced.
    batches : Batches
        The training set.

    References
    ----------
    .. [1] Y. Wu and J. Johnson, "Rethinking 'batch' in BatchNorm", 2021.
       :doi:`10.48550/arXiv.2105.07576`
    """
    module.eval()
    layers = [module.get_submodule(name) for name in names]
    before = [(layer.momentum, _copies(layer)) for layer in layers]
    for layer in layers:
        layer.train()
        layer.reset_running_stats()
        layer.momentum = None  # the plain mean over batches
    try:
        for images in batches.sample(N_ROWS, max(_MIN_BATCH, batches.batch_size)):
            module(images)
    finally:
        for layer, (momentum, buffers) in zip(layers, before, strict=True):
            layer.momentum = momentum
            layer.eval()
            # A layer that saw one value per channel, or was not reached, keeps what it had.
            if layer.num_batches_tracked == 0:
                layer.load_state_dict({**layer.state_dict(), **buffers})


def _copies(layer):
    return {name: buffer.clone() for name, buffer in layer.named_buffers(recurse=False)}


@contextlib.contextmanager
def fast_beginning(module, names):
    """Let the statistics of batch norms be those of the later batches until there are many.

    A moving average of momentum 0.1 that begins at mean 0 and variance 1 still has a third of that
    beginning in it after ten batches. The plain mean over the batches so far has the statistics
    of the first weights in it, which move fastest: so the last batches count three times as much
    (momentum 3/4, 3/5, 3/6 and so on), measured with calls of 8 and 16 rows.
    """
    layers = [module.get_submodule(name) for name in names]
    layers = [(layer, layer.momentum) for layer in layers if layer.momentum is not None]
    for layer, momentum in layers:
        layer.momentum = max(momentum, 3 / (int(layer.num_batches_tracked) + 3))
    try:
        yield
    finally:
        for layer, momentum in layers:
            layer.momentum = momentum
