"""
A search that is killed and goes on
===================================

A program that searches is killed in the middle, by the signal that nothing can catch. Started
again with the same journal, it resumes: only the missing fits are done. A worker that dies
meanwhile costs only its own fit, which is repeated.
"""

# %%
# The program: 40 fits of a slow estimator. One of its fits kills its own worker, the first time.

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import matplotlib.pyplot as plt

from skextra.parallel import Journal

PROGRAM = """
import os, pathlib, signal, time
import skextra
from joblib import parallel_config
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import GridSearchCV
from skextra import ScratchGaussianNB

class Slow(ScratchGaussianNB):
    def fit(self, X, y):
        time.sleep(0.1)
        mark = pathlib.Path("a worker has died")
        if self.var_smoothing > 1e-2 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().fit(X, y)

search = GridSearchCV(Slow(), {"var_smoothing": [10.0**-i for i in range(10)]}, cv=4)
with parallel_config("skextra", n_jobs=2, journal="search.sqlite"):
    search.fit(*load_breast_cancer(return_X_y=True))
print("best:", search.best_params_, "with a score of", round(search.best_score_, 3))
"""

folder = tempfile.TemporaryDirectory()
journal = Path(folder.name, "search.sqlite")


def start():
    """Start the program in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        cwd=folder.name,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


# %%
# Start it, and kill it when a quarter of the fits is done. Its workers end with it.

program = start()
while program.poll() is None:
    if journal.exists() and journal.stat().st_size and len(Journal(journal)) >= 10:
        program.kill()
        break
    time.sleep(0.05)
program.communicate()
print(f"ended by signal {-program.returncode}, with {len(Journal(journal))} of 40 fits done")

# %%
# What has been finished can be looked at, as a table in the shape of ``cv_results_``.

unfinished = Journal(journal).to_dataframe()
print(unfinished[["param_var_smoothing", "mean_test_score", "n_splits"]])

# %%
# Start it again. It says how much it found in the journal.

program = start()
print(program.communicate()[0])

# %%
# The finished fits in the order of time: the gap is where the program was killed.

rows = Journal(journal).rows()
seconds = [row["finished"] - rows[0]["finished"] for row in rows]
fig, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.step(seconds, range(1, len(seconds) + 1), where="post")
ax.set(xlabel="seconds", ylabel="fits in the journal", ylim=(0, 41))
plt.show()

# %%
# Nothing is left behind.

folder.cleanup()
