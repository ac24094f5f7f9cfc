"""Whether a process runs its modules as their files are now."""

import importlib
import os
import subprocess
import sys
import time

import pytest

from skextra._fingerprint import Fingerprinter, _loaded, _witness, note_imports

NAME = "users_loaded"


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Return a function that writes a module of the user's, which can be imported."""
    note_imports()
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(tmp_path)

    def write(value):
        time.sleep(0.01)  # the clock of files is a few milliseconds coarse
        (tmp_path / f"{NAME}.py").write_text(f"N = {value}\ndef number(): return N\n")

    yield write
    sys.modules.pop(NAME, None)


def edited():
    """Return the name of the module whose state in this process is not that of its file."""
    fingerprinter = Fingerprinter()
    fingerprinter.fingerprint(sys.modules[NAME].number)
    found = fingerprinter.edited_module()
    return found and found[0]


def test_edit_after_import_is_noticed(write):
    write(1)
    module = importlib.import_module(NAME)
    assert edited() is None
    write(2)
    assert edited() == NAME
    importlib.reload(module)
    assert edited() is None


def test_file_written_anew_as_it_was_is_current(write):
    write(1)
    importlib.import_module(NAME)
    assert edited() is None
    write(1)
    assert edited() is None


def test_first_look_after_the_edit_notices_it(write):
    write(1)
    importlib.import_module(NAME)
    write(2)
    assert edited() == NAME


@pytest.mark.parametrize(("seconds", "expected"), [(-60, NAME), (60, None)])
def test_import_before_clock_counts_from_process_start(write, monkeypatch, seconds, expected):
    write(1)
    importlib.import_module(NAME)
    clock = _loaded.ImportClock()
    clock._start = time.time_ns() + seconds * 10**9
    monkeypatch.setattr(_loaded, "_clock", clock)
    assert edited() == expected


@pytest.mark.parametrize("is_same", [True, False])
def test_worker_goes_by_what_it_imported(write, monkeypatch, is_same):
    write(1)
    importlib.import_module(NAME)
    fingerprinter = Fingerprinter()
    fingerprinter.fingerprint(sys.modules[NAME].number)
    content = fingerprinter.files[NAME] if is_same else "another"
    monkeypatch.setitem(_witness._contents, NAME, content)
    assert (fingerprinter.edited_module() is None) == is_same


def test_start_is_that_of_oldest_forebear():
    """What a process was forked from may have imported a module long before."""
    program = (
        "from skextra._fingerprint._loaded import _start_of_process; print(_start_of_process())"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    output = subprocess.check_output([sys.executable, "-c", program], env=environment)
    assert abs(int(output) - _loaded._start_of_process()) < 10**8
    assert _loaded._start_of_process() < time.time_ns()
