"""Whether this process runs the modules of the user's as their files are now.

A key is made of files, and what runs in the process that makes it is what it imported, maybe from
an older state of them. Workers hash what they import (`_witness`). Any other process only knows
when it did: a file that has not changed since before then is what was imported.
"""

import os
import sys
import time
from pathlib import Path

from skextra._fingerprint._modules import find
from skextra._fingerprint._witness import imported_content


class ImportClock:
    """A finder that finds nothing, and notes when Python asks for a module to import it."""

    def __init__(self):
        self._start = _start_of_process()
        self._asked = {}
        self._proven = {}  # by module: when it was imported, and what its file held then

    def find_spec(self, name, path=None, target=None):
        """Note the time of an import, or of a reload: then the module is the target."""
        if name not in sys.modules or target is not None:
            self._asked[name] = time.time_ns()

    def is_current(self, name, file, content):
        """Whether a module was surely imported from what its file holds now."""
        imported = imported_content(name)
        if imported is not None:
            return imported == content
        since = self._asked.get(name, self._start)
        try:
            is_older = os.stat(file).st_ctime_ns < since
        except OSError:
            return False
        if is_older:
            self._proven[name] = since, content
        return self._proven.get(name) == (
            since,
            content,
        )  # it may have been written anew as it was


_clock = None


def note_imports():
    """Note from here on when this process imports a module."""
    global _clock
    if _clock is None:
        _clock = ImportClock()
        sys.meta_path.insert(0, _clock)


def edited_module(files):
    """Return the name and the file of a module whose file may have changed since its import.

    Parameters
    ----------
    files : dict
        The hashes of the files of modules, as they are now, by module.

    Returns
    -------
    edited : (str, str) or None
        None if what this process runs is what the files say.
    """
    note_imports()
    for name, content in files.items():
        module = find(name)
        if module is None or module.file is None or name not in sys.modules:
            continue
        if not _clock.is_current(name, module.file, content):
            return name, module.file
    return None


def _start_of_process():
    """Return when this process began to import, in nanoseconds.

    A fork holds what its parent has imported: the oldest of its forebears that run the same
    program counts. Without /proc, what was imported before this module counts as imported now.
    """
    now = time.time_ns()
    try:
        ticks, pid = None, os.getpid()
        program = os.readlink(f"/proc/{pid}/exe")
        while os.readlink(f"/proc/{pid}/exe") == program:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks, pid = int(fields[19]), int(fields[1])
    except (OSError, ValueError, IndexError):
        if ticks is None:
            return now
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - (ticks + 1) / os.sysconf("SC_CLK_TCK")
    return now - round(age * 1e9)
