"""What the "skextra" backend adds to the work itself, beside loky."""

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed, parallel_config
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB

import skextra  # noqa: F401  registers the backend

BACKENDS = ["skextra", "loky"]

FIRST_FIT = """
import skextra
from joblib import parallel_config
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
X, y = load_iris(return_X_y=True)
with parallel_config({backend!r}, n_jobs={n_jobs}):
    cross_val_score(LogisticRegression(max_iter=1000), X, y, cv=2)
"""


class Overhead:
    """Tasks that do nothing, on workers that are warm."""

    params = [BACKENDS, ["auto", 1]]
    param_names = ["backend", "batch_size"]

    def setup(self, backend, batch_size):
        """Start the workers."""
        self.parallel = Parallel(n_jobs=2, backend=backend, batch_size=batch_size)
        self.time_1000_tasks(backend, batch_size)

    def time_1000_tasks(self, backend, batch_size):
        """Run them through one call."""
        self.parallel(delayed(abs)(i) for i in range(1000))


class FirstFit:
    """A small cross-validation in a fresh process, imports included.

    The same without workers is what the others are to be compared with.
    """

    params = [[*BACKENDS, "sequential"]]
    param_names = ["backend"]
    number = 1
    repeat = (3, 5, 60)

    def time_process(self, backend):
        """Run the program from its start to its end."""
        program = FIRST_FIT.format(backend=backend, n_jobs=1 if backend == "sequential" else 2)
        subprocess.run([sys.executable, "-c", program], check=True)


class LargeArray:
    """A table of 80 MB that every task gets, on workers that are warm."""

    params = [BACKENDS]
    param_names = ["backend"]
    number = 1
    timeout = 300
    n_rows = 100_000

    def setup(self, backend):
        """Make the table and start the workers."""
        self.X = np.random.default_rng(0).random((self.n_rows, 100))
        self.y = np.arange(len(self.X)) % 2
        self.parallel = Parallel(n_jobs=2, backend=backend)
        self.parallel(delayed(abs)(i) for i in range(10))

    def time_20_reads(self, backend):
        """Only read it: what handing it over costs."""
        self.parallel(delayed(np.sum)(self.X) for _ in range(20))

    def time_search(self, backend):
        """Twenty fits of the simplest classifier."""
        grid = {"var_smoothing": [1e-9, 1e-8, 1e-7, 1e-6]}
        with parallel_config(backend, n_jobs=2):
            GridSearchCV(GaussianNB(), grid, refit=False).fit(self.X, self.y)

    def track_memory(self, backend):
        """Return the memory of all processes while both workers are in a fit of a search."""

        def search(hold):
            with parallel_config(backend, n_jobs=2):
                one = GridSearchCV(GaussianNB(), {}, cv=2, scoring=hold, refit=False)
                one.fit(self.X, self.y)

        return _memory_while_both_hold(search)

    track_memory.unit = "MiB"

    def track_memory_of_reads(self, backend):
        """Return the memory of all processes while both workers have it, who need only NumPy."""
        return _memory_while_both_hold(
            lambda hold: self.parallel(delayed(hold)(self.X) for _ in range(2))
        )

    track_memory_of_reads.unit = "MiB"


def _memory_while_both_hold(call):
    """Measure while two workers are in a function that `call` is given."""

    def hold(*args):
        _ = [array.sum() for array in args if isinstance(array, np.ndarray)]
        (folder / str(os.getpid())).touch()
        while not (folder / "go").exists():
            time.sleep(0.01)
        return 0.0

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        thread = threading.Thread(target=call, args=(hold,))
        thread.start()
        while len(list(folder.iterdir())) < 2:
            time.sleep(0.01)
        memory = _memory_of_all(os.getpid())
        (folder / "go").touch()
        thread.join()
    return memory


def _memory_of_all(pid):
    """Sum the memory of a process and its descendants; what they share counts once (PSS)."""
    children = Path(f"/proc/{pid}/task").glob("*/children")
    below = sum(
        _memory_of_all(int(child)) for path in children for child in path.read_text().split()
    )
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return below + sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
