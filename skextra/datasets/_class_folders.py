"""Class folders and the files in them, without decoding any."""

import os
from pathlib import Path

# What systems put beside one's files without a leading dot.
_HIDDEN_NAMES = {"Thumbs.db", "desktop.ini", "__MACOSX"}
_NAMES_OF_PARTS = {"train", "training", "test", "testing", "val", "valid", "validation"}


def list_classes(container):
    """List the class folders in a folder, and the files of each.

    Parameters
    ----------
    container : str
        The folder that holds one folder a class.

    Returns
    -------
    files_of_class : dict of str to list of str
        The paths of the files by the name of their class folder, both sorted.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        Where the folder does not exist or is a file.
    ValueError
        Where it holds fewer than two class folders, an empty one, or the parts of a split.
    """
    if not os.path.exists(container):
        raise FileNotFoundError(f"container_path={container!r} does not exist.")
    if not os.path.isdir(container):
        raise NotADirectoryError(
            f"container_path={container!r} is a file. Give the folder that holds a folder a class."
        )
    entries = visible_names(container)
    names = [name for name in entries if os.path.isdir(os.path.join(container, name))]
    if len(names) < 2:
        found = f"the one folder {names[0]!r}" if names else "no folder"
        loose = f" and {len(entries) - len(names)} files" if len(entries) > len(names) else ""
        raise ValueError(
            f"Found {found}{loose} in {container!r}. Images must lie in one folder a class, "
            "and there must be at least two classes."
        )
    _refuse_parts_of_a_split(container, names)
    top = Path(container).resolve()
    files_of_class = {}
    for name in names:
        seen = {top, *top.parents}
        files_of_class[name] = list(_files_below(os.path.join(container, name), seen))
        if not files_of_class[name]:
            raise ValueError(
                f"The class folder {name!r} in {container!r} has no file. Put images into it or "
                "remove it."
            )
    return files_of_class


def check_same_classes(containers, parts):
    """Raise where folders that are loaded together do not hold the same classes.

    Parameters
    ----------
    containers : list of str
        The folders.
    parts : list of dict
        What `list_classes` found in each.

    Raises
    ------
    ValueError
        Where the class folders differ; the message names those that are missing or too many.
    """
    for container, part in zip(containers[1:], parts[1:], strict=True):
        missing = sorted(parts[0].keys() - part.keys())
        extra = sorted(part.keys() - parts[0].keys())
        if missing or extra:
            differences = [f"it has not {missing}"] * bool(missing)
            differences += [f"it has {extra} besides"] * bool(extra)
            raise ValueError(
                f"The class folders in {container!r} are not those in {containers[0]!r}: "
                f"{' and '.join(differences)}. Folders loaded together must hold the same classes."
            )


def visible_names(folder):
    """Sorted names in a folder, without hidden ones."""
    return sorted(
        name
        for name in os.listdir(folder)
        if not name.startswith(".") and name not in _HIDDEN_NAMES
    )


def _refuse_parts_of_a_split(container, names):
    """Raise where "classes" are the training and test part, with the same classes inside."""
    if not {name.lower() for name in names} <= _NAMES_OF_PARTS:
        return
    inside = [_folders_in(os.path.join(container, name)) for name in names]
    # A part may lack a class, and is still no class.
    if shared := sorted(set.intersection(*inside)):
        paths = ", ".join(repr(os.path.join(container, name)) for name in names)
        raise ValueError(
            f"{names} in {container!r} are the parts of a split and not classes: each holds "
            f"{shared}. Give the parts themselves, container_path=[{paths}]."
        )


def _folders_in(folder):
    return {name for name in visible_names(folder) if os.path.isdir(os.path.join(folder, name))}


def _files_below(folder, seen):
    """Paths of all files at any depth, sorted; each real folder is entered once."""
    here = Path(folder).resolve()
    if here in seen:  # a link led here a second time, or back up
        return
    seen.add(here)
    for name in visible_names(folder):
        path = os.path.join(folder, name)
        if os.path.isdir(path):
            yield from _files_below(path, seen)
        else:
            yield path
