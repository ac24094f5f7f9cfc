"""Files that are there whole or not at all."""

import os
import secrets
from pathlib import Path


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
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def remove_parts(path):
    """Remove what writers of a file that were killed in the middle have left."""
    for part in path.parent.glob(f".{path.name}.*.*"):
        try:
            os.kill(int(part.name.rpartition(".")[2]), 0)  # signal 0 only asks
        except ProcessLookupError:
            part.unlink(missing_ok=True)
        except (PermissionError, ValueError):
            continue  # somebody else's
