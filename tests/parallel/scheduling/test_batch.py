import ctypes
import pickle
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skextra.parallel._messages import RESULT, pack, pack_error, unpack
from skextra.parallel._scheduling._attempt import Attempt
from skextra.parallel._scheduling._batch import Batch
from skextra.parallel._worker._progress import ROOM, Progress


def attempt_at(*calls):
    batch = Batch(list(calls), None)
    return Attempt(batch, range(len(calls)))


def test_attempt_message_holds_its_calls():
    attempt = attempt_at((divmod, (7, 2), {}), (divmod, (9, 2), {}))
    assert unpack(attempt.message()) == [(divmod, (7, 2), {}), (divmod, (9, 2), {})]
    assert unpack(attempt.part(1).message()) == [(divmod, (9, 2), {})]


def test_unpicklable_call_fails_batch_and_is_named():
    attempt = attempt_at((len, (threading.Lock(),), {}))
    assert attempt.message() is None
    with pytest.raises(pickle.PicklingError, match=r"the task to send to a worker: len\(<unlock"):
        attempt.batch.result()


def test_answers_become_the_results_in_order():
    attempt = attempt_at(*[(abs, (i,), {}) for i in range(4)])
    rest = attempt.part(2)
    rest.answer(pack(RESULT, [2, 3]))
    attempt.answer(pack(RESULT, [0]), 1)
    assert not attempt.batch.complete
    attempt.answer(pack(RESULT, [1]), 2)
    assert attempt.batch.complete
    assert attempt.batch.result() == [0, 1, 2, 3]


def test_an_error_as_answer_is_raised():
    attempt = attempt_at((abs, (1,), {}))
    attempt.answer(pack_error(KeyError("missing")))
    with pytest.raises(KeyError, match="missing"):
        attempt.batch.result()


def test_the_callback_gets_the_task_once():
    seen = []
    batch = Batch([], seen.append)
    batch.fail(ValueError())
    batch.deliver()
    batch.deliver()
    assert seen == [batch]


def test_what_a_dead_worker_kept_is_recovered_once():
    attempt, progress = attempt_at(*[(abs, (i,), {}) for i in range(5)]), Progress()
    progress.reset()
    for index in range(3):
        progress.begin(index, 0.0)
        assert progress.keep(index, index + 1, pack(RESULT, [index]))
    progress.begin(3, 0.0)
    attempt.answer(pack(RESULT, [0, 1]), 2)  # these were sent too
    attempt.recover(progress.kept())
    assert attempt.position(progress.index) == 3
    attempt.part(3).answer(pack(RESULT, [3, 4]))
    assert attempt.batch.result() == [0, 1, 2, 3, 4]


def test_record_after_missing_message_waits():
    attempt, progress = attempt_at(*[(abs, (i,), {}) for i in range(3)]), Progress()
    progress.keep(0, 1, pack(RESULT, [0]))
    progress.keep(2, 3, pack(RESULT, [2]))
    attempt.recover(progress.kept())
    assert attempt.n_known == 1
    attempt.answer(pack(RESULT, [1]), 2)
    attempt.recover(progress.kept())
    assert attempt.batch.result() == [0, 1, 2]


def test_worker_dead_between_calls_was_in_none():
    attempt, progress = attempt_at((abs, (1,), {}), (abs, (2,), {})), Progress()
    progress.reset()
    attempt.recover(progress.kept())
    assert attempt.position(progress.index) is None
    progress.begin(0, 0.0)
    progress.keep(0, 1, pack(RESULT, [1]))
    attempt.recover(progress.kept())
    assert attempt.position(progress.index) is None
    assert attempt.n_known == 1


def test_what_has_no_room_is_not_kept():
    progress = Progress()
    assert not progress.keep(0, 1, bytes(ROOM))
    assert progress.keep(0, 1, bytes(ROOM - 100))
    assert not progress.keep(1, 2, bytes(100))
    assert len(progress.kept()) == 1


@given(st.binary(max_size=200), st.integers(), st.integers(-(2**63), 2**63 - 1))
def test_overwritten_progress_memory_harms_nobody(content, index, used):
    attempt, progress = attempt_at((abs, (1,), {}), (abs, (2,), {})), Progress()
    ctypes.memmove(ctypes.addressof(progress) + Progress._room.offset, content, len(content))
    progress.index, progress.used = index, used
    attempt.recover(progress.kept())
    assert attempt.position(progress.index) in (None, 0, 1)
