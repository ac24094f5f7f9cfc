"""Class folders and the files in them, without decoding any."""

import os
import unicodedata
from dataclasses import dataclass, field
from fnmatch import fnmatch

from skextra.datasets._folders._layout_checks import (
    refuse_ambiguous_levels,
    refuse_names_alike,
    refuse_numbered_patients,
    refuse_parts_of_a_split,
    refuse_shared_files,
    too_few_classes,
)
from skextra.datasets._folders._listing import (
    folders_in,
    is_folder,
    looks_like_image,
    visible_entries,
)
from skextra.datasets._folders._masks import refuse_masks


@dataclass
class ClassFolders:
    """What a folder of class folders holds.

    Attributes
    ----------
    container : str
        The folder.
    files : dict of str to list of str
        Sorted paths of the files by the name of their class, in the order of the names. Names are
        in Unicode's composed form (NFC), paths as the system has them.
    unlisted : dict of str to str
        Folders inside that may not be listed, and why.
    loose : list of str
        Images that lie beside the class folders and therefore have no class.
    """

    container: str
    files: dict = field(default_factory=dict)
    unlisted: dict = field(default_factory=dict)
    loose: list = field(default_factory=list)


def list_classes(container, *, categories=None, exclude=None):
    """List the class folders in a folder, and the files of each.

    Parameters
    ----------
    container : str
        The folder that holds one folder per class.
    categories : sequence of str, default=None
        The folders that are classes; None takes all, and refuses what may be no class.
    exclude : sequence of str, default=None
        Patterns of the names, or of the paths relative to `container`, of files and folders that
        are left out; None leaves out none, and refuses what looks like masks.

    Returns
    -------
    ClassFolders

    Raises
    ------
    FileNotFoundError, NotADirectoryError, PermissionError
        If the folder does not exist, is a file, or may not be listed.
    ValueError
        If it holds fewer than two class folders, an empty one, or a layout that can be read in
        two ways.
    """
    _checkis_folder(container)
    result = ClassFolders(container)
    entries = [
        entry
        for entry in visible_entries(container)
        if not _is_excluded(entry.name, entry.name, exclude)
    ]
    names = [entry.name for entry in entries if is_folder(entry)]
    result.loose = [
        entry.path for entry in entries if entry.name not in names and looks_like_image(entry.name)
    ]
    if categories is None:
        if len(names) < 2:
            raise ValueError(too_few_classes(container, names, len(entries) - len(names)))
        inside = {name: folders_in(os.path.join(container, name)) for name in names}
        refuse_parts_of_a_split(container, inside)
        refuse_names_alike(container, names)
        refuse_ambiguous_levels(container, inside)
        refuse_numbered_patients(container, names)
    folders_of_class = _by_composed_name(names)
    if categories is not None:
        folders_of_class = _chosen(container, folders_of_class, categories)

    # The container and the folders above it are never entered again through a link.
    top = os.path.realpath(container)
    outside = {top, *_parents(top)}
    links = set()
    for name, folders in folders_of_class.items():
        walk = _Walk(container, exclude, set(outside), result.unlisted, links)
        result.files[name] = [
            path for folder in folders for path in walk.files(os.path.join(container, folder))
        ]
        if not result.files[name] and not walk.unlisted:
            raise ValueError(
                f"The class folder {name!r} in {container!r} has no file. Put images into it or "
                "remove it."
            )
    refuse_shared_files(container, result.files, links)
    if exclude is None:
        refuse_masks(container, result.files)
    return result


def check_same_classes(parts):
    """Raise if folders that are loaded together do not hold the same classes.

    Parameters
    ----------
    parts : list of ClassFolders
        The folders.

    Raises
    ------
    ValueError
        If the class folders differ; the message names those that are missing or too many.
    """
    first = parts[0]
    for part in parts[1:]:
        missing = sorted(first.files.keys() - part.files.keys())
        extra = sorted(part.files.keys() - first.files.keys())
        if missing or extra:
            differences = [f"it lacks {missing}"] * bool(missing)
            differences += [f"it has {extra} besides"] * bool(extra)
            raise ValueError(
                f"The class folders in {part.container!r} are not those in {first.container!r}: "
                f"{' and '.join(differences)}. Folders loaded together must hold the same classes:"
                " rename folders, or name the classes that both have by categories=."
            )


class _Walk:
    """A walk through one class: every file at any depth, each real folder entered once."""

    def __init__(self, container, exclude, seen, unlisted, links):
        self._container, self._exclude = container, exclude
        self._seen = seen  # real paths of folders
        self._all_unlisted = unlisted
        self._links = links  # whatever was reached through a link is added here
        self.unlisted = False

    def files(self, folder, through_link=False):
        """Yield the paths of files, sorted folder by folder."""
        real = os.path.realpath(folder)
        if real in self._seen:  # a link led here a second time, or back up
            return
        self._seen.add(real)
        through_link = through_link or os.path.islink(folder)
        try:
            entries = visible_entries(folder)
        except PermissionError as error:
            self._all_unlisted[folder] = f"this folder may not be listed: {error.strerror}"
            self.unlisted = True
            return
        for entry in entries:
            relative = os.path.relpath(entry.path, self._container) if self._exclude else None
            if _is_excluded(entry.name, relative, self._exclude):
                continue
            if is_folder(entry):
                yield from self.files(entry.path, through_link)
                continue
            if through_link or entry.is_symlink():
                self._links.add(entry.path)
            yield entry.path


def _checkis_folder(container):
    if not os.path.exists(container):
        raise FileNotFoundError(f"container_path={container!r} does not exist.")
    if not os.path.isdir(container):
        raise NotADirectoryError(
            f"container_path={container!r} is a file. Give the folder that holds one folder per "
            "class."
        )
    if not os.access(container, os.R_OK | os.X_OK):
        raise PermissionError(
            f"container_path={container!r} may not be listed by this user. Allow reading it."
        )


def _is_excluded(name, relative, patterns):
    return any(fnmatch(name, each) or fnmatch(relative, each) for each in patterns or ())


def _by_composed_name(names):
    """Return the folders of each class: two spellings of one Unicode name are one class."""
    folders = {}
    for name in names:
        folders.setdefault(unicodedata.normalize("NFC", name), []).append(name)
    return dict(sorted(folders.items()))


def _chosen(container, folders_of_class, categories):
    wanted = [unicodedata.normalize("NFC", name) for name in categories]
    if unknown := [name for name in wanted if name not in folders_of_class]:
        raise ValueError(
            f"categories names {unknown}, which are no folders in {container!r}. It holds "
            f"{list(folders_of_class)}."
        )
    return {name: folders for name, folders in folders_of_class.items() if name in wanted}


def _parents(path):
    while (parent := os.path.dirname(path)) != path:
        yield parent
        path = parent
