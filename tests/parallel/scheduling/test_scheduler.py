import ctypes
import multiprocessing
import os
import signal
import sys
import threading

import cloudpickle
import pytest

from skextra.parallel import WorkerCrashError
from skextra.parallel._engines._processes import _worker_set as crew_module
from skextra.parallel._messages import INITIALIZER, pack
from skextra.parallel._scheduling import _scheduler as pool_module
from skextra.parallel._scheduling._scheduler import Pool
from tests.parallel.clients import Client, alive, touch_and_wait, written_pid

cloudpickle.register_pickle_by_value(sys.modules[__name__])


def test_a_new_pool_has_no_process(pool):
    assert pool.workers == set()


def test_a_worker_is_kept_for_the_next_task(pool):
    client = Client(pool)
    assert client.call(os.getpid) == client.call(os.getpid)


def test_a_worker_is_kept_for_the_next_session(pool):
    first, second = Client(pool), Client(pool)
    pid = first.call(os.getpid)
    first.session.close()
    assert second.call(os.getpid) == pid


def test_no_more_workers_than_the_session_may_have(pool):
    client = Client(pool, n_workers=2)
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
def test_a_death_fails_its_task_and_says_how(pool, die, words):
    client = Client(pool)
    with pytest.raises(WorkerCrashError, match=rf"running .*<lambda>\(\): it (was )?{words}"):
        client.call(die)


def test_only_the_task_of_the_dead_worker_fails(pool):
    client = Client(pool, n_workers=1)
    client.submit(os._exit, 1)
    client.submit(divmod, 7, 2)
    with pytest.raises(WorkerCrashError):
        client.result()
    assert client.result() == (3, 1)


def test_the_call_in_flight_is_the_one_that_is_named(pool):
    client = Client(pool)
    calls = [(divmod, (7, 2), {}), (os._exit, (5,), {}), (divmod, (9, 2), {})]
    client.session.submit(calls, client.outcomes.put)
    with pytest.raises(WorkerCrashError, match=r"running posix\._exit\(5\)"):
        client.result()


def test_the_results_of_many_tiny_calls_are_kept(pool, tmp_path):
    def work(i):
        if i == 49_999 and not (tmp_path / "died").exists():
            (tmp_path / "died").touch()
            os._exit(1)
        return i, os.getpid()

    client = Client(pool)
    client.session.submit([(work, (i,), {}) for i in range(50_000)], client.outcomes.put)
    results = client.outcomes.get(timeout=60).result()
    assert [i for i, _ in results] == list(range(50_000))
    pids = [pid for _, pid in results]
    # What ended in the last microseconds before the death may be done again.
    assert 1 <= sum(pid != pids[0] for pid in pids) < 100


def test_a_worker_killed_between_two_tasks_fails_neither(pool):
    client = Client(pool, n_workers=1)
    pid = client.call(os.getpid)
    os.kill(pid, signal.SIGKILL)
    assert client.call(os.getpid) != pid


class KillsItsReader:
    def __reduce__(self):
        return os._exit, (9,)


def test_a_task_that_kills_every_worker_that_reads_it_fails(pool):
    client = Client(pool)
    with pytest.raises(WorkerCrashError, match=r"died before they began .*exited with code 9"):
        client.call(len, [KillsItsReader()])


def test_children_of_a_dead_worker_die_with_it(pool, eventually):
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

        client = Client(pool, max_retries=0)
        client.submit(run)
        with listener.accept() as reader:
            child_pid = reader.recv()
    with pytest.raises(WorkerCrashError):
        client.result()
    eventually(lambda: not alive(child_pid))


def test_an_idle_worker_leaves(eventually):
    pool = Pool(idle_seconds=0.1)
    pid = Client(pool).call(os.getpid)
    eventually(lambda: not alive(pid) and not pool.workers)
    assert Client(pool).call(os.getpid) != pid
    pool.shutdown()


def test_a_worker_that_does_not_leave_when_asked_is_killed(eventually):
    pool = Pool(idle_seconds=0.1)
    client = Client(pool)
    # A child that is no daemon and never ends: multiprocessing waits for it when a process ends.
    pid = client.call(
        lambda: (
            multiprocessing.get_context("fork").Process(target=threading.Event().wait).start()
            or os.getpid()
        )
    )
    eventually(lambda: not alive(pid) and not pool.workers)
    pool.shutdown()


def test_abort_kills_the_worker_at_once(pool, tmp_path, eventually):
    client = Client(pool)
    client.submit(touch_and_wait, tmp_path / "pid")
    pid = eventually(written_pid(tmp_path / "pid"))
    client.session.abort()
    eventually(lambda: not alive(pid), seconds=2)
    with pytest.raises(RuntimeError, match="cancelled"):
        client.result()


def test_abort_leaves_other_sessions_alone(pool, tmp_path, eventually):
    aborted, other = Client(pool), Client(pool)
    aborted.submit(touch_and_wait, tmp_path / "aborted")
    other.submit(touch_and_wait, tmp_path / "other")
    pid = eventually(written_pid(tmp_path / "other"))
    eventually(written_pid(tmp_path / "aborted"))
    aborted.session.abort()
    assert alive(pid)
    other.session.abort()


def test_abort_reaches_a_worker_that_does_not_read(pool, tmp_path, eventually):
    client = Client(pool, n_workers=1)
    pid = client.call(os.getpid)
    os.kill(pid, signal.SIGSTOP)
    client.submit(len, bytes(10_000_000))  # more than a pipe holds, so sending it waits
    eventually(lambda: client.session.workers)
    client.session.abort()
    eventually(lambda: not alive(pid))
    assert Client(pool).call(divmod, 7, 2) == (3, 1)


def test_a_callback_that_takes_long_holds_nobody_up(pool):
    slow, other = Client(pool), Client(pool)
    release = threading.Event()
    slow.session.submit([(len, ("",), {})], lambda task: release.wait(60))
    assert other.call(divmod, 7, 2) == (3, 1)
    release.set()


def test_an_error_in_a_callback_is_not_lost(pool):
    client = Client(pool)

    def callback(task):
        raise SystemExit(5)

    client.session.submit([(len, ("",), {})], callback)
    assert isinstance(client.errors.get(timeout=60), SystemExit)


def test_a_task_of_a_closed_session_is_cancelled(pool):
    client = Client(pool)
    client.session.closed = True
    client.submit(divmod, 7, 2)
    with pytest.raises(RuntimeError, match="cancelled"):
        client.result()


def test_an_initializer_runs_once_in_a_process(pool, tmp_path):
    def initialize(folder):
        (folder / str(os.getpid())).touch(exist_ok=False)

    message = pack(INITIALIZER, (initialize, (tmp_path,)))
    client = Client(pool, n_workers=1, initializer=message)
    pids = {client.call(os.getpid) for _ in range(3)}
    assert {path.name for path in tmp_path.iterdir()} == {str(pid) for pid in pids}


def test_a_process_with_another_initializer_is_not_used(pool):
    first = Client(pool, initializer=pack(INITIALIZER, (len, ("a",))))
    second = Client(pool, initializer=pack(INITIALIZER, (len, ("b",))))
    third = Client(pool)
    assert len({client.call(os.getpid) for client in (first, second, third)}) == 3


def test_an_error_in_the_initializer_is_raised(pool):
    client = Client(pool, initializer=pack(INITIALIZER, (divmod, (1, 0))))
    with pytest.raises(ZeroDivisionError):
        client.call(os.getpid)


def test_a_worker_that_cannot_start_is_a_clear_error(pool, monkeypatch):
    def fail(device):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(crew_module, "Worker", fail)
    with pytest.raises(WorkerCrashError, match=r"could not start.*Too many open files"):
        Client(pool).call(os.getpid)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_mistake_in_the_dispatcher_leaves_nobody_waiting(pool, tmp_path, eventually):
    client = Client(pool)
    client.submit(touch_and_wait, tmp_path / "pid")
    pid = eventually(written_pid(tmp_path / "pid"))
    pool.post(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        client.result()
    eventually(lambda: not alive(pid))
    assert not pool.usable


def test_shutdown_ends_idle_and_busy_workers(tmp_path, eventually):
    pool = Pool()
    client = Client(pool)
    client.submit(touch_and_wait, tmp_path / "pid")
    busy = eventually(written_pid(tmp_path / "pid"))
    idle = client.call(os.getpid)
    pool.shutdown()
    assert not alive(idle)
    assert not alive(busy)
    with pytest.raises(RuntimeError, match="cancelled"):
        client.result()


def test_the_server_comes_back_after_it_was_killed(pool, eventually):
    client = Client(pool, n_workers=1)
    pid, server_pid = client.call(lambda: (os.getpid(), os.getppid()))
    os.kill(server_pid, signal.SIGKILL)
    eventually(lambda: not alive(pid))
    assert client.call(divmod, 7, 2) == (3, 1)


def test_calls_share_one_pool():
    assert pool_module.get_pool() is pool_module.get_pool()
