"""The "skextra" backend beside joblib's own, each measurement in a process of its own.

Run ``python -m benchmarks.compare parallel``; it takes a few minutes. One case with one backend,
which prints one number: ``python -m benchmarks.compare_parallel first_fit skextra``.
"""

import compileall
import contextlib
import itertools
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter, process_time, thread_time

import numpy as np
from joblib import Parallel, delayed, parallel_config
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.naive_bayes import GaussianNB

import skextra

# Not its classes: asv would take them for benchmarks of this file.
from benchmarks import parallel as grid

X, y = load_iris(return_X_y=True)


def seconds_of(function, *args):
    """Return how long a call takes."""
    started = perf_counter()
    function(*args)
    return perf_counter() - started


def median_seconds(function, *args, repeat=3):
    """Return how long a call takes once a first one is over.

    The median, as a full garbage collection of everything imported may fall into any one of them.
    """
    function(*args)
    return np.median([seconds_of(function, *args) for _ in range(repeat)])


def small_fit(backend):
    """Cross-validate a small classifier on two folds."""
    with parallel_config(backend, n_jobs=2):
        cross_val_score(LogisticRegression(max_iter=1000), X, y, cv=2)


def search(backend, n_candidates, **options):
    """Fit five folds of each candidate."""
    grid = {"var_smoothing": np.logspace(-12, -3, n_candidates)}
    with parallel_config(backend, n_jobs=2, **options):
        GridSearchCV(GaussianNB(), grid, cv=5, refit=False).fit(X, y)


def first_fit(backend):
    """Seconds of the first small fit in a process, scikit-learn imported."""
    return seconds_of(small_fit, backend)


def imports_alone(backend):
    """Seconds in which a new process imports what that fit needs: no server can be faster."""
    imports = "import gc, os; gc.disable(); import sklearn.linear_model, sklearn.model_selection"
    command = [sys.executable, "-c", f"{imports}; os._exit(0)"]
    return seconds_of(lambda: subprocess.run(command, check=True))


def after_lost_worker(backend):
    """Seconds of a small fit in the first call after one in which a worker was killed."""
    small_fit(backend)
    with contextlib.suppress(Exception):
        options = {"max_retries": 0} if backend == "skextra" else {}
        with parallel_config(backend, n_jobs=2, **options):
            Parallel()(delayed(os.kill)(pid, signal.SIGKILL) for pid in _own_pids(backend))
    return seconds_of(small_fit, backend)


def _own_pids(backend):
    with parallel_config(backend, n_jobs=2):
        return Parallel()(delayed(os.getpid)() for _ in range(2))[:1]


def empty_task(backend):
    """Microseconds an empty task, of 10,000 in a call, workers warm."""
    parallel = Parallel(n_jobs=2, backend=backend)
    return 100 * median_seconds(lambda: parallel(delayed(abs)(i) for i in range(10_000)))


def search_of_200_fits(backend):
    """Seconds of a search of 200 small fits, workers warm."""
    return median_seconds(search, backend, 40)


def search_of_1000_fits(backend):
    """Seconds of a search of 1,000 small fits, workers warm."""
    return median_seconds(search, backend, 200)


def journal_of_200_fits(backend):
    """Seconds of a search of 200 small fits that writes a journal, workers warm."""
    with tempfile.TemporaryDirectory() as folder:
        numbers = itertools.count()

        def write():
            search(backend, 40, journal=os.path.join(folder, f"{next(numbers)}.sqlite"))

        return median_seconds(write)


def journal_beside_none(backend):
    """Time of a search of 200 fits with a journal over without, 12 pairs."""
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(13):
            without = seconds_of(search, backend, 40)
            started = perf_counter()
            search(backend, 40, journal=os.path.join(folder, f"{number}.sqlite"))
            ratios.append((perf_counter() - started) / without)
    return np.median(ratios[1:])


def fingerprints_of_1000_fits(backend):
    """Processor time of looking 1,000 fits up in a journal, percent of the search's time."""
    from skextra.parallel._journal._recorder import Recorder

    seconds, find = [], Recorder.find

    def timed_find(recorder, call):
        started = thread_time()  # not the time in which the workers had the cores
        try:
            return find(recorder, call)
        finally:
            seconds.append(thread_time() - started)

    Recorder.find = timed_find
    shares = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(4):
            seconds.clear()
            started = perf_counter()
            search(backend, 200, journal=os.path.join(folder, f"{number}.sqlite"))
            shares.append(100 * sum(seconds) / (perf_counter() - started))
    return np.median(shares[1:])


def project_of_200_modules(backend):
    """CPU seconds of the first look at a project of 200 modules of 3 kB each."""
    from skextra._fingerprint import fingerprint

    function = (
        "def f{0}(x, y={0}):\n    total = 0\n    for i in range(x):\n"
        "        total += i * y + {0}\n        if total > 100:\n"
        "            total -= sum(j for j in range(i))\n"
        "    return [total, {{'a': x, 'b': y}}, str(total)]\n\n\n"
    )
    functions = "".join(map(function.format, range(15)))
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "project").mkdir()
        Path(folder, "project", "__init__.py").touch()
        for i in range(200):
            inner = range(2 * i + 1, min(2 * i + 3, 200))
            imports = "".join(f"from project import m{j}\n" for j in inner)
            Path(folder, "project", f"m{i}.py").write_text(imports + functions)
        sys.path.insert(0, folder)
        from project.m0 import f0

        fingerprint(GaussianNB())  # versions of what is installed are looked up once
        started = process_time()
        fingerprint(f0)
        return process_time() - started


def _large_array(backend):
    case = grid.LargeArray()
    case.n_rows = 500_000  # 400 MB
    case.setup(backend)
    return case


def large_array_seconds(backend):
    """Seconds of a search of 20 fits over 400 MB, workers warm."""
    case = _large_array(backend)
    return seconds_of(case.time_search, backend)


def large_array_memory(backend):
    """MiB of all processes in a search over 400 MB, what is shared once (PSS)."""
    case = _large_array(backend)
    return case.track_memory(backend)


def large_array_memory_of_reads(backend):
    """MiB of all processes whose tasks only sum 400 MB up, for which NumPy suffices."""
    case = _large_array(backend)
    return case.track_memory_of_reads(backend)


# "sequential" is no backend to compare with, but what the work takes where nobody shares it.
ALL = ("skextra", "loky", "multiprocessing", "sequential")
CASES = {
    first_fit: ALL,
    imports_alone: ("sequential",),
    after_lost_worker: ("skextra", "loky"),  # multiprocessing waits for ever
    empty_task: ALL,
    search_of_200_fits: ALL,
    search_of_1000_fits: ALL,
    journal_of_200_fits: ("skextra",),
    journal_beside_none: ("skextra",),
    fingerprints_of_1000_fits: ("skextra",),
    project_of_200_modules: ("skextra",),
    large_array_seconds: ("skextra", "loky"),
    large_array_memory: ("skextra", "loky"),
    large_array_memory_of_reads: ("skextra", "loky"),
}


def compare(repeat=3):
    """Print the medians of every case, the backends in turns."""
    # What pip installs is compiled; a checkout may not be.
    compileall.compile_dir(Path(skextra.__file__).parent, quiet=1)
    print(f"medians of {repeat} processes each, n_jobs=2")
    print(f"{'':66}{'skextra':>9}{'loky':>9}{'multipr.':>9}{'sequen.':>9}{'/ loky':>8}")
    for case, backends in CASES.items():
        figures = {backend: [] for backend in backends}
        for _ in range(repeat):
            for backend in backends:
                command = [sys.executable, "-m", __name__, case.__name__, backend]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                figures[backend].append(float(done.stdout.split()[-1]))
        medians = {backend: np.median(values) for backend, values in figures.items()}
        cells = "".join(f"{medians[name]:9.3f}" if name in medians else " " * 9 for name in ALL)
        ratio = f"{medians['skextra'] / medians['loky']:8.2f}" if "loky" in medians else ""
        print(f"{case.__doc__.splitlines()[0]:66.66}{cells}{ratio}", flush=True)


if __name__ == "__main__":
    print(globals()[sys.argv[1]](sys.argv[2]))
