import os

import numpy as np
import pytest

from skextra.parallel._sharing import _segments
from skextra.parallel._sharing._segments import (
    Segment,
    map_received,
    open_segment,
)

CONTENT = np.arange(3000.0)
LAYOUTS = [CONTENT, CONTENT.reshape(30, 100).T, CONTENT[::-2], CONTENT.reshape(10, 20, 15)[:, ::2]]


@pytest.mark.parametrize("array", LAYOUTS)
def test_a_segment_holds_what_it_was_made_of_and_nothing_else(array):
    segment = Segment(array)
    assert segment.holds(array)
    other = array.copy()
    other[-1] += 1
    assert not segment.holds(other)


def test_a_mapping_outlives_its_segment():
    segment = Segment(CONTENT)
    mapped = open_segment(segment.handle)
    segment.close()
    assert mapped.view(float).sum() == CONTENT.sum()


def test_a_mapping_is_private():
    segment = Segment(CONTENT)
    open_segment(segment.handle)[:] = 0
    assert segment.holds(CONTENT)


def test_a_mapping_in_mode_r_plus_is_not():
    segment = Segment(CONTENT, mode="r+")
    open_segment(segment.handle)[:] = 0
    assert segment.holds(np.zeros_like(CONTENT))


def test_nobody_can_change_or_cut_a_private_segment():
    segment = Segment(CONTENT)
    with pytest.raises(PermissionError):
        os.truncate(segment.handle[0], 10)
    with pytest.raises(PermissionError):
        os.pwrite(segment.descriptor, b"x", 0)


def test_another_file_under_the_same_descriptor_is_not_taken_for_the_segment():
    segment = Segment(CONTENT)
    other = Segment(CONTENT + 1)
    os.dup2(other.descriptor, segment.descriptor)
    with pytest.raises(OSError, match="has been replaced"):
        open_segment(segment.handle)
    assert not segment.holds(CONTENT)


def test_a_file_in_a_folder_goes_with_its_segment(tmp_path):
    segment = Segment(CONTENT, str(tmp_path))
    assert [path.stat().st_size for path in tmp_path.iterdir()] == [CONTENT.nbytes]
    assert segment.holds(CONTENT)
    del segment
    assert list(tmp_path.iterdir()) == []


def test_a_segment_that_cannot_be_written_leaves_no_file(tmp_path, monkeypatch):
    def fail(descriptor, piece):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_segments, "_write", fail)
    with pytest.raises(OSError, match="No space"):
        Segment(CONTENT, str(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("room", [0, 100])
def test_a_received_segment_is_read_with_or_without_a_mapping(monkeypatch, room):
    monkeypatch.setattr(_segments, "max_descriptors", lambda: room)
    segment = Segment(CONTENT)
    array = map_received(segment.descriptor, CONTENT.nbytes)
    array[0] = 1
    np.testing.assert_array_equal(array.view(float)[1:], CONTENT[1:])
    assert segment.holds(CONTENT)
