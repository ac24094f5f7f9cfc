"""What a folder of images holds, as the command line reports it."""

import os
import warnings
from collections import Counter

import numpy as np

from skextra.datasets._duplicates import near_duplicate_groups
from skextra.datasets._files._decode_file import open_image
from skextra.datasets._folders._layout_checks import split_parts, unwrapped
from skextra.datasets._folders._listing import folders_in
from skextra.datasets._image_folder import load_image_folder
from skextra.datasets._leakage import leakage_report

# Enough for thumbnails of 32x32 pixels and for a contact sheet.
_SIDE = 64
_PER_CLASS = 8
_LINES = 10


class FolderReport:
    """Classes, sizes, types, near duplicates and unreadable files of folders of images.

    Parameters
    ----------
    folders : list of str
        Folders of class folders; a single one that holds the parts of a split stands for them.
    n_jobs : int, default=None
        Number of threads.
    **selection
        `categories`, `exclude` and `value_range` of `load_image_folder`.

    Attributes
    ----------
    parts : list of Bunch
        What `load_image_folder` returned for each folder, 64x64 pixels.
    skipped : dict of str to str
        The files that cannot be read, and why.
    warnings : list of str
        What the loader warned of.
    """

    def __init__(self, folders, *, n_jobs=None, **selection):
        self.folders = _parts(folders, selection.get("categories"))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self.parts = load_image_folder(
                self.folders, image_size=_SIDE, on_error="skip", n_jobs=n_jobs, **selection
            )
        self.warnings = [str(warning.message) for warning in caught]
        self.skipped = {path: why for part in self.parts for path, why in part.skipped.items()}

    def __str__(self):
        lines = []
        for folder, part in zip(self.folders, self.parts, strict=True):
            lines += [f"{folder}: {len(part.images)} images"]
            counts = np.bincount(part.target, minlength=len(part.target_names))
            width = max(map(len, part.target_names))
            lines += [
                f"  {name:{width}}  {count:6}  {count / counts.sum():5.1%}"
                for name, count in zip(part.target_names, counts, strict=True)
            ]
            lines += _sizes_and_types(part.filenames) + [_near_duplicates(part)]
        for i, train in enumerate(self.parts):
            for j, test in enumerate(self.parts[i + 1 :], i + 1):
                report = leakage_report(train, test)
                lines += [f"Near duplicates across {self.folders[i]} and {self.folders[j]}:"]
                lines += ["  " + line for line in str(report).splitlines()]
        lines += [f"Not readable: {len(self.skipped)} files"]
        lines += [f"  {path}: {why}" for path, why in list(self.skipped.items())[:_LINES]]
        if len(self.skipped) > _LINES:
            lines += [f"  and {len(self.skipped) - _LINES} more"]
        return "\n".join(lines + self.warnings)

    def contact_sheet(self):
        """Return a picture of eight images per class, evenly drawn, one row per class.

        Returns
        -------
        PIL.Image.Image
        """
        from PIL import Image, ImageDraw

        names = self.parts[0].target_names
        row, gap = _SIDE + 18, 4
        sheet = Image.new("L", (_PER_CLASS * (_SIDE + gap), row * len(names)), 255)
        draw = ImageDraw.Draw(sheet)
        images = np.concatenate([part.images for part in self.parts])
        target = np.concatenate([part.target for part in self.parts])
        for code, name in enumerate(names):
            rows = np.flatnonzero(target == code)
            title = _fitting(draw, f"{name} ({len(rows)})", sheet.width - 4)
            draw.text((2, row * code + 2), title, fill=0)
            for place, index in enumerate(_evenly(rows)):
                left = place * (_SIDE + gap)
                sheet.paste(Image.fromarray(images[index]), (left, row * code + 16))
        return sheet


def _parts(folders, categories):
    """Return the folders to load: those given, or the parts of a split in the only one."""
    if len(folders) > 1 or categories is not None:
        return folders
    folder = unwrapped(folders[0]) if os.path.isdir(folders[0]) else folders[0]
    parts = [unwrapped(os.path.join(folder, name)) for name in split_parts(folder)]
    parts = [part for part in parts if len(folders_in(part)) > 1]
    return parts or [folder]


def _sizes_and_types(filenames):
    """Return lines with the sizes and the types of files, from their headers alone."""
    sizes, types = Counter(), Counter()
    for file in filenames:
        with open_image(file) as image:
            sizes[image.size] += 1
            types[f"{image.format} {image.mode}"] += 1
    lines = []
    for what, counts in (("sizes", sizes), ("types", types)):
        shown = [
            f"{key if what == 'types' else 'x'.join(map(str, key[::-1]))} ({count})"
            for key, count in counts.most_common(4)
        ]
        more = f" and {len(counts) - 4} more" if len(counts) > 4 else ""
        lines.append(f"  {what}: {', '.join(shown)}{more}")
    return lines


def _near_duplicates(part):
    groups = near_duplicate_groups(part.images)
    counts = np.bincount(groups)
    text = f"  near duplicates: {len(counts)} groups, the largest of {counts.max()} images"
    if len(counts) < len(groups):
        text += "; split by skextra.datasets.near_duplicate_groups"
    return text


def _evenly(rows):
    places = np.linspace(0, len(rows) - 1, min(_PER_CLASS, len(rows))).round().astype(int)
    return rows[places]


def _fitting(draw, text, width):
    """Return the text, shortened to a width in pixels, in letters that Pillow's font has."""
    text = text.encode("ascii", "replace").decode()
    while draw.textlength(text) > width:
        text = text[:-2] + "."
    return text
