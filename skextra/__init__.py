"""skextra: naive Bayes, a convolutional network and a joblib backend for scikit-learn.

Importing the package is cheap: it makes the ``"skextra"`` backend known to joblib and starts no
process. The backend, like each public name (and torch, skorch or Pillow behind it), is loaded on
first use.
"""

from typing import TYPE_CHECKING

from joblib import register_parallel_backend

from skextra._lazy import lazy_attributes

if TYPE_CHECKING:
    from skextra import datasets as datasets
    from skextra import inspection as inspection
    from skextra import naive_bayes as naive_bayes
    from skextra import neural_network as neural_network
    from skextra import parallel as parallel
    from skextra.naive_bayes import ScratchGaussianNB as ScratchGaussianNB
    from skextra.neural_network import TumorCNNClassifier as TumorCNNClassifier

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

if not TYPE_CHECKING:  # to a type checker it would mean that there is an attribute of any name
    __getattr__ = lazy_attributes(
        "skextra",
        {
            "ScratchGaussianNB": "skextra.naive_bayes",
            "TumorCNNClassifier": "skextra.neural_network",
            **{name: f"skextra.{name}" for name in _SUBMODULES},
        },
    )


def __dir__() -> list[str]:
    return __all__


def _make_backend(**options):
    from skextra.parallel import SkextraBackend

    # joblib knows classes, and some callers compare the type of a backend with its entry.
    register_parallel_backend("skextra", SkextraBackend)
    return SkextraBackend(**options)


# joblib has no entry point for backends, so importing the package is what makes the name known.
register_parallel_backend("skextra", _make_backend)
