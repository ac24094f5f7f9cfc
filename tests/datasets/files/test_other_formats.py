"""Volumes and arrays among pictures: named, with lines that make pictures of them."""

import gzip

import nibabel
import numpy as np
import pytest

from skextra.datasets import load_image_folder
from tests.pictures import gray


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("v.nii.gz", gzip.compress(b"anything"), "NIfTI volume, not a picture"),
        ("v.nii", b"anything", "NIfTI volume"),
        ("volume", b"\0" * 344 + b"n+1\0", "NIfTI volume"),
        ("v.mha", b"ObjectType = Image", "MetaImage or NRRD volume"),
        ("v.nrrd", b"NRRD0004", "MetaImage or NRRD volume"),
        ("1.mat", b"MATLAB 5.0 MAT-file", "MATLAB file, not a picture.*h5py"),
        ("1.h5", b"\x89HDF\r\n", "HDF5 file"),
        ("x.npy", b"\x93NUMPY", "array or archive"),
    ],
)
def test_format_is_named_with_a_way_out(write, name, content, reason):
    folder = write({f"a/{name}": content, "a/1.png": gray(1), "b/1.png": gray(1)})
    with pytest.raises(ValueError, match=rf"{name}': {reason}"):
        load_image_folder(folder)
    assert len(load_image_folder(folder, on_error="skip").images) == 2


def test_three_lines_make_slices_of_nifti(write, monkeypatch, tmp_path):
    """The lines in the message run, and their slices stand upright: nose up."""
    volume = np.zeros((8, 10, 4), dtype=np.int16)  # right, anterior, superior
    volume[:, -2:] = 900  # the nose
    image = nibabel.Nifti1Image(volume, np.diag([1, 1, 1, 1]))
    (tmp_path / "a").mkdir()
    nibabel.save(image, tmp_path / "a/scan.nii.gz")
    write({"b/1.png": gray(0, 10, 8)})
    with pytest.raises(ValueError, match="Slices of a NIfTI volume") as caught:
        load_image_folder(tmp_path)
    lines = [line.strip() for line in str(caught.value).splitlines() if line.startswith("    ")]
    assert len(lines) == 3
    monkeypatch.chdir(tmp_path / "a")
    exec("import nibabel, numpy; from PIL import Image\n" + "\n".join(lines))
    (tmp_path / "a/scan.nii.gz").unlink()
    slices = load_image_folder(tmp_path).images[:-1]
    assert slices.shape == (4, 10, 8)
    assert (slices[:, :2] == 255).all()
    assert not slices[:, 2:].any()
