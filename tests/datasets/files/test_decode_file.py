"""Formats, modes, orientation and size of pictures, as load_image_folder returns them."""

import struct
import tempfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from skextra.datasets import load_image_folder
from tests.pictures import gray, noise


def one_pixel(image, write, mode="L", suffix="png", load=None, **options):
    """Load one image beside another class and return its first pixel."""
    images, _ = load_image_folder(
        write({f"a/a.{suffix}": image, "b/b.png": gray(0, *image.size[::-1])}, **options),
        mode=mode,
        return_X_y=True,
        **(load or {}),
    )
    return images[0, 0, 0].tolist()


@pytest.mark.parametrize("channels", [(), (3,)])
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_lossless_files_come_back_bit_for_bit(channels, data):
    """Any uint8 images saved as PNG are loaded as they were."""
    shape = data.draw(st.tuples(st.integers(2, 4), st.integers(1, 9), st.integers(1, 9)))
    pixels = data.draw(hnp.arrays(np.uint8, (*shape, *channels)))
    with tempfile.TemporaryDirectory() as folder:
        for i, image in enumerate(pixels):
            (Path(folder) / str(i)).mkdir()
            Image.fromarray(image).save(Path(folder) / str(i) / "x.png")
        images, target = load_image_folder(
            folder, mode="RGB" if channels else "L", return_X_y=True
        )
    np.testing.assert_array_equal(images, pixels)
    assert target.tolist() == list(range(len(pixels)))


# Formats and kinds of pixels.


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "bmp", "webp", "gif"])
def test_formats(write, suffix):
    """The common formats are read, an even gray to within a level."""
    assert abs(one_pixel(gray(100, 8, 8), write, suffix=suffix) - 100) <= 1


FULL = {"value_range": (0, 65535)}  # what None is, without the warning of dark images


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize(("deep", "expected"), [(0, 0), (257, 1), (32896, 128), (65535, 255)])
def test_16_bit_gray_is_scaled_not_clipped(write, suffix, deep, expected):
    """16-bit pixels keep their share of the full range."""
    image = Image.fromarray(np.full((3, 3), deep, dtype=np.uint16))
    assert one_pixel(image, write, suffix=suffix, load=FULL) == expected


def test_16_bit_gray_of_the_other_byte_order(write):
    """A big-endian TIFF reads as a little-endian one does."""
    image = Image.fromarray(np.full((3, 3), 32896, dtype=">u2"))
    assert one_pixel(image, write, suffix="tif") == 128


def twelve_bits(seed):
    pixels = np.random.default_rng(seed).integers(0, 4096, (8, 8)).astype(np.uint16)
    pixels.flat[:2] = 0, 4095
    return pixels


def test_12_bits_in_16_warn_and_name_the_range(write):
    folder = write({f"{c}/1.png": Image.fromarray(twelve_bits(i)) for i, c in enumerate("ab")})
    with pytest.warns(UserWarning, match=r"2 files .* reach 4095 of 65535.*\(0, 4095\)") as caught:
        dark = load_image_folder(folder).images
    assert dark.max() == 16
    assert caught[0].filename == __file__
    images = load_image_folder(folder, value_range=(0, 4095)).images
    expected = [np.rint(twelve_bits(i) / 4095 * 255) for i in (0, 1)]
    np.testing.assert_array_equal(images, expected)


def test_one_dark_16_bit_image_does_not_warn(write):
    dark, bright = (np.full((4, 4), level, np.uint16) for level in (100, 60_000))
    folder = write({"a/1.png": Image.fromarray(dark), "b/1.png": Image.fromarray(bright)})
    assert load_image_folder(folder).images[:, 0, 0].tolist() == [0, 233]


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_value_range_reads_floats_and_long_integers(write, dtype):
    pixels = (np.array([[-5, 0, 50, 100, 200]]) * np.ones((2, 1))).astype(dtype)
    folder = write({f"{c}/1.tif": Image.fromarray(pixels) for c in "ab"})
    with pytest.raises(ValueError, match="have no fixed range: give value_range"):
        load_image_folder(folder)
    images = load_image_folder(folder, value_range=(0, 100)).images
    assert images[0, 0].tolist() == [0, 0, 128, 255, 255]


def test_value_range_leaves_8_bits_alone(write):
    folder = write({"a/1.png": gray(7), "b/1.png": gray(200)})
    images = load_image_folder(folder, value_range=(0, 4095)).images
    assert images[:, 0, 0].tolist() == [7, 200]


@pytest.mark.parametrize("value_range", [(0,), (1, 1), (5, 2), (0, np.inf), ("a", "b"), [0, 1, 2]])
def test_bad_value_range_is_named(write, value_range):
    folder = write({"a/1.png": gray(7), "b/1.png": gray(200)})
    with pytest.raises(ValueError, match=r"value_range=.* must be two numbers"):
        load_image_folder(folder, value_range=value_range)


def test_dark_16_bit_colour_warns_and_refuses_a_range(write):
    """Pillow drops the lower eight bits of colours, so that no range can bring them back."""
    folder = write({f"{c}/1.png": png(2, struct.pack(">H", 4095) * 3) for c in "ab"})
    with pytest.warns(UserWarning, match="2 files with more than 8 bits"):
        load_image_folder(folder, mode="RGB")
    with pytest.raises(ValueError, match="16-bit colour or alpha, of which Pillow keeps"):
        load_image_folder(folder, value_range=(0, 4095))


@pytest.mark.parametrize(("kind", "n_channels"), [(2, 3), (4, 2), (6, 4)])
def test_16_bit_colour_and_alpha_keep_their_share(write, kind, n_channels):
    """16-bit PNGs in colour or with alpha, which Pillow cannot write, are read as 8 bits are."""
    half = struct.pack(">H", 32896)
    pixel = half * n_channels if kind == 2 else half * (n_channels - 1) + b"\xff\xff"
    folder = write({"a/1.png": png(kind, pixel), "b/1.png": gray(1, 2, 2)})
    images, _ = load_image_folder(folder, mode="RGB", return_X_y=True)
    assert images[0].tolist() == [[[128] * 3] * 2] * 2


def png(kind, pixel):
    """Bytes of a 16-bit PNG of 2x2 equal pixels, by the letter of the format."""

    def chunk(name, data):
        check = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + check

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 16, kind, 0, 0, 0))
    rows = chunk(b"IDAT", zlib.compress((b"\0" + pixel * 2) * 2))
    return b"\x89PNG\r\n\x1a\n" + header + rows + chunk(b"IEND", b"")


def test_palette_index_is_looked_up(write):
    """A palette image gives its colours, not its indices."""
    image = Image.new("P", (3, 3), 1)
    image.putpalette([0, 0, 0, 200, 100, 50])
    assert one_pixel(image, write, mode="RGB") == [200, 100, 50]


def test_one_bit_is_black_and_white(write):
    """A 1-bit image gives 0 and 255."""
    assert one_pixel(Image.new("1", (3, 3), 1), write) == 255


def test_cmyk_is_converted(write):
    """A CMYK image without ink is white."""
    assert one_pixel(Image.new("CMYK", (3, 3)), write, mode="RGB", suffix="tif") == [255] * 3


def test_lab_becomes_gray_and_colour(write):
    """A TIFF in CIELAB, of which Pillow alone makes no gray, is read in both modes."""
    image = Image.new("LAB", (3, 3), (255, 128, 128))
    assert one_pixel(image, write, suffix="tif") >= 250
    assert min(one_pixel(image, write, mode="RGB", suffix="tif")) >= 250


@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_transparent_pixels_are_laid_over_black(write, suffix):
    """What the colour under full transparency was does not matter."""
    image = Image.new("RGBA", (3, 3), (255, 255, 255, 0))
    assert one_pixel(image, write, suffix=suffix) == 0


def test_half_transparent_gray_and_palette(write):
    """Gray with alpha darkens by its alpha; a transparent palette entry is black."""
    assert one_pixel(Image.new("LA", (3, 3), (200, 51)), write) == 40
    image = Image.new("P", (3, 3), 1)
    image.putpalette([0, 0, 0, 200, 100, 50])
    assert one_pixel(image, write, mode="RGB", transparency=1) == [0, 0, 0]


def test_first_picture_of_an_animation(write):
    """Of a GIF with two pictures, the first is taken."""
    assert one_pixel(gray(10), write, suffix="gif", save_all=True, append_images=[gray(200)]) == 10


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(write, orientation):
    """However the camera was held, the picture comes out upright, before it is resized."""
    upright = np.arange(6, dtype=np.uint8).reshape(2, 3) * 40
    # How the eight orientations store the upright picture.
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: upright.T[::-1],
        7: upright.T[::-1, ::-1],
        8: upright.T[:, ::-1],
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(np.ascontiguousarray(stored))
    folder = write({"a/1.png": image, "b/1.png": image}, exif=exif)
    np.testing.assert_array_equal(load_image_folder(folder).images, [upright, upright])
    np.testing.assert_array_equal(load_image_folder(folder, image_size=(2, 3)).images[0], upright)


# Resizing.


@pytest.mark.parametrize(("mode", "channels"), [("L", ()), ("RGB", (3,))])
@pytest.mark.parametrize(("image_size", "shape"), [(8, (8, 8)), ((5, 9), (5, 9)), (50, (50, 50))])
def test_resizing_equals_a_plain_pillow_loop(write, mode, channels, image_size, shape):
    """Smaller or larger, images of mixed sizes are what Pillow's convert and resize make."""
    folder = write({"a/1.png": noise(21, 30), "b/1.png": noise(40, 17, (3,))})
    bunch = load_image_folder(folder, image_size=image_size, mode=mode)
    assert bunch.images.shape == (2, *shape, *channels)
    for file, image in zip(bunch.filenames, bunch.images, strict=True):
        with Image.open(file) as picture:
            expected = picture.convert(mode).resize(shape[::-1])
        np.testing.assert_array_equal(image, np.asarray(expected))


def test_shrinking_is_antialiased(write):
    """A fine checkerboard shrinks to even gray, not to stripes."""
    board = Image.fromarray(np.uint8(255 * (np.indices((64, 64)).sum(axis=0) % 2)))
    folder = write({"a/1.png": board, "b/1.png": board})
    images, _ = load_image_folder(folder, image_size=16, return_X_y=True)
    assert np.abs(images.astype(int) - 127).max() <= 2


@pytest.mark.parametrize(
    ("height", "width", "inside"),
    [
        (10, 20, np.s_[2:6, :]),
        (20, 10, np.s_[:, 2:6]),
        (5, 5, np.s_[:, :]),
        (3, 400, np.s_[3:4, :]),
        (900, 2, np.s_[:, 3:4]),
    ],
)
def test_kept_aspect_leaves_black_bars(write, height, width, inside):
    """The picture fills one side, stands in the middle of the other, and the rest is black."""
    folder = write({"a/1.png": gray(90, height, width), "b/1.png": gray(90, 8, 8)})
    images, _ = load_image_folder(folder, image_size=8, keep_aspect=True, return_X_y=True)
    expected = np.zeros((8, 8))
    expected[inside] = 90
    np.testing.assert_array_equal(images[0], expected)
    stretched, _ = load_image_folder(folder, image_size=8, return_X_y=True)
    assert (stretched == 90).all()


def test_kept_aspect_in_colour_is_pillows_resize_inside(write):
    """Inside the bars lies what Pillow's own resize makes."""
    picture = noise(30, 60, (3,))
    folder = write({"a/1.png": picture, "b/1.png": picture})
    images, _ = load_image_folder(
        folder, image_size=(20, 20), keep_aspect=True, mode="RGB", return_X_y=True
    )
    np.testing.assert_array_equal(images[0, 5:15], np.asarray(picture.resize((20, 10))))
    assert not images[0, :5].any()
    assert not images[0, 15:].any()


def test_large_jpeg_at_a_reduced_scale_stays_close(write):
    """A JPEG decoded at a reduced scale differs little from the whole picture shrunk."""
    smooth = noise(6, 6, (3,)).resize((600, 500), Image.Resampling.BICUBIC)
    folder = write({"a/1.jpg": smooth, "b/1.jpg": smooth})
    images, _ = load_image_folder(folder, image_size=50, return_X_y=True)
    with Image.open(folder / "a/1.jpg") as picture:
        expected = np.asarray(picture.convert("L").resize((50, 50)), dtype=int)
    assert np.abs(images[0] - expected).max() <= 4


def test_real_slices_as_a_plain_pillow_loop_reads_them(real_slices, tmp_path):
    """Real slices, gray and colour JPEG, come out within a few gray levels of a plain loop."""
    for name in ("glioma", "notumor"):
        (tmp_path / name).mkdir()
        for file in sorted((real_slices / name).iterdir())[:40]:
            (tmp_path / name / file.name).symlink_to(file)
    bunch = load_image_folder(tmp_path, image_size=128)
    expected = []
    for file in bunch.filenames:
        with Image.open(file) as picture:
            expected.append(np.asarray(picture.convert("L").resize((128, 128)), dtype=int))
    assert len(expected) == 80
    assert np.abs(bunch.images - np.array(expected)).max() <= 5
