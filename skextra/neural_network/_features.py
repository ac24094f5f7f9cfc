"""What the last layer of a network gets: features for other classifiers."""

import copy
import threading

from torch import nn
from torch.nn.utils.parametrize import is_parametrized


class FeatureExtractor(nn.Module):
    """A copy of a network that returns the input of the last layer with a matrix of weights.

    The last one is the one that runs last. Batch norms have no matrix of weights.

    Parameters
    ----------
    module : torch.nn.Module
        The network.
    """

    def __init__(self, module):
        super().__init__()
        # A copy of its own: other threads may predict by the network meanwhile.
        self.module = copy.deepcopy(module)
        self._last = threading.local()
        for layer in self.module.modules():
            if _has_matrix(layer):
                layer.register_forward_pre_hook(self._note)

    def _note(self, layer, arguments):
        if arguments:
            self._last.input = arguments[0]

    def forward(self, images):
        """Return features of shape (n_samples, n_features)."""
        self._last.input = None
        self.module(images)
        if self._last.input is None:
            raise ValueError(
                f"{type(self.module).__name__} has no layer with weights that is a module of its "
                "own (torch.nn.Linear or torch.nn.Conv2d, say), so no features before it."
            )
        return self._last.input.flatten(1)


def _has_matrix(layer):
    return is_parametrized(layer) or any(
        weights.ndim > 1 for weights in layer.parameters(recurse=False)
    )
