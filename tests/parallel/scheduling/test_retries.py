"""What is decided after a death: values worked by hand."""

import pytest

from skextra.parallel import TaskTimeoutError, WorkerCrashError
from skextra.parallel._errors import Death
from skextra.parallel._scheduling._attempt import Attempt
from skextra.parallel._scheduling._batch import Batch
from skextra.parallel._scheduling._retries import after_death
from skextra.parallel._scheduling._session import SessionOptions

OPTIONS = SessionOptions(b"", max_retries=2, task_timeout=5)
KILLED = Death(-9)


def attempt_at(n_calls, n_known=0, **options):
    batch = Batch([(abs, (i,), {}) for i in range(n_calls)], None, OPTIONS)
    attempt = Attempt(batch, range(n_calls), **options)
    attempt.n_known = n_known
    return attempt


def parts(decision):
    return [(list(retry.indices), retry.exclusive) for retry in decision.retries]


def test_first_death_repeats_call_before_rest():
    decision = after_death(attempt_at(5, n_known=1), 3, KILLED, 1, OPTIONS)
    assert parts(decision) == [([3], False), ([1, 2], False), ([4], False)]
    assert decision.given_up == []


def test_last_retry_is_exclusive():
    assert parts(after_death(attempt_at(1), 0, KILLED, 2, OPTIONS)) == [([0], True)]


def test_out_of_memory_retry_is_exclusive_at_once():
    death = Death(-9, out_of_memory=True)
    assert parts(after_death(attempt_at(1), 0, death, 1, OPTIONS)) == [([0], True)]


def test_death_beyond_retries_spares_the_rest():
    decision = after_death(attempt_at(3), 1, KILLED, 3, OPTIONS)
    assert parts(decision) == [([0], False), ([2], False)]
    [(index, error)] = decision.given_up
    assert index == 1
    assert isinstance(error, WorkerCrashError)
    assert str(error).startswith("A worker process died while it was running abs(1)")


def test_overdue_call_is_never_repeated():
    decision = after_death(attempt_at(1), 0, Death(-9, overdue=True), 1, OPTIONS)
    assert parts(decision) == []
    assert isinstance(decision.given_up[0][1], TaskTimeoutError)


def test_death_between_calls_repeats_each_call_alone():
    decision = after_death(attempt_at(4, n_known=2), None, KILLED, 0, OPTIONS)
    assert parts(decision) == [([2], False), ([3], False)]
    assert [retry.n_unread for retry in decision.retries] == [1, 1]


@pytest.mark.parametrize(("n_unread", "is_repeated"), [(1, True), (2, False)])
def test_call_that_kills_its_readers_is_given_up(n_unread, is_repeated):
    decision = after_death(attempt_at(1, n_unread=n_unread), None, KILLED, 0, OPTIONS)
    assert bool(decision.retries) == is_repeated
    if not is_repeated:
        assert "3 worker processes died before they began abs(0)" in str(decision.given_up[0][1])


def test_decision_changes_nothing():
    attempt = attempt_at(3)
    before = vars(attempt) | {"batch": vars(attempt.batch).copy()}
    after_death(attempt, 1, KILLED, 3, OPTIONS)
    assert vars(attempt) | {"batch": vars(attempt.batch)} == before
