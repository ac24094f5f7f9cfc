"""ScratchGaussianNB beside scikit-learn's GaussianNB."""

from functools import partial

import numpy as np
from scipy import sparse
from sklearn.naive_bayes import GaussianNB

from skextra import ScratchGaussianNB

CLASSIFIERS = {
    "ScratchGaussianNB": lambda: ScratchGaussianNB(),
    "ScratchGaussianNB n_jobs=2": lambda: ScratchGaussianNB(n_jobs=2),
    "GaussianNB": lambda: GaussianNB(),
}
SHAPES = ["1000 x 20 x 2", "200000 x 20 x 2", "5000 x 50 x 200"]


def make_rows(shape, dtype=np.float64):
    """Rows, features and classes of a shape as numbers, and rows around the class means."""
    n_samples, n_features, n_classes = (int(number) for number in shape.split(" x "))
    rng = np.random.default_rng(0)
    y = rng.integers(0, n_classes, n_samples)
    X = rng.normal(size=(n_samples, n_features)) + rng.normal(size=(n_classes, n_features))[y]
    return X.astype(dtype), y


class Dense:
    """Rows without gaps; "rows x features x classes"."""

    params = (list(CLASSIFIERS), SHAPES)
    param_names = ("classifier", "shape")

    def setup(self, classifier, shape):
        """Make the rows and a fitted classifier."""
        self.X, self.y = make_rows(shape)
        self.classifier = CLASSIFIERS[classifier]().fit(self.X, self.y)
        self.classes = np.unique(self.y)

    def time_fit(self, classifier, shape):
        """Seconds to fit."""
        self.classifier.fit(self.X, self.y)

    def time_partial_fit(self, classifier, shape):
        """Seconds to add all rows in four batches to a new model."""
        model = CLASSIFIERS[classifier]()
        for part in np.array_split(np.arange(len(self.X)), 4):
            rows = slice(part[0], part[-1] + 1)
            model.partial_fit(self.X[rows], self.y[rows], classes=self.classes)

    def time_predict_proba(self, classifier, shape):
        """Seconds to predict the probabilities of the training rows."""
        self.classifier.predict_proba(self.X)


class Memory:
    """200,000 rows of 20 features, 31 MiB."""

    params = list(CLASSIFIERS)
    param_names = ("classifier",)

    def setup(self, classifier):
        """Make the rows."""
        self.X, self.y = make_rows("200000 x 20 x 2")

    def peakmem_fit_predict(self, classifier):
        """Peak memory of a process that fits and predicts, the rows included."""
        CLASSIFIERS[classifier]().fit(self.X, self.y).predict(self.X)


class Kinds:
    """Kinds of input on 100,000 rows of 20 features; GaussianNB takes the first two."""

    params = (["ScratchGaussianNB", "GaussianNB"], ["float64", "float32", "NaN", "sparse"])
    param_names = ("classifier", "kind")

    def setup(self, classifier, kind):
        """Make the rows; leave out what the peer cannot take."""
        if classifier == "GaussianNB" and kind in ("NaN", "sparse"):
            raise NotImplementedError
        X, self.y = make_rows("100000 x 20 x 4", "float32" if kind == "float32" else "float64")
        holes = np.random.default_rng(0).random(X.shape) < 0.1
        if kind == "NaN":
            X[holes] = np.nan
        if kind == "sparse":
            X = sparse.csr_array(X * holes)
        self.X = X
        self.classifier = CLASSIFIERS[classifier]().fit(self.X, self.y)

    def time_fit(self, classifier, kind):
        """Seconds to fit."""
        self.classifier.fit(self.X, self.y)

    def time_predict_proba(self, classifier, kind):
        """Seconds to predict the probabilities of the training rows."""
        self.classifier.predict_proba(self.X)


def compare():
    """Print how many times faster than GaussianNB each shape is fitted and predicted."""
    from benchmarks.compare import geometric_mean, medians

    shapes = [
        (1000, 20, 2),
        (1000, 20, 20),
        (50_000, 5, 3),
        (50_000, 30, 8),
        (200_000, 20, 2),
        (200_000, 50, 10),
        (1_000_000, 10, 2),
        (50_000, 100, 100),
        (20_000, 200, 500),
    ]
    print("ScratchGaussianNB(n_jobs=2) against GaussianNB: how many times faster (medians)")
    print(f"{'rows':>9}{'features':>9}{'classes':>8}{'fit':>8}{'fit / reading X':>17}{'proba':>8}")
    fits, predictions = [], []
    for n_samples, n_features, n_classes in shapes:
        X, y = make_rows(f"{n_samples} x {n_features} x {n_classes}")
        ours, theirs = ScratchGaussianNB(n_jobs=2), GaussianNB()
        repeat = 51 if X.size < 10**6 else 7
        fit = medians([partial(ours.fit, X, y), partial(theirs.fit, X, y), X.sum], repeat)
        rows = X[: max(1000, 40_000_000 // (n_features * n_classes))]
        proba = medians([partial(model.predict_proba, rows) for model in (ours, theirs)], repeat)
        fits.append(fit[1] / fit[0])
        predictions.append(proba[1] / proba[0])
        print(
            f"{n_samples:9d}{n_features:9d}{n_classes:8d}{fits[-1]:8.2f}{fit[0] / fit[2]:17.1f}"
            f"{predictions[-1]:8.2f}",
            flush=True,
        )
    print(
        f"geometric mean: fit {geometric_mean(fits):.2f}, proba {geometric_mean(predictions):.2f}"
    )
