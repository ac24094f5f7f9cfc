"""skextra: naive Bayes, a convolutional network and a joblib backend for scikit-learn.

Importing the package is cheap: it registers the ``"skextra"`` joblib backend, starts no process,
and loads each public name (and torch, skorch or Pillow behind it) on first use.
"""

import importlib
from typing import TYPE_CHECKING

from joblib import register_parallel_backend

from skextra.parallel import SkextraBackend

if TYPE_CHECKING:
    from skextra import datasets, inspection, naive_bayes, neural_network
    from skextra.naive_bayes import ScratchGaussianNB
    from skextra.neural_network import TumorCNNClassifier

__version__ = "0.1.0"

__all__ = [
    "ScratchGaussianNB",
    "TumorCNNClassifier",
    "__version__",
    "datasets",
    "inspection",
    "naive_bayes",
    "neural_network",
    "parallel",
]

_SUBMODULES = ("datasets", "inspection", "naive_bayes", "neural_network", "parallel")
_HOMES = {
    "ScratchGaussianNB": "skextra.naive_bayes",
    "TumorCNNClassifier": "skextra.neural_network",
}

# joblib has no entry point for backends, so importing the package is what makes the name known.
register_parallel_backend("skextra", SkextraBackend)


def __getattr__(name):
    if name in _SUBMODULES:
        return importlib.import_module(f"skextra.{name}")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'skextra' has no attribute {name!r}")


def __dir__():
    return __all__
