import threading

import pytest

from skextra.parallel._messages import ERROR, TASK, pack, pack_error, unpack, unpack_error


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
