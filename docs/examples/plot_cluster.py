"""
A search on a Dask cluster that grows
=====================================

A search starts on a cluster of one node, and a second node comes while it runs: from then on twice
as many fits run at once. The same cluster then fits naive Bayes to rows that lie on its nodes.
"""

# %%
# A cluster of this machine: one node, which runs one task at a time. Its nodes live in this
# program (``processes=False``), so that the script needs no ``if __name__ == "__main__"``. Fits
# run in worker processes of their own, here as on any other node.

import tempfile
import time
from pathlib import Path
from threading import Thread

import dask.array as da
import matplotlib.pyplot as plt
import numpy as np
from distributed import Client, LocalCluster
from joblib import parallel_config
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV

from skextra import ScratchGaussianNB
from skextra.parallel import Journal

cluster = LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0")
client = Client(cluster)
print("slots:", sum(client.nthreads().values()))

# %%
# A search of 60 fits, each of a tenth of a second. Without ``n_jobs``, it uses all slots of the
# cluster. After 15 fits a node is added; on a real cluster, ``cluster.adapt()`` would do that. The
# journal notes when each fit was done.


class Slow(ScratchGaussianNB):
    """Naive Bayes that takes its time."""

    def fit(self, X, y):
        """Wait, then fit."""
        time.sleep(0.1)
        return super().fit(X, y)


def n_done():
    """Count the fits in the journal."""
    is_there = journal.exists() and journal.stat().st_size > 0
    return len(Journal(journal)) if is_there else 0


def grow():
    """Have the cluster start a second node when some fits are done."""
    while n_done() < 15:
        time.sleep(0.05)
    grown_at.append(time.time())
    cluster.scale(2)


X, y = load_digits(return_X_y=True)
search = GridSearchCV(Slow(), {"var_smoothing": np.logspace(-11, 0, 12)}, cv=5)
folder = tempfile.TemporaryDirectory()
journal = Path(folder.name, "search.sqlite")

grown_at = []
Thread(target=grow, daemon=True).start()
with parallel_config("skextra", cluster=client, journal=journal):
    search.fit(X, y)
print("slots:", sum(client.nthreads().values()))
print("best score:", round(search.best_score_, 3))

# %%
# The fits in the order of time: from the dotted line on, they come twice as fast.

finished = np.array([row["finished"] for row in Journal(journal).rows()])
fig, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.step(finished - finished[0], range(1, len(finished) + 1), where="post")
ax.axvline(grown_at[0] - finished[0], color="black", linestyle=":")
ax.set(xlabel="seconds", ylabel="fits done")
plt.show()

# %%
# Rows that lie on the nodes as a Dask array. Naive Bayes is fitted where they are: what comes
# back has the size of the model. Predictions stay lazy until somebody asks for them.

rows = da.random.default_rng(0).normal(size=(1_000_000, 8), chunks=(100_000, 8))
labels = (rows[:, 0] + rows[:, 1] > 0).astype(int)
model = ScratchGaussianNB().fit(rows, labels)
predicted = model.predict(rows)
print(type(predicted).__module__, predicted.shape, predicted.numblocks[0], "blocks")
print("accuracy:", round(model.score(rows, labels), 3))

# %%
# Nothing is left behind.

client.close()
cluster.close()
folder.cleanup()
