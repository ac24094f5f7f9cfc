"""The entries of a folder, without hidden files and what systems leave beside a user's files."""

import os

from skextra.datasets._files._other_formats import SUFFIXES

# Lower case: Windows writes some of them in several spellings.
_NAMES = {
    "thumbs.db",
    "ehthumbs.db",
    "ehthumbs_vista.db",
    "desktop.ini",
    "picasa.ini",
    "zbthumbnail.info",
    "icon\r",  # macOS: a folder's icon
    "__macosx",  # what macOS adds to zip archives
    "__pycache__",
    "$recycle.bin",
    "system volume information",
    "lost+found",
    "@eadir",  # Synology
    "#recycle",
    "network trash folder",
    "temporary items",
    "dicomdir",  # the index of a DICOM medium, which holds no picture
}


def visible_entries(folder):
    """Return the sorted entries of a folder, without hidden files and those that systems leave."""
    with os.scandir(folder) as entries:
        visible = [
            entry
            for entry in entries
            if not entry.name.startswith(".") and not _is_system_file(entry.name)
        ]
    return sorted(visible, key=lambda entry: entry.name)


def folders_in(folder):
    """Return the sorted names of the folders in a folder; none if it may not be listed."""
    try:
        return [entry.name for entry in visible_entries(folder) if is_folder(entry)]
    except PermissionError:
        return []


def looks_like_image(name):
    """Return whether a file's name ends as those of images do."""
    return name.lower().endswith(SUFFIXES)


def is_folder(entry):
    """Return whether a directory entry is a folder or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle of its own
        return False


def _is_system_file(name):
    # Windows marks downloads by a stream, which copies to Linux as a file of its own.
    return name.lower() in _NAMES or name.endswith(":Zone.Identifier")
