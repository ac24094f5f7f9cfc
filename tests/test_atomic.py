"""Files that are there whole or not at all, also where a file that is open cannot be renamed."""

import os
import subprocess
import sys

import pytest

from skextra import _atomic
from skextra._atomic import remove_parts, write_whole


@pytest.fixture
def refuse(monkeypatch):
    """Have the next renames refused, as Windows does while a program has the file open."""
    monkeypatch.setattr(_atomic, "can_rename_open_files", False)

    def refuse(n_times):
        replace, n_left = os.replace, n_times

        def refusing(part, path):
            nonlocal n_left
            n_left -= 1
            if n_left >= 0:
                raise PermissionError(13, "Access is denied", os.fspath(path))
            replace(part, path)

        monkeypatch.setattr(os, "replace", refusing)

    return refuse


def test_rename_refused_for_a_moment_is_tried_again(tmp_path, refuse):
    refuse(2)
    write_whole(tmp_path / "file", b"content")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_rename_refused_for_long_is_clear_error(tmp_path, refuse, monkeypatch):
    monkeypatch.setattr(_atomic, "_PATIENCE_SECONDS", 0.1)
    (tmp_path / "file").write_bytes(b"old")
    refuse(1000)
    with pytest.raises(PermissionError, match=r"file cannot be replaced.*Close it"):
        write_whole(tmp_path / "file", b"new")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


@pytest.mark.parametrize("system", ["posix", "nt"])
def test_parts_of_dead_writers_only_are_removed(tmp_path, monkeypatch, system):
    program = "import os; print(os.getpid())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    dead = tmp_path / f".file.ab.{done.stdout.strip()}"
    alive = tmp_path / f".file.cd.{os.getpid()}"
    for part in (dead, alive):
        part.touch()
    os.utime(dead, (0, 0))
    monkeypatch.setattr(_atomic, "_asks_processes", system == "posix")
    remove_parts(tmp_path / "file")
    assert list(tmp_path.iterdir()) == [alive]
