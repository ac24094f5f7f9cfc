"""
A file that need not fit into memory
====================================

``ScratchGaussianNB`` reads a memory-mapped file block by block, and learns from a stream of
batches or from models fitted apart exactly what one fit on everything would give.
"""

import tempfile
import tracemalloc
from pathlib import Path

import numpy as np

from skextra import ScratchGaussianNB

# %%
# A file of 80 MB, written batch by batch: half a million rows of twenty features.

folder = tempfile.TemporaryDirectory()
rng = np.random.default_rng(0)
n_samples, n_features = 500_000, 20
y = rng.integers(0, 3, n_samples)
X = np.memmap(
    Path(folder.name) / "X.bin", dtype=np.float64, mode="w+", shape=(n_samples, n_features)
)
for start in range(0, n_samples, 50_000):
    rows = slice(start, start + 50_000)
    X[rows] = rng.normal(size=(50_000, n_features)) + 0.3 * y[rows, None]
X.flush()
print(f"{X.nbytes / 1e6:.0f} MB on disk")

# %%
# One pass over the mapped file needs a few blocks of memory, however long the file is.

tracemalloc.start()
whole = ScratchGaussianNB().fit(X, y)
print(f"fit took {tracemalloc.get_traced_memory()[1] / 1e6:.1f} MB beside the file")
tracemalloc.stop()

# %%
# The same rows as a stream of batches, and as two models merged: the same model. scikit-learn's
# ``GaussianNB`` would take the smoothing from the last batch alone.

streamed = ScratchGaussianNB()
for rows in np.array_split(np.arange(n_samples), 7):
    streamed.partial_fit(X[rows], y[rows], classes=[0, 1, 2])
half = n_samples // 2
merged = ScratchGaussianNB().fit(X[:half], y[:half])
merged.merge(ScratchGaussianNB().fit(X[half:], y[half:]))
for name, model in (("streamed", streamed), ("merged", merged)):
    difference = np.abs(model.var_ / whole.var_ - 1).max()
    print(f"{name:9s} largest relative difference of a variance: {difference:.0e}")

del X  # closes the file
folder.cleanup()

# %%
# How fast the estimate settles
# -----------------------------

import matplotlib.pyplot as plt

sizes, errors = [], []
model = ScratchGaussianNB()
for size in np.geomspace(100, 100_000, 13).astype(int):
    batch = rng.integers(0, 3, size)
    model.partial_fit(
        rng.normal(size=(size, n_features)) + 0.3 * batch[:, None], batch, classes=[0, 1, 2]
    )
    sizes.append(model.class_count_.sum())
    errors.append(np.abs(model.theta_ - 0.3 * np.arange(3)[:, None]).mean())
figure, axis = plt.subplots(figsize=(6, 3.5), layout="constrained")
axis.loglog(sizes, errors, marker="o", label="mean error of the class means")
axis.loglog(sizes, errors[0] * np.sqrt(sizes[0] / np.array(sizes)), "k--", label="1 / sqrt(rows)")
axis.set(xlabel="rows seen", ylabel="error")
axis.legend()
