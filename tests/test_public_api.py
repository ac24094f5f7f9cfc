"""What `import skextra` offers and what it costs."""

import importlib
import inspect
import subprocess
import sys

import pytest

import skextra

PACKAGES = ["skextra", *(f"skextra.{name}" for name in skextra._SUBMODULES)]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_exists_and_is_described(package):
    module = importlib.import_module(package)
    for name in module.__all__:
        value = getattr(module, name)
        assert isinstance(value, str) or value.__doc__, f"{package}.{name} has no docstring"


@pytest.mark.parametrize("package", PACKAGES)
def test_a_public_docstring_opens_with_a_short_summary(package):
    module = importlib.import_module(package)
    for name in module.__all__:
        value = getattr(module, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            summary = inspect.getdoc(value).splitlines()[0]
            assert len(summary) < 79, f"{package}.{name}: {summary}"
            assert summary.endswith(".")


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'GaussianNB'"):
        skextra.GaussianNB  # noqa: B018  (the access is the test)


def test_import_loads_nothing_heavy_starts_no_process():
    program = """
import sys, threading
import skextra
heavy = {"torch", "skorch", "PIL", "matplotlib", "sklearn", "pandas"} & set(sys.modules)
assert not heavy, heavy
import multiprocessing
assert not multiprocessing.active_children()
assert threading.active_count() == 1, threading.enumerate()
from pathlib import Path
children = Path("/proc/self/task")
if children.exists():
    started = [task.joinpath("children").read_text() for task in children.iterdir()]
    assert not "".join(started).strip(), started
import joblib
from joblib.parallel import BACKENDS
assert "skextra" in BACKENDS
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_each_part_loads_no_library_of_another():
    program = """
import sys
from skextra import ScratchGaussianNB, datasets, parallel
assert not {"torch", "skorch", "PIL", "matplotlib"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True)
