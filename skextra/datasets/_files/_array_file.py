"""An array in a file: for images that memory does not hold."""

import errno
import os
from glob import escape, glob

import numpy as np

from skextra._atomic import can_rename_open_files, replace


class ArrayFile:
    """A ``.npy`` file that appears complete, or not at all.

    While it is filled it has no name, so that a process that is killed leaves nothing behind.
    Where the file system has no files without a name, it has a hidden one, and the next load to
    the same path removes what a killed process left.

    Parameters
    ----------
    path : str
        Where the file is to appear; one that is there is replaced.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        If the folder of `path` does not exist, or `path` is one.
    """

    def __init__(self, path):
        self.path = os.path.abspath(path)
        self._folder, self._name = os.path.split(self.path)
        if not os.path.isdir(self._folder):
            raise FileNotFoundError(
                f"mmap={path!r} lies in {self._folder!r}, which is no folder. Make it first."
            )
        if os.path.isdir(self.path):
            raise IsADirectoryError(f"mmap={path!r} is a folder. Give the path of a file in it.")
        self._file = self._hidden = None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self._file is not None:
            self._file.close()
        if self._hidden is not None and os.path.exists(self._hidden):
            os.unlink(self._hidden)

    def create(self, shape):
        """Reserve the space and return it as an array, mapped."""
        self._file = self._open()
        _write_header(self._file, shape)
        self._file.flush()
        offset = self._file.tell()
        size = offset + int(np.prod(shape, dtype=np.int64))
        # A full disk is an error here; later, a write to the mapping would kill the process.
        reserve = getattr(os, "posix_fallocate", None)  # macOS has none
        if reserve is None:
            self._file.truncate(size)
        else:
            reserve(self._file.fileno(), 0, size)
        return np.memmap(self._file, dtype=np.uint8, mode="r+", offset=offset, shape=shape)

    def finish(self, shape):
        """Let the file appear with the rows that `shape` still has; return it mapped.

        Copy-on-write, or read-only if the system has not the memory to promise that all of it
        may be written to.
        """
        # NumPy pads the header for any number of rows, so that it keeps its length.
        self._file.seek(0)
        _write_header(self._file, shape)
        self._file.truncate(self._file.tell() + int(np.prod(shape, dtype=np.int64)))
        self._file.flush()
        self._appear()
        try:
            return np.load(self.path, mmap_mode="c")
        except OSError as error:
            if error.errno != errno.ENOMEM:
                raise
            return np.load(self.path, mmap_mode="r")

    def _open(self):
        try:
            flags = os.O_TMPFILE | os.O_RDWR
            return os.fdopen(os.open(self._folder, flags, 0o666), "r+b")
        except (AttributeError, OSError):  # no Linux, or a file system without such files
            self._hidden = self._hidden_name()
            file = open(self._hidden, "x+b")  # noqa: SIM115  (closed by __exit__)
            # Held as long as this process lives: without it, the file is a dead one's.
            _lock(file)
            self._remove_those_of_dead_processes()
            return file

    def _appear(self):
        if self._hidden is None:
            named = f"/proc/self/fd/{self._file.fileno()}"
            try:
                _link(named, self.path)
                return
            except FileExistsError:  # linking replaces nothing, renaming does
                self._hidden = self._hidden_name()
                _link(named, self._hidden)
        if not can_rename_open_files:
            self._file.close()
        replace(self._hidden, self.path)

    def _hidden_name(self):
        # In the same folder, so that renaming is one step.
        return os.path.join(self._folder, f".{self._name}.{os.urandom(4).hex()}.partial")

    def _remove_those_of_dead_processes(self):
        pattern = os.path.join(escape(self._folder), f".{escape(self._name)}.*.partial")
        for path in set(glob(pattern, include_hidden=True)) - {self._hidden}:
            try:
                if not can_rename_open_files:  # one that is open cannot be removed either
                    os.unlink(path)
                    continue
                with open(path, "r+b") as file:
                    if _lock(file):
                        os.unlink(path)
            except (FileNotFoundError, PermissionError):
                continue  # its own process has finished it meanwhile, or writes to it


def _lock(file):
    """Lock a file for this process; return whether that was possible."""
    try:
        from fcntl import LOCK_EX, LOCK_NB, flock
    except ImportError:  # Windows
        return True
    try:
        flock(file, LOCK_EX | LOCK_NB)
    except OSError:
        return False
    return True


def _link(named, path):
    folder = os.open("/", os.O_RDONLY)
    try:
        # With a folder to start from, Python follows the link that /proc has for the open file.
        os.link(named, path, src_dir_fd=folder, follow_symlinks=True)
    finally:
        os.close(folder)


def _write_header(file, shape):
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
