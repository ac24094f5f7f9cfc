"""The scheduler runs on any engine: here, one that has no processes at all."""

import collections
import contextlib
import queue

import pytest

from skextra.parallel import WorkerCrashError
from skextra.parallel._engines import Died, Ended, Engine
from skextra.parallel._errors import Death
from skextra.parallel._messages import RESULT, pack, pack_error, unpack
from skextra.parallel._scheduling._scheduler import Scheduler
from tests.parallel.clients import Client


class Dies(Exception):
    """A call raises this to play a worker that dies."""


class InlineEngine(Engine):
    """Runs an attempt in the dispatcher thread when it is polled."""

    def __init__(self):
        self.started, self.closed = [], False
        self._attempts, self._wakes = collections.deque(), queue.SimpleQueue()

    def has_room(self, options):
        return True

    def start(self, attempt):
        self.started.append(attempt)
        self._attempts.append(attempt)

    def poll(self, timeout):
        if not self._attempts:
            with contextlib.suppress(queue.Empty):
                self._wakes.get(timeout=timeout)
        while self._attempts:
            yield self._run(self._attempts.popleft())

    def _run(self, attempt):
        for position, (function, args, kwargs) in enumerate(unpack(attempt.message())):
            try:
                result = function(*args, **kwargs)
            except Dies:
                return Died(attempt, position, Death(1))
            except Exception as error:
                attempt.answer(pack_error(error))
                return Ended(attempt, 0, failed=True)
            attempt.answer(pack(RESULT, [result]), position + 1)
        return Ended(attempt, 0, failed=False)

    def cancel(self, attempt):
        self._attempts.remove(attempt)

    def kill(self, attempt):
        pass

    def wake(self):
        self._wakes.put(None)

    def shut_down(self):
        pass

    has_workers = False

    def kill_all(self):
        pass

    def close(self):
        self.closed = True


@pytest.fixture
def scheduler():
    scheduler = Scheduler(InlineEngine())
    yield scheduler
    scheduler.shut_down()
    assert scheduler.engine.closed


def test_calls_give_their_results(scheduler):
    assert Client(scheduler).call(divmod, 7, 2) == (3, 1)


def test_error_of_call_is_raised(scheduler):
    with pytest.raises(ZeroDivisionError):
        Client(scheduler).call(divmod, 7, 0)


def test_deaths_are_repeated_then_given_up(scheduler):
    def die():
        raise Dies

    client = Client(scheduler, max_retries=2)
    with pytest.raises(WorkerCrashError, match=r"exited with code 1\. It was tried 3 times"):
        client.call(die)
    assert [attempt.exclusive for attempt in scheduler.engine.started] == [False, False, True]


def test_death_loses_no_result_of_its_batch(scheduler, tmp_path):
    def die_once():
        if not (tmp_path / "died").exists():
            (tmp_path / "died").touch()
            raise Dies
        return "survived"

    client = Client(scheduler)
    calls = [(abs, (-1,), {}), (die_once, (), {}), (abs, (-2,), {})]
    client.session.submit(calls, client.outcomes.put)
    assert client.outcomes.get(timeout=60).result() == [1, "survived", 2]
