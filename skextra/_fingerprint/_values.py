"""Values by their content: the same in every process, and different where the content is.

joblib's and pickle's hashes depend on the order of sets, on which objects are shared and on
identity, and take a function for its name.
"""

import copyreg
import functools
import sys
import types
import weakref

import numpy as np

from skextra._fingerprint._code import (
    content_of_class,
    content_of_code,
    content_of_function,
    importable,
    modules_of_function,
)
from skextra._fingerprint._errors import FingerprintError
from skextra._fingerprint._hashing import make_hash, short_or_hash, sorted_items

_SCALARS = {type(None), bool, float, complex, str, bytes, type(Ellipsis), type(NotImplemented)}
_CODE = types.FunctionType, type
# Members that Python makes for a class; their names, which count anyway, say what they are.
_MEMBERS = types.MemberDescriptorType, types.GetSetDescriptorType, types.WrapperDescriptorType
_MEMBERS += types.MethodDescriptorType, types.ClassMethodDescriptorType
_WEAK = weakref.ref, weakref.WeakKeyDictionary, weakref.WeakValueDictionary, weakref.WeakSet
_SPLITTERS = "sklearn.model_selection._split"
# Callbacks of scikit-learn that only look on.
_ONLOOKERS = {"ProgressBar", "ScoringMonitor"}
_PLAIN = {type(None), bool, int, float, str}
_BUILT_IN = (dict, list, tuple, set, frozenset, str, bytes, bytearray, int, float, complex)
# What searches put into an estimator while they run.
_NO_STATE = {"_skl_callbacks", "_parent_callback_ctx"}


class CycleError(Exception):
    """A value contains itself."""


class Walk:
    """One walk through a value.

    Equal parts count alike, whether they are one object or two. Only in a value that contains
    itself, and in code, which refers to other code and that back, the parts are numbered as they
    are met, and counted again by their number: so every walk takes time in proportion to what
    there is.

    Parameters
    ----------
    snapshot : Snapshot
        The state of the modules.
    code : dict
        The fingerprints of functions and classes that were found in the same snapshot.
    numbered : bool
        Whether the parts are numbered.
    """

    def __init__(self, snapshot, code, numbered=False):
        self._snapshot, self._code, self._numbered = snapshot, code, numbered
        self._seen = {}  # by identity; the objects are in there to keep that
        self._bindings = []  # what a function referred to: a namespace or cell, a name, an object
        self._is_fixed = True  # whether all that code referred to is

    def visit(self, value):
        """Return the fingerprint of a value, or of a part of it; what is short, as it is."""
        kind = type(value)
        if kind in _SCALARS:
            return short_or_hash(kind.__name__, repr(value))
        if kind is int:
            return short_or_hash("int", hex(value))
        if isinstance(value, _CODE):
            module = self._module_of(value)
            if module is not None:
                return self._named(module, value.__qualname__)
            if not self._numbered:
                return self._visit_code(value)
        known = self._seen.get(id(value))
        if known is not None:
            if self._numbered:
                return make_hash("again", str(known[1]))
            if known[1] is None:
                raise CycleError
            return known[1]
        number = len(self._seen) if self._numbered else None
        self._seen[id(value)] = value, number
        found = self._by_type(value)
        if not self._numbered:
            self._seen[id(value)] = value, found
        return found

    def all(self, kind, *values):
        """Return the fingerprint of several values as one."""
        return make_hash(kind, *map(self.visit, values))

    def _visit_code(self, value):
        """Return the fingerprint of code without a file, found once if nothing has changed."""
        known = self._code.get(id(value))
        if known is not None and all(_is_bound(*binding) for binding in known[2]):
            return known[1]
        walk = Walk(self._snapshot, self._code, numbered=True)
        found = walk.visit(value)
        if walk._is_fixed:
            self._code[id(value)] = value, found, walk._bindings
        return found

    def _by_type(self, value):
        kind = type(value)
        visit = _BY_TYPE.get(kind)
        if visit is not None:
            return visit(self, value)
        for base, visit in _BY_BASE:
            if isinstance(value, base):
                return visit(self, value)
        package = kind.__module__.partition(".")[0]
        if package == "torch" and hasattr(value, "detach"):
            return self._tensor(value)
        if package == "pandas" and hasattr(value, "to_numpy") and hasattr(value, "shape"):
            return self._table(value)
        if package == "scipy" and hasattr(value, "asformat"):
            return self._sparse(value)
        if package == "skrub" and "_skrub_impl" in getattr(value, "__dict__", ()):
            why = "it has another uuid in each program, so that none would find its results again"
            raise FingerprintError(value, why)
        is_more = isinstance(value, _BUILT_IN)  # whose content pickle finds, not `vars`
        if hasattr(value, "get_params") and hasattr(value, "__dict__") and not is_more:
            return self._estimator(value)
        return self._object(value)

    # Containers

    def _sequence(self, value):
        self._is_fixed &= not (self._numbered and type(value) is list)
        return self.all(type(value).__name__, *value)

    def _mapping(self, value):
        self._is_fixed &= not self._numbered
        return self.all(type(value).__name__, *(part for pair in value.items() for part in pair))

    def _set(self, value):
        self._is_fixed &= not (self._numbered and type(value) is set)
        # Each by itself: their order, in which they would be numbered, is any.
        parts = (fingerprint_of(part, self._snapshot, self._code) for part in value)
        return make_hash(type(value).__name__, *sorted(parts))

    # Code

    def _named(self, module, name):
        """Count what workers find by its name in a module."""
        return make_hash("named", module, name, self._snapshot.state(module))

    def _module_of(self, value, name=None):
        """Return the module with a file in which workers find an object; None if in none."""
        module = importable(value, name)
        return module if module is not None and self._snapshot.exists(module) else None

    def _function(self, function):
        code, defaults, cells, referred, attributes = content_of_function(function)
        parts = [code, defaults, cells]
        home = function.__globals__.get("__name__")
        if isinstance(home, str) and home != "__main__" and self._is_of_library(home):
            return make_hash("inner", self._snapshot.state(home), self.all("parts", *parts))
        for name, value in referred:
            self._bindings.append((function.__globals__, name, value))
        for cell in function.__closure__ or ():
            self._bindings.append((cell, None, getattr(cell, "cell_contents", None)))
        modules = modules_of_function(function, self._snapshot)
        states = [self._snapshot.state(name) for name in modules]
        return make_hash("function", self.all("parts", *parts, referred, attributes), *states)

    def _is_of_library(self, name):
        return self._snapshot.exists(name) and not self._snapshot.is_users(name)

    def _class(self, cls):
        metaclass, bases, attributes = content_of_class(cls)
        is_fixed = self._is_fixed
        parts = [self.visit(value) for _, value in attributes]
        self._is_fixed = is_fixed  # nobody changes a list in a class from task to task
        names = [name for name, _ in attributes]
        return make_hash("class", self.all(cls.__name__, metaclass, bases, names), *parts)

    def _module(self, module):
        """Count a module that is a value: workers import it by its name."""
        name = module.__name__
        if self._snapshot.exists(name):
            return make_hash("module", name, self._snapshot.state(name))
        raise FingerprintError(module, "it is a module without a file")

    def _builtin(self, value):
        owner = value.__self__
        if owner is not None and not isinstance(owner, types.ModuleType):
            return self.all("builtin method", value.__name__, owner)
        module = self._module_of(value)
        if module is None:
            raise FingerprintError(value, "no module has it under that name")
        return self._named(module, value.__qualname__)

    def _cached(self, value):
        """Count a function with a cache, which pickle takes for its name."""
        module = self._module_of(value)
        if module is not None:
            return self._named(module, value.__qualname__)
        return self.all("cached", value.__wrapped__)

    # Data

    def _array(self, array):
        if type(array) not in (np.ndarray, np.memmap) and isinstance(array, np.ndarray):
            return self._object(array)  # such as a masked array
        kind = ("array", repr(array.dtype), repr(array.shape))
        if array.dtype.hasobject:
            return make_hash(*kind, self.all("items", *array.ravel().tolist()))
        # A column-major array is read where it lies, and is not the same as its transpose.
        if array.ndim > 1 and array.flags.f_contiguous and not array.flags.c_contiguous:
            return make_hash(*kind, "F", array.T.view(np.uint8).data)
        content = np.ascontiguousarray(array)
        return make_hash(*kind, content.reshape(-1).view(np.uint8).data)

    def _tensor(self, tensor):
        import torch

        content = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        kind = (str(tensor.dtype), repr(tuple(tensor.shape)), str(tensor.requires_grad))
        return make_hash("tensor", *kind, content.data)

    def _sparse(self, matrix):
        # SciPy notes in the matrix whether its indices are sorted, when it first looks.
        state = {name: part for name, part in vars(matrix).items() if not name.startswith("_has_")}
        return self.all("sparse", type(matrix), *sorted_items(state))

    def _table(self, table):
        """Count a DataFrame, a Series, or an index or array of pandas."""
        kind = type(table).__name__
        if hasattr(table, "columns"):
            columns = [self.visit(table.iloc[:, i].array) for i in range(table.shape[1])]
            parts = self.all(kind, table.columns, table.index, *sorted_items(table.attrs))
            return make_hash(kind, parts, *columns)
        if hasattr(table, "index") and hasattr(table, "array"):
            return self.all(kind, table.name, table.index, table.array)
        names = list(getattr(table, "names", None) or ())
        if hasattr(table, "asi8"):  # dates, with a time zone or without, periods and differences
            return self.all(kind, str(table.dtype), names, table.asi8)
        values = table.to_numpy()
        if values.dtype.hasobject:
            # Not to_numpy, for which missing is missing: None is not NaN.
            values = np.array([*map(_plain, values), None], dtype=object)
        more = (table.categories, table.ordered) if hasattr(table, "categories") else ()
        return make_hash(kind, str(table.dtype), self.all("rest", names, *more, values))

    # Objects

    def _estimator(self, estimator):
        callbacks = [
            callback
            for callback in getattr(estimator, "_skl_callbacks", None) or ()
            if type(callback).__name__ not in _ONLOOKERS
            or not type(callback).__module__.startswith("sklearn.")
        ]
        own = getattr(type(estimator), "__getstate__", None)
        if own is None or getattr(own, "__module__", None) in (None, "sklearn.base"):
            state = vars(estimator)
        else:
            state = self._own_state(estimator)
        if not isinstance(state, dict):
            return self.all("estimator", type(estimator), state, callbacks)
        state = {name: value for name, value in state.items() if name not in _NO_STATE}
        return self.all("estimator", type(estimator), callbacks, *sorted_items(state))

    def _own_state(self, estimator):
        """Return what an estimator itself says is worth keeping, or its parameters if it can't."""
        own = vars(estimator)
        try:
            state = estimator.__getstate__()
        except Exception as error:
            if any(name.endswith("_") and name[:1] != "_" for name in own):
                why = f"it is fitted, and its __getstate__ raises {type(error).__name__}: {error}"
                raise FingerprintError(estimator, why) from error
            requests = getattr(estimator, "_metadata_request", None)
            return [estimator.get_params(deep=False), requests]
        if not isinstance(state, dict):
            return state
        # Bytes in place of an object are a pickle of it, which is another in each process.
        pickled = {name for name, part in state.items() if type(part) is bytes and name in own}
        return state | {name: own[name] for name in pickled}

    def _object(self, value):
        self._is_fixed &= not self._numbered
        if isinstance(value, _WEAK):
            raise FingerprintError(value, "what it refers to may go at any time")
        try:
            reduce = copyreg.dispatch_table.get(type(value))
            reduced = value.__reduce_ex__(4) if reduce is None else reduce(value)
        except Exception as error:
            raise FingerprintError(value, str(error)) from error
        if isinstance(reduced, str):
            module = self._module_of(value, reduced)
            if module is None:
                raise FingerprintError(value, f"no module has it under the name {reduced!r}")
            return self._named(module, reduced)
        function, args, *rest = reduced
        if type(value).__module__ == _SPLITTERS and not getattr(value, "shuffle", True):
            # StackingClassifier gives it a random state that it never asks.
            rest[0] = {name: part for name, part in rest[0].items() if name != "random_state"}
        rest = [part if isinstance(part, dict | tuple | None) else list(part) for part in rest]
        return self.all("object", type(value), function, args, *map(_by_name, rest))


def fingerprint_of(value, snapshot, code):
    """Return the fingerprint of a value.

    Parameters
    ----------
    value : object
        The value.
    snapshot : Snapshot
        The state of the modules.
    code : dict
        Fingerprints of functions and classes, which are found or put there.
    """
    try:
        return Walk(snapshot, code).visit(value)
    except CycleError:
        return Walk(snapshot, code, numbered=True).visit(value)


def plain_state(value, snapshot):
    """Return what decides on the fingerprint of an estimator, if all of that is plain, else None.

    Parameters
    ----------
    value : object
        An estimator, or anything else, of which nothing is known.
    snapshot : Snapshot
        The state of the modules: the class counts by the file of its own.

    Returns
    -------
    state : (type, str) or None
        Equal for estimators with equal fingerprints. In the text 1, 1.0 and True differ.
    """
    kind = type(value)
    base = getattr(sys.modules.get("sklearn.base"), "BaseEstimator", None)
    if base is None or not issubclass(kind, base) or kind.__getstate__ is not base.__getstate__:
        return None
    if kind.__basicsize__ != base.__basicsize__:  # it has slots, or is a dict or an array as well
        return None
    module = importable(kind)
    if module is None or not snapshot.exists(module):
        return None
    state = vars(value)
    if not all(type(part) in _PLAIN for part in state.values()):
        return None
    return kind, repr(state)


def _by_name(part):
    """Order the state of an object by name: the order of its attributes says nothing."""
    if type(part) is dict and all(type(name) is str for name in part):
        return dict(sorted(part.items()))
    return part


def _is_bound(place, name, value):
    """Whether a name in a namespace, or a cell, still refers to an object."""
    if name is None:
        return getattr(place, "cell_contents", None) is value
    return place.get(name) is value


def _plain(value):
    """Return a missing value of pandas as a name: it is one object, whose state says nothing."""
    return type(value).__name__ if type(value).__name__ in ("NAType", "NaTType") else value


_BY_TYPE = {
    list: Walk._sequence,
    tuple: Walk._sequence,
    dict: Walk._mapping,
    types.MappingProxyType: Walk._mapping,
    set: Walk._set,
    frozenset: Walk._set,
    types.FunctionType: Walk._function,
    types.ModuleType: Walk._module,
    types.CodeType: lambda walk, code: walk.all("code", *content_of_code(code)),
    types.MethodType: lambda walk, method: walk.all("method", method.__func__, method.__self__),
    types.BuiltinFunctionType: Walk._builtin,
    functools._lru_cache_wrapper: Walk._cached,
    functools.partial: lambda walk, part: walk.all("partial", part.func, part.args, part.keywords),
    functools.cached_property: lambda walk, prop: walk.all("cached property", prop.func),
    property: lambda walk, prop: walk.all("property", prop.fget, prop.fset, prop.fdel),
    classmethod: lambda walk, method: walk.all("classmethod", method.__func__),
    staticmethod: lambda walk, method: walk.all("staticmethod", method.__func__),
}
_BY_BASE = (
    (type, Walk._class),
    (np.ndarray | np.generic, Walk._array),
    (types.ModuleType, Walk._module),
    (_MEMBERS, lambda walk, member: make_hash("member", member.__qualname__)),
)
