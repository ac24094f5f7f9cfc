"""Class folders: which files are found, in which order, and which folders are no classes."""

import os
import sys
from pathlib import Path

import pytest
from sklearn.datasets import load_files

from skextra.datasets import load_image_folder
from tests.pictures import gray

# What is read, and in which order.


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
    hidden += ["__MACOSX/a/._1.png", "a/._1.png", "b/desktop.ini", ".DS_Store"]
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


@pytest.mark.parametrize(
    "name", ["two words", "líne\nbreak", "'quoted\"", "#1 [x]*?", "-rf", "日本", "~", "a.b.png"]
)
def test_odd_names_are_names_like_others(write, name):
    """Spaces, quotes, line breaks, wildcards: classes and files may have any name."""
    folder = write({f"{name}/{name}.png": gray(1), f"{name}/{name}": b"", "zz/1.png": gray(2)})
    bunch = load_image_folder(folder, on_error="skip")
    assert bunch.target_names[0] == name or bunch.target_names[1] == name
    assert str(folder / name / f"{name}.png") in bunch.filenames
    assert list(bunch.skipped) == [str(folder / name / name)]
    assert all(Path(file).is_file() for file in bunch.filenames)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_names_that_are_no_utf8_are_read_and_printed(write):
    """A file system's bytes that are no UTF-8 come back as the path that opens the file."""
    folder = write({os.fsdecode(b"\xff/\xfe.png"): gray(1), "a/1.png": gray(2)})
    bunch = load_image_folder(folder)
    assert os.fsencode(bunch.target_names[1]) == b"\xff"
    assert os.path.isfile(bunch.filenames[1])
    assert r"'\udcff': 1" in bunch.DESCR
    bunch.DESCR.encode()  # what print does


def test_folders_that_link_to_each_other_are_read_once(write):
    """Twelve folders, each with links to all others, give each image once and end."""
    folder = write({f"a/{i:02}/x.png": gray(i) for i in range(12)} | {"b/1.png": gray(99)})
    for i in range(12):
        for j in range(12):
            (folder / f"a/{i:02}/to{j:02}").symlink_to(folder / f"a/{j:02}")
    images, _ = load_image_folder(folder, return_X_y=True)
    assert sorted(images[:, 0, 0].tolist()) == [*range(12), 99]


def test_a_link_to_itself_is_an_unreadable_file(write):
    """A link in a circle of its own is listed like one that leads nowhere."""
    folder = write({"a/1.png": gray(1), "b/1.png": gray(2)})
    (folder / "a/self.png").symlink_to(folder / "a/self.png")
    with pytest.raises(ValueError, match=r"self.png': not a regular file, or a link"):
        load_image_folder(folder)


def test_linked_files_and_class_folders_are_read(write):
    """A class may be a link to a folder, and an image a link to a file."""
    folder = write({"far/1.png": gray(1), "set/b/1.png": gray(2)})
    (folder / "set/a").symlink_to(folder / "far")
    (folder / "set/b/2.png").symlink_to(folder / "far/1.png")
    bunch = load_image_folder(folder / "set")
    assert bunch.images[:, 0, 0].tolist() == [1, 2, 1]
    assert bunch.target.tolist() == [0, 1, 1]


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


def test_parts_of_a_split_are_not_classes(write):
    """A folder with Training and Testing inside is an error that says what to pass."""
    folder = write(
        {f"{part}/{c}/1.png": gray(1) for part in ("Training", "Testing") for c in "ab"}
    )
    with pytest.raises(ValueError, match="parts of a split and not classes") as caught:
        load_image_folder(folder)
    assert f"[{str(folder / 'Testing')!r}, {str(folder / 'Training')!r}]" in str(caught.value)


def test_parts_are_known_where_one_lacks_a_class_or_holds_a_loose_file(write):
    """A test part without one of the classes, or with a note beside them, is still a part."""
    folder = write({f"{name}/1.png": gray(1) for name in ("train/a", "train/b", "test/b")})
    write({"train/README.txt": b"about"})
    with pytest.raises(ValueError, match=r"parts of a split .* each holds \['b'\]"):
        load_image_folder(folder)


def test_classes_called_train_and_test_are_classes_where_files_lie_in_them(write):
    """Only folders with the same folders inside are taken for parts of a split."""
    folder = write({"train/1.png": gray(1), "test/2.png": gray(2)})
    assert load_image_folder(folder).target_names.tolist() == ["test", "train"]


def test_folders_of_other_classes_are_not_a_pair(write):
    """The error names the class that is missing and the one that is too many."""
    folder = write({f"{name}/1.png": gray(1) for name in ("x/a", "x/b", "y/b", "y/B2")})
    with pytest.raises(ValueError, match=r"it has not \['a'\] and it has \['B2'\] besides"):
        load_image_folder([folder / "x", folder / "y"])
