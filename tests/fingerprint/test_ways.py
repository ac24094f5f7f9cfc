"""Each way in which code or data reach a task, edited and not: the key changes if the result can.

Each way is a small project of files and an expression. The expression is evaluated in a new
process in the project's folder, as a program's ``__main__`` would, and its fingerprint taken; then
the word VALUE, 1 before, is 2 in one of the files or in the program.
"""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

# name: (files, program that defines `work`); VALUE is what an edit changes
HELPER = "def helper(x):\n    return x + VALUE\n"
WAYS = {
    "constant of a script's function": ({}, "def work(): return VALUE"),
    "global of a script": ({}, "OFFSET = VALUE\ndef work(): return OFFSET"),
    "function that another calls": ({}, "def helper(): return VALUE\ndef work(): return helper()"),
    "default argument": ({}, "def work(x=VALUE): return x"),
    "keyword default": ({}, "def work(*, x=VALUE): return x"),
    "closure": ({}, "def make(n): return lambda: n\nwork = make(VALUE)"),
    "lambda": ({}, "work = lambda: VALUE"),
    "partial": ({}, "import functools\nwork = functools.partial(divmod, VALUE)"),
    "bound method": (
        {},
        "class C:\n    def __init__(self, n): self.n = n\n    def run(self): return self.n\n"
        "work = C(VALUE).run",
    ),
    "class attribute": ({}, "class C:\n    n = VALUE\nwork = C()"),
    "property": ({}, "class C:\n    @property\n    def n(self): return VALUE\nwork = C()"),
    "base class": ({}, "class B:\n    def n(self): return VALUE\nclass C(B): pass\nwork = C()"),
    "metaclass": ({}, "class M(type):\n    n = VALUE\nclass C(metaclass=M): pass\nwork = C"),
    "dataclass default": (
        {},
        "import dataclasses\n@dataclasses.dataclass\nclass C:\n    n: int = VALUE\nwork = C()",
    ),
    "decorator that wraps a library's function": (
        {},
        "import functools, math\n@functools.wraps(math.sqrt)\ndef work(x): return VALUE",
    ),
    "class made by exec": (
        {},
        "space = {}\nexec('class C: n = VALUE', space)\nwork = space['C']()",
    ),
    "cached function": ({}, "import functools\n@functools.cache\ndef work(): return VALUE"),
    "array": ({}, "import numpy\nwork = numpy.full(3, VALUE)"),
    "frame's column": ({}, "import pandas\nwork = pandas.DataFrame({'a': [VALUE]})"),
    "name of a column": ({}, "import pandas\nwork = pandas.DataFrame({'aVALUE': [0]})"),
    "sparse matrix": ({}, "import scipy.sparse\nwork = scipy.sparse.csr_array([[VALUE]])"),
    "parameter of an estimator": (
        {},
        "from sklearn.linear_model import Ridge\nwork = Ridge(alpha=VALUE)",
    ),
    "nested parameter": (
        {},
        "from sklearn.linear_model import Ridge\nfrom sklearn.pipeline import make_pipeline\n"
        "work = make_pipeline(Ridge(alpha=VALUE))",
    ),
    "attribute of a fitted estimator": (
        {},
        "from sklearn.linear_model import Ridge\nwork = Ridge().fit([[0.0], [1.0]], [0.0, VALUE])",
    ),
    "metadata request": (
        {},
        "import sklearn\nsklearn.set_config(enable_metadata_routing=True)\n"
        "from sklearn.linear_model import Ridge\n"
        "work = Ridge().set_fit_request(sample_weight=(VALUE == 1))",
    ),
    "scorer's argument": (
        {},
        "from sklearn.metrics import fbeta_score, make_scorer\n"
        "work = make_scorer(fbeta_score, beta=VALUE)",
    ),
    "module": ({"mod.py": HELPER}, "import mod\nwork = mod.helper"),
    "module as a value": ({"mod.py": HELPER}, "import mod\nwork = [mod]"),
    "name in a module, by attribute": ({"mod.py": HELPER}, "import mod\ndef work(): mod.helper()"),
    "name by getattr": (
        {"mod.py": HELPER},
        "import mod\ndef work(): getattr(mod, 'hel' + 'per')()",
    ),
    "value read from a module": ({"mod.py": "N = VALUE"}, "import mod\ndef work(): return mod.N"),
    "module's module": (
        {"a.py": "import b\ndef f(): return b.helper(1)", "b.py": HELPER},
        "import a\nwork = a.f",
    ),
    "import inside a script's function": (
        {"mod.py": HELPER},
        "def work():\n    from mod import helper\n    return helper(1)",
    ),
    "lazy import in a module": (
        {"a.py": "def f():\n    import b\n    return b.helper(1)", "b.py": HELPER},
        "import a\nwork = a.f",
    ),
    "conditional import": (
        {
            "a.py": "try:\n    import b\nexcept ImportError:\n    b = None\ndef f(): pass",
            "b.py": HELPER,
        },
        "import a\nwork = a.f",
    ),
    "relative import": (
        {
            "pkg/__init__.py": "",
            "pkg/a.py": "from .sub import b\ndef f(): return b.helper(1)",
            "pkg/sub/__init__.py": "",
            "pkg/sub/b.py": HELPER,
        },
        "from pkg import a\nwork = a.f",
    ),
    "package's __init__": (
        {"pkg/__init__.py": "N = VALUE", "pkg/a.py": "def f(): pass"},
        "from pkg.a import f\nwork = f",
    ),
    "star import of a package": (
        {
            "pkg/__init__.py": "__all__ = ['b']",
            "pkg/b.py": HELPER,
            "a.py": "from pkg import *\ndef f(): return b.helper(1)",
        },
        "import a\nwork = a.f",
    ),
    "import by a name in a string": (
        {
            "a.py": "import importlib\nb = importlib.import_module('b')\ndef f(): pass",
            "b.py": HELPER,
        },
        "import a\nwork = a.f",
    ),
    "import by a computed name": (
        {
            "pkg/__init__.py": "",
            "pkg/a.py": "import importlib\ndef f(n): importlib.import_module('pkg.' + n)",
            "pkg/b.py": HELPER,
        },
        "from pkg.a import f\nwork = f",
    ),
    "modules that import each other": (
        {"a.py": "import b\ndef f(): pass", "b.py": "import a\n" + HELPER},
        "import a\nwork = a.f",
    ),
    "namespace package": (
        {"space/b.py": HELPER, "a.py": "import space.b\ndef f(): pass"},
        "import a\nwork = a.f",
    ),
    "submodule by dots": (
        {"pkg/__init__.py": "", "pkg/b.py": HELPER},
        "import pkg.b\ndef work(): return pkg.b.helper(1)",
    ),
    "extension module": (
        {"a.py": "import ext\ndef f(): pass", "ext.abi3.so": "VALUE"},
        "import sys, types; sys.modules['ext'] = types.ModuleType('ext')\nimport a\nwork = a.f",
    ),
    "instance of a module's class": (
        {"mod.py": "class C:\n    n = VALUE"},
        "import mod\nwork = mod.C()",
    ),
    "function behind a ufunc": (
        {
            "mod.py": "import numpy\n"
            + HELPER
            + "u = numpy.frompyfunc(helper, 1, 1)\ndef f(): u(1)"
        },
        "import mod\nwork = mod.f",
    ),
    "version of an installed package": (
        {
            "site/lib.py": "def f(): pass",
            "site/lib-VALUE.dist-info/METADATA": "Name: lib\nVersion: VALUE\n",
            "site/lib-VALUE.dist-info/RECORD": "lib.py,,\n",
        },
        "import lib\nwork = lib.f",
    ),
    "package installed with -e": (
        {
            "site/lib.py": HELPER,
            "site/lib.egg-info/PKG-INFO": "Name: lib\nVersion: 1\n",
            "site/lib.egg-info/SOURCES.txt": "lib.py\n",
            "site/lib.egg-info/top_level.txt": "lib\n",
        },
        "import lib\nwork = lib.helper",
    ),
    "requirement of an installed package": (
        {
            "site/lib.py": "def f(): pass",
            "site/lib-1.dist-info/METADATA": "Name: lib\nVersion: 1\nRequires-Dist: dep>=0\n",
            "site/lib-1.dist-info/RECORD": "lib.py,,\n",
            "site/dep-VALUE.dist-info/METADATA": "Name: dep\nVersion: VALUE\n",
        },
        "import lib\nwork = lib.f",
    ),
}

# What an edit may change and no result can: the key is the same.
SAME = {
    "comment in a script's function": ({}, "def work():\n    return 1  # VALUE"),
    "place in a script": ({}, "'''VALUE'''\n" * 3 + "def work(): return 1"),
    "global that nobody names": ({}, "OTHER = VALUE\ndef work(): return 1"),
    "module that nobody imports": ({"other.py": HELPER}, "def work(): return 1"),
    "live state of a module": (
        {"mod.py": "N = 0\ndef f(): pass"},
        "import mod; mod.N = VALUE\nwork = mod.f",
    ),
    "attribute of a module's function": (
        {"mod.py": "def f(): pass"},
        "import mod; mod.f.n = VALUE\nwork = mod.f",
    ),
    "file of an installed package": (
        {
            "site/lib.py": HELPER,
            "site/lib-1.dist-info/METADATA": "Name: lib\nVersion: 1\n",
            "site/lib-1.dist-info/RECORD": "lib.py,,\n",
        },
        "import lib\nwork = lib.helper",
    ),
    "order of a set": ({}, "work = {'a', 'b', 'cVALUE'[:1], 'd'}"),
    "attribute __version__": ({}, "import numpy; numpy.__version__ = 'VALUE'\nwork = numpy.mean"),
}

PROGRAM = """
import json, os, sys
sys.dont_write_bytecode = True
import numpy, pandas, scipy.sparse, sklearn.pipeline
from skextra._fingerprint import fingerprint
# What all ways need is imported and looked up before the forks, and then only shared.
import dataclasses, gc, importlib, sklearn.linear_model, sklearn.metrics, sklearn.pipeline
fingerprint([sklearn.linear_model.Ridge, pandas.DataFrame(), scipy.sparse.csr_array])
gc.freeze()
for folder, program in json.load(sys.stdin):
    pid = os.fork()
    if not pid:
        os.chdir(folder)
        sys.path[:0] = [folder, os.path.join(folder, "site")]
        exec(compile(program, "program.py", "exec"), globals())
        print(fingerprint(work).hex(), flush=True)
        os._exit(0)
    if os.waitpid(pid, 0)[1]:
        print("failed", flush=True)
"""


@pytest.fixture(scope="module")
def fingerprints(tmp_path_factory):
    """The fingerprints of all ways: as they are, in a second process, and edited."""
    import json

    cases = []
    for index, (files, program) in enumerate([*WAYS.values(), *SAME.values()]):
        for value in ("1", "1", "2"):
            folder = tmp_path_factory.mktemp(f"way{index}")
            for name, text in files.items():
                path = Path(folder, name.replace("VALUE", value))
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(textwrap.dedent(text.replace("VALUE", value)))
            cases.append((str(folder), program.replace("VALUE", value)))
    process = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    lines = process.stdout.split()
    assert len(lines) == len(cases), process.stderr
    return dict(
        zip([*WAYS, *SAME], zip(lines[::3], lines[1::3], lines[2::3], strict=True), strict=True)
    ), process


@pytest.mark.parametrize("way", WAYS)
def test_edit_that_can_change_result_changes_key(way, fingerprints):
    found, process = fingerprints
    first, again, edited = found[way]
    assert "failed" not in found[way], process.stderr
    assert first == again != edited


@pytest.mark.parametrize("way", SAME)
def test_edit_that_changes_no_result_keeps_key(way, fingerprints):
    found, process = fingerprints
    assert "failed" not in found[way], process.stderr
    assert len(set(found[way])) == 1
