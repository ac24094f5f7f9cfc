"""A session whose workers end while a task comes, and one whose workers ran out of memory."""

import time

import pytest

from skextra.parallel._errors import Death
from skextra.parallel._scheduling import _session
from tests.parallel.clients import Client


def test_task_posted_while_the_workers_end_starts_at_once(scheduler, monkeypatch):
    """The submitting thread is held up between its question and its command."""
    client = Client(scheduler, n_workers=1)
    assert client.call(abs, -1) == 1
    post, session = scheduler.post, client.session

    def slow_post(*args, **options):
        while session.running:
            time.sleep(0.01)
        time.sleep(0.1)
        post(*args, **options)

    client.submit(time.sleep, 0.3)
    while not session.running:
        time.sleep(0.001)
    monkeypatch.setattr(scheduler, "post", slow_post)
    started = time.monotonic()
    client.submit(abs, -2)
    assert client.result() is None
    assert client.result() == 2
    assert time.monotonic() - started < 5
    monkeypatch.undo()


def test_session_gets_its_workers_back_after_memory_ran_out(scheduler, monkeypatch):
    monkeypatch.setattr(_session, "_ATTEMPTS_BEFORE_MORE", 2)
    client = Client(scheduler, n_workers=3)
    session = client.session
    batch = client.submit(abs, -1)
    assert client.result() == 1
    batch.done = False
    attempt = _session.Attempt(batch, [0])
    session.handle_death(attempt, 0, Death(-9, out_of_memory=True))
    session.pending_exclusive.clear()
    assert session.n_workers == 2
    for i in range(4):
        assert client.call(abs, -i) == i
    assert session.n_workers == 3
    for i in range(9):
        client.call(abs, -i)
    assert session.n_workers == 3


@pytest.mark.parametrize("n_deaths", [1, 5])
def test_session_keeps_one_worker_however_often_memory_runs_out(scheduler, n_deaths):
    client = Client(scheduler, n_workers=2)
    batch = client.submit(abs, -1)
    client.result()
    batch.done = False
    for _ in range(n_deaths):
        attempt = _session.Attempt(batch, [0])
        client.session.handle_death(attempt, 0, Death(-9, out_of_memory=True))
    assert client.session.n_workers == 1
    client.session.pending_exclusive.clear()
