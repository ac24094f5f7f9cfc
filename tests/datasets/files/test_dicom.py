"""DICOM files: rescaling, windows, MONOCHROME1, and what is refused with a way out."""

import sys

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileMetaDataset
from pydicom.pixels import apply_rescale, apply_voi_lut
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, JPEG2000Lossless, RLELossless

from skextra.datasets import load_image_folder
from tests.pictures import gray

PIXELS = np.array([[0, 100, 1000], [2000, 3000, 4095]])


def dicom(pixels=PIXELS, syntax=ExplicitVRLittleEndian, signed=False, **elements):
    """Return a small CT slice of 12 bits, with other elements as they are given."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid(entropy_srcs=["x"])
    meta.TransferSyntaxUID = syntax
    dataset = pydicom.Dataset()
    dataset.file_meta = meta
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.Modality = "CT"
    dataset.Rows, dataset.Columns = pixels.shape[-2:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = int(signed)
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    dataset.PixelData = pixels.astype(f"{order}{'i' if signed else 'u'}2").tobytes()
    for name, value in elements.items():
        setattr(dataset, name, value)
    return dataset


@pytest.fixture
def load(write):
    """Return a function that loads one DICOM file beside another class."""

    def load(dataset, name="a/1.dcm", **options):
        shape = (dataset.Rows, dataset.Columns) if "Rows" in dataset else (2, 3)
        folder = write({"b/1.png": gray(0, *shape)})
        (folder / name).parent.mkdir(exist_ok=True)
        dataset.save_as(folder / name, enforce_file_format=True)
        return load_image_folder(folder, **options).images[0]

    return load


def test_window_by_hand(load):
    """Slope 2 and intercept -1000 give 0 HU at 500; the window runs from -0.5 to 998.5 HU."""
    pixels = np.array([[0, 500, 1000], [875, 999, 4095]])  # -1000, 0, 1000, 750, 998, 7190 HU
    image = load(
        dicom(pixels, RescaleSlope=2, RescaleIntercept=-1000, WindowCenter=500, WindowWidth=1000)
    )
    expected = [[0, 0, 255], [round(750.5 / 999 * 255), 255, 255]]
    np.testing.assert_allclose(image, expected, atol=1)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize("signed", [False, True])
def test_windows_equal_pydicom(load, function, signed):
    pixels = np.random.default_rng(0).integers(0, 2048, (20, 20)) - 1000 * signed
    dataset = dicom(
        pixels, signed=signed, RescaleSlope=1.5, RescaleIntercept=-1024,
        WindowCenter=[300, 40], WindowWidth=[900, 80], VOILUTFunction=function,
    )  # fmt: skip
    image = load(dataset)
    rescaled = apply_rescale(dataset.pixel_array, dataset)
    reference = apply_voi_lut(rescaled, dataset).astype(float)
    low = (-2048 if signed else 0) * 1.5 - 1024
    high = (2047 if signed else 4095) * 1.5 - 1024
    np.testing.assert_allclose(image, (reference - low) / (high - low) * 255, atol=0.51)


def test_threshold_window_has_two_levels(load):
    image = load(dicom(WindowCenter=1000.5, WindowWidth=1))
    assert image.tolist() == [[0, 0, 0], [255, 255, 255]]


def test_monochrome1_is_inverted(load):
    bright_is_dark = {"WindowCenter": 2048, "WindowWidth": 4096}
    plain = load(dicom(**bright_is_dark))
    inverted = load(dicom(PhotometricInterpretation="MONOCHROME1", **bright_is_dark))
    np.testing.assert_array_equal(inverted, 255 - plain)


def test_value_range_replaces_the_window(load):
    dataset = dicom(RescaleIntercept=-1000, RescaleSlope=1, WindowCenter=0, WindowWidth=10)
    image = load(dataset, value_range=(-1000, 1000))
    assert image.tolist() == [[0, 13, 128], [255, 255, 255]]


def test_without_window_stored_bits_are_the_range(load):
    assert load(dicom()).tolist() == np.rint(PIXELS / 4095 * 255).tolist()
    with pytest.warns(UserWarning, match=r"reach 819 of 4095.*value_range=\(0, 1023\)"):
        assert load(dicom(PIXELS // 5)).max() == 51


@pytest.mark.parametrize("name", ["a/1.dcm", "a/IM0001", "a/1.png"])
def test_dicom_is_known_by_its_content(load, name):
    assert load(dicom(WindowCenter=2048, WindowWidth=4096), name=name).max() == 255


def test_big_endian_reads_as_little_endian(load):
    dataset = dicom(syntax=ExplicitVRBigEndian)
    np.testing.assert_array_equal(load(dataset), load(dicom()))


def test_colour_dicom_keeps_its_colours(load):
    colours = np.random.default_rng(0).integers(0, 256, (2, 3, 3)).astype(np.uint8)
    dataset = dicom(
        Rows=2, Columns=3, SamplesPerPixel=3, PhotometricInterpretation="RGB", BitsAllocated=8,
        BitsStored=8, HighBit=7, PlanarConfiguration=0, PixelData=colours.tobytes(),
    )  # fmt: skip
    np.testing.assert_array_equal(load(dataset, mode="RGB"), colours)


def test_dicom_is_resized_like_a_picture(load):
    pixels = np.random.default_rng(0).integers(0, 4096, (30, 20))
    assert load(dicom(pixels), image_size=8).shape == (8, 8)


def compressed(syntax):
    dataset = dicom()
    dataset.compress(RLELossless)
    dataset.file_meta.TransferSyntaxUID = syntax
    return dataset


def frames():
    return dicom(np.tile(PIXELS, (3, 1, 1)), NumberOfFrames=3)


def without_pixels():
    dataset = dicom()
    del dataset.PixelData
    return dataset


def truncated():
    return dicom(PixelData=b"\0\0\0\0")


def enhanced():
    dataset = dicom()
    dataset.PerFrameFunctionalGroupsSequence = [pydicom.Dataset()]
    return dataset


def palette():
    return dicom(PhotometricInterpretation="PALETTE COLOR")


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (frames, r"DICOM file of several frames(.|\n)*Frames of a DICOM file, after `import pydi"),
        (enhanced, "DICOM file of several frames"),
        (
            lambda: compressed(RLELossless),
            r"compressed pixels \(RLE Lossless\): decompress it fir",
        ),
        (lambda: compressed(JPEG2000Lossless), "compressed pixels .*JPEG 2000.*gdcmconv --raw"),
        (without_pixels, "DICOM file without a picture"),
        (truncated, r"1\.dcm': .*pixel data"),
        (palette, "kind PALETTE COLOR are not read: save them as PNG"),
    ],
)
def test_unread_kind_names_the_way_out(load, dataset, message):
    with pytest.raises(ValueError, match=message):
        load(dataset())


def test_lines_for_frames_make_readable_files(load, write, monkeypatch, tmp_path):
    with pytest.raises(ValueError, match="Frames of a DICOM file") as caught:
        load(frames())
    monkeypatch.chdir(tmp_path / "a")
    (tmp_path / "a/1.dcm").rename("scan.dcm")
    lines = [line for line in str(caught.value).splitlines() if line.startswith("    ")]
    exec("import pydicom; from PIL import Image\n" + "\n".join(line.strip() for line in lines))
    (tmp_path / "a/scan.dcm").unlink()
    images = load_image_folder(tmp_path, value_range=(0, 4095)).images
    np.testing.assert_array_equal(images[:3], [np.rint(PIXELS / 4095 * 255)] * 3)


def test_missing_pydicom_names_the_extra(load, monkeypatch):
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(ValueError, match=r'needs pydicom, which `pip install "skextra\[dicom\]"`'):
        load(dicom())


def test_file_named_dcm_without_dicom_is_told(write):
    folder = write({"a/1.dcm": b"text", "b/1.png": gray(1)})
    with pytest.raises(ValueError, match="not a DICOM file, though its name says so"):
        load_image_folder(folder)
