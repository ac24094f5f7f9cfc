"""What a worker says of the modules that it has imported: no older state answers for a newer.

The worker hashes each file of the user's as it imports it, from the very bytes that it runs. The
parent compares that with the files that the key of a result was made of.
"""

import hashlib
import importlib.machinery
import importlib.util
import os
import sys

from skextra._fingerprint._modules import find, read_file
from skextra._fingerprint._versions import is_of_python

_FOLDERS = f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}"
_OWN = f"{__name__.partition('.')[0]}."  # workers import more of this package as they need it

# Of this process, a worker: what it has imported and not yet said.
_unsaid = {}
_contents = {}  # the hash of what each module was imported from
_get_code = importlib.machinery.SourceFileLoader.get_code
_create_module = importlib.machinery.ExtensionFileLoader.create_module


def watch_imports():
    """Take note of every module of the user's that this process imports from here on."""
    for name, module in list(sys.modules.items()):
        spec = getattr(module, "__spec__", None)  # None of what no import has made
        file = getattr(spec, "origin", None)
        is_file = getattr(spec, "name", None) == name and os.path.isfile(file or "")
        if is_file and _may_be_users(file):
            _note(name, file, _read(file), is_preloaded=True)
    importlib.machinery.SourceFileLoader.get_code = _get_code_as_read
    importlib.machinery.ExtensionFileLoader.create_module = _create_module_as_read


def unsaid_imports():
    """Return what was imported since the last time: files and their hashes, by module."""
    found = dict(_unsaid)
    _unsaid.clear()
    return found


def imported_content(name):
    """Return the hash of what this process imported a module from; None if it is no worker."""
    return _contents.get(name)


def _get_code_as_read(loader, name):
    """Return the code of a module, and note what it was compiled from."""
    file = loader.get_filename(name)
    if not _may_be_users(file):
        return _get_code(loader, name)
    state = os.stat(file)
    content = loader.get_data(file)
    _note(name, file, content)
    # Python trusts compiled code for the time of the source in whole seconds and its size. Only
    # compiled code that is younger than any change of the source is what was read here.
    if _has_younger_code(file, state):
        code = _get_code(loader, name)
        if os.stat(file).st_ctime_ns == state.st_ctime_ns:
            return code
    return loader.source_to_code(content, file)


def _has_younger_code(file, state):
    try:
        compiled = os.stat(importlib.util.cache_from_source(file))
    except (OSError, NotImplementedError):
        return False
    return state.st_ctime_ns < compiled.st_mtime_ns


def _create_module_as_read(loader, spec):
    if _may_be_users(spec.origin):
        _note(spec.name, spec.origin, _read(spec.origin))
    return _create_module(loader, spec)


def _may_be_users(file):
    return not any(folder in file for folder in _FOLDERS) and not is_of_python(file)


def _read(file):
    with open(file, "rb") as content:
        return content.read()


def _note(name, file, content, is_preloaded=False):
    digest = hashlib.sha1(content, usedforsecurity=False).hexdigest()
    _unsaid[name] = os.path.abspath(file), digest, is_preloaded
    _contents[name] = digest


def holds(files):
    """Whether this process has imported modules in the states that their files have.

    Parameters
    ----------
    files : dict
        The hashes of files, by module. What is not imported yet counts as held.
    """
    return all(_contents.get(name, digest) == digest for name, digest in files.items())


class Held:
    """What a worker has imported, as its parent knows it."""

    def __init__(self):
        self._modules = {}
        self._preloaded = set()  # by the server or for the backend: other workers hold the same
        self._imported = set()  # by tasks
        self._reloaded = set()  # held in two states, one after the other
        self.is_unexplained = False  # whether it may hold modules that no key knows of

    def update(self, imported):
        """Take what the worker says."""
        for name, (file, content, is_preloaded) in imported.items():
            if self._modules.get(name, (file, content))[1] != content:
                self._reloaded.add(name)
            self._modules[name] = file, content
            is_preloaded |= name.startswith(_OWN)
            (self._preloaded if is_preloaded else self._imported).add(name)

    def without_preloaded(self):
        """Return a copy that knows only what tasks have imported; None if that is nothing."""
        if not self._imported:
            return None
        copy = Held()
        copy._imported, copy._reloaded = set(self._imported), set(self._reloaded)
        copy._modules = {name: self._modules[name] for name in self._imported}
        return copy

    def imported(self):
        """Return the hash of each file that tasks have imported, by module."""
        return {name: self._modules[name][1] for name in self._imported}

    def is_stale(self):
        """Whether a file has changed since the worker imported it, and another may hold it."""
        modules = [self._modules[name] for name in self._imported]
        return bool(self._reloaded) or any(read_file(file)[0] != h for file, h in modules)

    def has_users_modules(self):
        """Whether a task has imported modules of the user's."""
        return bool(self._imported)

    def other_state(self, files):
        """Name a module that the worker held in another state than a key was made of.

        Parameters
        ----------
        files : dict
            The hashes of the files that the key was made of, by module.

        Returns
        -------
        reason : str or None
            In words; None if the key says what the worker held.
        """
        if self._reloaded:
            return f"a task has reloaded the module {min(self._reloaded)}"
        for name in self._imported | (self._preloaded & files.keys()):
            file, content = self._modules[name]
            expected = files.get(name)
            if expected == content:
                continue
            if expected is None and name in _explained:
                continue
            if expected is not None:
                return f"the worker had imported {name} before {file} was edited, or after"
            module = find(name)
            if module is None or module.library is None:
                self.is_unexplained = True  # and so not used for the next call with a journal
                return (
                    f"the task imported {name} by a name that it computes, so that the key does "
                    "not say which state of it was used"
                )
        return None


# Modules that the key of some result in this process depends on: warm workers may hold them.
_explained = set()


def explain(files):
    """Take note of modules that keys depend on: it is no surprise if a worker holds them."""
    _explained.update(files)
