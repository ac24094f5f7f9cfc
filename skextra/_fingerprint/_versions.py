"""Installed distributions: which one a file belongs to, and its version with what it requires.

A distribution is installed where its metadata lie beside its modules: in site-packages, in the
user's folder, in Debian's dist-packages, in a folder on PYTHONPATH. One that was installed with
``pip install -e`` has its metadata elsewhere, or in a form that says so; its files count instead.
"""

import contextlib
import functools
import json
import os
import platform
import re
import sys
import sysconfig
from importlib import metadata
from pathlib import Path

# What fits compute with, needed or not by what the fit names.
_ALWAYS = "numpy", "scipy", "scikit-learn", "joblib", "torch", "skorch", "pandas", "skextra"
_PYTHON = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib")}
_PYTHON = tuple(Path(folder).resolve() for folder in _PYTHON if folder)
_INSTALLED = {"site-packages", "dist-packages"}


@functools.cache
def versions():
    """Return the versions of Python and of the packages that fits compute with, by their name."""
    found = {"python": platform.python_version()}
    for name in _ALWAYS:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    if "skextra" not in found:  # on PYTHONPATH without metadata
        found["skextra"] = getattr(sys.modules.get("skextra"), "__version__", "")
    return found


# Who requires one of these computes, most likely.
_SCIENTIFIC = {"numpy", "scipy", "scikit-learn", "torch"}


@functools.cache
def version_of(name):
    """Return the version of Python or of an installed distribution, None if it is not there."""
    if name in versions():
        return versions()[name]
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def loaded_versions():
    """Return `versions`, and those of all that this program has imported and that computes too."""
    found = dict(versions())
    owners = metadata.packages_distributions()
    packages = {name.partition(".")[0] for name in list(sys.modules)}
    for name in {owner for package in packages for owner in owners.get(package, ())}:
        distribution = _Distribution(metadata.distribution(name))
        if distribution.requires & _SCIENTIFIC:
            found.setdefault(distribution.name, distribution.version)
    return found


def is_of_python(file):
    """Whether a file is of the standard library."""
    return _is_in_python(os.path.dirname(file))


@functools.cache
def _is_in_python(place):
    for folder in _PYTHON:
        for path in (Path(place), Path(place).resolve()):
            if path.is_relative_to(folder):
                return not _INSTALLED.intersection(path.relative_to(folder).parts)
    return False


@functools.cache
def installed(folder, package):
    """Return the version of what is installed in a folder under the name of a package.

    Parameters
    ----------
    folder : str
        The folder that the package, or the module, lies in.
    package : str
        The name that is imported.

    Returns
    -------
    state : str or None
        The names and versions of the distributions that it is of, and of all that they require;
        None if none is installed there.
    """
    owners = _owners(folder).get(package)
    if not owners:
        return None
    found, pending = {}, [_Distribution(owner) for owner in owners]
    while pending:
        distribution = pending.pop()
        if distribution.name in found:
            continue
        found[distribution.name] = distribution.version
        for name in distribution.requires - found.keys():
            with contextlib.suppress(metadata.PackageNotFoundError):
                pending.append(_Distribution(metadata.distribution(name)))
    return " ".join(f"{name} {version}" for name, version in sorted(found.items()))


class _Distribution:
    """What the metadata of a distribution say."""

    def __init__(self, distribution):
        text = ""
        for name in ("METADATA", "PKG-INFO", ""):
            text = distribution.read_text(name) or ""
            if text:
                break
        head = text.partition("\n\n")[0]
        fields = re.findall(r"^(Name|Version|Requires-Dist): *(.*)$", head, re.MULTILINE)
        self.name = _normalized(next((v for k, v in fields if k == "Name"), ""))
        self.version = next((v for k, v in fields if k == "Version"), "")
        needed = (v for k, v in fields if k == "Requires-Dist" and "extra ==" not in v)
        self.requires = {_normalized(re.match(r"[\w.-]*", value)[0]) for value in needed} - {""}


@functools.cache
def _owners(folder):
    """List the distributions installed in a folder, by the packages that they bring."""
    found = {}
    for distribution in metadata.distributions(path=[folder]):
        for package in _packages(distribution):
            found.setdefault(package, []).append(distribution)
    return found


def _packages(distribution):
    """Name the packages and modules that a distribution has put beside its metadata."""
    read = distribution.read_text
    if read("SOURCES.txt") is not None and read("installed-files.txt") is None:
        return set()  # the metadata in a source tree, left by a build or by pip install -e
    record = read("RECORD") or ""
    files = {line.split(",")[0].split("/")[0] for line in record.splitlines() if line[:1] != "."}
    found = {name.partition(".")[0] for name in files}
    with contextlib.suppress(ValueError, KeyError, TypeError):
        if json.loads(read("direct_url.json") or "{}")["dir_info"]["editable"]:
            return found
    found.update((read("top_level.txt") or "").split())
    if not found:  # Debian's leave both out
        found.add(_normalized(distribution.metadata["Name"] or "").replace("-", "_"))
    return found


def _normalized(name):
    return re.sub(r"[-_.]+", "-", name).lower()
