"""What a worker reads before it runs a call: modules that start workers, and what fails."""

import gc
import pickle
import subprocess
import sys
import threading

import cloudpickle
import pytest
from joblib import delayed

from skextra.parallel._worker._loading import check_not_loading, load
from tests.parallel.calls import ask, parallel

cloudpickle.register_pickle_by_value(sys.modules[__name__])

MODULE = """
import os
import skextra
from joblib import Parallel, delayed, parallel_config

with open("imports", "a") as file:
    file.write("x")

def work(i):
    return i

{call}
"""
NAMED = "RESULT = Parallel(n_jobs=2, backend='skextra')(delayed(work)(i) for i in range(4))"
CONFIGURED = """
with parallel_config("skextra", n_jobs=2):
    RESULT = Parallel()(delayed(work)(i) for i in range(4))
"""


@pytest.mark.parametrize("call", [NAMED, CONFIGURED])
def test_parallel_while_a_worker_imports_names_the_guard(tmp_path, call):
    (tmp_path / "app.py").write_text(MODULE.format(call=call))
    done = subprocess.run(
        [sys.executable, "-c", "import app"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("RuntimeError: Parallel was called while a worker process imported")
    assert "the module 'app'" in last
    assert '`if __name__ == "__main__":` or move the call into a function' in last
    # This program, and the first workers, once for each of the four tasks.
    assert len((tmp_path / "imports").read_text()) <= 5


def test_unnamed_parallel_while_a_worker_imports_runs_there(tmp_path):
    call = "RESULT = Parallel(n_jobs=2)(delayed(work)(i) for i in range(4))"
    (tmp_path / "app.py").write_text(MODULE.format(call=call))
    program = (
        "import skextra, joblib\n"
        "with joblib.parallel_config('skextra', n_jobs=2):\n"
        "    import app\n"
        "    print(app.RESULT)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    assert done.stdout == "[0, 1, 2, 3]\n"


def test_parallel_is_refused_while_a_task_is_read_only():
    with pytest.raises(RuntimeError, match="guard the call"):
        load(check_not_loading)
    check_not_loading()


class Unreadable:
    def __reduce__(self):
        return int, ("no number",)


def test_call_that_cannot_be_read_is_its_error():
    calls = [delayed(len)([i]) for i in range(3)] + [delayed(len)([Unreadable()])]
    with pytest.raises(ValueError, match="no number"):
        parallel(batch_size=4)(calls)


@pytest.mark.parametrize("size", [1, 300_000])
def test_argument_that_cannot_be_pickled_is_a_pickling_error(run_script, size):
    _, err = run_script(
        f"""
        import gc, pickle, threading
        import numpy as np
        import skextra
        from joblib import Parallel, delayed

        for _ in range(3):
            Parallel(n_jobs=2, backend="skextra")(delayed(abs)(-i) for i in range(4))
            try:
                calls = (delayed(len)(np.ones({size}), threading.Lock()) for _ in range(2))
                Parallel(n_jobs=2, backend="skextra")(calls)
            except pickle.PicklingError as error:
                assert "could not pickle the task" in str(error)
            gc.collect()
        """
    ).finish()
    assert err == ""


def test_messages_hold_no_views_that_gc_could_break():
    from skextra.parallel._messages import TASK, pack
    from skextra.parallel._sharing._store import Store

    for sharing in (None, Store()):
        message = pack(TASK, [(abs, (1,), {})] * 2, sharing)
        assert type(message) is not memoryview
    with pytest.raises((TypeError, pickle.PicklingError)):
        pack(TASK, [(abs, (threading.Lock(),), {})], Store())
    gc.collect()


def test_large_result_of_a_worker_without_descriptors_arrives():
    def use_up():
        import os
        import resource

        import numpy as np

        resource.setrlimit(resource.RLIMIT_NOFILE, (100, resource.getrlimit(7)[1]))
        use_up.held = held = []
        try:
            while True:
                held.append(os.open("/dev/null", os.O_RDONLY))
        except OSError:
            os.close(held.pop())
        return np.ones(200_000)

    assert ask(use_up, max_retries=0).sum() == 200_000


def test_descriptors_that_cannot_be_sent_are_an_error_not_a_hang():
    def break_sending():
        import numpy as np

        from skextra.parallel._worker import _main

        def fail(connection, segments):
            raise OSError(109, "Too many references")

        _main.send_descriptors = fail
        return np.ones(200_000)

    with pytest.raises(Exception, match="Too many references"):
        ask(break_sending, max_retries=0)
