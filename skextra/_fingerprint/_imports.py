"""What a source file imports, found in its syntax tree, whatever the version of Python."""

import ast
import contextlib
import gc
from typing import NamedTuple

# Calls that import a module, or find one, by a name that may be computed.
_IMPORTERS = {"import_module", "__import__"}
_SEARCHERS = {"attach", "attach_stub", "iter_modules", "walk_packages"}
_SEARCHERS |= {"spec_from_file_location", "run_path", "run_module"}
# Statements that hold no others, most of a file; any other kind, of a later Python too, may.
_SIMPLE = {ast.Expr, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Return, ast.Raise, ast.Pass}
_SIMPLE |= {ast.Assert, ast.Delete, ast.Global, ast.Nonlocal, ast.Break, ast.Continue}
_MARKS = tuple(name.encode() for name in _IMPORTERS | _SEARCHERS)


class Import(NamedTuple):
    """One import: ``from ..module import names``."""

    level: int  # the number of dots
    module: str
    names: tuple  # of a "from" import; "*" is every module in the package


class Imports(NamedTuple):
    """What one file imports."""

    found: tuple  # of Import
    is_dynamic: bool  # whether it also imports modules by names that it computes


def imports_of(source):
    """List what a source file imports, lazily and conditionally as well.

    Parameters
    ----------
    source : bytes
        The content of the file.

    Returns
    -------
    imports : Imports
        Nothing for a file that is not Python.
    """
    with _without_collections():
        return _parsed(source)


@contextlib.contextmanager
def _without_collections():
    """Do without garbage collections while there is a tree: it is many objects, and no garbage."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _parsed(source):
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return Imports((), False)
    found = set()
    pending = [tree]
    while pending:  # statements only: expressions are most of a tree, and import nothing
        node = pending.pop()
        if type(node) in _SIMPLE:
            continue
        if isinstance(node, ast.Import):
            found.update(Import(0, alias.name, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names = tuple(alias.name for alias in node.names)
            found.add(Import(node.level, node.module or "", names))
        else:
            for field in ("body", "orelse", "finalbody", "handlers", "cases"):
                children = getattr(node, field, ())
                pending += children if isinstance(children, list) else ()
    is_dynamic = False
    if any(mark in source for mark in _MARKS):
        called, is_dynamic = _called(tree)
        found |= called
    return Imports(tuple(sorted(found)), is_dynamic)


def _called(tree):
    """Find imports that are calls; those of computed names can only be noted."""
    found, is_dynamic = set(), False
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", None))
        if name not in _IMPORTERS:
            is_dynamic |= name in _SEARCHERS
            continue
        given = node.args[0] if node.args else None
        if not (isinstance(given, ast.Constant) and isinstance(given.value, str)):
            is_dynamic = True
            continue
        module = given.value.lstrip(".")
        level = len(given.value) - len(module)
        found.add(Import(level, module, ()))
    return found, is_dynamic
