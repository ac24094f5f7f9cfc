"""The engine over loky: what only it does, and how it is chosen."""

import os
import signal
import threading
import time

import pytest
from joblib.externals.loky import ProcessPoolExecutor
from joblib.externals.loky.backend import get_context
from joblib.externals.loky.process_executor import ShutdownExecutorError

from skextra.parallel import WorkerCrashError
from skextra.parallel._engines import local_engine
from skextra.parallel._engines._loky import LokyEngine
from skextra.parallel._joblib import end_executor
from skextra.parallel._scheduling._scheduler import Scheduler
from tests.parallel.clients import Client, touch_and_wait, written_pid


@pytest.fixture
def scheduler():
    """Start a scheduler with this engine."""
    scheduler = Scheduler(LokyEngine())
    yield scheduler
    scheduler.shut_down()


def test_worker_killed_when_idle_costs_nothing(scheduler, eventually):
    client = Client(scheduler, n_workers=1, max_retries=0)
    pid = client.call(os.getpid)
    os.kill(pid, signal.SIGKILL)
    assert client.call(divmod, 7, 2) == (3, 1)


def test_death_ends_one_worker_and_no_other(scheduler, tmp_path, eventually):
    client = Client(scheduler, max_retries=0)
    client.submit(touch_and_wait, tmp_path / "pid")
    pid = eventually(written_pid(tmp_path / "pid"))
    with pytest.raises(WorkerCrashError, match="exited with code 3"):
        client.call(os._exit, 3)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(WorkerCrashError, match="SIGKILL"):
        client.result()


def test_worker_killed_as_it_begins_ends_quietly(monkeypatch):
    failures = []
    monkeypatch.setattr(threading, "excepthook", failures.append)
    executor = ProcessPoolExecutor(max_workers=1, context=get_context("loky"))
    assert executor.submit(abs, -1).result() == 1
    thread = executor._executor_manager_thread
    with monkeypatch.context() as until_it_ends:  # the thread does not hear of the call
        until_it_ends.setattr(executor._executor_manager_thread_wakeup, "wakeup", lambda: None)
        future = executor.submit(time.sleep, 30)
    end_executor(executor, kill=True)
    assert isinstance(future.exception(timeout=20), ShutdownExecutorError)
    thread.join(timeout=20)
    assert failures == []


def test_files_shared_with_workers_go_with_engine(scheduler):
    engine = scheduler.engine
    Client(scheduler).call(divmod, 7, 2)
    assert os.listdir(engine._folder)
    scheduler.shut_down()
    assert not os.path.exists(engine._folder)


def test_variable_chooses_engine(monkeypatch):
    monkeypatch.setenv("SKEXTRA_ENGINE", "loky")
    engine = local_engine()
    engine.close()
    assert isinstance(engine, LokyEngine)


def test_unknown_engine_is_refused(monkeypatch):
    monkeypatch.setenv("SKEXTRA_ENGINE", "threads")
    with pytest.raises(ValueError, match="SKEXTRA_ENGINE must be one of processes, loky"):
        local_engine()
