"""What makes a call the same as one in the journal, found once per call."""

import functools
import inspect
import reprlib

from skextra._fingerprint import FingerprintError
from skextra._fingerprint._hashing import make_hash
from skextra.parallel._journal._functions import NO_INFLUENCE
from skextra.parallel._messages import RESULT, pack_simply
from skextra.parallel._searches import is_fit

_SEEDS = {"random_state", "random_seed", "seed"}
_DATA, _OF_A_SPLIT = ("X", "y"), ("train", "test")
_SMALL = (type(None), bool, int, float, str)


class Identity:
    """The identity of a call.

    Parameters
    ----------
    call : (function, args, kwargs)
        The call.
    fingerprinter : Fingerprinter
        That of the call of the backend.

    Attributes
    ----------
    key : bytes
        Equal for calls with equal results.
    row : dict
        What readers of the journal want to know of it.
    is_seeded : bool
        Whether an equal call gives an equal result, as far as the arguments say.

    Raises
    ------
    FingerprintError
        Which names the argument that has no fingerprint.
    """

    def __init__(self, call, fingerprinter):
        function, args, kwargs = call
        self._fingerprinter = fingerprinter
        self.row = {"function": getattr(function, "__qualname__", repr(function))}
        target = getattr(function, "function", function)
        given = _arguments(target, args, kwargs)
        given = {name: value for name, value in given.items() if name not in NO_INFLUENCE}
        self._config = self._shared("the configuration", getattr(function, "config", None))
        if is_fit(function):
            self._function = self._shared("the function", target)
            self.key = self._fit(given, kwargs)
        else:
            self._function = self._of("the function", target)
            self.key = self._call(given)

    def _fit(self, given, kwargs):
        """Return the key of a fit: of a candidate, on data, in a split."""
        estimator, parameters = given.pop("estimator"), given.pop("parameters", None)
        splits = [self._shared(name, given.pop(name, None)) for name in _OF_A_SPLIT]
        common, data, is_seeded = self._common(given)
        self.is_seeded = is_seeded and _is_seeded({"": estimator, **(parameters or {})})
        of_estimator = self._of("estimator", estimator, self._fingerprinter.clone)
        # The fits of a candidate, one per fold, are given the same parameters.
        of_parameters = self._shared("parameters", parameters, sorted_pairs)
        parts = self._function, self._config, of_estimator, of_parameters, common

        def describe():
            candidate = make_hash("fit", *parts)
            return candidate, {
                "estimator": self._once((of_estimator,), lambda: reprlib.repr(estimator)),
                "candidate": make_hash(candidate, *data),
                "parameters": pack_simply(RESULT, parameters),
            }

        candidate, row = self._once((*parts, *data), describe)
        self.row |= row
        self.row["fold"] = (kwargs.get("split_progress") or (None,))[0]
        return make_hash(candidate, *data, *splits)

    def _common(self, given):
        """Return what all fits of a search have in common.

        That is the fingerprints of the other arguments and of the data, and whether both are
        seeded.
        """
        values = list(given.items())
        known = self._fingerprinter.common
        if known is not None and len(known[0]) == len(values):
            pairs = zip(known[0], values, strict=True)
            if all(a[0] == b[0] and a[1] is b[1] for a, b in pairs):
                return known[1:]
        data = [self._shared(name, given.get(name)) for name in _DATA]
        others = sorted(given.keys() - set(_DATA))
        parts = [part for name in others for part in (name, self._shared(name, given[name]))]
        self._fingerprinter.common = values, make_hash("common", *parts), data, _is_seeded(given)
        return self._fingerprinter.common[1:]

    def _once(self, fingerprints, describe):
        """Describe what calls have in common once: it takes longer than all the rest."""
        descriptions = self._fingerprinter.descriptions
        if fingerprints not in descriptions:
            descriptions[fingerprints] = describe()
        return descriptions[fingerprints]

    def _call(self, given):
        self.is_seeded = _is_seeded(given)
        parts = [(name, self._argument(name, given[name])) for name in sorted(given)]
        if "estimator" in given:
            self.row["estimator"] = reprlib.repr(given["estimator"])
        flat = [part for pair in parts for part in pair]
        return make_hash("call", self._function, self._config, *flat)

    def _argument(self, name, value):
        """Return the fingerprint of an argument, of data only once."""
        is_data = hasattr(value, "shape") or name in (*_DATA, *_OF_A_SPLIT)
        return self._shared(name, value) if is_data else self._of(name, value)

    def _shared(self, name, value, content=None):
        if type(value) in _SMALL:
            return self._of(name, value)
        return self._of(name, value, lambda value: self._fingerprinter.shared(value, content))

    def _of(self, name, value, find=None):
        try:
            return (find or self._fingerprinter.part)(value)
        except FingerprintError as error:
            error.args = (f"{name}: {error}",)
            raise


def sorted_pairs(mapping):
    """List the items of a mapping in the order of their names."""
    return sorted(mapping.items(), key=lambda pair: str(pair[0]))


def _arguments(function, args, kwargs):
    """Name the arguments of a call; by their place, where the function does not say."""
    names = _names(function)
    given = dict(zip(names, args, strict=False))
    given |= {f"argument {i}": args[i] for i in range(len(given), len(args))}
    return given | kwargs


def _names(function):
    try:
        return _names_of(function)
    except TypeError:  # it has no hash
        return ()


@functools.lru_cache(maxsize=100)
def _names_of(function):
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return ()
    kinds = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
    return tuple(parameter.name for parameter in parameters if parameter.kind in kinds)


def _is_seeded(given):
    """Whether nothing among named values draws random numbers that no seed decides."""
    return not any(_is_unseeded(name, value) for name, value in given.items())


def _is_unseeded(name, value, depth=0):
    """Whether something draws random numbers that no seed decides."""
    if value is None:
        return name in _SEEDS
    if depth > 6:
        return False
    if isinstance(value, list | tuple):
        return len(value) < 100 and any(_is_unseeded("", part, depth + 1) for part in value)
    if type(value) is dict:  # such as the parameters that LassoCV gives to its paths
        return len(value) < 100 and any(_is_unseeded(n, v, depth + 1) for n, v in value.items())
    if isinstance(value, type) or not (
        hasattr(value, "get_params") and hasattr(value, "__dict__")
    ):
        return False
    return any(_is_unseeded(n, part, depth + 1) for n, part in vars(value).items())
