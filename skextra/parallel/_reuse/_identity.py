"""What a step depends on, and which steps depend on more than that."""

import random
import sys

import numpy as np
from sklearn import get_config

from skextra._fingerprint import Fingerprinter
from skextra._fingerprint._hashing import make_hash
from skextra._fingerprint._modules import python_state
from skextra._fingerprint._witness import holds
from skextra.parallel._reuse._entry import digest_of

_SEEDS = {"random_state", "random_seed", "seed"}
_GENERATORS = np.random.RandomState, np.random.Generator, np.random.BitGenerator, random.Random
_MAX_DEPTH = 6


class Identities:
    """Fingerprints of the steps of one call of the backend."""

    def __init__(self):
        self._fingerprinter = Fingerprinter()

    @property
    def are_of_this_process(self):
        """Whether this process holds the modules that counted so far as their files are now."""
        return holds(self._fingerprinter.files)

    def of_step(self, step):
        """Return the fingerprint of a transformer: its class, its code and its parameters."""
        return self._fingerprinter.part(step)

    def key(self, kind, *parts):
        """Return the key of what is computed from parts, under scikit-learn's configuration."""
        config = self._fingerprinter.part(get_config())
        return make_hash(kind, python_state(), config, *parts)


def has_other_influences(value, depth=0):
    """Whether a step has callbacks, or draws random numbers that none of its parameters decide.

    scikit-learn's own draw from NumPy's global generator then, which is noticed when they do: a
    ``PCA`` without a seed draws only if there are many rows.
    """
    if isinstance(value, _GENERATORS):
        return True
    if depth > _MAX_DEPTH or isinstance(value, type):
        return False
    if isinstance(value, list | tuple):
        return len(value) < 100 and any(has_other_influences(part, depth + 1) for part in value)
    if isinstance(value, dict):
        return len(value) < 100 and any(
            has_other_influences(part, depth + 1) for part in value.values()
        )
    if not (hasattr(value, "get_params") and hasattr(value, "__dict__")):
        return False
    state = vars(value)
    if state.get("_skl_callbacks"):
        return True
    is_of_sklearn = type(value).__module__.startswith("sklearn.")
    if not is_of_sklearn and any(name in _SEEDS and part is None for name, part in state.items()):
        return True
    return any(has_other_influences(part, depth + 1) for part in state.values())


def random_states():
    """Return a hash of the global generators' states, to see whether somebody has drawn."""
    torch = sys.modules.get("torch")
    of_torch = torch.get_rng_state() if hasattr(torch, "get_rng_state") else None
    of_numpy = np.random.get_state(legacy=False)  # noqa: NPY002  the global one
    return digest_of((of_numpy, random.getstate(), None if of_torch is None else of_torch.numpy()))


def same_attributes(first, second, depth=0):
    """Whether two objects have attributes of the same names, and so have their estimators.

    What an object leaves out of its pickle is missing in its copy.
    """
    if depth > _MAX_DEPTH or not hasattr(first, "__dict__") or isinstance(first, type):
        return True
    if type(first) is not type(second) or vars(first).keys() != vars(second).keys():
        return False
    return all(
        same_attributes(part, vars(second)[name], depth + 1)
        for name, part in vars(first).items()
        if hasattr(part, "get_params")
    )
