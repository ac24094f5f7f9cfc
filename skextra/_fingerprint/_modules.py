"""The modules that workers import: where they are, what they import, and the state of their files.

A module of the user's counts by the content of its file and of the files of all modules of the
user's that it imports, transitively. One that comes with Python or with an installed distribution
counts by that one's version. Nothing is imported to find this out.
"""

import functools
import hashlib
import importlib.machinery
import importlib.util
import os
import sys
from pathlib import Path
from typing import NamedTuple

from skextra._fingerprint._hashing import make_hash
from skextra._fingerprint._imports import Imports, imports_of
from skextra._fingerprint._versions import installed, is_of_python, versions

_SUFFIXES = tuple(importlib.machinery.all_suffixes())


class Module(NamedTuple):
    """A module that can be imported, or only its name."""

    name: str
    file: str | None = None  # of the user's; None for all others
    folders: tuple = ()  # of a package: where its modules are
    library: str | None = None  # the version of what it comes with, if it is not the user's

    @property
    def package(self):
        """The package that relative imports start from."""
        return self.name if self.folders else self.name.rpartition(".")[0]


class Snapshot:
    """The state of all modules, each as it is when it is first asked for.

    A call of the backend has one, so that every file is looked at once per call.
    """

    def __init__(self):
        _forget_moved_modules()
        self.files = {}  # the hashes of the files that were asked for, by module
        self._states = {}
        self._contents = {}

    def is_users(self, name):
        """Whether a module has files that are the user's."""
        module = find(name)
        return module is not None and module.library is None

    def exists(self, name):
        """Whether there is such a module."""
        return find(name) is not None

    def state(self, name):
        """Return what stands for a module with all that it imports."""
        found = self._states.get(name)
        if found is None:
            found = self._states[name] = self._look(name)
        return found

    def _look(self, name):
        seen, states, pending = set(), set(), _with_parents(name)
        while pending:
            name = pending.pop()
            if name in seen:
                continue
            seen.add(name)
            module = find(name)
            if module is None:
                states.add(("missing", name))
            elif module.library is not None:
                # Of one without a file, such as builtins, Python's version says all.
                states.add(("library", module.library))
            elif module.file is None:
                states.add(("folder", name))
            else:
                content, imports = self._content(module)
                states.add((name, content))
                pending += _imported(module, imports)
        return make_hash(*(part for state in sorted(states) for part in state))

    def _content(self, module):
        found = self._contents.get(module.file)
        if found is None:
            found = self._contents[module.file] = read_file(module.file)
        self.files[module.name] = found[0]
        return found


def read_file(file):
    """Return the hash of a file, in hexadecimal digits, and what it imports."""
    try:
        return _read(file, file_state(file))
    except OSError:
        return "", Imports((), False)


def file_state(file):
    """Return what changes when a file does."""
    state = os.stat(file)
    return state.st_mtime_ns, state.st_ctime_ns, state.st_size, state.st_ino, state.st_dev


@functools.lru_cache(maxsize=20_000)
def _read(file, state):
    content = Path(file).read_bytes()
    imports = imports_of(content) if file.endswith(".py") else Imports((), False)
    return hashlib.sha1(content, usedforsecurity=False).hexdigest(), imports


def _imported(module, imports):
    """Yield the names of the modules that a module imports."""
    for level, name, names in imports.found:
        if level:
            base = module.package.split(".")
            if len(base) < level:
                continue
            base = base[: len(base) - level + 1]
            name = ".".join([*base, *([name] if name else [])])
        yield from _with_parents(name)
        owner = find(name)
        if owner is None or owner.library is not None or not owner.folders:
            continue
        if "*" in names:
            yield from _inside(owner)
        for part in names:
            if find(f"{name}.{part}") is not None:
                yield f"{name}.{part}"
    if imports.is_dynamic:
        top = find(module.name.partition(".")[0])
        yield from _inside(top) if top is not None and top.folders else _beside(module)


def _inside(package):
    """Yield the names of all modules in a package."""
    for folder in package.folders:
        for path in sorted(Path(folder).rglob("*")):
            if path.name.endswith(_SUFFIXES) and path.is_file():
                parts = path.relative_to(folder).parts
                if "__pycache__" in parts:  # it comes and goes, and says no more than the source
                    continue
                parts = [*parts[:-1], path.name.partition(".")[0]]
                if parts[-1] == "__init__":
                    parts.pop()
                if parts and all(map(str.isidentifier, parts)):
                    yield ".".join([package.name, *parts])


def _beside(module):
    """Yield the names of the modules in the folder of a module that is in no package."""
    for path in sorted(Path(module.file).parent.glob("*.py")):
        if path.stem.isidentifier():
            yield path.stem


def _with_parents(name):
    parts = name.split(".")
    return [".".join(parts[: i + 1]) for i in range(len(parts))]


# Where modules are, and what the folders on the path held when that was found out.
_places = {}
_listings = None


def _forget_moved_modules():
    """Look for all modules again if one may have come or gone, or another is found first."""
    global _listings
    folders = [*sys.path, os.getcwd()]
    for module in _places.values():
        if module is not None and module.library is None:
            folders += module.folders
    found = tuple(sys.path), {folder: _listing(folder) for folder in dict.fromkeys(folders)}
    if found != _listings:
        _places.clear()
        _listings = found


def _listing(folder):
    try:
        return _names_in(folder or ".", os.getcwd(), os.stat(folder or ".").st_mtime_ns)
    except OSError:
        return None


@functools.lru_cache(maxsize=2000)
def _names_in(folder, directory, mtime):
    names = os.listdir(folder)
    return frozenset(name for name in names if "." not in name or name.endswith(_SUFFIXES))


def find(name):
    """Find a module without importing it; None if there is none."""
    if name not in _places:
        _places[name] = _locate(name)
    return _places[name]


def _locate(name):
    parent, _, last = name.rpartition(".")
    path = None
    if parent:
        owner = find(parent)
        if owner is None or owner.library is not None:
            return owner and owner._replace(name=name)
        if not owner.folders:
            return None
        path = list(owner.folders)
    elif name in sys.builtin_module_names:
        return Module(name, library="python")
    if not last:
        return None
    spec = _spec(name, path)
    file = getattr(spec, "origin", None)
    folders = tuple(getattr(spec, "submodule_search_locations", None) or ())
    if spec is None and "." not in name:  # such as one that was imported from an odd place
        file = getattr(sys.modules.get(name), "__file__", None)
    if not isinstance(file, str) or file == "frozen":
        if spec is None:
            return None
        is_namespace = bool(folders) and file is None
        return Module(name, folders=folders) if is_namespace else Module(name, library="python")
    return _module_in(name, file, folders)


def _spec(name, path):
    for finder in sys.meta_path:
        try:
            spec = finder.find_spec(name, path)
        except Exception:
            continue
        if spec is not None:
            return spec
    return None


def _module_in(name, file, folders):
    if file in ("built-in", "frozen") or is_of_python(file):
        return Module(name, library="python")
    depth = name.count(".") + bool(folders)
    parents = Path(os.path.abspath(file)).parents
    if depth < len(parents):
        version = installed(str(parents[depth]), name.partition(".")[0])
        if version is not None:
            return Module(name, library=version)
    while not os.path.isfile(file) and os.path.dirname(file) != file:
        file = os.path.dirname(file)  # inside an archive
    return Module(name, file, folders)


def python_state():
    """Return what every fingerprint depends on: Python and what fits compute with."""
    return make_hash(*(part for pair in sorted(versions().items()) for part in pair))
