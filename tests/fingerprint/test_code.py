"""What the digest of a function or class takes notice of: a change there is never overlooked."""

import compileall
import importlib
import re
import sys
import textwrap
import threading
import types

import pytest

from skextra._fingerprint import FingerprintError
from skextra._fingerprint import fingerprint as digest


def digest_of(name, source, **more):
    """Run a program's source and return the digest of what it calls ``name``."""
    module = types.ModuleType("users_program")
    vars(module).update(more)
    sys.modules["users_program"] = module
    try:
        exec(compile(textwrap.dedent(source), "users_program.py", "exec"), vars(module))
        return digest(vars(module)[name])
    finally:
        del sys.modules["users_program"]


CHANGES = {
    "a pattern": (
        "import re\nPATTERN = re.compile('{}')\ndef f(x): return PATTERN.split(x)",
        "ab",
    ),
    "a cached helper": (
        "import functools\n@functools.cache\ndef helper(x): return x + {}\n"
        "def f(x): return helper(x)",
        "12",
    ),
    "a cached property": (
        "import functools\nclass f:\n    @functools.cached_property\n"
        "    def size(self): return {}",
        "12",
    ),
    "a partial method": (
        "import functools\nclass f:\n    def g(self, x): return x\n"
        "    h = functools.partialmethod(g, {})",
        "12",
    ),
    "an object": (
        "class Config:\n    def __init__(self, value):\n        self.value = value\n"
        "CONFIG = Config({})\ndef f(x): return CONFIG.value",
        "12",
    ),
    "an argument that has to be named": ("def f(a, {} b): return a, b", ["", "*,"]),
    "the reach of a handler": (
        "def f(a):\n    try:\n        {}\n        return b()\n    except ValueError:\n"
        "        return 1",
        ["a()", "b()"],
    ),
    "a default": ("def f(a={}): return a", "12"),
    "a docstring's function": ("def f():\n    def g(): return {}\n    return g", "12"),
    "a base class": ("class Base:\n    def g(self): return {}\nclass f(Base): pass", "12"),
    "an attribute of a function": ("def f(): return f.x\nf.x = {}", "12"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_noticed_and_nothing_else(name):
    source, values = CHANGES[name]
    first, second = (digest_of("f", source.replace("{}", value)) for value in values)
    assert first == digest_of("f", source.replace("{}", values[0]))
    assert first != second


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Return a function that writes a module of the user's into his package and imports it."""
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / "users_package"
    folder.mkdir()
    (folder / "__init__.py").touch()

    def write(text):
        for name in [name for name in sys.modules if name.startswith("users_package")]:
            monkeypatch.delitem(sys.modules, name)
        (folder / "sub.py").write_text(text)
        __import__("users_package.sub")
        return sys.modules["users_package"]

    return write


USES = {
    "by its whole name": "def f(x): return users_package.sub.helper(x)",
    "imported inside": "def f(x):\n    from users_package.sub import helper\n    return helper(x)",
    "imported as a module": "def f(x):\n    import users_package.sub as s\n    return s.helper(x)",
    "as a value": "def f(x, module=users_package.sub): return module.helper(x)",
}


@pytest.mark.parametrize("name", USES)
def test_a_change_in_a_module_of_the_user_is_noticed(package, name):
    found = [
        digest_of("f", USES[name], users_package=package(f"def helper(x): return x + {value}"))
        for value in (1, 1, 2)
    ]
    assert found[0] == found[1] != found[2]


def test_a_module_that_only_a_task_imports_counts_by_its_file(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    found = []
    for value in (1, 1, 2):
        (tmp_path / "users_late_module.py").write_text(f"def helper(): return {value}")
        found.append(digest_of("f", "def f():\n    import users_late_module as m\n    m.helper()"))
    assert "users_late_module" not in sys.modules
    assert found[0] == found[1] != found[2]


def test_value_that_cannot_be_sent_has_no_fingerprint():
    with pytest.raises(FingerprintError, match="cannot pickle"):
        digest({"lock": threading.Lock()})
    with pytest.raises(FingerprintError, match="cannot pickle"):
        digest_of("f", "import threading\nlock = threading.Lock()\ndef f(): return lock")
    assert digest(re.compile("a")) == digest(re.compile("a")) != digest(re.compile("b"))


def test_functions_that_call_each_other_take_linear_time():
    names = [f"f{i}" for i in range(40)]
    calls = ", ".join(f"{name}(x)" for name in names)
    source = "\n".join(f"def {name}(x): return [{calls}, {{}}]" for name in names)
    first, second = (digest_of("f0", source.replace("{}", value)) for value in "12")
    assert first != second


def test_values_that_share_parts_take_linear_time():
    value = [1]
    for _ in range(60):
        value = [value, value]
    loop = [value]
    loop.append(loop)
    assert digest(value) != digest(loop)


def test_compiled_code_of_a_package_changes_nothing(tmp_path, monkeypatch):
    inner = tmp_path / "package_with_cache" / "inner"
    inner.mkdir(parents=True)
    source = (
        "import importlib\ndef f(n): return importlib.import_module('package_with_cache.' + n)"
    )
    (inner.parent / "__init__.py").write_text(source)
    (inner / "__init__.py").write_text("")
    (inner / "b.py").write_text("VALUE = 1")
    monkeypatch.syspath_prepend(tmp_path)
    package = importlib.import_module("package_with_cache")
    monkeypatch.setitem(sys.modules, "package_with_cache", package)
    before = digest(package.f)
    assert compileall.compile_dir(tmp_path, quiet=1)
    assert digest(package.f) == before
    (inner / "b.py").write_text("VALUE = 20")
    assert digest(package.f) != before
