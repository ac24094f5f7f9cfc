"""ScratchGaussianNB beside scikit-learn's GaussianNB."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from scipy import sparse
from sklearn.naive_bayes import GaussianNB

from benchmarks.compare import geometric_mean, medians
from skextra import ScratchGaussianNB

CLASSIFIERS = {
    "ScratchGaussianNB": lambda: ScratchGaussianNB(),
    "ScratchGaussianNB n_jobs=2": lambda: ScratchGaussianNB(n_jobs=2),
    "GaussianNB": lambda: GaussianNB(),
}
# Rows x features x classes, and the dtype if it is not float64.
SHAPES = [
    "1000 x 20 x 2", "1000 x 20 x 20", "50000 x 5 x 3", "50000 x 30 x 8", "200000 x 20 x 2",
    "200000 x 50 x 10", "1000000 x 10 x 2", "60000 x 784 x 10 float32", "50000 x 100 x 100",
    "20000 x 200 x 500",
]  # fmt: skip


def make_rows(shape, dtype=np.float64):
    """Rows, features and classes of a shape as numbers, and rows around the class means."""
    shape, _, named = shape.partition(" float")
    dtype = np.dtype(f"float{named}") if named else dtype
    n_samples, n_features, n_classes = (int(number) for number in shape.split(" x "))
    rng = np.random.default_rng(0)
    y = rng.integers(0, n_classes, n_samples)
    X = rng.normal(size=(n_samples, n_features)) + rng.normal(size=(n_classes, n_features))[y]
    return X.astype(dtype), y


def few_numbers(X, n_classes):
    """Return so many rows that GaussianNB, which makes arrays of their size, takes seconds."""
    return X[: max(1000, 40_000_000 // (X.shape[1] * n_classes))]


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
        self.classifier.predict_proba(few_numbers(self.X, len(self.classes)))


class Memory:
    """200,000 rows of 20 features, 31 MiB."""

    params = (["ScratchGaussianNB", "ScratchGaussianNB n_jobs=8", "GaussianNB"], ["plain", "NaN"])
    param_names = ("classifier", "rows")

    def setup(self, classifier, rows):
        """Make the rows and float32 weights; leave out what the peer cannot take."""
        if classifier == "GaussianNB" and rows == "NaN":
            raise NotImplementedError
        self.X, self.y = make_rows("200000 x 20 x 2")
        self.weights = np.ones(len(self.X), dtype=np.float32)
        if rows == "NaN":
            self.X[::10, 3] = np.nan
        models = {"ScratchGaussianNB n_jobs=8": lambda: ScratchGaussianNB(n_jobs=8), **CLASSIFIERS}
        self.model = models[classifier]()

    def peakmem_fit(self, classifier, rows):
        """Peak memory of a process that fits with weights, the rows included."""
        self.model.fit(self.X, self.y, self.weights)

    def peakmem_fit_predict(self, classifier, rows):
        """Peak memory of a process that fits and predicts, the rows included."""
        self.model.fit(self.X, self.y).predict(self.X)


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


def read_by_two_cores(X):
    """Add up all numbers, in two threads if X is large: about what one read of X takes."""
    if X.size < 10**6:
        return X.sum()
    halves = np.array_split(X, 2)
    with ThreadPoolExecutor(1) as thread:
        other = thread.submit(halves[1].sum)
        return halves[0].sum() + other.result()


def flops_per_second(dtype):
    """Return the operations a second of a large matrix product on all cores."""
    square = np.ones((2000, 2000), dtype=dtype)
    (seconds,) = medians([partial(np.matmul, square, square)], 5)
    return 2 * 2000**3 / seconds


def compare():
    """Print for each shape how many times faster than GaussianNB, and the share of the limits.

    A read is one sum over X, by two threads from 10^6 numbers on. The share of the peak is that of
    2 n f c operations for rows, features and classes at the speed of a large matrix product.
    """
    peak = flops_per_second(np.float64)
    print("ScratchGaussianNB(n_jobs=2) against GaussianNB: how many times faster (medians)")
    print(f"peak {peak / 1e9:.0f} GFLOP/s")
    names = ("fit", "reads", "proba", "reads", "peak")
    print(f"{'rows x features x classes':26}" + "".join(f"{name:>8}" for name in names))
    fits, predictions = [], []
    for shape in SHAPES:
        X, y = make_rows(shape)
        ours, theirs = ScratchGaussianNB(n_jobs=2), GaussianNB()
        repeat = 51 if X.size < 10**6 else 7
        read = partial(read_by_two_cores, X)
        fit = medians([partial(ours.fit, X, y), partial(theirs.fit, X, y), read], repeat)
        n_classes = len(ours.classes_)
        rows = few_numbers(X, n_classes)
        calls = [partial(model.predict_proba, rows) for model in (ours, theirs)]
        proba = medians([*calls, partial(read_by_two_cores, rows)], repeat)
        fits.append(fit[1] / fit[0])
        predictions.append(proba[1] / proba[0])
        share = 2 * rows.size * n_classes / proba[0] / peak
        print(
            f"{shape:26}{fits[-1]:8.2f}{fit[0] / fit[2]:8.1f}{predictions[-1]:8.2f}"
            f"{proba[0] / proba[2]:8.1f}{share:8.0%}",
            flush=True,
        )
    print(
        f"geometric mean: fit {geometric_mean(fits):.2f}, proba {geometric_mean(predictions):.2f}"
    )
