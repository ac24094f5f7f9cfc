"""What the tests of datasets share: folders they write and, where present, real slices."""

from pathlib import Path

import pytest

REAL_SLICES = Path(__file__).parents[3] / "shared" / "brain_mri" / "Training"


@pytest.fixture
def write(tmp_path):
    """Write images or bytes at paths below a temporary folder; returns the folder."""

    def write(contents, **options):
        for name, content in contents.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                path.write_bytes(content)
            else:
                content.save(path, **options)
        return tmp_path

    return write


@pytest.fixture
def real_slices():
    """Give the folder of real slices, which is no part of the project, or skip."""
    if not REAL_SLICES.is_dir():
        pytest.skip("the real slices are not at hand")
    return REAL_SLICES
