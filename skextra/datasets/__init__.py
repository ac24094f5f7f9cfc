"""Images in and out: load folders, make synthetic slices, find near duplicates."""

from skextra.datasets._brain_mri import make_brain_mri
from skextra.datasets._duplicates import near_duplicate_groups
from skextra.datasets._image_folder import load_image_folder
from skextra.datasets._leakage import LeakageReport, leakage_report

__all__ = [
    "LeakageReport",
    "leakage_report",
    "load_image_folder",
    "make_brain_mri",
    "near_duplicate_groups",
]
