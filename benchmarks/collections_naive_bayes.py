"""ScratchGaussianNB on a Dask array larger than memory, beside GaussianNB on its chunks.

Run ``python -m benchmarks.collections_naive_bayes [gigabytes] [repeats]``. The rows are made by
Dask, block by block, in the threads of this process; each side computes them once, and making them
alone is timed as well, so that it can be subtracted. Where Dask-ML is installed, its GaussianNB is
a third side. Beside the time stands how much of it processors have worked: what others do on the
machine changes that less.
"""

import resource
import sys
from importlib.util import find_spec
from time import perf_counter, process_time

import dask
import dask.array as da
import numpy as np
from sklearn.naive_bayes import GaussianNB

from skextra import ScratchGaussianNB

N_FEATURES, N_CLASSES, ROWS_PER_BLOCK = 20, 5, 500_000


def make_block(block_info=None):
    """Return a block of the table: uniform numbers, which take the least time, and labels."""
    (place, _) = block_info[None]["chunk-location"]
    table = np.random.default_rng(place).random((ROWS_PER_BLOCK, N_FEATURES + 1))
    table[:, -1] = np.arange(ROWS_PER_BLOCK) % N_CLASSES
    table[:, 0] += table[:, -1]
    return table


def make_table(gigabytes):
    """Return lazy rows and labels of so many gigabytes in all."""
    n_blocks = max(1, round(gigabytes * 1e9 / (8 * (N_FEATURES + 1) * ROWS_PER_BLOCK)))
    chunks = ((ROWS_PER_BLOCK,) * n_blocks, (N_FEATURES + 1,))
    table = da.map_blocks(make_block, chunks=chunks, dtype=np.float64, meta=np.empty((0, 0)))
    return table[:, :-1], table[:, -1].astype(int)


def make_only(X, y):
    """Compute every block and forget it."""
    pairs = zip(
        X.to_delayed(optimize_graph=False)[:, 0],
        y.to_delayed(optimize_graph=False),
        strict=True,
    )
    touch = dask.delayed(lambda rows, labels: len(rows))
    dask.compute(*(touch(*pair) for pair in pairs))


def fit_ours(X, y):
    """Fit ScratchGaussianNB on the collection."""
    ScratchGaussianNB().fit(X, y)


def fit_chunks(X, y):
    """Fit GaussianNB on one block after the other, as one does without Dask-ML."""
    model = GaussianNB()
    pairs = zip(
        X.to_delayed(optimize_graph=False)[:, 0],
        y.to_delayed(optimize_graph=False),
        strict=True,
    )
    for pair in pairs:
        model.partial_fit(*dask.compute(*pair), classes=np.arange(N_CLASSES))


def fit_dask_ml(X, y):
    """Fit GaussianNB of Dask-ML, but for its counts: they need all rows of a class in memory."""
    from dask_ml.naive_bayes import GaussianNB as DaskGaussianNB

    model = DaskGaussianNB(classes=np.arange(N_CLASSES)).fit(X, y)
    dask.compute(model.theta_, model.sigma_)


def compare(gigabytes=20.0, n_repeats=1):
    """Print the seconds of each, all in turns, and the largest memory of the process so far."""
    X, y = make_table(gigabytes)
    print(f"{(X.nbytes + y.nbytes) / 1e9:.1f} GB in {X.numblocks[0]} blocks")
    functions = [make_only, fit_ours, fit_chunks]
    if find_spec("dask_ml") is not None:
        functions.append(fit_dask_ml)
    for function in functions * n_repeats:
        started, worked = perf_counter(), process_time()
        function(X, y)
        seconds, worked = perf_counter() - started, process_time() - worked
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        name = function.__name__
        print(f"{name:12} {seconds:7.1f} s  {worked:7.1f} s worked  {peak:5.2f} GiB", flush=True)


if __name__ == "__main__":
    compare(*(kind(word) for kind, word in zip((float, int), sys.argv[1:], strict=False)))
