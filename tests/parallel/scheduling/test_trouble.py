"""What holds up or harms one task, or the scheduler itself, leaves nobody else waiting."""

import os
import signal
import sys
import time

import cloudpickle
import pytest
from joblib import parallel_config
from sklearn.datasets import make_classification
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from skextra.parallel import WorkerCrashError
from skextra.parallel._messages import INITIALIZER, pack
from skextra.parallel._scheduling import _exclusive_turn
from tests.parallel.clients import Client, alive, touch_and_wait, written_pid

cloudpickle.register_pickle_by_value(sys.modules[__name__])

X, y = make_classification(n_samples=120, random_state=0)


def own_connection():
    """Find, in a worker, its end of the pipe to the engine."""
    frame = sys._getframe()
    while "connection" not in frame.f_locals:
        frame = frame.f_back
    return frame.f_locals["connection"]


@pytest.mark.linux_engine("writes to the pipe of a worker of ours")
def test_broken_off_answer_is_death_despite_living_child(scheduler, tmp_path, eventually):
    def work():
        if not os.fork():
            os.setsid()  # so that it is not ended with the others
            (tmp_path / "child").write_text(str(os.getpid()))
            time.sleep(60)
            os._exit(0)
        while not (tmp_path / "child").exists():
            time.sleep(0.001)
        os.write(own_connection().fileno(), b"\0\1\0\0r")
        os.kill(os.getpid(), signal.SIGKILL)

    client = Client(scheduler, max_retries=0)
    try:
        with pytest.raises(WorkerCrashError, match="SIGKILL"):
            client.call(work)
        assert client.call(divmod, 7, 2) == (3, 1)
    finally:
        os.kill(eventually(written_pid(tmp_path / "child")), signal.SIGKILL)


def test_worker_that_reads_nothing_delays_nobody(scheduler, tmp_path, eventually):
    slow = Client(scheduler, initializer=pack(INITIALIZER, (touch_and_wait, (tmp_path / "pid",))))
    slow.submit(len, bytes(10_000_000))  # more than a pipe holds
    pid = eventually(written_pid(tmp_path / "pid"))
    assert Client(scheduler).call(divmod, 7, 2) == (3, 1)
    slow.session.abort()
    eventually(lambda: not alive(pid))


def test_large_task_arrives_after_the_initializer(scheduler):
    initializer = pack(INITIALIZER, (time.sleep, (0.2,)))
    assert Client(scheduler, initializer=initializer).call(len, bytes(10_000_000)) == 10_000_000


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_session_that_outlives_the_dispatcher_is_told(scheduler, eventually):
    client = Client(scheduler)
    client.call(os.getpid)
    scheduler.post(lambda: 1 / 0)
    eventually(lambda: not scheduler.usable)
    client.submit(divmod, 7, 2)
    with pytest.raises(RuntimeError, match="cancelled"):
        client.result()
    client.session.close()
    eventually(lambda: not client.session._delivery.is_alive)


def test_unreadable_error_harms_only_its_task(scheduler):
    def fail(parent):
        class Unreadable(Exception):
            def __reduce__(self):
                return check, (parent,)

        def check(parent):
            import os

            return ValueError("read") if os.getpid() != parent else 1 / 0

        raise Unreadable

    initializer = pack(INITIALIZER, (fail, (os.getpid(),)))
    with pytest.raises(ZeroDivisionError):
        Client(scheduler, initializer=initializer).call(os.getpid)
    assert Client(scheduler).call(divmod, 7, 2) == (3, 1)


def test_overwritten_memory_of_worker_harms_only_its_task(scheduler):
    def work():
        import ctypes

        frame = sys._getframe()
        while "progress" not in frame.f_locals:
            frame = frame.f_back
        progress = frame.f_locals["progress"]
        progress = getattr(progress, "_progress", progress)
        ctypes.memset(ctypes.addressof(progress), 0x55, ctypes.sizeof(progress))
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(WorkerCrashError):
        Client(scheduler, max_retries=0).call(work)
    assert Client(scheduler).call(divmod, 7, 2) == (3, 1)


class NoShape:
    """Cannot be described."""

    @property
    def shape(self):
        raise RuntimeError("not known yet")


def test_an_argument_that_cannot_be_described_harms_nobody(scheduler):
    with pytest.raises(WorkerCrashError, match="SIGKILL"):
        Client(scheduler, max_retries=0).call(
            lambda x: os.kill(os.getpid(), signal.SIGKILL), NoShape()
        )
    assert Client(scheduler).call(divmod, 7, 2) == (3, 1)


class ExitsWhenPickled:
    """Ends whoever pickles it."""

    def __reduce__(self):
        raise SystemExit(1)


def test_argument_exiting_when_pickled_harms_only_its_task(scheduler):
    client = Client(scheduler, n_workers=1)
    for _ in range(3):  # the last is pickled by the dispatcher
        client.submit(len, ExitsWhenPickled())
    for _ in range(3):
        with pytest.raises(Exception, match="could not pickle the task"):
            client.result()
    assert Client(scheduler).call(divmod, 7, 2) == (3, 1)


def test_failing_standard_output_harms_nobody(scheduler):
    class Broken:
        def flush(self):
            raise RuntimeError("cannot flush")

    client = Client(scheduler, n_workers=1)
    client.call(lambda: setattr(sys, "stdout", Broken()))
    assert client.call(divmod, 7, 2) == (3, 1)


class Killer:
    """Kills the worker that reads it; the parent may copy it."""

    def __deepcopy__(self, memo):
        return self

    def __reduce__(self):
        return os.kill, (0, signal.SIGKILL)


class WithKiller(LogisticRegression):
    """Has a parameter more."""

    def __init__(self, C=1.0, killer=None):
        super().__init__(C=C)
        self.killer = killer


def test_unreadable_fit_gets_error_score():
    search = GridSearchCV(WithKiller(), {"C": [1, 2], "killer": [None, Killer()]}, cv=2)
    search.set_params(refit=False, error_score=-1.0)
    with parallel_config("skextra", n_jobs=2), pytest.warns(FitFailedWarning, match="4 fits"):
        found = search.fit(X, y).cv_results_
    failed = [params["killer"] is not None for params in found["params"]]
    assert [score == -1 for score in found["mean_test_score"]] == failed


def wait_for(path):
    while not path.exists():
        time.sleep(0.001)


def die_twice(folder):
    if len(list(folder.glob("death-*"))) < 2:
        (folder / f"death-{os.getpid()}").touch()
        os.kill(os.getpid(), signal.SIGKILL)


def test_exclusive_retry_waits_only_so_long(scheduler, tmp_path, monkeypatch, eventually):
    monkeypatch.setattr(_exclusive_turn, "PATIENCE_SECONDS", 0.2)
    endless, other, mortal = Client(scheduler), Client(scheduler), Client(scheduler)
    endless.submit(wait_for, tmp_path / "touched")
    eventually(lambda: endless.session.running)
    mortal.submit(die_twice, tmp_path)
    eventually(lambda: mortal.session.pending_exclusive or not mortal.outcomes.empty())
    other.submit((tmp_path / "touched").touch)
    for client in (other, endless, mortal):
        assert client.result() is None


def test_endless_exclusive_retry_releases_other_sessions(
    scheduler, tmp_path, monkeypatch, eventually
):
    monkeypatch.setattr(_exclusive_turn, "PATIENCE_SECONDS", 0.2)
    mortal = Client(scheduler, n_workers=1, max_retries=1)

    def work():
        if not (tmp_path / "died").exists():
            (tmp_path / "died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        wait_for(tmp_path / "touched")

    mortal.submit(work)
    eventually(lambda: scheduler._turn.attempt is not None)
    other = Client(scheduler)
    other.call((tmp_path / "touched").touch)
    assert mortal.result() is None


def test_two_sessions_with_last_tries_take_turns(scheduler, tmp_path):
    clients = [Client(scheduler) for _ in range(2)]
    for i, client in enumerate(clients):
        folder = tmp_path / str(i)
        folder.mkdir()
        client.submit(die_twice, folder)
        client.submit(die_twice, folder)
    for client in clients:
        assert [client.result() for _ in range(2)] == [None, None]


@pytest.mark.linux_engine("workers of loky write to the caller's standard error")
def test_unread_standard_error_delays_no_result(run_script):
    script = run_script(
        """
        import os, signal
        import skextra
        from joblib import Parallel, delayed
        from skextra.parallel import WorkerCrashError

        def work():
            os.write(2, b"x" * 100_000)
            os.kill(os.getpid(), signal.SIGKILL)

        def fill():
            try:
                while True:
                    os.write(2, b"x" * 4096)
            except BlockingIOError:
                os.set_blocking(2, True)

        os.set_blocking(2, False)
        fill()
        try:
            Parallel(n_jobs=2, backend="skextra", max_retries=0)([delayed(work)()])
        except WorkerCrashError:
            print("told", flush=True)
        os._exit(0)
        """
    )
    assert script.line() == "told"
