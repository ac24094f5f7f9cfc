"""mmap: images in a file that appears whole or not at all."""

import errno
import fcntl
import gc
import os
import resource
import signal
import subprocess
import sys

import numpy as np
import pytest

from skextra.datasets import load_image_folder, near_duplicate_groups
from skextra.datasets._files import _array_file
from tests.pictures import gray, noise


@pytest.fixture
def scans(write):
    write({f"scans/{c}/{i:02}.png": noise(12, 12, seed=i) for c in "ab" for i in range(6)})
    return write({"scans/a/bad.png": b""})


def test_the_file_holds_what_would_be_in_memory(scans, tmp_path):
    """Images, rows and codes equal those of a load without mmap, and the file is a .npy."""
    plain = load_image_folder(scans / "scans", image_size=7, on_error="skip")
    mapped = load_image_folder(
        scans / "scans", image_size=7, on_error="skip", mmap=tmp_path / "x.npy", n_jobs=2
    )
    for name in ("images", "data", "target", "filenames"):
        np.testing.assert_array_equal(mapped[name], plain[name])
    assert isinstance(mapped.images, np.memmap)
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), plain.images)
    assert sorted(os.listdir(tmp_path)) == ["scans", "x.npy"]


@pytest.mark.parametrize("n_bad", [0, 1, 90])
def test_rows_left_out_are_cut_off_the_file(write, tmp_path, n_bad):
    """Whatever number of rows is left, the header says so and the file is as long as it says."""
    names = [f"scans/a/{i:03}.png" for i in range(100)]
    folder = write(dict.fromkeys(names, gray(5)) | {"scans/b/1.png": gray(6)})
    for name in names[:n_bad]:
        (folder / name).write_bytes(b"")
    load_image_folder(folder / "scans", on_error="skip", mmap=tmp_path / "x.npy")
    images = np.load(tmp_path / "x.npy")
    assert images.shape == (101 - n_bad, 4, 6)
    assert images[:, 0, 0].tolist() == [5] * (100 - n_bad) + [6]
    assert (tmp_path / "x.npy").stat().st_size == 128 + images.size


def test_two_folders_share_one_file(write, tmp_path):
    """A training and a test folder are parts of one file, one after the other."""
    folder = write(
        {
            f"{part}/{c}/1.png": noise(5, 5, seed=i)
            for i, (part, c) in enumerate([("x", "a"), ("x", "b"), ("y", "a"), ("y", "b")])
        }
    )
    x, y = load_image_folder([folder / "x", folder / "y"], mmap=folder / "both.npy")
    np.testing.assert_array_equal(
        np.load(folder / "both.npy"), np.concatenate([x.images, y.images])
    )


def test_what_is_written_to_the_array_stays_out_of_the_file(scans, tmp_path):
    """Arrays are copy-on-write: an estimator that works in place spoils no file."""
    images, _ = load_image_folder(
        scans / "scans", mmap=tmp_path / "x.npy", on_error="skip", return_X_y=True
    )
    before = images.copy()
    images[:] = 0
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), before)


def test_an_older_file_is_replaced_and_its_maps_live_on(scans, tmp_path):
    """Loading again to the same path leaves arrays of the first load as they were."""
    options = {"mmap": tmp_path / "x.npy", "on_error": "skip", "return_X_y": True}
    first, _ = load_image_folder(scans / "scans", **options)
    before = first.copy()
    load_image_folder(scans / "scans", image_size=3, **options)
    np.testing.assert_array_equal(first, before)
    assert np.load(tmp_path / "x.npy").shape == (12, 3, 3)


@pytest.mark.parametrize("image_size", [None, 5])
def test_a_load_that_fails_leaves_nothing_and_touches_nothing(scans, tmp_path, image_size):
    """After an error neither the file nor a part of it is there, and an older one is whole."""
    (tmp_path / "old.npy").write_bytes(b"as it was")
    for name in ("new.npy", "old.npy"):
        with pytest.raises(ValueError, match="cannot be read"):
            load_image_folder(scans / "scans", mmap=tmp_path / name, image_size=image_size)
    assert sorted(os.listdir(tmp_path)) == ["old.npy", "scans"]
    assert (tmp_path / "old.npy").read_bytes() == b"as it was"


def test_a_full_disk_is_an_error_before_anything_is_decoded(scans, tmp_path, monkeypatch):
    """Space is reserved first: a later write to the mapping would kill the process."""

    def full(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(_array_file.os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left"):
        load_image_folder(scans / "scans", mmap=tmp_path / "x.npy", on_error="skip")
    assert os.listdir(tmp_path) == ["scans"]


def test_a_path_that_cannot_be_a_file_is_named(scans, tmp_path):
    """A missing folder and a folder in place of the file are errors that say so."""
    with pytest.raises(FileNotFoundError, match=r"mmap=.*nowhere/x.npy' lies in .*no folder"):
        load_image_folder(scans / "scans", mmap=tmp_path / "nowhere/x.npy")
    with pytest.raises(IsADirectoryError, match=r"mmap=.* is a folder"):
        load_image_folder(scans / "scans", mmap=tmp_path)


def test_the_file_is_closed_when_the_arrays_are_gone(scans, tmp_path):
    """A map holds one descriptor, and gives it back with its last array."""
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("counts open files in /proc")
    before = len(os.listdir("/proc/self/fd"))
    bunch = load_image_folder(scans / "scans", mmap=tmp_path / "x.npy", on_error="skip")
    del bunch
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_maps_can_be_grouped(scans, tmp_path):
    """near_duplicate_groups takes a mapped array as it is."""
    bunch = load_image_folder(scans / "scans", mmap=tmp_path / "x.npy", on_error="skip")
    assert near_duplicate_groups(bunch.images).tolist() == [*range(6)] * 2


def test_a_file_that_may_not_be_promised_whole_is_mapped_read_only(write, tmp_path):
    """Where memory is short of a copy-on-write map, the images still come, and read-only."""
    write({f"scans/{name}/{i}.png": gray(7, 1, 1) for name in "ab" for i in range(4)})
    gc.collect()  # memory that is freed meanwhile would make room
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[5]) * resource.getpagesize()
    limits = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (used + 64 * 2**20, limits[1]))
    try:  # 128 MiB of images
        path = tmp_path / "x.npy"
        images, _ = load_image_folder(
            tmp_path / "scans", image_size=4096, mmap=path, return_X_y=True
        )
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, limits)
    assert not images.flags.writeable
    assert (images[:, ::500, ::500] == 7).all()


KILLED = """
import os, signal, sys
from skextra.datasets import _image_folder, load_image_folder
decode = _image_folder.decode_many
def die(*arguments, **options):
    decode(*arguments, **options)  # the file has its full size by now
    os.kill(os.getpid(), signal.SIGKILL)
_image_folder.decode_many = die
load_image_folder(sys.argv[1], mmap=sys.argv[2], image_size=512, on_error="skip")
"""


def kill_while_loading(scans, path, before=""):
    command = [sys.executable, "-c", before + KILLED, str(scans / "scans"), str(path)]
    assert subprocess.run(command).returncode == -signal.SIGKILL


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="this system has no files without name")
def test_killed_load_leaves_no_file(scans, tmp_path):
    kill_while_loading(scans, tmp_path / "x.npy")
    assert os.listdir(tmp_path) == ["scans"]


def test_next_load_removes_what_a_killed_one_left(scans, tmp_path, monkeypatch):
    """On file systems without nameless files, a hidden file stays until the next load."""
    path = tmp_path / "x.npy"
    kill_while_loading(scans, path, "import os; os.__dict__.pop('O_TMPFILE', None)")
    left = [name for name in os.listdir(tmp_path) if name.endswith(".partial")]
    assert len(left) == 1
    monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    with open(tmp_path / ".x.npy.1234.partial", "wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)  # of a process that is alive
        load_image_folder(scans / "scans", mmap=path, on_error="skip")
    assert sorted(os.listdir(tmp_path)) == [".x.npy.1234.partial", "scans", "x.npy"]
    assert np.load(path).shape == (12, 12, 12)
