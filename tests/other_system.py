"""A simulation of a system that lacks what only Linux, or only POSIX, has.

A process that finds this file as ``sitecustomize`` is on such a system from its start, and so are
the processes that it starts.
"""

import asyncio  # noqa: F401  first: on a POSIX system it asks for os.sysconf from Python 3.13 on
import builtins
import errno
import fcntl
import io
import multiprocessing.context
import os
import signal
import socket
import sys

MODULES = ("fcntl", "resource", "termios", "pwd", "grp")
OF_OS = (
    *("fork", "register_at_fork", "memfd_create", "pidfd_open", "pread", "preadv", "sysconf"),
    *("posix_fallocate", "O_TMPFILE", "O_CLOEXEC", "setpgid", "killpg", "geteuid"),
)
OF_SOCKET = ("AF_UNIX", "MSG_NOSIGNAL", "recv_fds", "send_fds")
FOLDERS = ("/proc", "/dev/shm")


class msvcrt:
    """The lock of Windows, by a lock of Linux."""

    LK_NBLCK = 2

    @staticmethod
    def locking(descriptor, mode, n_bytes, _flock=fcntl.flock):
        """Lock a file, or raise what Windows raises."""
        try:
            _flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PermissionError(errno.EACCES, "Permission denied") from error


_open, _listdir, _readlink = io.open, os.listdir, os.readlink


def _without_folders(function):
    def call(path=".", *args, **kwargs):
        if isinstance(path, str | os.PathLike) and os.fspath(path).startswith(FOLDERS):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.fspath(path))
        return function(path, *args, **kwargs)

    return call


def _is_in_use(path):
    """Whether this process has a file open or mapped."""
    path = os.path.realpath(path)
    for name in _listdir("/proc/self/fd"):
        try:
            if _readlink(f"/proc/self/fd/{name}") == path:
                return True
        except OSError:
            continue
    with _open("/proc/self/maps") as file:
        return any(line.rstrip("\n").endswith(path) for line in file)


def _refusing_files_in_use(function):
    def call(*paths, **kwargs):
        for path in paths:
            # SciPy 1.13 removes a file that it has open, whose name is in bytes, as Linux allows.
            if not isinstance(path, int | bytes) and _is_in_use(path):
                error = PermissionError(errno.EACCES, "The process cannot access the file", path)
                error.winerror = 32
                raise error
        return function(*paths, **kwargs)

    return call


sys.modules.update(dict.fromkeys(MODULES))
for _module, _names in ((os, OF_OS), (socket, OF_SOCKET), (signal, ("SIGKILL",))):
    for _name in _names:
        if hasattr(_module, _name):
            delattr(_module, _name)
for _name in ("ForkServerContext", "ForkServerProcess"):
    delattr(multiprocessing.context, _name)
builtins.open = io.open = _without_folders(io.open)
for _name in ("open", "stat", "access", "listdir"):
    setattr(os, _name, _without_folders(getattr(os, _name)))
for _name in ("replace", "rename", "unlink", "remove"):
    setattr(os, _name, _refusing_files_in_use(getattr(os, _name)))
