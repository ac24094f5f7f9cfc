"""Say what a folder of images holds: ``python -m skextra.datasets path/to/scans``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from skextra.datasets._folder_report import FolderReport


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the report and write the contact sheet; return the exit status.

    Parameters
    ----------
    arguments : list of str, default=None
        The command line, None for that of the process.

    Returns
    -------
    int
        0 if every file can be read, 1 if some cannot, 2 if the folder cannot be loaded.
    """
    parser = argparse.ArgumentParser(
        prog="python -m skextra.datasets",
        description="Report classes, sizes, types, near duplicates and damaged files of a folder "
        "of images, one folder per class, and write a contact sheet.",
    )
    parser.add_argument(
        "folder", nargs="+", help="a folder of class folders; or several, or one that holds "
        "Training and Testing",
    )  # fmt: skip
    parser.add_argument("--categories", nargs="+", help="the folders that are classes")
    parser.add_argument("--exclude", nargs="+", help="patterns of files and folders to leave out")
    parser.add_argument(
        "--value-range", nargs=2, type=float, metavar=("LOWEST", "HIGHEST"),
        help="values of pixels of more than 8 bits that become black and white",
    )  # fmt: skip
    parser.add_argument("--n-jobs", type=int, help="threads (default: 1)")
    parser.add_argument(
        "--contact-sheet", default="contact_sheet.png", metavar="FILE",
        help="where to write eight images of each class (default: %(default)s)",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    selection = {"categories": options.categories, "exclude": options.exclude}
    if options.value_range:
        selection["value_range"] = tuple(options.value_range)
    try:
        report = FolderReport(options.folder, n_jobs=options.n_jobs, **selection)
        print(report)
        report.contact_sheet().save(options.contact_sheet)
    except (ValueError, OSError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    print(f"Contact sheet: {options.contact_sheet}")
    return int(bool(report.skipped))


if __name__ == "__main__":
    sys.exit(main())
