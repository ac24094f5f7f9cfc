"""load_image_folder: what it returns, and what it says of files that it cannot read."""

import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import joblib
import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from skextra.datasets import load_image_folder
from tests.pictures import as_bytes, gray, noise

# What is returned.


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
    assert bunch.skipped == {}


def test_return_X_y_gives_images_and_codes(write):
    """return_X_y=True returns the arrays that the Bunch would hold."""
    folder = write({"a/1.png": gray(1), "b/1.png": gray(2)})
    bunch = load_image_folder(folder)
    images, target = load_image_folder(str(folder), return_X_y=True)
    np.testing.assert_array_equal(images, bunch.images)
    np.testing.assert_array_equal(target, bunch.target)


def test_mixed_sizes_without_image_size_are_an_error(write):
    """The error names two files, their two sizes and the parameter that helps."""
    folder = write({"a/1.png": gray(1, 4, 6), "b/1.png": gray(1, 5, 7)})
    with pytest.raises(ValueError, match="differ in size") as caught:
        load_image_folder(folder)
    for part in (str(folder / "a/1.png"), "4x6", str(folder / "b/1.png"), "5x7", "image_size=4"):
        assert part in str(caught.value)


# Several folders.


def test_a_training_and_a_test_folder_get_the_same_codes_and_size(write):
    """Two folders give two Bunches: one size, one list of classes, each its own files."""
    folder = write(
        {
            "Training/a/1.png": gray(1),
            "Training/b/1.png": gray(2),
            "Training/b/2.png": gray(3),
            "Testing/a/1.png": gray(4),
            "Testing/b/1.png": gray(5),
        }
    )
    paths = [folder / "Training", folder / "Testing"]
    train, test = load_image_folder(paths)
    assert train.images[:, 0, 0].tolist() == [1, 2, 3]
    assert test.images[:, 0, 0].tolist() == [4, 5]
    assert (train.target.tolist(), test.target.tolist()) == ([0, 1, 1], [0, 1])
    assert train.target_names.tolist() == test.target_names.tolist() == ["a", "b"]
    assert test.filenames.tolist() == [str(folder / f"Testing/{n}/1.png") for n in "ab"]
    assert "2 gray images" in test.DESCR
    (_, y_train), (X_test, _) = load_image_folder(tuple(paths), return_X_y=True)
    assert y_train.tolist() == [0, 1, 1]
    np.testing.assert_array_equal(X_test, test.images)


def test_a_file_left_out_is_missing_from_its_own_folder_alone(write):
    """Unreadable files of one folder move nothing in the other."""
    names = [f"{part}/{name}/{i}.png" for part in ("x", "y") for name in "ab" for i in (1, 2)]
    folder = write({name: gray(code) for code, name in enumerate(names)} | {names[1]: b""})
    x, y = load_image_folder([folder / "x", folder / "y"], on_error="skip")
    assert x.images[:, 0, 0].tolist() == [0, 2, 3]
    assert y.images[:, 0, 0].tolist() == [4, 5, 6, 7]
    assert list(x.skipped) == [str(folder / names[1])]
    assert y.skipped == {}


def test_a_class_lost_in_one_of_two_folders_is_named_with_it(write):
    """A class without a readable image in the test folder is an error that names both."""
    folder = write({f"{part}/{name}/1.png": gray(1) for part in "xy" for name in "ab"})
    (folder / "y/b/1.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"class folders \['b'\] of '.*/y'"):
        load_image_folder([folder / "x", folder / "y"], on_error="skip")


def test_the_two_folders_may_not_differ_in_size(write):
    """Without image_size, a test folder of another size is an error that names both files."""
    folder = write({f"x/{name}/1.png": gray(1) for name in "ab"})
    write({f"y/{name}/1.png": gray(1, 9, 9) for name in "ab"})
    with pytest.raises(ValueError, match=r"x/a/1.png' has 4x6 .*y/a/1.png' has 9x9"):
        load_image_folder([folder / "x", folder / "y"])


@pytest.mark.parametrize("paths", [[], [3], [None, "x"]])
def test_a_list_of_anything_but_paths_is_an_error(paths):
    """An empty list, or one that holds no paths, is shown."""
    with pytest.raises(ValueError, match=r"container_path=\[.*\] is not a list of paths"):
        load_image_folder(paths)


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
    assert "empty.png': empty file" in message
    assert "truncated" in message
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


def test_a_long_list_is_cut_in_the_message_and_whole_in_the_bunch(write):
    """Of 102 unreadable files a message names 100 and counts two; the Bunch holds all."""
    bad = {f"a/{i:03}.png": b"" for i in range(102)}
    folder = write(bad | {"a/good.png": gray(1), "b/1.png": gray(1)})
    with pytest.raises(ValueError, match="102 files") as caught:
        load_image_folder(folder)
    assert str(caught.value).count(".png") == 100
    assert "and 2 more" in str(caught.value)
    skipped = load_image_folder(folder, on_error="skip").skipped
    assert skipped == {str(folder / name): "empty file" for name in bad}


def test_a_real_decompression_bomb_costs_no_memory(write):
    """A small file of 196 million pixels, over Pillow's own limit, is listed and not decoded."""
    bomb = as_bytes(Image.new("1", (14_000, 14_000)), "PNG")
    assert len(bomb) < 100_000
    folder = write({"a/1.png": gray(1), "a/bomb.png": bomb, "b/1.png": gray(1)})
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"bomb.png': more than \d+ pixels"):
            load_image_folder(folder, image_size=8)
        assert tracemalloc.get_traced_memory()[1] < 10 * 2**20
    finally:
        tracemalloc.stop()


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


@pytest.mark.parametrize("image_size", [None, 8])
def test_class_without_a_readable_image(write, image_size):
    """A class whose every file was left out is an error and not silently gone."""
    folder = write({"a/1.png": b"", "b/1.png": gray(1)})
    with pytest.raises(ValueError, match=r"No file .* in the class folders \['a'\]"):
        load_image_folder(folder, on_error="skip", image_size=image_size)


@pytest.mark.parametrize(
    "image_size", [0, -1, True, 2.5, "8", (8,), (True, 8), (8, 0), (8, 8.0), (8, 8, 3)]
)
def test_bad_image_size(write, image_size):
    """An image_size that is no size is an error that shows it."""
    with pytest.raises(ValueError, match="image_size"):
        load_image_folder(write({"a/1.png": gray(1), "b/1.png": gray(1)}), image_size=image_size)


@pytest.mark.parametrize(
    "options",
    [
        {"mode": "CMYK"},
        {"on_error": "ignore"},
        {"return_X_y": "yes"},
        {"n_jobs": 1.5},
        {"keep_aspect": "yes"},
        {"mmap": 3},
        {"verbose": -1},
    ],
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


def test_verbose_shows_a_bar_that_counts_the_files(write, capsys):
    """verbose=1 ends with all files counted, 0 prints nothing, and both load the same."""
    folder = write({f"{c}/{i}.png": gray(i) for c in "ab" for i in range(40)})
    quiet = load_image_folder(folder)
    assert capsys.readouterr() == ("", "")
    shown = load_image_folder(folder, verbose=1, n_jobs=2)
    assert "Loading images" in (out := capsys.readouterr().out)
    assert "80/80" in out
    np.testing.assert_array_equal(quiet.images, shown.images)


def test_notebook_without_ipywidgets_shows_text(write, monkeypatch, capsys):
    """rich would warn in the cell and show no bar; as text the bar shows that all is loaded."""
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    monkeypatch.setattr("rich.get_console", lambda: Console(force_jupyter=True))
    folder = write({f"{c}/{i}.png": gray(i) for c in "ab" for i in range(4)})
    load_image_folder(folder, verbose=1)
    assert "8/8" in capsys.readouterr().out


def test_without_rich_verbose_says_how_to_get_the_bar(write, monkeypatch):
    """A missing rich is an ImportError that names the extra."""
    monkeypatch.setitem(sys.modules, "rich", None)
    folder = write({"a/1.png": gray(1), "b/1.png": gray(2)})
    with pytest.raises(ImportError, match=r"pip install \"skextra\[plot\]\""):
        load_image_folder(folder, verbose=1)
    assert len(load_image_folder(folder).images) == 2


def test_import_loads_neither_pillow_nor_torch():
    """Importing skextra leaves datasets unloaded; importing datasets leaves Pillow unloaded."""
    code = (
        "import sys, skextra; assert 'skextra.datasets' not in sys.modules; "
        "import skextra.datasets; assert not {'PIL', 'torch', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
