"""The table of journaled functions: each is run, killed, and goes on where it was."""

import ast
import collections
import contextlib
import importlib
import io
import os
import random
import re
import sqlite3
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest
import sklearn

from skextra.parallel import Journal, JournalError
from skextra.parallel._journal._functions import FUNCTIONS, LEFT_OUT, is_covered
from tests.parallel.journal import functions_program
from tests.parallel.journal.functions_program import RUNS

ROOT = Path(sklearn.__file__).parent


def handed_to_joblib():
    """Yield each module of scikit-learn that calls joblib, and what it hands over, as written."""
    for file in sorted(ROOT.rglob("*.py")):
        parts = file.relative_to(ROOT.parent).with_suffix("").parts
        text = file.read_text(encoding="utf-8")
        if "delayed(" not in text or {"tests", "externals"}.intersection(parts):
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "delayed":
                yield ".".join(parts), ast.unparse(node.args[0])


def place_of(module, written):
    """Return the module that defines what is handed over, and its name, or both as written."""
    function = getattr(importlib.import_module(module), written, None)
    name = getattr(function, "__qualname__", None)
    is_own = name == written and function.__module__.startswith("sklearn.")
    return (function.__module__, name) if is_own else (module, written)


@pytest.mark.parametrize(("module", "name"), FUNCTIONS)
def test_name_is_that_of_scikit_learn(module, name):
    """A new scikit-learn that renames a function of the table is noticed here."""
    assert is_covered(getattr(importlib.import_module(module), name))


def test_table_names_all_that_scikit_learn_hands_over():
    """A new scikit-learn that hands over another function is noticed here."""
    found = {place_of(*place) for place in handed_to_joblib()}
    assert len(found) > 40
    unknown = {place for place in found if place not in FUNCTIONS and place not in LEFT_OUT}
    assert not unknown, "to be journaled, or left out for a reason"
    assert not FUNCTIONS.keys() & LEFT_OUT.keys()
    assert FUNCTIONS.keys() <= found


def test_every_row_of_table_is_run():
    assert {name for _, name in FUNCTIONS} == set(RUNS)


def start(folder, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", functions_program.__name__, *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def finish(process):
    """Return what a program printed, by function, and how many results it found in all."""
    out, err = process.communicate(timeout=100)
    assert process.returncode == 0, err
    found = collections.Counter()
    for n, name in re.findall(r"(\d+) of \d+ \w+ were in the journal .*?(\w+)\.sqlite", err):
        found[name] += int(n)
    return results(out), found


def results(out):
    """Return what each function returned, as it was printed."""
    return dict(line.split(" ", 1) for line in out.splitlines())


def counts(file):
    """Count the results in a journal by function; nothing is in one that is not there yet."""
    with contextlib.suppress(FileNotFoundError, JournalError, sqlite3.Error):
        return collections.Counter(row["function"] for row in Journal(file).rows())
    return collections.Counter()


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """Run all functions, take one result of each away, and run them in another program."""
    folder = tmp_path_factory.mktemp("functions")
    with contextlib.redirect_stdout(io.StringIO()) as out, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of scikit-learn's coming defaults
        functions_program.main(str(folder / "{}.sqlite"), "fast", *RUNS)
    first = results(out.getvalue())
    before = {}
    for name in RUNS:
        file = folder / f"{name}.sqlite"
        before[name] = counts(file)
        with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as connection:
            query = "DELETE FROM results WHERE number = (SELECT max(number) FROM results)"
            connection.execute(query)
    again, found = finish(start(folder, "{}.sqlite", "fast", *RUNS))
    after = {name: counts(folder / f"{name}.sqlite") for name in RUNS}
    return first, again, before, found, after


@pytest.mark.parametrize("name", RUNS)
def test_next_program_does_only_what_is_missing(name, programs):
    first, again, before, found, after = programs
    assert before[name][name] >= RUNS[name][1], before[name]
    assert again[name] == first[name]
    assert found[name] == before[name].total() - 1
    assert after[name] == before[name]


@pytest.mark.faults
@pytest.mark.parametrize("name", RUNS)
def test_killed_program_goes_on(name, tmp_path, eventually):
    """A program is killed in the middle of its calls; the next does the others only."""
    draw, file = random.Random(name), tmp_path / f"{name}.sqlite"
    n_before_kill = draw.randrange(1, RUNS[name][1])
    process = start(tmp_path, "{}.sqlite", "slow", name)
    eventually(lambda: counts(file)[name] >= n_before_kill or process.poll() is not None, 60)
    time.sleep(draw.uniform(0, 0.05))
    process.kill()
    process.communicate()
    assert process.returncode == -9, "it was over before the kill"
    left = counts(file)
    resumed, found = finish(start(tmp_path, "{}.sqlite", "slow", name))
    fresh, _ = finish(start(tmp_path, "-", "fast", name))
    assert resumed == fresh
    assert n_before_kill <= left[name] < RUNS[name][1] <= counts(file)[name]
    assert found[name] == left.total()
