"""Digests of values that are the same in every process, and differ when the values do.

joblib's and pickle's will not do: they depend on the order of sets, on which objects are shared
and on identity, and take a function for its name.
"""

import copyreg
import functools
import types
import weakref

import numpy as np

from skextra._fingerprint._code import Code
from skextra._fingerprint._hashing import make_hash, sorted_items

_SCALARS = {type(None), bool, float, complex, str, bytes, type(Ellipsis), type(NotImplemented)}
_CODE = types.FunctionType, type
_WEAK = weakref.ref, weakref.WeakKeyDictionary, weakref.WeakValueDictionary, weakref.WeakSet
# What an estimator carries that does not change what it learns.
_NO_STATE = {"_skl_callbacks", "_parent_callback_ctx"}


def digest(value, known=None):
    """Return bytes that stand for a value.

    Parameters
    ----------
    value : object
        Anything made of plain values, containers, arrays, tables, functions, classes, and objects
        that can be pickled.
    known : dict, default=None
        The digests of functions and classes, which are found or put there.

    Returns
    -------
    digest : bytes
        The same for equal content.

    Raises
    ------
    TypeError
        For a value that cannot be digested, such as a lock or an open file.
    """
    return _Digester({} if known is None else known).digest(value)


class _Digester:
    """One traversal; it knows which objects it is inside of."""

    def __init__(self, known):
        self._open = {}  # the objects that contain the present one: their depth, by identity
        # The depth of the outermost object that something in the present one refers back to.
        self._reach = 0
        self._known = known
        self._code = Code(self)
        self._lenient = False

    def digest(self, value):
        """Digest a value, or a place in what contains it."""
        kind = type(value)
        if kind in _SCALARS:
            return make_hash(kind.__name__, repr(value))
        if kind is int:
            return make_hash("int", hex(value))
        if isinstance(value, _CODE) and id(value) in self._known:
            return self._known[id(value)][1]
        depth, own = self._open.get(id(value)), len(self._open)
        if depth is not None:
            self._reach = min(self._reach, depth)
            return make_hash("inside", str(own - depth))
        before, self._reach = self._reach, own
        self._open[id(value)] = own
        try:
            found = self._by_type(value)
        finally:
            del self._open[id(value)]
            reach, self._reach = self._reach, min(before, self._reach)
        # What refers to something that it is inside of has this digest here only.
        if reach >= own and isinstance(value, _CODE):
            self._known[id(value)] = value, found
        return found

    def leniently(self, value):
        """Digest what code refers to; of what cannot be digested, such as a lock, the type."""
        before, self._lenient = self._lenient, True
        try:
            return self.digest(value)
        finally:
            self._lenient = before

    def all(self, kind, *values):
        """Digest several values as one."""
        return make_hash(kind, *map(self.digest, values))

    def _by_type(self, value):
        if isinstance(value, types.FunctionType):
            return self._code.function(value)
        if isinstance(value, type):
            return self._code.of_class(value)
        if isinstance(value, types.ModuleType):
            return self._code.module(value)
        if isinstance(value, types.BuiltinFunctionType) and value.__module__ is not None:
            return self._code.named(value)
        if isinstance(value, types.MethodType):
            return self.all("method", value.__func__, value.__self__)
        if isinstance(value, types.CodeType):
            return self._code.code(value)
        if isinstance(value, np.ufunc):
            return make_hash("ufunc", value.__name__)
        if isinstance(value, functools.partial):
            return self.all("partial", value.func, value.args, value.keywords)
        kind = type(value)
        if kind in (list, tuple):
            return self.all(kind.__name__, *value)
        if kind in (dict, types.MappingProxyType):
            return self.all(kind.__name__, *(part for pair in value.items() for part in pair))
        if kind in (set, frozenset):
            return make_hash(kind.__name__, *sorted(map(self.digest, value)))
        if isinstance(value, np.ndarray | np.generic):
            return self._array(value)
        package = kind.__module__.partition(".")[0]
        if package == "torch" and hasattr(value, "detach"):
            return self._tensor(value)
        if package == "pandas" and hasattr(value, "to_numpy"):
            return self._table(value)
        if hasattr(value, "get_params") and hasattr(value, "__dict__"):
            return self._estimator(value)
        return self._object(value)

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

    def _table(self, table):
        """Digest a DataFrame, a Series, or an index or array of pandas."""
        kind = type(table).__name__
        if hasattr(table, "columns"):
            columns = [self.digest(table.iloc[:, i].array) for i in range(table.shape[1])]
            return make_hash(kind, self.digest(table.columns), self.digest(table.index), *columns)
        if hasattr(table, "index") and hasattr(table, "array"):
            return self.all(kind, table.name, table.index, table.array)
        values = table.to_numpy()
        if values.dtype.hasobject:
            # Not to_numpy, for which missing is missing: None is not NaN.
            values = np.array([*map(_plain, values), None], dtype=object)
        names = getattr(table, "names", None)
        more = (table.categories, table.ordered) if hasattr(table, "categories") else ()
        rest = self.all("rest", list(names or ()), *more, values)
        return make_hash(kind, str(table.dtype), rest)

    def _estimator(self, estimator):
        state = {name: value for name, value in vars(estimator).items() if name not in _NO_STATE}
        return self.all("estimator", type(estimator), *sorted_items(state))

    def _object(self, value):
        try:
            reduce = copyreg.dispatch_table.get(type(value))
            reduced = value.__reduce_ex__(4) if reduce is None else reduce(value)
        except Exception:
            if not self._lenient:
                raise
            reduced = None
        if self._lenient and (reduced is None or isinstance(value, _WEAK)):
            state = {} if isinstance(value, _WEAK) else getattr(value, "__dict__", {})
            return self.all("some", type(value), *sorted_items(state))
        if isinstance(reduced, str):
            return self._code.named_object(value, reduced)
        function, args, *rest = reduced
        rest = [part if isinstance(part, dict | tuple | None) else list(part) for part in rest]
        return self.all("object", type(value), function, args, *rest)


def _plain(value):
    """Return a missing value of pandas as a name: it is one object, whose state says nothing."""
    return type(value).__name__ if type(value).__name__ in ("NAType", "NaTType") else value
