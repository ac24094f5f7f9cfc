import ctypes
import gc
import multiprocessing
import os
import signal
import sys
import threading

import cloudpickle
import pytest

from skextra.parallel import WorkerCrashError
from skextra.parallel._engines import local_engine
from skextra.parallel._engines._processes import _worker_state
from skextra.parallel._engines._processes._engine import ProcessEngine
from skextra.parallel._messages import INITIALIZER, pack
from skextra.parallel._scheduling._current import get_scheduler
from skextra.parallel._scheduling._scheduler import Scheduler
from tests.parallel.clients import Client, alive, touch_and_wait, written_pid

cloudpickle.register_pickle_by_value(sys.modules[__name__])


def test_new_scheduler_has_no_process(scheduler):
    assert not scheduler.engine.has_workers


def test_a_worker_is_kept_for_the_next_task(scheduler):
    client = Client(scheduler)
    assert client.call(os.getpid) == client.call(os.getpid)


def test_a_worker_is_kept_for_the_next_session(scheduler):
    first, second = Client(scheduler), Client(scheduler)
    pid = first.call(os.getpid)
    first.session.close()
    assert second.call(os.getpid) == pid


def test_no_more_workers_than_the_session_may_have(scheduler):
    client = Client(scheduler, n_workers=2)
    for _ in range(20):
        client.submit(os.getpid)
    assert len({client.result() for _ in range(20)}) <= 2


@pytest.mark.parametrize(
    ("die", "words"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "killed by SIGKILL"),
        (lambda: os.kill(os.getpid(), signal.SIGTERM), "killed by SIGTERM"),
        (lambda: ctypes.string_at(0), "killed by SIGSEGV"),
        (lambda: os._exit(7), "exited with code 7"),
        (lambda: os._exit(0), "exited with code 0"),
    ],
)
def test_a_death_fails_its_task_and_says_how(scheduler, die, words):
    client = Client(scheduler, max_retries=0)
    with pytest.raises(WorkerCrashError, match=rf"running .*<lambda>\(\): it (was )?{words}"):
        client.call(die)


def test_only_the_task_of_the_dead_worker_fails(scheduler):
    client = Client(scheduler, n_workers=1, max_retries=0)
    client.submit(os._exit, 1)
    client.submit(divmod, 7, 2)
    with pytest.raises(WorkerCrashError):
        client.result()
    assert client.result() == (3, 1)


def test_call_in_flight_is_the_one_named(scheduler):
    client = Client(scheduler, max_retries=0)
    calls = [(divmod, (7, 2), {}), (os._exit, (5,), {}), (divmod, (9, 2), {})]
    client.session.submit(calls, client.outcomes.put)
    with pytest.raises(WorkerCrashError, match=r"running posix\._exit\(5\)"):
        client.result()


def test_the_results_of_many_tiny_calls_are_kept(scheduler, tmp_path):
    def work(i):
        if i == 49_999 and not (tmp_path / "died").exists():
            (tmp_path / "died").touch()
            os._exit(1)
        return i, os.getpid()

    client = Client(scheduler)
    client.session.submit([(work, (i,), {}) for i in range(50_000)], client.outcomes.put)
    results = client.outcomes.get(timeout=60).result()
    assert [i for i, _ in results] == list(range(50_000))
    pids = [pid for _, pid in results]
    # What ended in the last microseconds before the death may be done again.
    assert 1 <= sum(pid != pids[0] for pid in pids) < 100


def test_a_worker_killed_between_two_tasks_fails_neither(scheduler):
    client = Client(scheduler, n_workers=1)
    pid = client.call(os.getpid)
    os.kill(pid, signal.SIGKILL)
    assert client.call(os.getpid) != pid


class KillsItsReader:
    def __reduce__(self):
        return os._exit, (9,)


def test_task_that_kills_its_readers_fails(scheduler):
    client = Client(scheduler, max_retries=0)
    with pytest.raises(WorkerCrashError, match=r"died before they began .*exited with code 9"):
        client.call(len, [KillsItsReader()])


def test_children_of_a_dead_worker_die_with_it(scheduler, eventually):
    def start_child_and_die(writer):
        child = multiprocessing.get_context("fork").Process(target=threading.Event().wait)
        child.start()
        writer.send(child.pid)
        os._exit(1)

    listener = multiprocessing.connection.Listener(family="AF_UNIX")
    with listener:
        address = listener.address

        def run():
            with multiprocessing.connection.Client(address, authkey=None) as writer:
                start_child_and_die(writer)

        client = Client(scheduler, max_retries=0)
        client.submit(run)
        with listener.accept() as reader:
            child_pid = reader.recv()
    with pytest.raises(WorkerCrashError):
        client.result()
    eventually(lambda: not alive(child_pid))


@pytest.mark.linux_engine("loky itself ends its idle workers")
def test_an_idle_worker_leaves(eventually):
    scheduler = Scheduler(ProcessEngine(idle_seconds=0.1))
    pid = Client(scheduler).call(os.getpid)
    eventually(lambda: not alive(pid) and not scheduler.engine.has_workers)
    assert Client(scheduler).call(os.getpid) != pid
    scheduler.shut_down()


@pytest.mark.linux_engine("loky itself ends its idle workers")
def test_worker_that_ignores_shutdown_is_killed(eventually):
    scheduler = Scheduler(ProcessEngine(idle_seconds=0.1))
    client = Client(scheduler)
    # A child that is no daemon and never ends: multiprocessing waits for it when a process ends.
    pid = client.call(
        lambda: (
            multiprocessing.get_context("fork").Process(target=threading.Event().wait).start()
            or os.getpid()
        )
    )
    eventually(lambda: not alive(pid) and not scheduler.engine.has_workers)
    scheduler.shut_down()


def test_abort_kills_the_worker_at_once(scheduler, tmp_path, eventually):
    client = Client(scheduler)
    client.submit(touch_and_wait, tmp_path / "pid")
    pid = eventually(written_pid(tmp_path / "pid"))
    client.session.abort()
    eventually(lambda: not alive(pid), seconds=2)
    with pytest.raises(RuntimeError, match="cancelled"):
        client.result()


def test_abort_leaves_other_sessions_alone(scheduler, tmp_path, eventually):
    aborted, other = Client(scheduler), Client(scheduler)
    aborted.submit(touch_and_wait, tmp_path / "aborted")
    other.submit(touch_and_wait, tmp_path / "other")
    pid = eventually(written_pid(tmp_path / "other"))
    eventually(written_pid(tmp_path / "aborted"))
    aborted.session.abort()
    assert alive(pid)
    other.session.abort()


def test_abort_reaches_a_worker_that_does_not_read(scheduler, tmp_path, eventually):
    client = Client(scheduler, n_workers=1)
    pid = client.call(os.getpid)
    os.kill(pid, signal.SIGSTOP)
    client.submit(len, bytes(10_000_000))  # more than a pipe holds, so sending it waits
    eventually(lambda: client.session.running)
    client.session.abort()
    eventually(lambda: not alive(pid))
    assert Client(scheduler).call(divmod, 7, 2) == (3, 1)


def test_a_callback_that_takes_long_holds_nobody_up(scheduler):
    slow, other = Client(scheduler), Client(scheduler)
    release = threading.Event()
    slow.session.submit([(len, ("",), {})], lambda task: release.wait(60))
    assert other.call(divmod, 7, 2) == (3, 1)
    release.set()


def test_an_error_in_a_callback_is_not_lost(scheduler):
    client = Client(scheduler)

    def callback(task):
        raise SystemExit(5)

    client.session.submit([(len, ("",), {})], callback)
    assert isinstance(client.errors.get(timeout=60), SystemExit)


def test_a_task_of_a_closed_session_is_cancelled(scheduler):
    client = Client(scheduler)
    client.session.closed = True
    client.submit(divmod, 7, 2)
    with pytest.raises(RuntimeError, match="cancelled"):
        client.result()


def test_an_initializer_runs_once_in_a_process(scheduler, tmp_path):
    def initialize(folder):
        (folder / str(os.getpid())).touch(exist_ok=False)

    message = pack(INITIALIZER, (initialize, (tmp_path,)))
    client = Client(scheduler, n_workers=1, initializer=message)
    pids = {client.call(os.getpid) for _ in range(3)}
    assert {path.name for path in tmp_path.iterdir()} == {str(pid) for pid in pids}


def test_a_process_with_another_initializer_is_not_used(scheduler):
    first = Client(scheduler, initializer=pack(INITIALIZER, (len, ("a",))))
    second = Client(scheduler, initializer=pack(INITIALIZER, (len, ("b",))))
    third = Client(scheduler)
    assert len({client.call(os.getpid) for client in (first, second, third)}) == 3


def test_an_error_in_the_initializer_is_raised(scheduler):
    client = Client(scheduler, initializer=pack(INITIALIZER, (divmod, (1, 0))))
    with pytest.raises(ZeroDivisionError):
        client.call(os.getpid)


@pytest.mark.linux_engine("replaces the processes of this engine")
def test_worker_that_cannot_start_is_clear_error(scheduler, monkeypatch):
    def fail(device):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(_worker_state, "WorkerProcess", fail)
    with pytest.raises(WorkerCrashError, match=r"could not start.*Too many open files"):
        Client(scheduler).call(os.getpid)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_mistake_in_the_dispatcher_leaves_nobody_waiting(scheduler, tmp_path, eventually):
    client = Client(scheduler)
    client.submit(touch_and_wait, tmp_path / "pid")
    pid = eventually(written_pid(tmp_path / "pid"))
    scheduler.post(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        client.result()
    eventually(lambda: not alive(pid))
    assert not scheduler.usable


def test_shutdown_ends_idle_and_busy_workers(tmp_path, eventually):
    scheduler = Scheduler(local_engine())
    client = Client(scheduler)
    client.submit(touch_and_wait, tmp_path / "pid")
    busy = eventually(written_pid(tmp_path / "pid"))
    idle = client.call(os.getpid)
    scheduler.shut_down()
    assert not alive(idle)
    assert not alive(busy)
    with pytest.raises(RuntimeError, match="cancelled"):
        client.result()


@pytest.mark.parametrize("is_used", [False, True])
def test_ended_scheduler_keeps_no_descriptor(is_used):
    def descriptors_after_one():
        scheduler = Scheduler(local_engine())
        if is_used:
            assert Client(scheduler).call(abs, -1) == 1
        scheduler.shut_down()
        del scheduler
        gc.collect()
        return len(os.listdir("/proc/self/fd"))

    before = descriptors_after_one()  # what is made once stays
    assert [descriptors_after_one() for _ in range(3)] == [before] * 3


@pytest.mark.linux_engine("loky has no fork server")
def test_the_server_comes_back_after_it_was_killed(run_script, eventually):
    # In a small program: a new server imports what the program has imported.
    script = run_script(
        """
        import os, signal, threading
        import skextra
        from joblib import Parallel, delayed

        def both():
            return os.getpid(), os.getppid()

        parallel = Parallel(n_jobs=2, backend="skextra")
        (pid, server_pid), _ = parallel(delayed(both)() for _ in range(2))
        os.kill(server_pid, signal.SIGKILL)
        print(pid, flush=True)
        print(parallel(delayed(divmod)(i, 2) for i in range(2)), flush=True)
        threading.Event().wait()
        """
    )
    pid = int(script.line())
    eventually(lambda: not alive(pid))
    assert script.line() == "[(0, 0), (0, 1)]"


def test_calls_share_one_scheduler():
    assert get_scheduler() is get_scheduler()
