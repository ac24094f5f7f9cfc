"""Functions and classes: by name and module if workers import them, else by what they are.

This follows how they travel to a worker. What can be found by its name in a module with a file is
imported there, so that the file counts, and no object that was made from it. All else, such as
what a script, a notebook, ``exec`` or another function defines, is sent whole.
"""

import dis
import functools
import sys
import types

import cloudpickle

# What Python itself adds to a class, and what says nothing of what it does.
_NO_CONTENT = {
    "__abstractmethods__",
    "__annotate__",
    "__annotate_func__",
    "__annotations__",
    "__annotations_cache__",
    "__classcell__",
    "__dataclass_fields__",
    "__dataclass_params__",
    "__dict__",
    "__doc__",
    "__firstlineno__",
    "__module__",
    "__qualname__",
    "__slotnames__",
    "__static_attributes__",
    "__weakref__",
}


def importable(value, name=None):
    """Return the module in which workers find an object by its name; None if in none.

    Parameters
    ----------
    value : object
        A function, a class, or an object that pickle takes for its name.
    name : str, default=None
        That name; the object's ``__qualname__`` by default.
    """
    name = name or getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
    module = getattr(value, "__module__", None)
    if module is None and isinstance(name, str):
        module = _module_with(value, name)
    if not isinstance(module, str) or not isinstance(name, str) or module == "__main__":
        return None
    found = sys.modules.get(module)
    if found is None or _travels_whole(module):
        return None
    for part in name.split("."):
        found = getattr(found, part, None)
    return module if found is value else None


def _module_with(value, name):
    """Find the module of an object that does not know it, such as a ufunc."""
    for module_name, module in list(sys.modules.items()):
        if module is not None and module_name not in ("__main__", "__mp_main__"):
            try:
                if vars(module).get(name) is value:
                    return module_name
            except TypeError:
                continue
    return None


def _travels_whole(module):
    """Whether the user has asked cloudpickle to send what a module defines."""
    registered = cloudpickle.list_registry_pickle_by_value()
    return any(module == name or module.startswith(f"{name}.") for name in registered)


def content_of_function(function):
    """Return what a function is made of."""
    code = function.__code__
    names = names_in(code)
    namespace = function.__globals__
    defaults = function.__defaults__, sorted((function.__kwdefaults__ or {}).items())
    cells = [_cell_content(cell) for cell in function.__closure__ or ()]
    referred = [
        (name, namespace[name])
        for name in sorted(names.globals)
        if name in namespace and not name.startswith("__")
    ]
    return code, defaults, cells, referred, sorted(vars(function).items())


def modules_of_function(function, snapshot):
    """Name the modules that a function without a file imports when it runs, or reaches by dots."""
    names, namespace = names_in(function.__code__), function.__globals__
    found = set()
    package = namespace.get("__package__") or ""
    starts = ["", *(".".join(package.split(".")[: i + 1]) for i in range(package.count(".") + 1))]
    for name in names.imports:  # the level is not in the name: any that exists may be meant
        for start in starts if package else [""]:
            whole = f"{start}.{name}" if start else name
            if whole.strip(".") and snapshot.exists(whole.strip(".")):
                found.add(whole.strip("."))
    for name in list(found):
        found |= {f"{name}.{part}" for part in names.all if snapshot.exists(f"{name}.{part}")}
    modules = [namespace.get(name) for name in names.globals]
    for module in modules:
        if isinstance(module, types.ModuleType) and snapshot.is_users(module.__name__):
            found |= _submodules(module.__name__, names.all)
    return sorted(found)


def _submodules(name, used):
    """Name the imported modules of a package that code names the parts of."""
    prefix = f"{name}."
    return {
        other
        for other in list(sys.modules)
        if other.startswith(prefix) and used.issuperset(other[len(prefix) :].split("."))
    }


def content_of_class(cls):
    """Return what a class is made of: its metaclass, bases and attributes."""
    attributes = [
        (name, value)
        for name, value in sorted(vars(cls).items())
        if name not in _NO_CONTENT and not name.startswith("_abc_")
    ]
    return type(cls), cls.__bases__, attributes


def content_of_code(code):
    """Return what code does, wherever in a file it stands."""
    numbers = code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags
    names = code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars
    handlers = getattr(code, "co_exceptiontable", b"")
    return code.co_code, code.co_consts, numbers, names, handlers


class Names:
    """The names in a piece of code and in those inside it, by what they stand for."""

    def __init__(self):
        self.globals, self.imports, self.all = set(), set(), set()


@functools.lru_cache(maxsize=2000)
def names_in(code):
    """Collect the names in a piece of code that has no file of its own."""
    found = Names()
    pending = [code]
    while pending:
        part = pending.pop()
        pending += [value for value in part.co_consts if isinstance(value, types.CodeType)]
        found.all.update(part.co_names)
        if {"import_module", "__import__"} & set(part.co_names):
            texts = (value for value in part.co_consts if isinstance(value, str))
            found.imports.update(text for text in texts if text.isprintable())
        for instruction in dis.get_instructions(part):
            if instruction.opname == "IMPORT_NAME":
                found.imports.add(instruction.argval or "")
            elif instruction.opname.endswith(("_GLOBAL", "LOAD_NAME")):
                found.globals.add(instruction.argval)
    return found


def _cell_content(cell):
    try:
        return cell.cell_contents
    except ValueError:
        return "empty cell"
