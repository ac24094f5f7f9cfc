"""Images in and out: load a folder, make synthetic slices, group near duplicates."""

from skextra.datasets._brain_mri import make_brain_mri
from skextra.datasets._duplicates import near_duplicate_groups
from skextra.datasets._image_folder import load_image_folder

__all__ = ["load_image_folder", "make_brain_mri", "near_duplicate_groups"]
