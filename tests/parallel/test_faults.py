"""Searches while workers, and the program itself, are killed at random moments."""

import collections
import contextlib
import functools
import os
import random
import signal
import sys
import threading
import time

import cloudpickle
import numpy as np
import pytest
from joblib import parallel_config
from numpy.testing import assert_array_equal
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from skextra.parallel import Journal
from skextra.parallel._scheduling._attempt import Attempt
from skextra.parallel._scheduling._current import get_scheduler

cloudpickle.register_pickle_by_value(sys.modules[__name__])

X, y = make_classification(n_samples=200, random_state=0)


def seeds(n_short, n_long):
    """Return the seeds of the default run, and those of the long one, which are marked."""
    long = [pytest.param(seed, marks=pytest.mark.faults) for seed in range(n_short, n_long)]
    return [*range(n_short), *long]


class Slow(LogisticRegression):
    """Takes a while, so that there is time to kill it."""

    def fit(self, X, y):
        time.sleep(0.01)
        return super().fit(X, y)


def living_process(worker):
    """Return the number of the process of a worker of either engine; None if it ends anyway."""
    if hasattr(worker, "is_ending"):  # loky's, which has none before its first attempt
        process = None if worker.is_ending else worker._process
    else:
        process = None if worker.shutting_down else worker.process
    return process and process.pid


@contextlib.contextmanager
def random_kills(seed):
    """Kill workers at random moments; yield how many it were.

    On a slow machine too, results must come between the kills, or the search would not end.
    """
    generator, over, kills = random.Random(seed), threading.Event(), collections.Counter()
    answer, answered = Attempt.answer, []

    def count(attempt, *args):
        answered.append(1)
        answer(attempt, *args)

    def kill():
        while not over.wait(generator.expovariate(1 / 0.06)):
            if kills.total() > len(answered):
                continue
            workers = list(filter(None, map(living_process, list(get_scheduler().engine.workers))))
            if workers:
                with contextlib.suppress(ProcessLookupError):
                    how = generator.choice([signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
                    os.kill(generator.choice(workers), how)
                    kills[how] += 1

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Attempt, "answer", count)
            yield kills
    finally:
        over.set()
        thread.join()


def scores(search):
    return {
        name: values
        for name, values in search.cv_results_.items()
        if "score" in name and "time" not in name
    }


@functools.cache
def undisturbed_scores():
    """Return what the search finds if nobody is killed; it need not take its time for that."""
    with parallel_config("skextra", n_jobs=2):
        return scores(make_search(LogisticRegression()).fit(X, y))


def make_search(estimator):
    return GridSearchCV(estimator, {"C": np.logspace(-3, 2, 13)}, cv=5, refit=False)


@pytest.mark.parametrize("seed", seeds(1, 20))
@pytest.mark.parametrize("batch_size", [None, 8])
def test_search_with_killed_workers_gives_same_scores(seed, batch_size, monkeypatch):
    if batch_size is not None:
        monkeypatch.setattr(
            "skextra.parallel.SkextraBackend.compute_batch_size", lambda self: batch_size
        )
    expected = undisturbed_scores()
    with parallel_config("skextra", n_jobs=2, max_retries=50), random_kills(seed) as kills:
        found = scores(make_search(Slow()).fit(X, y))
    assert kills.total() > 0
    for name in expected:
        assert_array_equal(found[name], expected[name])


PROGRAM = """
    import os, time
    import numpy as np
    import skextra
    from joblib import parallel_config
    from sklearn.datasets import make_classification
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV

    class Slow(LogisticRegression):
        def fit(self, X, y):
            os.write(1, f"fit {{self.C}}\\n".encode())
            time.sleep(0.04)
            return super().fit(X, y)

    X, y = make_classification(n_samples=200, random_state=0)
    with parallel_config("skextra", n_jobs=2, journal={path!r}, max_retries=9):
        search = GridSearchCV(Slow(), {{"C": list(range(1, 13))}}, cv=5, refit=False).fit(X, y)
    print("scores", *search.cv_results_["mean_test_score"])
"""


@pytest.mark.parametrize(
    ("seed", "n_kills"), [(0, 1), *(pytest.param(i, 10, marks=pytest.mark.faults) for i in (1, 2))]
)
def test_a_search_whose_program_is_killed_goes_on(run_script, tmp_path, seed, n_kills):
    generator, path = random.Random(seed), tmp_path / "search.sqlite"
    expected = GridSearchCV(LogisticRegression(), {"C": list(range(1, 13))}, cv=5, refit=False)
    expected = expected.fit(X, y).cv_results_["mean_test_score"]
    for i in range(n_kills + 1):
        done = collections.Counter()
        if path.exists() and path.stat().st_size:
            done.update(row["parameters"]["C"] for row in Journal(path).rows())
        script = run_script(PROGRAM.format(path=str(path)))
        if i < n_kills and done.total() < 60:
            first = script.line()
            with contextlib.suppress(TimeoutError):
                time.sleep(generator.uniform(0, 1.5 / n_kills))
            script.process.kill()
            lines = [first, *script.process.communicate()[0].splitlines()]
        else:
            lines, _ = script.finish()
        started = collections.Counter(
            int(line.removeprefix("fit ")) for line in lines if line.startswith("fit ")
        )
        for C, number in started.items():
            assert number <= 5 - done[C]
        script.temporary.rename(tmp_path / f"temporary-{i}")
    assert done.total() + started.total() == 60
    found = [float(word) for word in lines[-1].removeprefix("scores ").split()]
    assert_array_equal(found, expected)
