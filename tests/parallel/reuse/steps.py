"""Steps that say when they are fitted, and that misbehave in every way that matters."""

import collections
import resource
import signal
import time

import numpy as np
from joblib import parallel_config
from sklearn.base import BaseEstimator, TransformerMixin

from skextra.parallel._reuse import _steps


def n_lines(log):
    """Count the lines of a log by their text."""
    try:
        return dict(collections.Counter(log.read_text().split()))
    except FileNotFoundError:
        return {}


def share_always():
    """Share every step in a worker, however long that takes beside it on a busy machine."""
    _steps._WORTH = 0, 0


def allow_no_large_files(nbytes=2**16):
    """Have entries fail in a worker as if there were no memory."""
    share_always()
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (nbytes, nbytes))


def reusing(n_jobs=2, reuse_steps=True, initializer=share_always, **options):
    """Have the calls to come share every step."""
    return parallel_config(
        "skextra", n_jobs=n_jobs, reuse_steps=reuse_steps, initializer=initializer, **options
    )


class Counting(TransformerMixin, BaseEstimator):
    """Centers the columns, and logs a line for each fit and each transformation."""

    def __init__(self, log=None, factor=1.0, seconds=0.0):
        self.log, self.factor, self.seconds = log, factor, seconds

    def _say(self, what):
        time.sleep(self.seconds)
        with open(self.log, "a") as file:
            file.write(f"{what}\n")

    def fit(self, X, y=None, sample_weight=None):
        self._say("fit")
        self.mean_ = np.average(np.asarray(X), axis=0, weights=sample_weight)
        return self

    def transform(self, X):
        self._say("transform")
        return (np.asarray(X) - self.mean_) * self.factor


class ChangesInput(Counting):
    """Centers the very rows that it is given."""

    def transform(self, X):
        self._say("transform")
        X -= self.mean_
        return X


class ReturnsInput(Counting):
    """Returns the very rows that it is given."""

    def transform(self, X):
        self._say("transform")
        return X


class ReturnsPart(Counting):
    """Returns a view of the rows that it is given."""

    def transform(self, X):
        self._say("transform")
        return X[:, :3]


class DrawsGlobally(Counting):
    """Adds noise that nothing decides."""

    def transform(self, X):
        return super().transform(X) + np.random.rand()  # noqa: NPY002


class DrawsByItself(Counting):
    """Adds noise that its seed decides, if it has one."""

    def __init__(self, log=None, factor=1.0, seconds=0.0, random_state=None):
        super().__init__(log, factor, seconds)
        self.random_state = random_state

    def transform(self, X):
        return super().transform(X) + np.random.default_rng(self.random_state).random()


class CountsItself(Counting):
    """Counts its transformations in an attribute."""

    def transform(self, X):
        self.n_transformed_ = getattr(self, "n_transformed_", 0) + 1
        return super().transform(X)


class LosesState(Counting):
    """Leaves what it has learnt out of its pickle."""

    def __getstate__(self):
        return {name: part for name, part in vars(self).items() if name != "mean_"}


class HoldsGenerator(Counting):
    """Has something that nobody can pickle once it is fitted."""

    def fit(self, X, y=None):
        self.rows_ = (row for row in X)
        return super().fit(X, y)


class Fails(Counting):
    """Cannot be fitted."""

    def fit(self, X, y=None):
        self._say("fit")
        raise ValueError("no rows like these")


class HoldsLock(Counting):
    """Has a parameter of which nobody can say what it is."""

    def __init__(self, log=None, factor=1.0, seconds=0.0, lock=None):
        super().__init__(log, factor, seconds)
        self.lock = lock


class OtherCounting(Counting):
    """Does the same under another name."""
