"""Large results, and what is left of shared memory when workers and programs end: nothing."""

import os
import signal
import sys
from pathlib import Path

import cloudpickle
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from joblib import delayed
from numpy.testing import assert_array_equal

from skextra.parallel import WorkerCrashError
from tests.parallel.calls import ask, parallel, shared_memory_of

cloudpickle.register_pickle_by_value(sys.modules[__name__])

MEGABYTE = 2**20


rng = np.random.default_rng(0)
ARRAY = rng.random((400, 500))
pytestmark = pytest.mark.usefixtures("no_segment_is_left")


def test_large_results_come_back_nested_and_may_be_changed():
    def make(value):
        columns = {"text": [f"{value}{i}" for i in range(200_000)], "number": float(value)}
        return [
            np.full((300, 1000), value),
            {"f": np.full((300, 1000), value, order="F"), "t": torch.full((600, 700), value)},
            bytes([value]) * (2 * MEGABYTE),
            pd.DataFrame(columns),
            scipy.sparse.csr_array(np.full((400, 400), value)),
        ]

    for value, result in enumerate(parallel()(delayed(make)(value) for value in range(1, 5)), 1):
        expected = make(value)
        assert type(result[0]) is np.ndarray
        result[0] += 1
        assert_array_equal(result[0] - 1, expected[0])
        assert_array_equal(result[1]["f"], expected[1]["f"])
        assert result[1]["f"].flags.f_contiguous
        assert torch.equal(result[1]["t"], expected[1]["t"])
        assert result[2] == expected[2]
        pd.testing.assert_frame_equal(result[3], expected[3])
        assert (result[4] != expected[4]).nnz == 0


def test_an_argument_can_be_the_result():
    result = ask(lambda x: [x, x[:3]], ARRAY)
    assert_array_equal(result[0], ARRAY)
    assert_array_equal(result[1], ARRAY[:3])
    assert type(result[0]) is type(result[1]) is np.ndarray


def test_large_results_of_a_batch_come_in_order():
    results = parallel(batch_size=5)(delayed(np.full)(200_000, i) for i in range(10))
    assert [result[0] for result in results] == list(range(10))


def test_more_large_results_than_are_sent_at_once():
    result = ask(lambda: [np.full(140_000, i) for i in range(100)])
    assert [array[-1] for array in result] == list(range(100))


def test_results_free_their_memory_when_they_go():
    results = parallel()(delayed(np.ones)(10**6) for _ in range(4))
    mapped = Path("/proc/self/maps").read_text().count("memfd:skextra")
    assert mapped == 4
    del results
    assert Path("/proc/self/maps").read_text().count("memfd:skextra") == 0


def test_a_dead_worker_leaves_no_segment_and_its_task_gets_the_array_again(tmp_path):
    def die_once(x):
        if not (tmp_path / "died").exists():
            (tmp_path / "died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return x.sum()

    assert ask(die_once, ARRAY) == ARRAY.sum()


def test_workers_that_always_die_leave_no_segment():
    with pytest.raises(WorkerCrashError):
        ask(lambda x: os._exit(1), ARRAY)


def test_a_worker_that_dies_while_it_sends_a_large_result_is_replaced(tmp_path):
    def send_less(once):
        from skextra.parallel._worker import _main as _worker

        if not (tmp_path / "died").exists():
            (tmp_path / "died").touch()
            _worker.send_descriptors = lambda connection, segments: os._exit(1)
        return np.ones(200_000)

    assert ask(send_less, True).sum() == 200_000


LEAVES = """
    import os, threading, sys
    import numpy as np
    import skextra
    from joblib import Parallel, delayed

    def work(x):
        os.write(1, b"busy\\n")
        {work}
        return x

    arrays = [np.full(500_000, i) for i in range(2)]
    os.mkdir("arrays")
    os.makedirs("temporary", exist_ok=True)
    Parallel(n_jobs=2, backend="skextra", temp_folder={folder})(delayed(work)(x) for x in arrays)
    print("end")
"""


@pytest.mark.parametrize("folder", [None, "arrays"])
def test_nothing_is_left_after_the_parent_was_killed(run_script, eventually, folder):
    script = run_script(LEAVES.format(work="threading.Event().wait()", folder=repr(folder)))
    assert [script.line() for _ in range(2)] == ["busy", "busy"]
    folder = script.path.parent / "arrays"
    assert len(list(folder.glob("*/*"))) == (2 if list(folder.iterdir()) else 0)
    script.process.kill()
    eventually(lambda: not script.pids(), seconds=2)
    assert list(folder.iterdir()) == []
    assert list(script.temporary.iterdir()) == []
    assert not shared_memory_of(script.process.pid)


@pytest.mark.parametrize("folder", [None, "arrays"])
def test_nothing_is_left_when_a_program_ends_in_an_error(run_script, eventually, folder):
    script = run_script(LEAVES.format(work="1 / 0", folder=repr(folder)))
    script.process.communicate(timeout=60)
    assert script.process.returncode == 1
    eventually(lambda: not script.pids(), seconds=2)
    assert list((script.path.parent / "arrays").iterdir()) == []
    assert list(script.temporary.iterdir()) == []


def test_without_nameless_memory_files_do_the_same(run_script):
    script = run_script(
        """
        import os, tempfile
        del os.memfd_create
        import numpy as np
        import skextra
        from joblib import Parallel, delayed
        def work(x):
            x += 1
            return x
        array = np.zeros(500_000)
        parallel = Parallel(n_jobs=2, backend="skextra")
        print([int(x.sum()) for x in parallel(delayed(work)(array) for _ in range(2))])
        print(parallel([delayed(lambda x: x.filename)(array)])[0])
        print(tempfile.gettempdir())
        """
    )
    lines, _ = script.finish()
    assert lines[0] == "[500000, 500000]"
    assert lines[1].startswith(lines[2] + "/skextra-")
    assert list(script.temporary.iterdir()) == []


def test_a_fork_that_outlives_its_parent_keeps_no_segment(run_script):
    lines, _ = run_script(
        """
        import os
        import numpy as np
        import skextra
        from joblib import Parallel, delayed
        def segments():
            links = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
            found = [os.readlink(link) for link in links if os.path.exists(link)]
            return sum("memfd:skextra" in name for name in found)
        with Parallel(n_jobs=2, backend="skextra") as parallel:
            array = np.zeros(500_000)
            parallel(delayed(np.sum)(array) for _ in range(2))
            here = segments()
            child = os.fork()
            if not child:
                os.write(1, f"{here} {segments()}\\n".encode())
                os._exit(0)
            os.waitpid(child, 0)
            print(*parallel(delayed(np.sum)(array) for _ in range(2)))
        """
    ).finish()
    assert lines == ["1 0", "0.0 0.0"]
