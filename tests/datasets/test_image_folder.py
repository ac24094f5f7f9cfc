"""load_image_folder: what it reads, in which order, and what it says of what it cannot read."""

import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from sklearn.datasets import load_files

from skextra.datasets import load_image_folder


def gray(value, height=4, width=6):
    return Image.new("L", (width, height), value)


def noise(height, width, channels=(), seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, *channels))
    return Image.fromarray(pixels.astype(np.uint8))


def as_bytes(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def one_pixel(image, write, mode="L", suffix="png", **options):
    """Load one image beside another class and return its first pixel."""
    images, _ = load_image_folder(
        write({f"a/a.{suffix}": image, "b/b.png": gray(0, *image.size[::-1])}, **options),
        mode=mode,
        return_X_y=True,
    )
    return images[0, 0, 0].tolist()


# What is read, and in which order.


def test_bunch_by_hand(write):
    """Three files of two classes come out as their pixels, codes, names and paths."""
    row = Image.fromarray(np.array([[0, 128, 255]], dtype=np.uint8))
    folder = write({"b/1.png": gray(9, 1, 3), "a/2.png": gray(7, 1, 3), "a/1.png": row})

    bunch = load_image_folder(folder)

    np.testing.assert_array_equal(bunch.images, [[[0, 128, 255]], [[7, 7, 7]], [[9, 9, 9]]])
    np.testing.assert_array_equal(bunch.data, [[0, 128, 255], [7, 7, 7], [9, 9, 9]])
    assert bunch.images.dtype == bunch.data.dtype == np.uint8
    assert np.shares_memory(bunch.data, bunch.images)
    assert bunch.target.tolist() == [0, 0, 1]
    assert bunch.target.dtype == np.int64
    assert bunch.target_names[bunch.target].tolist() == ["a", "a", "b"]
    assert bunch.filenames.tolist() == [str(folder / f) for f in ("a/1.png", "a/2.png", "b/1.png")]
    assert "3 gray images of 1x3 pixels" in bunch.DESCR
    assert "a: 2" in bunch.DESCR


def test_return_X_y_gives_images_and_codes(write):
    """return_X_y=True returns the arrays that the Bunch would hold."""
    folder = write({"a/1.png": gray(1), "b/1.png": gray(2)})
    bunch = load_image_folder(folder)
    images, target = load_image_folder(str(folder), return_X_y=True)
    np.testing.assert_array_equal(images, bunch.images)
    np.testing.assert_array_equal(target, bunch.target)


def test_same_order_and_codes_as_load_files(write):
    """Files, codes and names are those of scikit-learn's load_files, unshuffled."""
    names = ["z/10.png", "z/9.png", "z/B.png", "z/a.png", "m/x.png", "A/é ü.png", "A/日本.png"]
    folder = write({name: gray(0) for name in names})
    ours = load_image_folder(folder)
    theirs = load_files(folder, load_content=False, shuffle=False)
    assert ours.filenames.tolist() == theirs.filenames.tolist()
    assert ours.target.tolist() == theirs.target.tolist()
    assert ours.target_names.tolist() == theirs.target_names


def test_nested_files_belong_to_the_class_folder(write):
    """Files at any depth below a class folder are of that class."""
    folder = write({"a/p/q/1.png": gray(1), "a/2.png": gray(2), "b/1.png": gray(3)})
    bunch = load_image_folder(folder)
    assert bunch.images[:, 0, 0].tolist() == [2, 1, 3]
    assert bunch.target.tolist() == [0, 0, 1]


def test_hidden_files_are_passed_over(write):
    """Hidden files and folders, and files beside the class folders, are not read."""
    hidden = [".git/x", "a/.DS_Store", "a/Thumbs.db", "a/.thumbs/1.png", "README.md"]
    folder = write({"a/1.png": gray(1), "b/1.png": gray(2)} | dict.fromkeys(hidden, b"no image"))
    assert load_image_folder(folder).target_names.tolist() == ["a", "b"]


def test_links_are_followed_but_not_in_circles(write):
    """A link to a folder elsewhere is read; one that leads back up is left."""
    folder = write({"set/a/1.png": gray(1), "set/b/1.png": gray(2), "elsewhere/2.png": gray(3)})
    (folder / "set/a/more").symlink_to(folder / "elsewhere")
    (folder / "set/a/up").symlink_to(folder / "set")
    (folder / "set/b/root").symlink_to("/")
    (folder / "elsewhere/back").symlink_to(folder / "set/a")
    bunch = load_image_folder(folder / "set")
    assert bunch.images[:, 0, 0].tolist() == [1, 3, 2]
    assert bunch.target.tolist() == [0, 0, 1]


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


def test_mixed_sizes_without_image_size_are_an_error(write):
    """The error names two files, their two sizes and the parameter that helps."""
    folder = write({"a/1.png": gray(1, 4, 6), "b/1.png": gray(1, 5, 7)})
    with pytest.raises(ValueError, match="differ in size") as caught:
        load_image_folder(folder)
    for part in (str(folder / "a/1.png"), "4x6", str(folder / "b/1.png"), "5x7", "image_size=4"):
        assert part in str(caught.value)


# Formats and kinds of pixels.


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "bmp", "webp", "gif"])
def test_formats(write, suffix):
    """The common formats are read, an even gray to within a level."""
    assert abs(one_pixel(gray(100, 8, 8), write, suffix=suffix) - 100) <= 1


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize(("deep", "expected"), [(0, 0), (257, 1), (32896, 128), (65535, 255)])
def test_16_bit_gray_is_scaled_not_clipped(write, suffix, deep, expected):
    """16-bit pixels keep their share of the full range."""
    image = Image.fromarray(np.full((3, 3), deep, dtype=np.uint16))
    assert one_pixel(image, write, suffix=suffix) == expected


def test_16_bit_gray_of_the_other_byte_order(write):
    """A big-endian TIFF reads as a little-endian one does."""
    image = Image.fromarray(np.full((3, 3), 32896, dtype=">u2"))
    assert one_pixel(image, write, suffix="tif") == 128


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


# Files that cannot be read.

TRUNCATED = as_bytes(noise(64, 64), "JPEG")[:900]
FAULTS = {
    "a/empty.png": b"",
    "a/notes.txt": b"not an image",
    "a/truncated.jpg": TRUNCATED,
    "b/cut.png": as_bytes(noise(64, 64), "PNG")[:2000],
    "b/float.tif": as_bytes(Image.fromarray(np.full((4, 6), 0.5, dtype=np.float32)), "TIFF"),
    "b/header.png": as_bytes(gray(1), "PNG")[:20],
}


@pytest.fixture
def faulty(write):
    folder = write({"a/good.png": gray(7), "b/good.png": gray(8)} | FAULTS)
    (folder / "a/link.png").symlink_to(folder / "nowhere")
    os.mkfifo(folder / "b/pipe.png")
    return folder


@pytest.fixture
def faulty_files(faulty):
    return [str(faulty / name) for name in [*FAULTS, "a/link.png", "b/pipe.png"]]


def test_unreadable_files_are_all_listed(faulty, faulty_files):
    """By default an error lists every unreadable file and says how to leave them out."""
    with pytest.raises(ValueError, match="8 files cannot be read as an image") as caught:
        load_image_folder(faulty)
    message = str(caught.value)
    assert all(repr(file) in message for file in faulty_files)
    assert 'on_error="warn"' in message
    assert "good.png" not in message
    assert "txt': not an image in a format that Pillow reads" in message
    assert "link that leads nowhere" in message


@pytest.mark.parametrize("image_size", [None, (4, 6)])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_unreadable_files_are_left_out(faulty, image_size, n_jobs):
    """on_error="skip" leaves the readable images, in order and together with their codes."""
    bunch = load_image_folder(faulty, on_error="skip", image_size=image_size, n_jobs=n_jobs)
    assert bunch.images[:, 0, 0].tolist() == [7, 8]
    assert bunch.data.shape == (2, 24)
    assert bunch.target.tolist() == [0, 1]
    assert bunch.filenames.tolist() == [str(faulty / f) for f in ("a/good.png", "b/good.png")]


def test_warning_lists_the_files_and_points_at_the_caller(faulty, faulty_files):
    """on_error="warn" warns once, at the line that called, and goes on."""
    with pytest.warns(UserWarning, match="8 files cannot be read") as caught:
        bunch = load_image_folder(faulty, on_error="warn")
    assert len(bunch.images) == 2
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert all(repr(file) in str(caught[0].message) for file in faulty_files)


def test_a_long_list_is_cut(write):
    """Of twelve unreadable files ten are named and two counted."""
    bad = {f"a/{i:02}.png": b"" for i in range(12)}
    with pytest.raises(ValueError, match="12 files") as caught:
        load_image_folder(write(bad | {"b/1.png": gray(1)}))
    assert str(caught.value).count(".png") == 10
    assert "and 2 more" in str(caught.value)


@pytest.mark.parametrize("limit", [10, 20], ids=["far over", "just over"])
def test_decompression_bombs_are_unreadable(write, monkeypatch, limit):
    """A picture over Pillow's limit is an error even where Pillow itself only warns."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    folder = write({"a/1.png": gray(1, 2, 2), "a/huge.png": gray(1), "b/1.png": gray(1, 2, 2)})
    with pytest.raises(ValueError, match=rf"huge.png': more than {limit} pixels"):
        load_image_folder(folder)
    assert len(load_image_folder(folder, on_error="skip").images) == 2


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts open files in /proc")
def test_no_file_stays_open(faulty):
    """Neither good nor bad files are open after the call, whether it returns or raises."""
    load_image_folder(faulty, on_error="skip")
    before = len(os.listdir("/proc/self/fd"))
    load_image_folder(faulty, on_error="skip", n_jobs=2)
    with pytest.raises(ValueError, match="cannot be read"):
        load_image_folder(faulty)
    assert len(os.listdir("/proc/self/fd")) == before


# Folders that cannot be classes.


def test_no_such_folder(tmp_path):
    """A folder that does not exist is named."""
    with pytest.raises(FileNotFoundError, match="nowhere' does not exist"):
        load_image_folder(tmp_path / "nowhere")


def test_a_file_is_no_folder(write):
    """A file in place of the folder is named as such."""
    with pytest.raises(NotADirectoryError, match=r"x.png' is a file. Give the folder"):
        load_image_folder(write({"x.png": gray(1)}) / "x.png")


def test_empty_folder(tmp_path):
    """An empty folder is an error that says how images must lie."""
    with pytest.raises(ValueError, match=r"Found no folder in .* one folder a class"):
        load_image_folder(tmp_path)


def test_loose_files_without_folders(write):
    """Images that lie loose are counted in the message."""
    with pytest.raises(ValueError, match="Found no folder and 2 files in"):
        load_image_folder(write({"1.png": gray(1), "2.png": gray(1)}))


def test_one_class(write):
    """A single class folder is named and is not enough."""
    with pytest.raises(ValueError, match=r"Found the one folder 'a' .* at least two classes"):
        load_image_folder(write({"a/1.png": gray(1)}))


def test_class_without_files(write):
    """A class folder with nothing but a hidden file is named."""
    with pytest.raises(ValueError, match=r"class folder 'b' in .* has no file"):
        load_image_folder(write({"a/1.png": gray(1), "b/.hidden": b""}))


@pytest.mark.parametrize("image_size", [None, 8])
def test_class_without_a_readable_image(write, image_size):
    """A class whose every file was left out is an error and not silently gone."""
    folder = write({"a/1.png": b"", "b/1.png": gray(1)})
    with pytest.raises(ValueError, match=r"No file .* in the class folders \['a'\]"):
        load_image_folder(folder, on_error="skip", image_size=image_size)


@pytest.mark.parametrize("image_size", [0, -1, 2.5, "8", (8,), (8, 0), (8, 8.0), (8, 8, 3)])
def test_bad_image_size(write, image_size):
    """An image_size that is no size is an error that shows it."""
    with pytest.raises(ValueError, match="image_size"):
        load_image_folder(write({"a/1.png": gray(1), "b/1.png": gray(1)}), image_size=image_size)


@pytest.mark.parametrize(
    "options", [{"mode": "CMYK"}, {"on_error": "ignore"}, {"return_X_y": "yes"}, {"n_jobs": 1.5}]
)
def test_bad_parameters(tmp_path, options):
    """Other bad parameters are named as scikit-learn names them."""
    with pytest.raises(ValueError, match=f"The '{next(iter(options))}' parameter"):
        load_image_folder(tmp_path, **options)


# Threads and imports.


def test_threads_change_nothing(write):
    """Any number of jobs, and any active joblib backend, gives the same bits."""
    folder = write({f"{c}/{i}.png": noise(20, 20, seed=i) for c in "ab" for i in range(40)})
    alone = load_image_folder(folder, image_size=7)
    threads = load_image_folder(folder, image_size=7, n_jobs=2)
    with joblib.parallel_config("loky", n_jobs=2):
        elsewhere = load_image_folder(folder, image_size=7, n_jobs=2)
    np.testing.assert_array_equal(alone.images, threads.images)
    np.testing.assert_array_equal(alone.images, elsewhere.images)


def test_import_loads_neither_pillow_nor_torch():
    """Importing skextra leaves datasets unloaded; importing datasets leaves Pillow unloaded."""
    code = (
        "import sys, skextra; assert 'skextra.datasets' not in sys.modules; "
        "import skextra.datasets; assert not {'PIL', 'torch', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
