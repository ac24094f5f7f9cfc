import threading

import numpy as np
import pytest

from skextra.parallel._messages import (
    ERROR,
    RESULT,
    SHARED_RESULT,
    TASK,
    pack,
    pack_error,
    unpack,
    unpack_error,
)
from skextra.parallel._sharing._segments import Received
from skextra.parallel._sharing._store import Outbox, Store


def caught(error):
    """Raise an error and return it, so that it has a traceback."""
    try:
        raise error
    except type(error) as raised:
        return raised


def test_a_message_is_its_kind_and_its_content():
    message = pack(TASK, [1, "two"])
    assert message[:1] == TASK
    assert unpack(message) == [1, "two"]


def test_a_closure_travels_by_value():
    offset = 5
    assert unpack(pack(TASK, lambda x: x + offset))(1) == 6


def test_a_message_without_large_arrays_is_the_same_with_and_without_sharing():
    content = [(divmod, (7, np.arange(3)), {"x": b"small"})]
    assert pack(TASK, content, Store()) == pack(TASK, content)


def test_a_message_keeps_the_segments_that_it_refers_to():
    store = Store(max_nbytes=1000)
    message = pack(TASK, [(np.sum, (np.ones(1000),), {})], store)
    store.close()
    assert len(message) < 1000
    assert unpack(message)[0][1][0].sum() == 1000


def test_a_batch_of_calls_keeps_the_segments_of_each():
    store = Store(max_nbytes=1000)
    message = pack(TASK, [(np.sum, (bytes([i]) * 200_000,), {}) for i in range(9)], store)
    store.close()
    assert [call[1][0][5] for call in unpack(message)] == list(range(9))


def test_a_result_refers_to_the_descriptors_that_come_with_it():
    outbox = Outbox(max_nbytes=1000)
    message = pack(RESULT, [np.ones(1000), "small"], outbox)
    assert message[:1] == SHARED_RESULT
    received = Received(message, [segment.descriptor for segment in outbox.segments])
    array, text = unpack(received)
    assert (array.sum(), text) == (1000, "small")


def test_what_cannot_be_pickled_raises():
    with pytest.raises(TypeError, match="cannot pickle"):
        pack(TASK, threading.Lock())


def test_an_error_keeps_its_type_and_brings_its_traceback():
    message = pack_error(caught(KeyError("missing")))
    assert message[:1] == ERROR
    error = unpack_error(message)
    assert type(error) is KeyError
    assert error.args == ("missing",)
    assert "in caught" in str(error.__cause__)


def test_an_error_keeps_its_attributes_and_notes():
    original = ValueError("wrong")
    original.column = 3
    original.add_note("look at column 3")
    error = unpack_error(pack_error(caught(original)))
    assert error.column == 3
    assert error.__notes__ == ["look at column 3"]


class TwoArguments(Exception):
    """Pickles well and fails when read: pickle calls the class with args, which has one."""

    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")
        self.second = second


def test_an_error_keeps_its_type_when_its_init_takes_other_arguments():
    error = unpack_error(pack_error(caught(TwoArguments("one", "two"))))
    assert type(error) is TwoArguments
    assert str(error) == "one and two"
    assert error.second == "two"


def test_an_error_keeps_its_type_when_an_attribute_cannot_be_pickled():
    original = ValueError("wrong", threading.Lock())
    original.lock = threading.Lock()
    error = unpack_error(pack_error(caught(original)))
    assert type(error) is ValueError
    assert error.args[0] == "wrong"
    assert "lock" in error.args[1]
    assert "lock" in error.lock


class Unreadable(Exception):
    """Cannot be made in any way but its own."""

    def __new__(cls, *args, allowed=False):
        if not allowed:
            raise TypeError("not allowed")
        return super().__new__(cls, *args)


def test_an_error_that_cannot_be_rebuilt_is_told_in_words():
    original = Unreadable.__new__(Unreadable, "the reason", allowed=True)
    error = unpack_error(pack_error(caught(original)))
    assert type(error) is RuntimeError
    assert str(error) == "Unreadable: the reason"
    assert "in caught" in str(error.__cause__)
