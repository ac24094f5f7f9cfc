"""Layouts of folders that can be read in two ways: each is refused, with the ways out."""

import os
import re
import unicodedata

from skextra.datasets._folders._listing import folders_in, visible_entries
from skextra.datasets._folders._masks import MASK_FOLDERS

_PARTS = {
    "training": ("train", "training", "trainset", "trn"),
    "test": ("test", "testing", "testset", "tst", "holdout"),
    "validation": ("val", "valid", "validation", "dev", "eval", "evaluation"),
    "unlabelled": ("pred", "predict", "prediction", "unlabeled", "unlabelled", "submission"),
}
_PART_OF_WORD = {word: part for part, words in _PARTS.items() for word in words}
# Words that say nothing about what is inside: "train_images", "Test Set".
_FILLERS = {"set", "data", "dataset", "image", "images", "img", "imgs", "split", "part", "scans"}
# What is numbered and is no class.
_NUMBERED = {
    "batch", "brats", "case", "fold", "part", "patient", "pat", "scan", "series", "set", "study",
    "sub", "subject", "subset", "volume",
}  # fmt: skip
_IMAGE_FOLDERS = {"image", "images", "img", "imgs", "scan", "scans", "slices", "jpegimages"}


def too_few_classes(container, names, n_files):
    """Return the message for a folder with fewer than two folders inside."""
    found = f"the one folder {names[0]!r}" if names else "no folder"
    loose = f" and {n_files} files" if n_files else ""
    message = (
        f"Found {found}{loose} in {container!r}. Images must lie in one folder per class, "
        "and there must be at least two classes."
    )
    inner = unwrapped(os.path.join(container, names[0])) if names else container
    if names and len(folders := folders_in(inner)) > 1:
        message += f" {inner!r} holds the folders {_some(folders)}: if these are the classes, or "
        message += f"the parts of a split, give container_path={inner!r}."
    elif n_files > 1:
        message += " If a table names the class of each file, first move or link the files into "
        message += "one folder per class."
    return message


def split_parts(container):
    """Return the folders that are the parts of a split: training, test and so on.

    Parameters
    ----------
    container : str
        A folder.

    Returns
    -------
    list of str
        Names of the folders in `container`, training first; empty if they are no parts of a split.
    """
    return _parts_among({name: folders_in(os.path.join(container, name)) for name in
                         folders_in(container)})  # fmt: skip


def unwrapped(folder):
    """Return the folder inside which more than one folder, or a file, lies."""
    while len(folders := folders_in(folder)) == 1 and len(visible_entries(folder)) == 1:
        folder = os.path.join(folder, folders[0])
    return folder


def refuse_parts_of_a_split(container, inside):
    """Raise if folders are named like training and test parts; ``inside`` has their folders."""
    if not (parts := _parts_among(inside)):
        return
    paths = [unwrapped(os.path.join(container, name)) for name in parts]
    loadable = [path for path in paths if len(folders_in(path)) > 1]
    flat = [path for path in paths if len(folders_in(path)) < 2]
    others = sorted(inside.keys() - set(parts))
    message = f"{parts} in {container!r} {'is a part' if len(parts) == 1 else 'are the parts'} of "
    message += "a split and not classes."
    if loadable:
        given = ", ".join(map(repr, loadable))
        message += f" Give the parts that hold class folders: container_path=[{given}]."
    if flat:
        message += f" {flat} hold no class folders, so their images have no class."
    if len(others) > 1:
        message += f" If the other folders are the classes, give categories={others}."
    message += f" If all are classes, say so: categories={sorted(inside)}."
    raise ValueError(message)


def refuse_names_alike(container, names):
    """Raise if two names differ in nothing but case, spaces, hyphens and underscores."""
    spellings = {}
    for name in names:
        composed = unicodedata.normalize("NFC", name)
        key = unicodedata.normalize("NFKC", name).strip().casefold()
        spellings.setdefault(re.sub(r"[\s_-]+", "_", key), {})[composed] = None
    for alike in spellings.values():
        if len(alike) > 1:
            raise ValueError(
                f"The class folders {list(alike)} in {container!r} differ only in case or spacing."
                f" Merge them, or name the classes: categories={sorted(names)}."
            )


def refuse_numbered_patients(container, names):
    """Raise if the folders are patients, folds or the like, by their numbered names."""
    kinds = {_without_digits(name) for name in names}
    words = {word for kind in kinds for word in re.split(r"[^a-z]+", kind.lower())}
    if len(kinds) == 1 and kinds != set(names) and words & _NUMBERED:
        raise ValueError(
            f"{_some(names)} in {container!r} are numbered like patients, scans or folds, and no "
            "classes. Images must lie in one folder per class. If the names are classes, say so: "
            f"categories={sorted(names)}."
        )


def refuse_ambiguous_levels(container, inside):
    """Raise if the folders inside the folders may be the classes."""
    names = set(inside)
    if {n for n in names if n.lower() in MASK_FOLDERS} and {
        n for n in names if n.lower() in _IMAGE_FOLDERS
    }:
        raise ValueError(
            f"{sorted(names)} in {container!r} are images and their masks or labels, not classes. "
            f"Images must lie in one folder per class. If the names are classes, say so: "
            f"categories={sorted(names)}."
        )
    for name, folders in inside.items():
        if siblings := sorted(names.intersection(folders) - {name}):
            raise ValueError(
                f"{name!r} in {container!r} holds {siblings}, which also lie beside it. Name the "
                f"folders that are classes, such as categories={sorted(names - {name})}, or give "
                f"container_path={os.path.join(container, name)!r}."
            )
    # Patients and series are numbered in every class; classes seldom are.
    numbered = len({_without_digits(name) for name in names}) == 1
    counts = {}
    for folders in inside.values():
        for folder in folders:
            if numbered or folder == _without_digits(folder):
                counts[folder] = counts.get(folder, 0) + 1
    if shared := sorted(folder for folder, count in counts.items() if count > 1):
        paths = [os.path.join(container, name) for name in inside]
        raise ValueError(
            f"Several of the folders {_some(names)} in {container!r} hold {_some(shared)}, so "
            f"either level may be the classes. If {_some(names)} are the classes, say so: "
            f"categories={sorted(names)}. If {_some(shared)} are, give "
            f"container_path={paths}."
        )


def refuse_shared_files(container, files_of_class, links):
    """Raise if links put one file into two classes; ``links`` are the paths that links led to."""
    if not links:
        return
    folders, owner = {}, {}
    for name, files in files_of_class.items():
        for path in files:
            folder, file = os.path.split(path)
            if os.path.islink(path):
                real = os.path.realpath(path)
            else:
                if folder not in folders:
                    folders[folder] = os.path.realpath(folder)
                real = os.path.join(folders[folder], file)
            if owner.setdefault(real, name) != name:
                raise ValueError(
                    f"The file {real!r} lies in the class folder {owner[real]!r} and, through a "
                    f"link, in {name!r} of {container!r}. A file has one class: remove the link."
                )


def _parts_among(inside):
    """Return the names that are parts of a split, training first; ``inside`` has their folders."""
    groups = {}
    for name in inside:
        words = [word for word in re.split(r"[^a-z]+", name.lower()) if word]
        parts = {_PART_OF_WORD[word] for word in words if word in _PART_OF_WORD}
        if len(parts) == 1:
            rest = tuple(w for w in words if w not in _PART_OF_WORD and w not in _FILLERS)
            groups.setdefault(rest, {}).setdefault(parts.pop(), []).append(name)
    for rest, named in groups.items():
        # Training first: whoever copies the names passes them on in this order.
        names = [name for part in _PARTS for name in sorted(named.get(part, ()))]
        # Of these names alone, "train" is also a thing that classes are called after.
        alone = not rest and ("training" not in named or any(inside[name] for name in names))
        if len(named) > 1 or alone:
            return names
    return []


def _without_digits(name):
    return re.sub(r"\d+", "", name)


def _some(names):
    names = sorted(names)
    return str(names) if len(names) <= 4 else f"{str(names[:3])[:-1]}, ...]"
