"""Whole programs: how they start, what they leave, and how they may be killed."""

import os
import signal
import subprocess
import sys

import pytest

from skextra.parallel._engines._preloading import modules_to_preload
from skextra.parallel._engines._processes._worker_process import remove_semaphores
from tests.parallel.calls import shared_memory_of

BUSY = """
    import os, sys, threading
    import skextra
    from joblib import Parallel, delayed

    def work(i):
        os.write(1, b"busy\\n")
        {work}

    print("start", flush=True)
    Parallel(n_jobs=2, backend="skextra")(delayed(work)(i) for i in range(2))
"""
WAITING, HOLDING_THE_LOCK = "threading.Event().wait()", "sum(range(10**13))"
WITH_CHILD = "os.fork() or None; threading.Event().wait()"
CATCHING_SIGTERM = "import signal; signal.signal(15, print); threading.Event().wait()"


def test_a_script_without_a_main_guard_runs_once(run_script):
    lines, _ = run_script(
        """
        import skextra
        from joblib import Parallel, delayed
        print("start")
        class Point:
            def __init__(self, x):
                self.x = x
        def double(point):
            return Point(2 * point.x)
        points = Parallel(n_jobs=2, backend="skextra")(delayed(double)(Point(i)) for i in range(5))
        print([point.x for point in points], all(type(point) is Point for point in points))
        """
    ).finish()
    assert lines == ["start", "[0, 2, 4, 6, 8] True"]


def test_main_module_is_untouched_while_workers_start(run_script):
    lines, _ = run_script(
        """
        import sys, threading
        import skextra
        from joblib import Parallel, delayed
        changed = []
        def watch():
            while not done.is_set():
                if sys.modules["__main__"] is not main or "__file__" not in globals():
                    changed.append(1)
        main, done = sys.modules["__main__"], threading.Event()
        thread = threading.Thread(target=watch)
        thread.start()
        Parallel(n_jobs=2, backend="skextra")(delayed(abs)(i) for i in range(2))
        done.set()
        thread.join()
        print(changed)
        """
    ).finish()
    assert lines == ["[]"]


def test_a_program_leaves_nothing_when_it_ends(run_script, eventually):
    script = run_script(
        """
        import skextra
        from joblib import Parallel, delayed
        Parallel(n_jobs=2, backend="skextra")(delayed(abs)(i) for i in range(4))
        """
    )
    _, err = script.finish()
    assert err == ""
    eventually(lambda: not script.pids(), seconds=2)
    assert list(script.temporary.iterdir()) == []


@pytest.mark.parametrize("work", [WAITING, HOLDING_THE_LOCK, WITH_CHILD, CATCHING_SIGTERM])
def test_killed_parent_leaves_nothing_after_two_seconds(run_script, eventually, work):
    script = run_script(BUSY.format(work=work))
    assert [script.line() for _ in range(3)] == ["start", "busy", "busy"]
    script.process.kill()
    eventually(lambda: not script.pids(), seconds=2)
    assert list(script.temporary.iterdir()) == []
    assert not shared_memory_of(script.process.pid)


def test_killed_parent_leaves_nothing_of_nested_pools(run_script, eventually):
    script = run_script(
        """
        import os, threading
        import skextra
        from joblib import Parallel, delayed

        def work():
            Parallel(n_jobs=2, backend="loky")(delayed(abs)(i) for i in range(2))
            os.write(1, f"{os.getpid()}\\n".encode())
            threading.Event().wait()

        Parallel(n_jobs=2, backend="skextra")([delayed(work)()])
        """
    )
    pid = script.line()

    assert shared_memory_of(pid)
    script.process.kill()
    eventually(lambda: not script.pids() and not shared_memory_of(pid))


def test_killed_worker_leaves_no_lock_of_a_pool(run_script):
    script = run_script(
        """
        import multiprocessing, os, sys
        import skextra
        from joblib import Parallel, delayed

        def work():
            lock = multiprocessing.Lock()  # as in a pool of threads, which nested calls make
            names = [name for name in os.listdir("/dev/shm") if f"-{os.getpid()}-" in name]
            os.write(1, f"{os.getpid()} {len(names)}\\n".encode())
            os.kill(os.getpid(), 9)

        try:
            Parallel(n_jobs=2, backend="skextra", max_retries=0)([delayed(work)()])
        except skextra.parallel.WorkerCrashError as error:
            print(error.exit_code, flush=True)
        """
    )
    pid, n_locks = script.line().split()
    assert n_locks == "1"
    assert script.line() == "-9"
    assert not shared_memory_of(pid)
    assert script.finish() == ([], "")


@pytest.mark.parametrize("whose", ["older", "living", "dead"])
def test_only_locks_of_an_ended_worker_are_removed(tmp_path, whose):
    program = subprocess.Popen(["true"])
    program.wait()
    pid = os.getpgrp() if whose == "living" else program.pid
    lock = tmp_path / f"sem.loky-{pid}-abc"
    lock.touch()
    started = lock.stat().st_ctime + (60 if whose == "older" else -1)
    remove_semaphores(pid, started, tmp_path)
    assert lock.exists() == (whose != "dead")


def test_workers_die_with_parent_despite_its_forks(run_script, eventually):
    script = run_script(
        """
        import os, threading
        import skextra
        from joblib import Parallel, delayed
        print(*Parallel(n_jobs=2, backend="skextra")(delayed(os.getpid)() for _ in range(9)))
        if os.fork():
            print("forked", flush=True)
        threading.Event().wait()
        """
    )
    workers = {int(pid) for pid in script.line().split()}
    assert script.line() == "forked"
    script.process.kill()
    eventually(lambda: not workers.intersection(script.pids()), seconds=2)


def test_exit_with_inherited_pipes_does_not_hang(run_script):
    script = run_script(
        """
        import os, threading
        import skextra
        from joblib import Parallel, delayed
        Parallel(n_jobs=2, backend="skextra")(delayed(abs)(i) for i in range(4))
        if not os.fork():
            threading.Event().wait()
        """
    )
    assert script.process.wait(timeout=60) == 0


def test_fork_of_parent_gets_its_own_workers(run_script, eventually):
    script = run_script(
        """
        import os, warnings
        import skextra
        # Python 3.12 and later warn of each fork of a program that has threads.
        warnings.filterwarnings("ignore", "This process", DeprecationWarning)
        from joblib import Parallel, delayed
        def call():
            parallel = Parallel(n_jobs=2, backend="skextra")
            return set(parallel(delayed(os.getpid)() for _ in range(9)))
        before = call()
        child = os.fork()
        if child:
            _, status = os.waitpid(child, 0)
            print(status, call() <= before)
        else:
            assert not call() & before
        """
    )
    lines, err = script.finish()
    assert lines == ["0 True"]
    assert err == ""
    eventually(lambda: not script.pids(), seconds=2)


def test_ctrl_c_ends_call_session_stays_usable(run_script, eventually):
    script = run_script(
        """
        import os, threading
        import skextra
        from joblib import Parallel, delayed

        def work(i):
            os.write(1, b"busy\\n")
            threading.Event().wait()

        parallel = Parallel(n_jobs=2, backend="skextra")
        try:
            parallel(delayed(work)(i) for i in range(2))
        except KeyboardInterrupt:
            print("interrupted")
        print(Parallel(n_jobs=2, backend="skextra")(delayed(abs)(-i) for i in range(3)))
        """
    )
    assert [script.line() for _ in range(2)] == ["busy", "busy"]
    os.killpg(script.process.pid, signal.SIGINT)  # as a terminal does
    lines, err = script.finish()
    assert lines == ["interrupted", "[0, 1, 2]"]
    assert err == ""


def test_ctrl_c_during_server_start_session_stays_usable(run_script, eventually):
    script = run_script(
        """
        import skextra
        import sklearn.linear_model
        from joblib import Parallel, delayed
        try:
            Parallel(n_jobs=2, backend="skextra")(delayed(abs)(i) for i in range(2))
            print("too late")
        except KeyboardInterrupt:
            print("interrupted")
        print(Parallel(n_jobs=2, backend="skextra")(delayed(abs)(-i) for i in range(3)))
        """
    )
    eventually(lambda: len(script.pids()) == 3)  # multiprocessing's tracker, and the server
    os.killpg(script.process.pid, signal.SIGINT)
    lines, err = script.finish()
    assert lines == ["interrupted", "[0, 1, 2]"]
    assert err == ""


def test_import_starts_nothing_and_loads_nothing_heavy(run_script):
    lines, _ = run_script(
        """
        import sys, threading
        import skextra
        import os
        heavy = {"torch", "skorch", "PIL", "matplotlib", "sklearn"}
        print(heavy & sys.modules.keys(), threading.active_count())
        with open(f"/proc/{os.getpid()}/task/{os.getpid()}/children") as file:
            print(repr(file.read()))
        """
    ).finish()
    assert lines == ["set() 1", "''"]


def test_output_of_task_is_there_before_exit(run_script):
    lines, _ = run_script(
        """
        import skextra
        from joblib import Parallel, delayed
        Parallel(n_jobs=2, backend="skextra")(delayed(print)("hello") for _ in range(2))
        """
    ).finish()
    assert "".join(lines) == "hellohello"  # the two may mix


def test_server_killed_by_imports_starts_without_them(run_script):
    lines, _ = run_script(
        """
        import os, sys
        from skextra.parallel._engines import _preloading
        _preloading._HEAVY_PACKAGES += ("fatal",)
        os.mkdir("modules")
        with open("modules/fatal.py", "w") as file:
            file.write("import sys\\nif '._server' in str(sys.orig_argv): raise OSError('no')")
        sys.path.insert(0, "modules")
        os.environ["PYTHONPATH"] = os.pathsep.join(["modules", os.getenv("PYTHONPATH", "")])
        import fatal
        from joblib import Parallel, delayed
        print(Parallel(n_jobs=2, backend="skextra")(delayed(abs)(-i) for i in range(3)))
        """
    ).finish()
    assert lines == ["[0, 1, 2]"]


def test_only_public_modules_that_are_loaded_are_preloaded():
    names = modules_to_preload()
    assert "joblib.parallel" in names
    assert not [name for name in names if "._" in name or name not in sys.modules]


def test_what_a_notebook_defines_is_understood_by_workers(tmp_path):
    # As a notebook, a program that comes through a pipe has no file that a worker could import.
    text = """
import os
import skextra
from joblib import Parallel, delayed, parallel_config
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

OFFSET = 3
def add(x): return x + OFFSET
class Mine(LogisticRegression):
    def fit(self, X, y): return super().fit(add(X), y)

with parallel_config("skextra", n_jobs=2):
    print(Parallel()(delayed(add)(i) for i in range(3)))
    print(Parallel()(delayed(lambda x: add(x) * 2)(i) for i in range(3)))
    scoring = lambda model, X, y: float(type(model) is Mine)
    print(cross_val_score(Mine(max_iter=1000), *load_iris(return_X_y=True), scoring=scoring))
"""
    done = subprocess.run(
        [sys.executable, "-"], input=text, capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert done.stdout.splitlines() == ["[3, 4, 5]", "[6, 8, 10]", "[1. 1. 1. 1. 1.]"]
