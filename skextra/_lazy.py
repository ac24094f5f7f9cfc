"""Public names that load on first use, and the extras that some of them need."""

import importlib

_CPU_INDEX = "https://download.pytorch.org/whl/cpu"


def lazy_attributes(package, homes):
    """Return a module ``__getattr__`` that imports a name on first use.

    Parameters
    ----------
    package : str
        The name of the package.
    homes : dict of str to str
        For each public name, the module that it is in; the name itself may be a module.

    Returns
    -------
    getattr_ : callable
        The function, to be assigned to ``__getattr__`` in the package.
    """

    def load(name):
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            module = importlib.import_module(homes[name])
        except AttributeError as error:
            # `from package import name` takes an AttributeError for a name that does not exist
            # and drops what it says.
            text = f"{package}.{name} cannot be imported: {_in_words(error)}"
            raise ImportError(text, name=homes[name]) from error
        return module if homes[name] == f"{package}.{name}" else getattr(module, name)

    return load


def require_network():
    """Raise an ImportError that says what to do unless the "network" extra can be imported."""
    for name in ("torch", "skorch", "safetensors"):
        try:
            importlib.import_module(name)
        except Exception as error:
            text = f"skextra.neural_network needs {name}, whose import fails: {_in_words(error)}"
            if isinstance(error, ModuleNotFoundError) and error.name == name:
                text = (
                    f"skextra.neural_network needs {name}, which is not installed: run "
                    f'pip install "skextra[network]", on a machine without a GPU with '
                    f"--extra-index-url {_CPU_INDEX}"
                )
            raise ImportError(text, name=name) from error


def _in_words(error):
    return f"{type(error).__name__}: {error}"
