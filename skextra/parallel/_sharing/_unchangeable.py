"""Which calls hold nothing that one of them could change for another."""

import sys
import types

import cloudpickle

IMMUTABLE = {bool, bytes, complex, float, int, str, type(None)}
_BY_REFERENCE = {types.BuiltinFunctionType, types.ModuleType, type}


def are_unchangeable(calls):
    """Return whether calls may be read all at once.

    Parameters
    ----------
    calls : list of (function, args, kwargs)
        The calls.

    Returns
    -------
    answer : bool
        True if their arguments are immutable, and if their functions are found by name or use
        nothing that can be changed.
    """
    # Comprehensions: this is asked for ten thousand tiny calls.
    kinds = {type(value) for _, args, _ in calls for value in args}
    kinds |= {type(value) for _, _, kwargs in calls if kwargs for value in kwargs.values()}
    if not kinds <= IMMUTABLE:
        return False
    checked = {}  # by identity: functions, and what they refer to may refer back to them
    functions = [function for function, _, _ in calls]
    for function in dict(zip(map(id, functions), functions, strict=True)).values():
        checked[id(function)] = True
        if not _is_unchangeable(function, checked):
            return False
    return True


def _is_unchangeable(value, checked):
    kind = type(value)
    if kind in IMMUTABLE or kind in _BY_REFERENCE:
        return True
    if kind is tuple:
        return all(_is_unchangeable(part, checked) for part in value)
    if kind is not types.FunctionType:
        return False
    if _is_found_by_name(value):
        return True
    for part in _used_by(value):
        if id(part) not in checked:
            checked[id(part)] = True
            if not _is_unchangeable(part, checked):
                return False
    return True


def _is_found_by_name(function):
    """Whether cloudpickle sends a function as the name of its module and its own."""
    name = function.__module__
    if name in ("__main__", None):
        return False
    by_value = cloudpickle.list_registry_pickle_by_value()
    if any(name == module or name.startswith(f"{module}.") for module in by_value):
        return False
    found = sys.modules.get(name)
    for part in function.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is function


def _used_by(function):
    """Yield what cloudpickle sends with a function: globals, closure, defaults, attributes."""
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    yield from function.__dict__.values()
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # empty: the function that fills it has not come so far
            continue
    codes = [function.__code__]
    while codes:
        code = codes.pop()
        codes += (constant for constant in code.co_consts if type(constant) is types.CodeType)
        for name in code.co_names:
            if name in function.__globals__:
                yield function.__globals__[name]
