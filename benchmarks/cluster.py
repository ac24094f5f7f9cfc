"""Searches on a Dask cluster: this backend beside joblib's "dask", in the same grid.

Run ``python -m benchmarks.cluster``. The scheduler and two workers of one thread each are
processes of their own on this machine; bytes are what the client writes to its sockets. The last
lines are of one such worker beside two, and of workers with 64 slots whose tasks only sleep.
``python -m benchmarks.cluster searches``, ``nodes`` or ``slots`` prints one of these parts.
"""

import contextlib
import statistics
import sys
import tempfile
import time
from pathlib import Path

import distributed.comm.tcp as tcp
import numpy as np
from distributed import Client
from joblib import Parallel, delayed, parallel_config
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB

import skextra  # noqa: F401  registers the backend

N_FOLDS = 5
N_REPEATS = {40: 3, 200: 1}  # by the number of candidates
N_SLOTS, N_SLEEPS, SLEEP_SECONDS = 64, 20 * 64, 1.0


class Written:
    """Counts the bytes that this process writes to sockets."""

    n_bytes = 0

    def count(self):
        """Begin to count."""
        write = tcp.TCP.write

        async def counting(comm, *args, **kwargs):
            n_bytes = await write(comm, *args, **kwargs)
            self.n_bytes += n_bytes
            return n_bytes

        tcp.TCP.write = counting


def options(backend, client):
    """Return what the two need to be told."""
    return {"cluster": client} if backend == "skextra" else {}


def search(backend, client, X, n_candidates):
    """Fit five folds of each candidate."""
    y = np.arange(len(X)) % 2
    grid = {"var_smoothing": np.logspace(-12, -3, n_candidates)}
    with parallel_config(backend, n_jobs=-1, **options(backend, client)):
        GridSearchCV(GaussianNB(), grid, cv=N_FOLDS, refit=False).fit(X, y)


def measure(written, function, *args):
    """Return the seconds that a call takes, and the bytes that are written meanwhile."""
    before, started = written.n_bytes, time.perf_counter()
    function(*args)
    return time.perf_counter() - started, written.n_bytes - before


def compare_searches(client, written):
    """Print seconds and bytes of searches of several sizes, both sides in turns."""
    X = np.random.default_rng(0).normal(size=(300, 20))
    for backend in ("skextra", "dask"):
        search(backend, client, X, 10)
    print(f"{'fits':>6}  {'backend':8}{'seconds':>9}{'bytes a fit':>13}")
    for n_candidates, n_repeats in N_REPEATS.items():
        n_fits = n_candidates * N_FOLDS
        figures = {"skextra": [], "dask": []}
        for _ in range(n_repeats):
            for backend, found in figures.items():
                found.append(measure(written, search, backend, client, X, n_candidates))
        for backend, found in figures.items():
            seconds, n_bytes = (statistics.median(values) for values in zip(*found, strict=True))
            print(f"{n_fits:6}  {backend:8}{seconds:9.2f}{n_bytes / n_fits:13.0f}", flush=True)


def compare_data(client, written):
    """Print how often a table of 80 MB is written, to two workers."""
    X = np.random.default_rng(0).normal(size=(100_000, 100))
    for backend in ("skextra", "dask"):
        seconds, n_bytes = measure(written, search, backend, client, X, 4)
        print(f"80 MB, 20 fits: {backend:8} {seconds:.1f} s, {n_bytes / X.nbytes:.2f} x written")


def measure_nodes(client):
    """Print how many fits of some tenths of a second the nodes of a cluster do in a second."""
    X = np.random.default_rng(0).normal(size=(20_000, 50))
    search = GridSearchCV(
        LogisticRegression(), {"C": np.logspace(-3, 3, 20)}, cv=N_FOLDS, refit=False
    )
    y = (X[:, :25].sum(axis=1) > 0).astype(int)
    with parallel_config("skextra", cluster=client):
        GridSearchCV(LogisticRegression(), {"C": [1.0]}, cv=N_FOLDS).fit(X, y)
        started = time.perf_counter()
        search.fit(X, y)
    n_fits = N_FOLDS * len(search.cv_results_["params"])
    seconds = time.perf_counter() - started
    print(f"{len(client.nthreads())} nodes of one slot: {n_fits / seconds:.1f} fits a second")


def measure_busy_slots(client):
    """Print which share of 64 slots is busy while each has twenty tasks of a second."""
    parallel = Parallel(n_jobs=-1, backend="skextra", cluster=client, batch_size=1)
    parallel(delayed(time.sleep)(SLEEP_SECONDS) for _ in range(N_SLOTS))  # starts all processes
    started = time.perf_counter()
    parallel(delayed(time.sleep)(SLEEP_SECONDS) for _ in range(N_SLEEPS))
    seconds = time.perf_counter() - started
    share = N_SLEEPS * SLEEP_SECONDS / N_SLOTS / seconds
    print(f"{N_SLOTS} slots with sleeping tasks: {share:.1%} busy in {seconds:.1f} s")


@contextlib.contextmanager
def cluster_of(n_workers, n_threads=1):
    """Start a cluster of processes on this machine, and connect to it."""
    from tests.parallel.engines.dask.clusters import ProcessCluster  # not there for asv

    with tempfile.TemporaryDirectory() as folder:
        cluster = ProcessCluster(Path(folder), n_workers=n_workers, n_threads=n_threads)
        try:
            # The default client, as joblib's backend needs one.
            with Client(cluster.address) as client:
                client.wait_for_workers(n_workers)
                yield client
        finally:
            cluster.close()


def main(only=None):
    """Print all figures, or those of one kind."""
    if only in (None, "searches"):
        written = Written()
        written.count()
        with cluster_of(2) as client:
            compare_searches(client, written)
            compare_data(client, written)
    if only in (None, "nodes"):
        for n_workers in (1, 2):
            with cluster_of(n_workers) as client:
                measure_nodes(client)
    if only in (None, "slots"):
        with cluster_of(2, N_SLOTS // 2) as client:
            measure_busy_slots(client)


if __name__ == "__main__":
    main(*sys.argv[1:])
