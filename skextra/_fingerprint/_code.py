"""Digests of functions, classes and modules.

What comes with Python or an installed package is its name and the package's version. What is the
user's is its code and whatever that refers to, as far as that can be seen without running it.
"""

import dis
import functools
import importlib.util
import sys
import sysconfig
import types
from importlib import metadata
from pathlib import Path

from skextra._fingerprint._hashing import make_hash

_CODE = (types.FunctionType, classmethod, staticmethod, property)
_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")})


class Code:
    """The part of a traversal that digests code.

    Parameters
    ----------
    digester : object
        Has the methods ``digest``, ``leniently`` and ``all`` for what the code refers to.
    """

    def __init__(self, digester):
        self._digester = digester
        self._modules_open = set()

    def function(self, function):
        """Digest a function, with its closure and the globals that it names."""
        if _is_installed(function.__module__):
            return self.named(function)
        names = _names(function.__code__)
        return self._digester.all(
            "function",
            function.__qualname__,
            function.__code__,
            function.__defaults__,
            function.__kwdefaults__,
            [_content(cell) for cell in function.__closure__ or ()],
            [
                (name, self._reference(function.__globals__[name], names))
                for name in sorted(names)
                if name in function.__globals__
            ],
            [
                (name, self._imported(name, names))
                for name in sorted(_imports(function.__code__, function.__globals__))
            ],
            [(name, self._leniently(value)) for name, value in _pairs(vars(function))],
        )

    def of_class(self, cls):
        """Digest a class, with its attributes and bases."""
        if _is_installed(cls.__module__):
            return self.named(cls)
        # Python adds attributes of its own to a class, some only when it is used.
        content = [
            (name, self._leniently(value))
            for name, value in _pairs(vars(cls))
            if not name.startswith(("__", "_abc_"))
            or name.startswith("__metadata_request__")
            or isinstance(value, _CODE)
        ]
        bases = type(cls), *cls.__bases__
        return self._digester.all("class", cls.__qualname__, bases, content)

    def code(self, code):
        """Digest what a function does, wherever in a file it stands."""
        numbers = code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags
        names = code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars
        handlers = getattr(code, "co_exceptiontable", b"")
        return self._digester.all("code", code.co_code, code.co_consts, numbers, names, handlers)

    def module(self, module):
        """Digest a module that is a value: nobody knows what of it is used."""
        return make_hash("module", module.__name__, _state_of(module.__name__))

    def named(self, value):
        """Digest what can be found by its name in a module."""
        owner = None if isinstance(value, type) else getattr(value, "__self__", None)
        name = "named", value.__module__, value.__qualname__, _state_of(value.__module__)
        if owner is not None and not isinstance(owner, types.ModuleType):
            return self._digester.all(*name, owner)
        return make_hash(*name)

    def named_object(self, value, name):
        """Digest an object that pickle finds by its name, such as a function with a cache."""
        module = getattr(value, "__module__", None) or ""
        state = () if _is_installed(module) else _pairs(getattr(value, "__dict__", {}))
        content = [(name, self._leniently(part)) for name, part in state]
        return self._digester.all(
            "global", type(value).__qualname__, module, name, _state_of(module), content
        )

    def _reference(self, value, names):
        """Digest what code refers to; of a module of the user's, what is named beside it."""
        if not isinstance(value, types.ModuleType) or _is_installed(value.__name__):
            return self._leniently(value)
        if value.__name__ in self._modules_open:
            return make_hash("inside")
        self._modules_open.add(value.__name__)
        try:
            used = [
                (name, self._reference(vars(value)[name], names))
                for name in sorted(names)
                if name in vars(value)
            ]
        finally:
            self._modules_open.discard(value.__name__)
        return self._digester.all("module", value.__name__, used)

    def _imported(self, name, names):
        """Digest a module that a function imports when it runs."""
        if name in sys.modules:
            return self._reference(sys.modules[name], names)
        return make_hash("later", name, _state_of(name))

    def _leniently(self, value):
        if isinstance(value, classmethod | staticmethod):
            value = type(value).__name__, value.__func__
        elif isinstance(value, property):
            value = "property", value.fget, value.fset, value.fdel
        return self._digester.leniently(value)


def _pairs(mapping):
    return sorted(mapping.items(), key=lambda pair: str(pair[0]))


def _content(cell):
    try:
        return cell.cell_contents
    except ValueError:
        return "empty cell"


def _codes(code):
    """Yield the code of a function and of those inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _names(code):
    """Name the globals and attributes that a function and those inside it use."""
    return {name for part in _codes(code) for name in part.co_names}


def _imports(code, namespace):
    """Name the modules that a function and those inside it import."""
    found = set()
    for part in _codes(code):
        constants = []
        for instruction in dis.get_instructions(part):
            if instruction.opname == "IMPORT_NAME":  # after the level and the names
                level = constants[-2] if len(constants) > 1 else 0
                package = namespace.get("__package__") or ""
                name = "." * level + instruction.argval
                found.add(importlib.util.resolve_name(name, package) if level else name)
            elif instruction.opname == "LOAD_CONST":
                constants.append(instruction.argval)
    return {name for name in found if name}


def _is_installed(module_name):
    """Whether a module comes with Python or an installed package: its code goes by its version."""
    if not module_name or module_name in sys.builtin_module_names:
        return True
    if module_name == "__main__":
        return False
    file = getattr(sys.modules.get(module_name), "__file__", None)
    return file is not None and _is_in_library(file)  # None: made at run time, or gone


@functools.cache
def _is_in_library(file):
    return any(Path(file).is_relative_to(folder) for folder in _LIBRARIES)


def _state_of(module_name):
    """Return the version of a module's package, or a hash of its files if they are the user's."""
    if _is_installed(module_name):
        return _version(module_name.partition(".")[0]) if module_name else ""
    loaded = sys.modules.get(module_name)
    file = getattr(loaded, "__file__", None)
    if loaded is None and module_name.partition(".")[0] not in sys.modules:
        try:
            spec = importlib.util.find_spec(module_name.partition(".")[0])
        except (ImportError, ValueError):
            spec = None
        file = getattr(spec, "origin", None)
        if file is not None and _is_in_library(file):
            return _version(module_name.partition(".")[0])
    if file is None or not Path(file).is_file():
        return ""
    files = sorted(Path(file).parent.rglob("*.py")) if Path(file).stem == "__init__" else [file]
    return make_hash(*(Path(name).read_bytes() for name in files)).hex()


@functools.cache
def _version(package):
    version = getattr(sys.modules.get(package), "__version__", None)
    if isinstance(version, str):
        return version
    if package in sys.stdlib_module_names:
        return ""  # that of Python
    # The names of distributions and of what is in them may differ.
    names = metadata.packages_distributions().get(package, ())
    return " ".join(f"{name} {metadata.version(name)}" for name in sorted(set(names)))
