"""Contents that go to other machines, and what stands for them in messages."""

import copy
import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skextra.parallel._messages import TASK, pack, unpack
from skextra.parallel._sharing._contents import ContentStore


@pytest.fixture
def store():
    store = ContentStore()
    yield store
    store.close()


def received(message):
    """Return the calls of a message as a node of the cluster reads them."""
    contents = [pickle.loads(pickle.dumps(content, 5)) for content in message.segments]
    local = {content.handle: content.local() for content in contents}
    calls = pickle.loads(memoryview(message)[1:]).with_handles(local.__getitem__)
    return list(unpack(TASK + pickle.dumps(calls)))


@pytest.mark.parametrize(
    "array",
    [
        np.arange(1000),
        np.arange(40_000.0),
        np.asfortranarray(np.arange(60_000.0).reshape(200, 300)),
        np.arange(90_000.0).reshape(300, 300)[::2, 1:],
        np.array(["a", "bc"] * 1000, dtype=object),
        np.arange(1000).astype("datetime64[s]"),
    ],
    ids=["small", "large", "fortran", "strided", "strings", "dates"],
)
def test_array_arrives_as_it_was(store, array):
    message = pack(TASK, [(len, (array,), {})], store)
    assert len(message.segments) == 1
    ((_, (found,), _),) = received(message)
    assert_array_equal(found, array)
    assert found.dtype == array.dtype
    assert found.flags.writeable


def test_calls_do_not_share_what_they_change(store):
    array = np.zeros(1000)
    message = pack(TASK, [(len, (array,), {}), (len, (array,), {})], store)
    (_, (first,), _), (_, (second,), _) = received(message)
    first[:] = 1
    assert_array_equal(second, array)


def test_equal_arrays_are_one_content(store):
    first, second = np.arange(1000), np.arange(1000)
    assert store.segment(first, first) is store.segment(second, second)
    assert store.segment(first, first + 1) is not store.segment(second, second)


def test_changed_array_is_another_content_in_next_call(store):
    array = np.zeros(100_000)
    before = store.segment(array, array)
    array[12_345] = 1
    store.end_call()
    assert store.segment(array, array) is not before


def test_message_holds_no_path_of_this_machine(store, tmp_path):
    np.arange(1000.0).tofile(tmp_path / "array")
    array = np.memmap(tmp_path / "array", mode="r")
    message = pack(TASK, [(len, (array,), {})], store)
    assert str(tmp_path).encode() not in bytes(message)
    assert b"/proc" not in bytes(message)
    ((_, (found,), _),) = received(message)
    assert_array_equal(found, array)


def test_copy_is_in_no_place_yet(store):
    array = np.arange(1000)
    content = store.segment(array, array)
    content.place = "somewhere"
    assert copy.copy(content).place is None
    assert copy.copy(content).holds(array)
