import pickle
import threading

import pytest

from skextra.parallel._messages import RESULT, pack, pack_error, unpack
from skextra.parallel._task import Task


def test_the_message_of_a_task_holds_its_calls():
    task = Task([(divmod, (7, 2), {})], None)
    assert unpack(task.message()) == [(divmod, (7, 2), {})]


def test_a_call_that_cannot_be_pickled_fails_the_task_and_is_named():
    task = Task([(len, (threading.Lock(),), {})], None)
    assert task.message() is None
    with pytest.raises(pickle.PicklingError, match=r"the task to send to a worker: len\(<unlock"):
        task.result()


def test_an_answer_becomes_the_result():
    task = Task([], None)
    task.answer(pack(RESULT, [1, 2]))
    assert task.result() == [1, 2]


def test_an_error_as_answer_is_raised():
    task = Task([], None)
    task.answer(pack_error(KeyError("missing")))
    with pytest.raises(KeyError, match="missing"):
        task.result()


def test_the_callback_gets_the_task_once():
    seen = []
    task = Task([], seen.append)
    task.fail(ValueError())
    task.deliver()
    task.deliver()
    assert seen == [task]
