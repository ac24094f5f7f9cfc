"""Class folders: which files are found, in which order, and which folders are no classes."""

import os
import subprocess
import sys
import tempfile
import unicodedata
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
    folder = write({"far/1.png": gray(1), "set/b/1.png": gray(2), "near/2.png": gray(3)})
    (folder / "set/a").symlink_to(folder / "far")
    (folder / "set/b/2.png").symlink_to(folder / "near/2.png")
    bunch = load_image_folder(folder / "set")
    assert bunch.images[:, 0, 0].tolist() == [1, 2, 3]
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
    with pytest.raises(ValueError, match=r"Found no folder in .* one folder per class"):
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
    assert f"[{str(folder / 'Training')!r}, {str(folder / 'Testing')!r}]" in str(caught.value)


def test_folders_of_other_classes_are_not_a_pair(write):
    """The error names the class that is missing and the one that is too many."""
    folder = write({f"{name}/1.png": gray(1) for name in ("x/a", "x/b", "y/b", "y/B2")})
    with pytest.raises(ValueError, match=r"it lacks \['a'\] and it has \['B2'\] besides"):
        load_image_folder([folder / "x", folder / "y"])


# Names.


def test_composed_and_decomposed_names_are_one_class(write):
    names = "뇌종양", "méningiome"
    folder = write(
        {
            f"{part}/{unicodedata.normalize(form, name)}/{part}.png": gray(1)
            for part, form in (("linux", "NFC"), ("mac", "NFD"))
            for name in names
        }
    )
    linux, mac = load_image_folder([folder / "linux", folder / "mac"])
    assert set(linux.target_names) == set(mac.target_names) == set(names)
    assert all(Path(file).is_file() for file in mac.filenames)


def test_two_spellings_in_one_folder_are_merged(write):
    both = [unicodedata.normalize(form, "é") for form in ("NFC", "NFD")]
    folder = write({f"{both[0]}/1.png": gray(1), f"{both[1]}/2.png": gray(2), "z/3.png": gray(3)})
    bunch = load_image_folder(folder)
    assert bunch.target_names.tolist() == ["z", "é"]
    assert sorted(bunch.images[bunch.target == 1, 0, 0].tolist()) == [1, 2]


def test_categories_choose_folders_in_either_form(write):
    folder = write({f"{name}/1.png": gray(1) for name in ("é", "no", "pred", "yes")})
    bunch = load_image_folder(folder, categories=["yes", unicodedata.normalize("NFD", "é")])
    assert bunch.target_names.tolist() == ["yes", "é"]


def test_categories_equal_those_of_load_files(write):
    folder = write({f"{name}/{i}.png": gray(1) for name in "dcab" for i in "12"})
    wanted = ["d", "a"]
    ours = load_image_folder(folder, categories=wanted)
    theirs = load_files(folder, categories=wanted, load_content=False, shuffle=False)
    assert ours.filenames.tolist() == theirs.filenames.tolist()
    assert ours.target.tolist() == theirs.target.tolist()
    assert ours.target_names.tolist() == theirs.target_names


@pytest.mark.parametrize(
    ("categories", "message"),
    [
        (["a", "x"], r"categories names \['x'\], which are no folders .* holds \['a', 'b'\]"),
        ("ab", "categories='ab' is not a list of str"),
        ([1, 2], r"categories=\[1, 2\] is not a list of str"),
        (["a"], "must name at least 2 folders"),
        ([], "must name at least 2 folders"),
    ],
)
def test_bad_categories_are_named(write, categories, message):
    folder = write({f"{name}/1.png": gray(1) for name in "ab"})
    with pytest.raises(ValueError, match=message):
        load_image_folder(folder, categories=categories)


# Files beside the images.


@pytest.mark.parametrize(
    "name",
    ["a/Thumbs.db", "a/THUMBS.DB", "a/Desktop.ini", "a/@eaDir/1.png", "$RECYCLE.BIN/x",
     "System Volume Information/x", "lost+found/x", "a/1.png:Zone.Identifier", "a/Icon\r",
     "a/ehthumbs.db", "a/DICOMDIR", "#recycle/1.png", ".ipynb_checkpoints/x"],
)  # fmt: skip
def test_what_systems_leave_is_passed_over(write, name):
    folder = write({"a/1.png": gray(1), "b/1.png": gray(2), name: b"of the system"})
    assert load_image_folder(folder).images[:, 0, 0].tolist() == [1, 2]


def test_images_beside_class_folders_are_told(write):
    folder = write({"a/1.png": gray(1), "b/1.png": gray(2), "x.JPG": b"", "README.md": b""})
    skipped = load_image_folder(folder).skipped
    assert list(skipped) == [str(folder / "x.JPG")]
    assert "beside the class folders" in skipped[str(folder / "x.JPG")]


@pytest.mark.parametrize("exclude", [["masks"], ["a/masks"], ["*_mask.png"], ["?/masks/*"]])
def test_excluded_patterns_are_left_out(write, exclude):
    folder = write({"a/1.png": gray(1), "a/masks/1_mask.png": gray(9), "b/1.png": gray(2)})
    assert load_image_folder(folder, exclude=exclude).images[:, 0, 0].tolist() == [1, 2]


# Folders that may not be listed.

UNLISTED = """
import os, sys
from PIL import Image
from skextra.datasets import load_image_folder
Image.init()  # another user may not read the interpreter's modules
if os.getuid() == 0:
    os.setuid(65534)  # root may list every folder
for on_error in ("raise", "skip"):
    try:
        load_image_folder(sys.argv[1], on_error=on_error)
    except ValueError as error:
        print(error)
"""


def test_class_folder_without_permission_is_told():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        for part in "abc":
            (folder / part).mkdir()
            gray(1).save(folder / part / "1.png")
        (folder / "c").chmod(0)
        command = [sys.executable, "-c", UNLISTED, name]
        try:
            said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        finally:
            (folder / "c").chmod(0o755)
    path = str(folder / "c")
    assert f"{path!r}: this folder may not be listed: Permission denied" in said
    assert "No file could be read as an image in the class folders ['c']" in said


# Links.


@pytest.mark.parametrize("link", ["c", "b/more", "b/x.png"])
def test_file_with_two_classes_is_refused(write, link):
    folder = write({"a/1.png": gray(1), "b/2.png": gray(2)})
    (folder / link).symlink_to(folder / "a/1.png" if link.endswith("png") else folder / "a")
    with pytest.raises(ValueError, match=r"a/1.png' lies in the class folder 'a' and, through"):
        load_image_folder(folder)
