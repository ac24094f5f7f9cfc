"""A small network and its batches, for tests of the training."""

import torch

from skextra.neural_network._networks._architectures import SequentialCNN
from skextra.neural_network._recipes import Recipe
from skextra.neural_network._training._net import Batches, build_net

CPU = torch.device("cpu")
RECIPE = {
    **Recipe().__dict__,
    "learning_rate": 1e-3,
    "label_smoothing": 0.1,
    "batch_size": 16,
    "max_epochs": 3,
}


def make_batches(n_samples=50, batch_size=16, augment=None):
    """Return batches of noise of three classes."""
    generator = torch.Generator().manual_seed(0)
    return Batches(
        images=torch.randn((n_samples, 1, 8, 8), generator=generator),
        codes=torch.randint(0, 3, (n_samples,), generator=generator),
        weights=torch.rand(n_samples, generator=generator) + 0.5,
        batch_size=batch_size,
        to_pixels=lambda batch: batch,
        augment=augment,
        to_input=lambda batch: batch,
        device=CPU,
    )


def make_net(module=None, **recipe):
    """Return a net of the reference network, or of `module`."""
    module = module or SequentialCNN((8, 8, 1), 3, dropout=0.5)
    return build_net(module, {**RECIPE, **recipe}, CPU, 3)
