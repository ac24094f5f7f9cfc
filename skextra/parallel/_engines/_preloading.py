"""Which modules a server or a node imports before the first task, as the tasks may need them."""

import sys

# Preloaded in the server if the parent has imported them: what each worker would import itself.
_HEAVY_PACKAGES = ("joblib", "numpy", "pandas", "scipy", "sklearn", "skextra", "skorch", "torch")
_asked_for = set()


def preload(modules):
    """Have a server that starts from here on import modules that this process has not imported.

    Parameters
    ----------
    modules : iterable of str
        Those of another process, whose tasks come here. What is not here is left out.
    """
    _asked_for.update(modules)


def modules_to_preload():
    """Name the heavy packages that this process has imported, and their public subpackages."""
    imported = {
        name
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] in _HEAVY_PACKAGES
        and name.count(".") <= 1
        and "._" not in name
        and getattr(getattr(module, "__spec__", None), "name", None) == name
    }
    return sorted(imported | _asked_for)
