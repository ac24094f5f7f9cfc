"""An array in a file: for images that memory does not hold."""

import errno
import os

import numpy as np


class ArrayFile:
    """A ``.npy`` file that is filled under another name and appears whole, or not at all.

    Parameters
    ----------
    path : str
        Where the file is to appear; one that is there is replaced.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        Where the folder of `path` does not exist, or `path` is one.
    """

    def __init__(self, path):
        self.path = os.path.abspath(path)
        folder, name = os.path.split(self.path)
        if not os.path.isdir(folder):
            raise FileNotFoundError(
                f"mmap={path!r} lies in {folder!r}, which is no folder. Make it first."
            )
        if os.path.isdir(self.path):
            raise IsADirectoryError(f"mmap={path!r} is a folder. Give the path of a file in it.")
        # Hidden, and in the same folder so that renaming is one step.
        self._partial = os.path.join(folder, f".{name}.{os.urandom(4).hex()}.partial")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if os.path.exists(self._partial):
            os.unlink(self._partial)

    def create(self, shape):
        """Reserve the space and return it as an array, mapped."""
        with open(self._partial, "xb") as file:
            _write_header(file, shape)
            offset = file.tell()
            # A full disk is an error here; later, a write to the mapping would kill the process.
            reserve = getattr(os, "posix_fallocate", None)  # macOS has none
            if reserve is None:
                file.truncate(offset + int(np.prod(shape)))
            else:
                reserve(file.fileno(), 0, offset + int(np.prod(shape)))
        return np.memmap(self._partial, dtype=np.uint8, mode="r+", offset=offset, shape=shape)

    def finish(self, shape):
        """Let the file appear with the rows that `shape` still has; return it mapped.

        Copy-on-write, or read-only where the system has not the memory to promise that all of it
        may be written to.
        """
        with open(self._partial, "r+b") as file:
            # NumPy pads the header for any number of rows, so that it keeps its length.
            _write_header(file, shape)
            file.truncate(file.tell() + int(np.prod(shape)))
        os.replace(self._partial, self.path)
        try:
            return np.load(self.path, mmap_mode="c")
        except OSError as error:
            if error.errno != errno.ENOMEM:
                raise
            return np.load(self.path, mmap_mode="r")


def _write_header(file, shape):
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
