"""What happens to a call when a part of the cluster goes, comes, or is not what it should be."""

import _thread
import os
import platform
import sys
import threading
import time

import cloudpickle
import numpy as np
import pytest
from distributed import Client
from joblib import Parallel, delayed
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from skextra.parallel import Journal, WorkerCrashError
from tests.parallel.engines.dask.clusters import ProcessCluster

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # the nodes have no module of tests


def on(client, **options):
    return Parallel(n_jobs=-1, backend="skextra", cluster=client, **options)


def begin_and_wait(folder, i):
    """Say that a call runs, and go on when it may."""
    (folder / f"{i}-{os.getpid()}").touch()
    while not (folder / "go").exists():
        time.sleep(0.01)
    return i


class Background(threading.Thread):
    """A call in a thread of its own."""

    def __init__(self, call):
        super().__init__(daemon=True)
        self._call, self._outcome = call, None
        self.start()

    def run(self):
        try:
            self._outcome = self._call(), None
        except Exception as error:
            self._outcome = None, error

    def result(self):
        self.join(60)
        assert not self.is_alive(), "the call hangs"
        result, error = self._outcome
        if error is not None:
            raise error
        return result


@pytest.fixture
def waiting(client, tmp_path, eventually):
    """Start a call of four tasks, of which two have begun."""
    array = np.arange(50_000.0)

    def wait(array, i):
        return begin_and_wait(tmp_path, i) + len(array)

    call = Background(lambda: on(client, batch_size=1)(delayed(wait)(array, i) for i in range(4)))
    eventually(lambda: len(list(tmp_path.iterdir())) >= 2)
    yield call
    (tmp_path / "go").touch()


RESULTS = [50_000, 50_001, 50_002, 50_003]


def test_killed_node_costs_no_result(cluster, waiting, tmp_path):
    cluster.kill(cluster.workers[0])
    (tmp_path / "go").touch()
    assert waiting.result() == RESULTS


@pytest.mark.faults
def test_all_nodes_killed_cost_no_result(cluster, waiting, tmp_path):
    for worker in cluster.workers:
        cluster.kill(worker)
    (tmp_path / "go").touch()
    cluster.restore(1)
    assert waiting.result() == RESULTS


def test_restarted_scheduler_costs_no_result(cluster, waiting, tmp_path):
    cluster.kill(cluster.scheduler)
    for worker in cluster.workers:  # they end by themselves, as nobody tells them what to do
        worker.wait(timeout=30)
    cluster.start_scheduler()
    cluster.restore(1)
    (tmp_path / "go").touch()
    assert waiting.result() == RESULTS


def test_interrupted_call_frees_its_nodes(client, tmp_path, eventually):
    def interrupt():
        try:
            eventually(lambda: len(list(tmp_path.iterdir())) >= 2)
            _thread.interrupt_main()
        except AssertionError:  # else the call waits for ever
            (tmp_path / "go").touch()
            raise

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        on(client, batch_size=1)(delayed(begin_and_wait)(tmp_path, i) for i in range(4))
    pids = [int(path.name.partition("-")[2]) for path in tmp_path.iterdir()]
    eventually(lambda: not any(map(os.path.exists, (f"/proc/{pid}" for pid in pids))), 5)
    assert on(client)(delayed(abs)(-i) for i in range(3)) == [0, 1, 2]


def test_two_clients_work_at_once(cluster, client):
    with Client(cluster.address, set_as_default=False) as other:
        call = Background(lambda: on(other)(delayed(abs)(-i) for i in range(50)))
        assert on(client)(delayed(abs)(i) for i in range(50)) == list(range(50))
        assert call.result() == list(range(50))


def test_node_of_another_version_is_refused(client, monkeypatch):
    versions = {"python": platform.python_version(), "numpy": "1.0"}
    monkeypatch.setattr("skextra.parallel._engines._dask._engine.versions", lambda: versions)
    with pytest.raises(RuntimeError, match=rf"node tcp://.* has numpy {np.__version__}.* 1\.0"):
        on(client)([delayed(abs)(-1)])


def test_closed_client_ends_the_call(cluster, tmp_path, eventually):
    client = Client(cluster.address, set_as_default=False)
    client.wait_for_workers(2, timeout=60)
    call = Background(lambda: on(client)(delayed(begin_and_wait)(tmp_path, i) for i in range(4)))
    eventually(lambda: len(list(tmp_path.iterdir())) >= 2)
    client.close()
    with pytest.raises(WorkerCrashError, match="client of the cluster was closed"):
        call.result()
    with pytest.raises(ConnectionError, match="client is closed"):
        on(client)([delayed(abs)(-1)])


def test_module_that_nodes_lack_is_named(client, tmp_path, monkeypatch):
    (tmp_path / "only_here.py").write_text("def one():\n    return 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    from only_here import one

    with pytest.raises(ModuleNotFoundError, match=r"only_here.*node tcp:.*client\.upload_file"):
        on(client)([delayed(one)()])
    client.upload_file(str(tmp_path / "only_here.py"))
    assert on(client)([delayed(one)()]) == [1]
    (tmp_path / "only_here.py").write_text("def one():\n    return 1  # edited\n")
    with pytest.raises(RuntimeError, match="module only_here in another state"):
        on(client)([delayed(one)()])
    assert on(client)([delayed(abs)(-1)]) == [1]  # which has nothing to do with it


def test_array_mapped_for_writing_is_refused(client, tmp_path):
    array = np.memmap(tmp_path / "array", dtype=float, mode="w+", shape=(1000,))
    with pytest.raises(Exception, match=r"mapped from .*array with mode='w\+'"):
        on(client)([delayed(len)(array)])
    with pytest.raises(ValueError, match=r"mmap_mode='r\+'"):
        on(client, mmap_mode="r+")([delayed(len)(np.ones(3))])


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """Start a cluster without workers."""
    cluster = ProcessCluster(tmp_path_factory.mktemp("empty"), n_workers=0)
    yield cluster
    cluster.close()


def test_patience_ends_with_an_error(empty, capfd):
    with pytest.raises(WorkerCrashError, match=r"has had no worker for . seconds"):
        on(empty.address, patience=2.5)([delayed(abs)(-1)])
    assert "has no workers; waiting" in capfd.readouterr().err


def test_worker_that_comes_later_is_used(empty):
    call = Background(lambda: on(empty.address)(delayed(abs)(i) for i in range(40)))
    empty.start_worker()
    assert call.result() == list(range(40))


def kill_node(folder):
    """Kill the Dask worker, of which this process is a grandchild."""
    with open(folder / "begun", "ab") as file:
        file.write(b".")
    with open(f"/proc/{os.getppid()}/stat") as file:  # the fork server
        os.kill(int(file.read().rpartition(")")[2].split()[1]), 9)
    time.sleep(60)


@pytest.mark.faults
def test_task_that_kills_nodes_is_given_up(tmp_path):
    cluster = ProcessCluster(tmp_path, n_workers=1, nanny=True)
    try:
        with Client(cluster.address, set_as_default=False) as client:
            client.wait_for_workers(1, timeout=60)
            with pytest.raises(WorkerCrashError, match="died while it was running"):
                on(client, max_retries=1)([delayed(kill_node)(tmp_path)])
            assert on(client)([delayed(abs)(-1)]) == [1]
    finally:
        cluster.close()
    assert len((tmp_path / "begun").read_bytes()) <= 8


PROGRAM = """
    import os, time
    import skextra
    from distributed import Client
    from joblib import parallel_config
    from sklearn.datasets import make_classification
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV

    class Slow(LogisticRegression):
        def fit(self, X, y):
            with open({fits!r}, "ab") as file:
                file.write(b".")
            time.sleep(0.05)
            return super().fit(X, y)

    X, y = make_classification(n_samples=200, random_state=0)
    with Client({address!r}) as client:
        print("begin", flush=True)
        with parallel_config("skextra", cluster=client, journal={path!r}):
            search = GridSearchCV(Slow(), {{"C": list(range(1, 13))}}, cv=5, refit=False).fit(X, y)
    print("scores", *search.cv_results_["mean_test_score"])
"""


@pytest.mark.faults
def test_killed_client_goes_on_by_its_journal(cluster, client, run_script, tmp_path, eventually):
    path, fits = tmp_path / "search.sqlite", tmp_path / "fits"
    text = PROGRAM.format(fits=str(fits), address=cluster.address, path=str(path))
    script = run_script(text)
    eventually(lambda: fits.exists() and fits.stat().st_size >= 20, 60)
    script.process.kill()
    script.process.wait()
    n_done = len(list(Journal(path).rows()))
    assert 0 < n_done < 60
    time.sleep(1)  # the nodes have noticed and killed what still ran: nobody says when
    fits.unlink(missing_ok=True)
    script.temporary.rename(tmp_path / "first")
    lines, _ = run_script(text).finish()
    assert fits.stat().st_size == 60 - n_done
    expected = GridSearchCV(LogisticRegression(), {"C": list(range(1, 13))}, cv=5, refit=False)
    expected = expected.fit(*make_classification(n_samples=200, random_state=0))
    found = [float(word) for word in lines[-1].split()[1:]]
    assert found == list(expected.cv_results_["mean_test_score"])


def test_wrong_address_is_an_error():
    with pytest.raises(TypeError, match="cluster must be"):
        on(3)([delayed(abs)(-1)])
