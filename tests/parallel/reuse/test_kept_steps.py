"""What `reuse_steps` keeps, and what is left of a call in which something goes wrong."""

import contextlib
import os
import signal
import threading
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline

from skextra.parallel._reuse import _memory, open_keeper
from tests.parallel.reuse import steps
from tests.parallel.reuse.steps import reusing

X, y = make_classification(n_samples=100, random_state=0)
GRID = {"gaussiannb__var_smoothing": np.logspace(-9, 3, 20)}
SMALL_GRID = {"gaussiannb__var_smoothing": [1e-9, 1e-3, 1]}


class DiesOnce(steps.Counting):
    """Kills its process in its first fit."""

    def fit(self, X, y=None):
        self._say("fit")
        if not os.path.exists(f"{self.log}-died"):
            os.mkdir(f"{self.log}-died")
            os.kill(os.getpid(), signal.SIGKILL)
        return super().fit(X, y)


def test_killed_worker_leaves_its_step_to_others(log, counts):
    pipeline = make_pipeline(DiesOnce(log), GaussianNB())
    with reusing():
        search = GridSearchCV(pipeline, GRID, cv=2, refit=False, error_score="raise").fit(X, y)
    # Each fit is logged here and, unless it kills its worker, by `Counting`.
    assert counts()["fit"] in (1 + 2 * 2, 2 + 2 * 2)  # both may die before one has noted it
    assert not np.isnan(search.cv_results_["mean_test_score"]).any()


class Large(steps.Counting):
    """Makes of each row as much as is asked for."""

    def transform(self, X):
        return np.repeat(super().transform(X), self.factor, axis=1)


def test_no_more_is_kept_than_reuse_bytes(log, counts):
    # 50 rows of 2,000 columns to fit to are 800 kB, and so are those to score.
    pipeline = make_pipeline(Large(log, factor=100), GaussianNB())
    search = GridSearchCV(pipeline, SMALL_GRID, cv=2, refit=False)
    with reusing(reuse_bytes=700_000):
        search.fit(X, y)
    assert counts()["fit"] == 6
    with reusing(reuse_bytes=3_300_000):
        search.fit(X, y)
    assert counts()["fit"] == 2


def test_folds_that_do_not_fit_together_follow_one_another(log, counts):
    pipeline = make_pipeline(Large(log, factor=100, seconds=0.05), GaussianNB())
    search = GridSearchCV(pipeline, GRID, cv=5, refit=False)
    with reusing(reuse_bytes=4_000_000):  # two folds of 1.6 MB
        search.fit(X, y)
    # Each fold once, and those again that came before it was known how long fits take. Candidate
    # by candidate nothing would be found, and there would be 100 fits.
    assert counts()["fit"] <= 15


def nbytes_of_steps(pid, found):
    """Add the entries that a process and its descendants hold, each once, to what was found."""
    for link in Path(f"/proc/{pid}/fd").glob("*"):
        with contextlib.suppress(OSError):
            if "memfd:skextra-step" in os.readlink(link):
                found[link.stat().st_ino] = link.stat().st_size
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            if "memfd:skextra-step" in line:
                fields = line.split()
                start, end = (int(number, 16) for number in fields[0].split("-"))
                found[int(fields[4])] = max(found.get(int(fields[4]), 0), end - start)
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in children.read_text().split():
                nbytes_of_steps(child, found)
    return sum(found.values())


def test_memory_of_a_search_stays_within_reuse_bytes(log):
    pipeline = make_pipeline(Large(log, factor=100, seconds=0.005), GaussianNB())
    search = GridSearchCV(pipeline, SMALL_GRID, cv=10, refit=False)
    most, is_over = [0], threading.Event()

    def watch():
        while not is_over.wait(0.01):
            most[0] = max(most[0], nbytes_of_steps(os.getpid(), {}))

    thread = threading.Thread(target=watch)
    thread.start()
    with reusing(reuse_bytes=4_000_000):
        search.fit(X, y)
    is_over.set()
    thread.join()
    # All rows of 2,000 columns are 1.6 MB, of each split. Each of two workers may still use what
    # was dropped: the rows that it fits to and those that it scores.
    assert 2_000_000 < most[0] < 4_000_000 + 2 * 1_700_000


def test_quarter_of_free_memory_is_kept_by_default(monkeypatch):
    monkeypatch.setattr(_memory, "free_nbytes", lambda: 4_000)
    keeper = open_keeper()
    keeper.close()
    assert keeper.max_nbytes == 1_000


def test_no_memory_is_one_warning_and_no_failure(log, counts, monkeypatch):
    pipeline = make_pipeline(Large(log, factor=100), GaussianNB())
    search = GridSearchCV(pipeline, SMALL_GRID, cv=2, refit=False)
    with (
        pytest.warns(
            UserWarning, match="reuse_steps: some steps could not be kept.*File too large"
        ),
        reusing(initializer=steps.allow_no_large_files),
    ):
        search.fit(X, y)
    assert counts()["fit"] == 6


def test_nothing_is_left_when_the_program_is_killed(run_script, eventually):
    script = run_script(
        """
        import time
        import numpy as np, skextra
        from joblib import parallel_config
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import GridSearchCV
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import FunctionTransformer

        def slow(X):
            time.sleep(0.05)
            return X * 2

        class Waiting(LogisticRegression):
            def fit(self, X, y):
                print("fit", flush=True)
                time.sleep(60)

        pipeline = make_pipeline(FunctionTransformer(slow), Waiting())
        X, y = np.ones((100, 10)), np.arange(100) % 2
        with parallel_config("skextra", n_jobs=2, reuse_steps=True):
            GridSearchCV(pipeline, {"waiting__C": [1, 2, 3]}, cv=2).fit(X, y)
        """
    )
    assert script.line() == "fit"
    with open("/proc/net/unix") as file:
        assert "@skextra-" in file.read()
    os.kill(script.process.pid, signal.SIGKILL)
    eventually(lambda: not script.pids())
    assert not list(script.temporary.iterdir())


def test_free_memory_is_that_of_the_control_group(tmp_path):
    for name, text in (
        ("proc/meminfo", "MemTotal: 9000 kB\nMemAvailable: 8000 kB\n"),
        ("sys/fs/cgroup/memory.max", "5000000"),
        ("sys/fs/cgroup/memory.current", "1000000"),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert _memory.free_nbytes(tmp_path) == 4_000_000
    (tmp_path / "sys/fs/cgroup/memory.max").write_text("max")
    assert _memory.free_nbytes(tmp_path) == 8_192_000
    assert _memory.free_nbytes(tmp_path / "nowhere") == 2**30
