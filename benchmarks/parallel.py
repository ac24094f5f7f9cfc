"""What the "skextra" backend adds to the work itself, beside loky."""

import subprocess
import sys

from joblib import Parallel, delayed

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
