"""Code that is edited while workers hold an older state of it: no score is ever stale."""

import ast
import os
import random
import subprocess
import sys
import textwrap
import time

import pytest
from joblib import Parallel, delayed, parallel_config

from skextra._fingerprint import _witness
from skextra.parallel import Journal, journaled
from skextra.parallel._journal._recorder import Recorder

SOURCE = "def number():\n    return {}\n"


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Return a function that writes a module of the user's, and how to import it."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)

    def write(value):
        (folder / "users_edited.py").write_text(SOURCE.format(value))

    yield write
    sys.modules.pop("users_edited", None)


def call(path):
    @journaled
    def work():
        import users_edited

        return users_edited.number()

    with parallel_config("skextra", n_jobs=2, journal=path):
        return Parallel()(delayed(work)() for _ in range(2))


def test_worker_with_older_module_is_replaced(module, path):
    for value in (1, 2, 2, 1):
        module(value)
        assert call(path) == [value, value]
    assert len(Journal(path)) == 4


def test_worker_of_call_without_journal_is_replaced(module, path):
    for value in (1, 2):
        module(value)
        assert call(None) == [value, value]


def test_result_of_module_edited_in_call_is_not_journaled(module, path, tmp_path, monkeypatch):
    module(1)
    looked_up, go = [], str(tmp_path / "go")

    def work(i):
        import os
        import time

        while not os.path.exists(go):
            time.sleep(0.01)
        import users_edited

        return users_edited.number()

    def find(recorder, call):
        found = real_find(recorder, call)
        looked_up.append(call)
        if len(looked_up) == 2:  # their keys are those of the first state
            module(2)
            (tmp_path / "go").touch()
        return found

    real_find = Recorder.find
    monkeypatch.setattr(Recorder, "find", find)
    with (
        parallel_config("skextra", n_jobs=2, journal=path),
        pytest.warns(UserWarning, match="some results are not written to it: .*users_edited"),
    ):
        assert Parallel()(delayed(journaled(work))(i) for i in range(2)) == [2, 2]
    assert len(Journal(path)) == 0


def test_module_imported_by_computed_name_is_not_journaled(module, path, tmp_path):
    (tmp_path / "project" / "users_plugin.py").write_text(SOURCE.format(1))

    @journaled
    def work(name):
        import importlib

        return importlib.import_module("_".join(name)).number()

    with (
        parallel_config("skextra", n_jobs=2, journal=path),
        pytest.warns(UserWarning, match="imported users_plugin by a name that it computes"),
    ):
        assert Parallel()(delayed(work)(name) for name in [("users", "plugin")] * 2) == [1, 1]
    assert len(Journal(path)) == 0


def test_compiled_code_of_older_source_is_not_run(tmp_path):
    """Python takes compiled code by the second and the size of the source; a worker must not."""
    program = """
    import os, sys
    sys.path.insert(0, os.getcwd())
    from skextra._fingerprint import _witness
    open("mod.py", "w").write("N = 1")
    os.utime("mod.py", (1e9, 1e9))
    import mod
    del sys.modules["mod"]
    open("mod.py", "w").write("N = 2")
    os.utime("mod.py", (1e9, 1e9))
    import mod
    before = mod.N
    del sys.modules["mod"]
    _witness.watch_imports()
    _witness.unsaid_imports()
    import mod
    print(before, mod.N, list(_witness.unsaid_imports()))
    """
    output = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""},
    ).stdout
    assert output == "1 2 ['mod']\n"  # the first is Python's own mistake


def test_held_modules_are_compared_by_content(tmp_path):
    file = tmp_path / "mod.py"
    file.write_text("N = 1")
    held = _witness.Held()
    content, _ = _witness.read_file(str(file))
    held.update({"mod": (str(file), content, False)})
    assert not held.is_stale()
    assert held.other_state({"mod": content}) is None
    assert "mod" in held.other_state({"mod": "another"})
    file.write_text("N = 2")
    assert held.is_stale()
    held.update({"mod": (str(file), "another", False)})
    assert "reloaded" in held.other_state({"mod": "another"})


SEARCH = """
import sys
sys.dont_write_bytecode = True
import time
import skextra, scores
from joblib import parallel_config
from sklearn.datasets import load_iris
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import GridSearchCV

class Model(DummyClassifier):
    def __init__(self, k=0):
        super().__init__()
        self.k = k

    def fit(self, X, y):
        time.sleep(0.01)
        return super().fit(X, y)

    def score(self, X, y):
        from helper import weight
        return scores.score(self.k) * weight()

options = {"journal": "j.sqlite"} if len(sys.argv) > 1 else {}
with parallel_config("skextra", n_jobs=2, **options):
    search = GridSearchCV(Model(), {"k": list(range(40))}, cv=2, refit=False)
    search.fit(*load_iris(return_X_y=True))
print(search.cv_results_["mean_test_score"].tolist())
"""


@pytest.mark.faults
@pytest.mark.timeout(900)
def test_search_killed_under_edits_gives_fresh_scores(tmp_path):
    """Twenty kills at random moments, each under edits: what is found, a fresh run gives too."""
    draw = random.Random(0)
    (tmp_path / "search.py").write_text(SEARCH)

    def edit():
        (tmp_path / "scores.py").write_text(f"def score(k): return k + {draw.choice('0123')}")
        (tmp_path / "helper.py").write_text(f"def weight(): return {draw.choice('12')}")

    def start(*arguments):
        return subprocess.Popen(
            [sys.executable, "-W", "ignore", "search.py", *arguments],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    edit()
    n_found = 0
    for _ in range(20):
        process = start("journal")
        end = time.monotonic() + draw.uniform(1.5, 6)
        while time.monotonic() < end and process.poll() is None:
            time.sleep(draw.uniform(0.2, 1))
            edit()
        process.kill()
        process.communicate()
        resumed, fresh = start("journal"), start()
        out, err = resumed.communicate()
        expected, _ = fresh.communicate()
        assert resumed.returncode == fresh.returncode == 0, err
        assert ast.literal_eval(out) == ast.literal_eval(expected)
        n_found += "were in the journal" in err
    assert n_found
