"""Steps that say when they are fitted, and that misbehave in every way that matters."""

import collections
import time

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin


def n_lines(log):
    """Count the lines of a log by their text."""
    try:
        return dict(collections.Counter(log.read_text().split()))
    except FileNotFoundError:
        return {}


class Counting(TransformerMixin, BaseEstimator):
    """Centers the columns, and logs a line for each fit and each transformation.

    It takes so long that it is worth sharing on any machine.
    """

    def __init__(self, log=None, factor=1.0, seconds=0.02):
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

    def __init__(self, log=None, factor=1.0, seconds=0.02, random_state=None):
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
