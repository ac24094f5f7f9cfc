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


HEAVY = {"torch", "skorch", "safetensors", "PIL", "matplotlib", "sklearn", "pandas", "dask"}
HEAVY |= {"distributed", "sqlite3", "multiprocessing.forkserver"}


def run(program, *arguments):
    done = subprocess.run(
        [sys.executable, *arguments, "-c", program], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_loads_no_heavy_library():
    loaded = run("import sys, skextra; print(*sys.modules)").split()
    assert "skextra" in loaded
    assert not HEAVY & set(loaded)
    assert [name for name in loaded if name.startswith("skextra.")] == ["skextra._lazy"]


def test_import_starts_no_process():
    program = """
import threading
import skextra
import multiprocessing
assert not multiprocessing.active_children()
assert threading.active_count() == 1, threading.enumerate()
from pathlib import Path
children = Path("/proc/self/task")
if children.exists():
    started = [task.joinpath("children").read_text() for task in children.iterdir()]
    assert not "".join(started).strip(), started
"""
    run(program)


def test_each_part_loads_no_library_of_another():
    program = """
import sys
from skextra import ScratchGaussianNB, datasets, parallel
assert not {"torch", "skorch", "PIL", "matplotlib"} & set(sys.modules)
"""
    run(program)


def test_backend_is_loaded_by_its_first_use():
    program = """
import sys
import joblib
import skextra
assert "skextra" in joblib.parallel.BACKENDS
assert "skextra.parallel" not in sys.modules
with joblib.parallel_config("skextra", n_jobs=2, max_retries=5):
    backend, n_jobs = joblib.parallel.get_active_backend()
assert type(backend) is skextra.parallel.SkextraBackend is joblib.parallel.BACKENDS["skextra"]
assert n_jobs == 2
"""
    run(program)


IMPORTS = [
    "from skextra import TumorCNNClassifier",
    "import skextra; skextra.neural_network",
    "import skextra.neural_network",
    "from skextra.neural_network import load_model",
]


def test_missing_network_library_names_the_command():
    program = f"""
import importlib.abc, sys
class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == missing:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
for missing in ("safetensors", "torch"):
    for statement in {IMPORTS!r}:
        try:
            exec(statement)
        except ImportError as error:
            print(error)
    if missing == "safetensors":  # the others stay loaded: torch is missing from the start
        for name in [name for name in sys.modules if name.partition(".")[0] == "torch"]:
            del sys.modules[name]
"""
    messages = run(program).splitlines()
    assert len(messages) == 2 * len(IMPORTS)
    for number, message in enumerate(messages):
        name = "safetensors" if number < len(IMPORTS) else "torch"
        assert f"needs {name}, which is not installed" in message
        assert 'pip install "skextra[network]"' in message
        assert "https://download.pytorch.org/whl/cpu" in message


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("raise OSError('libcudart.so: cannot open')", "OSError: libcudart.so: cannot open"),
        ("raise AttributeError('half installed')", "AttributeError: half installed"),
        ("import no_such_library", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("__version__ = '2.6'", "needs skorch, whose import fails: "),
    ],
)
def test_broken_torch_is_the_cause(tmp_path, text, cause):
    (tmp_path / "torch.py").write_text(text)
    program = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
try:
    from skextra import TumorCNNClassifier
except ImportError as error:
    print(error)
    assert error.__cause__ is not None
"""
    message = run(program)
    assert cause in message
    assert "not installed" not in message


def test_naive_bayes_works_without_optional_libraries():
    program = """
import importlib.abc
import sys
absent = {"torch", "skorch", "safetensors", "matplotlib", "rich", "dask", "distributed",
          "pydicom", "pandas"}
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
import joblib
import skextra
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
X, y = load_iris(return_X_y=True)
search = GridSearchCV(skextra.ScratchGaussianNB(), {"var_smoothing": [1e-9, 1e-3]})
with joblib.parallel_config("skextra", n_jobs=2):
    print(search.fit(X, y).best_score_ > 0.9)
from skextra.datasets import make_brain_mri
print(len(make_brain_mri(4, image_size=16, random_state=0)[0]))
"""
    assert run(program).split() == ["True", "4"]
