"""Segmentation masks among images: files that look like images and are none."""

import os
import re

MASK_FOLDERS = {
    "mask", "masks", "label", "labels", "seg", "segmentation", "segmentations", "annotation",
    "annotations", "groundtruth", "ground_truth", "gt",
}  # fmt: skip
_MASK_STEM = re.compile(r"(?i)^(.*?)([ _-])(mask|seg|segmentation|label|gt)(?=[ _-]|$)(.*)$")
_MRI_SEQUENCES = ("flair", "t1", "t1ce", "t1gd", "t1c", "t1n", "t2", "t2w", "t2f")


def refuse_masks(container, files_of_class):
    """Raise if some files of a class look like segmentation masks of the others."""
    for name, files in files_of_class.items():
        masks = _mask_folder(container, files) or _mask_file(files)
        if masks:
            raise ValueError(
                f"{masks[0]!r} in the class folder {name!r} looks like a segmentation mask of "
                f"another image there. Leave masks out by exclude=[{masks[1]!r}], or load every "
                "file as an image by exclude=[]."
            )


def _mask_folder(container, files):
    """Return a file in a folder of masks, and that folder's name, if other files lie elsewhere."""
    first, elsewhere, folders = None, False, {}
    for path in files:
        folder = os.path.dirname(path)
        if folder not in folders:
            # The class folder itself may be called "mask".
            parts = os.path.relpath(folder, container).split(os.sep)[1:]
            folders[folder] = next((part for part in parts if part.lower() in MASK_FOLDERS), None)
        if folders[folder]:
            first = first or (path, folders[folder])
        else:
            elsewhere = True
    return first if elsewhere else None


def _mask_file(files):
    """Return a file named like the mask of another file, and a pattern of its kind."""
    found = [
        (path, match)
        for path in files
        if (match := _MASK_STEM.match(os.path.splitext(os.path.basename(path))[0]))
    ]
    if not found:
        return None
    stems = {os.path.splitext(path)[0].lower() for path in files}
    for path, match in found:
        folder = os.path.dirname(path)
        before, separator, word, after = match.groups()
        number = re.sub(r"^[ _-]\d+$", "", after)  # "_mask_1": the second mask of one image
        others = {before + after, before + number}
        others |= {f"{before}{sep}{seq}{after}" for seq in _MRI_SEQUENCES for sep in "_- "}
        if any(os.path.join(folder, other).lower() in stems for other in others):
            return path, f"*{separator}{word}*"
    return None
