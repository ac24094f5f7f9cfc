"""Where pickles of skextra 0.1.0 look for `ImageTransform`."""

from skextra.neural_network._inputs._images import ImageTransform

__all__ = ["ImageTransform"]
