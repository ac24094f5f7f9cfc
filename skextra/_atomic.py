"""Files that are there whole or not at all."""

import os
import secrets
import time
from pathlib import Path

# Windows neither renames nor replaces a file that a program has open.
can_rename_open_files = os.name != "nt"
_asks_processes = os.name == "posix"  # elsewhere os.kill ends the process whatever the signal
_PATIENCE_SECONDS = 2  # for virus scanners and others who have a file open for a moment
# Where nobody can be asked whether a process lives: so old is a dead one's.
_ABANDONED_SECONDS = 3600


def write_whole(path, content):
    """Write bytes to a file, so that a crash at any moment leaves the old file or the new one."""
    path = Path(path)
    # In the same folder: renaming is only atomic within a file system.
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.{os.getpid()}")
    try:
        with open(part, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def replace(part, path):
    """Rename a file; wait a little if somebody has the old one open and that prevents it."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            os.replace(part, path)
            return
        except PermissionError as error:
            if can_rename_open_files:
                raise
            if time.monotonic() > deadline:
                raise PermissionError(
                    f"{path} cannot be replaced: another program has it open, or it is "
                    "read-only. Close it there, or write to another path."
                ) from error
            time.sleep(_PATIENCE_SECONDS / 20)


def remove_parts(path):
    """Remove what writers of a file that were killed in the middle have left."""
    for part in path.parent.glob(f".{path.name}.*.*"):
        try:
            if _is_abandoned(part):
                part.unlink(missing_ok=True)
        except (OSError, ValueError):
            continue  # somebody else's, or gone


def _is_abandoned(part):
    pid = int(part.name.rpartition(".")[2])
    if not _asks_processes:
        return time.time() - part.stat().st_mtime > _ABANDONED_SECONDS
    try:
        os.kill(pid, 0)  # signal 0 only asks
    except ProcessLookupError:
        return True
    return False
