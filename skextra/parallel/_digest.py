"""Digests of values that are the same in every process, and differ when the values do.

joblib's and pickle's will not do: they depend on the order of sets, on which objects are shared
and on identity, and take a function for its name. Here a function of the user's is its code and
whatever that refers to; a function of an installed package is its name and the package's version.
"""

import functools
import hashlib
import sys
import sysconfig
import types
from importlib import metadata
from pathlib import Path

import numpy as np

_SCALARS = (
    type(None),
    bool,
    int,
    float,
    complex,
    str,
    bytes,
    type(Ellipsis),
    type(NotImplemented),
)
_CODE = (types.FunctionType, classmethod, staticmethod, property)
_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")})
# What an estimator carries that does not change what it learns.
_NO_STATE = {"_skl_callbacks", "_parent_callback_ctx"}


def digest(value, classes=None):
    """Return bytes that stand for a value.

    Parameters
    ----------
    value : object
        Anything made of plain values, containers, arrays, tables, functions, classes, and objects
        that can be pickled.
    classes : dict, default=None
        The digests of classes, which are found or put there.

    Returns
    -------
    digest : bytes
        The same for equal content.

    Raises
    ------
    TypeError
        For a value that cannot be digested, such as a lock or an open file.
    """
    return _Digester({} if classes is None else classes).digest(value)


class _Digester:
    """One traversal; it knows which objects it is inside of."""

    def __init__(self, classes):
        self._open = {}  # the objects that contain the present one: their depth, by identity
        self._classes = classes
        self._n_classes_open = 0

    def digest(self, value):
        if type(value) in _SCALARS:
            return _hash(type(value).__name__, repr(value))
        depth = self._open.get(id(value))
        if depth is not None:
            return _hash("inside", str(len(self._open) - depth))
        self._open[id(value)] = len(self._open)
        try:
            return self._by_type(value)
        finally:
            del self._open[id(value)]

    def _by_type(self, value):
        if isinstance(value, types.FunctionType):
            return self._function(value)
        if isinstance(value, type):
            return self._class(value)
        if isinstance(value, types.ModuleType):
            return _hash("module", value.__name__, _version(value.__name__))
        if isinstance(value, types.BuiltinFunctionType) and value.__module__ is not None:
            return self._named(value)
        if isinstance(value, types.MethodType):
            return self._all("method", value.__func__, value.__self__)
        if isinstance(value, types.CodeType):
            return self._code(value)
        if isinstance(value, np.ufunc):
            return _hash("ufunc", value.__name__)
        if isinstance(value, functools.partial):
            return self._all("partial", value.func, value.args, value.keywords)
        kind = type(value)
        if kind in (list, tuple):
            return self._all(kind.__name__, *value)
        if kind is dict:
            return self._all("dict", *(part for pair in value.items() for part in pair))
        if kind in (set, frozenset):
            return _hash(kind.__name__, *sorted(map(self.digest, value)))
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

    def _all(self, kind, *values):
        return _hash(kind, *map(self.digest, values))

    def _array(self, array):
        if type(array) not in (np.ndarray, np.memmap) and isinstance(array, np.ndarray):
            return self._object(array)  # such as a masked array
        kind = ("array", repr(array.dtype), repr(array.shape))
        if array.dtype.hasobject:
            return _hash(*kind, self._all("items", *array.ravel().tolist()))
        # A column-major array is read where it lies, and is not the same as its transpose.
        if array.ndim > 1 and array.flags.f_contiguous and not array.flags.c_contiguous:
            return _hash(*kind, "F", array.T.view(np.uint8).data)
        content = np.ascontiguousarray(array)
        return _hash(*kind, content.reshape(-1).view(np.uint8).data)

    def _tensor(self, tensor):
        import torch

        content = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        kind = (str(tensor.dtype), repr(tuple(tensor.shape)), str(tensor.requires_grad))
        return _hash("tensor", *kind, content.data)

    def _table(self, table):
        """Digest a DataFrame, a Series, or an index or array of pandas."""
        kind = type(table).__name__
        if hasattr(table, "columns"):
            columns = [self.digest(table.iloc[:, i].array) for i in range(table.shape[1])]
            return _hash(kind, self.digest(table.columns), self.digest(table.index), *columns)
        if hasattr(table, "index") and hasattr(table, "array"):
            return self._all(kind, table.name, table.index, table.array)
        values = table.to_numpy()
        if values.dtype.hasobject:
            # Not to_numpy, for which missing is missing: None is not NaN.
            values = np.array([*map(_plain, values), None], dtype=object)
        names = getattr(table, "names", None)
        more = (table.categories, table.ordered) if hasattr(table, "categories") else ()
        return _hash(kind, str(table.dtype), self._all("rest", list(names or ()), *more, values))

    def _estimator(self, estimator):
        state = {name: value for name, value in vars(estimator).items() if name not in _NO_STATE}
        return self._all("estimator", type(estimator), *_sorted(state))

    def _object(self, value):
        reduced = value.__reduce_ex__(4)
        if isinstance(reduced, str):
            return _hash("global", type(value).__module__, reduced)
        function, args, *rest = reduced
        rest = [part if isinstance(part, dict | tuple | None) else list(part) for part in rest]
        return self._all("object", type(value), function, args, *rest)

    def _class(self, cls):
        if _is_installed(cls.__module__):
            return self._named(cls)
        if cls in self._classes:
            return self._classes[cls]
        self._n_classes_open += 1
        found = self._content_of_class(cls)
        self._n_classes_open -= 1
        # Those inside may refer to it, so that their digests hold here only.
        if self._n_classes_open == 0:
            self._classes[cls] = found
        return found

    def _content_of_class(self, cls):
        # Python adds attributes of its own to a class, some only when it is used.
        content = {
            name: self._leniently(value)
            for name, value in vars(cls).items()
            if not name.startswith(("__", "_abc_")) or isinstance(value, _CODE)
        }
        return self._all("class", cls.__qualname__, cls.__bases__, *_sorted(content))

    def _leniently(self, value):
        """Digest what code refers to; of what cannot be digested, a lock or a logger, the type."""
        if isinstance(value, classmethod | staticmethod):
            return self._all(type(value).__name__, value.__func__)
        if isinstance(value, property):
            return self._all("property", value.fget, value.fset, value.fdel)
        try:
            return self.digest(value)
        except Exception:
            return _hash("some", type(value).__qualname__)

    def _function(self, function):
        if _is_installed(function.__module__):
            return self._named(function)
        closure = [_content(cell) for cell in function.__closure__ or ()]
        names = _names(function.__code__)
        used = [
            (name, self._global(function.__globals__[name], names))
            for name in sorted(names)
            if name in function.__globals__
        ]
        return self._all(
            "function",
            function.__qualname__,
            function.__code__,
            function.__defaults__,
            function.__kwdefaults__,
            closure,
            used,
        )

    def _global(self, value, names):
        """Digest what a function refers to; of a module of the user's, what the function uses."""
        if isinstance(value, types.ModuleType) and not _is_installed(value.__name__):
            used = [(n, self.digest(vars(value)[n])) for n in sorted(names) if n in vars(value)]
            return self._all("module", value.__name__, used)
        return self._leniently(value)

    def _code(self, code):
        return self._all(
            "code", code.co_code, code.co_consts, code.co_names, code.co_varnames, code.co_freevars
        )

    def _named(self, value):
        version = _version(value.__module__)
        owner = None if isinstance(value, type) else getattr(value, "__self__", None)
        if owner is not None and not isinstance(owner, types.ModuleType):
            return self._all("named", value.__module__, value.__qualname__, version, owner)
        return _hash("named", value.__module__, value.__qualname__, version)


def _hash(*parts):
    """Hash parts such that no other parts give the same."""
    state = hashlib.sha1(usedforsecurity=False)
    for part in parts:
        if isinstance(part, str):
            part = part.encode("utf-8", "surrogatepass")
        state.update(len(part).to_bytes(8, "little") if isinstance(part, bytes) else b"buffer")
        state.update(part)
    return state.digest()


def _sorted(mapping):
    return [part for name in sorted(mapping, key=str) for part in (name, mapping[name])]


def _plain(value):
    """Return a missing value of pandas as a name: it is one object, whose state says nothing."""
    return type(value).__name__ if type(value).__name__ in ("NAType", "NaTType") else value


def _content(cell):
    try:
        return cell.cell_contents
    except ValueError:
        return "empty cell"


def _names(code):
    """Name the globals and attributes that a function and those inside it use."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _names(constant)
    return names


@functools.cache
def _is_installed(module_name):
    """Whether a module comes with Python or an installed package: its code goes by its version."""
    if module_name is None or module_name in sys.builtin_module_names:
        return True
    if module_name == "__main__":
        return False
    file = getattr(sys.modules.get(module_name), "__file__", None)
    if file is None:  # made at run time, or gone
        return False
    return any(Path(file).is_relative_to(folder) for folder in _LIBRARIES)


@functools.cache
def _version(module_name):
    package = module_name.partition(".")[0]
    version = getattr(sys.modules.get(package), "__version__", None)
    if isinstance(version, str):
        return version
    try:
        return metadata.version(package)
    except (metadata.PackageNotFoundError, ValueError):
        return ""
