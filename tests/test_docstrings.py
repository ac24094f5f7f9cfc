"""Public docstrings are valid numpydoc: each parameter and return value is described."""

import importlib
import inspect

import pytest
from numpydoc.validate import validate

from tests.test_public_api import PACKAGES

# scikit-learn's convention names a single return value, and a method of an estimator needs neither
# an example nor links of its own.
ALLOWED = {"ES01", "EX01", "RT02", "SA01"}


def public_names():
    names = set()
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in module.__all__:
            value = getattr(module, name)
            if not (inspect.isclass(value) or inspect.isfunction(value)):
                continue
            names.add(f"{value.__module__}.{value.__qualname__}")
            if inspect.isclass(value):
                prefix = f"{value.__module__}.{value.__qualname__}"
                names.update(f"{prefix}.{key}" for key in vars(value) if is_described(value, key))
    return sorted(names)


def is_described(cls, name):
    value = inspect.getattr_static(cls, name)
    methods = property, classmethod, staticmethod
    return not name.startswith("_") and (inspect.isfunction(value) or isinstance(value, methods))


@pytest.mark.parametrize("name", public_names())
def test_docstring_is_valid_numpydoc(name):
    errors = [error for error in validate(name)["errors"] if error[0] not in ALLOWED]
    assert not errors
