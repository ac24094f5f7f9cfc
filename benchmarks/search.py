"""Searches over pipelines whose first steps are the same for many candidates.

Run ``python -m benchmarks.compare search``; it takes about 7 minutes on a quiet machine with 2
cores, and some minutes more where dask-ml is installed, which is a side of its own then.
"""

import functools
import importlib.util
import os
import tempfile
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
from joblib import parallel_config
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, ParameterGrid, train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

import skextra  # noqa: F401  registers the backend
from skextra.datasets import make_brain_mri


def zipf_documents(n_documents, n_words=120, n_distinct=50_000, random_state=0):
    """Make documents of Zipf-distributed words, in two classes that prefer other words."""
    rng = np.random.default_rng(random_state)
    words = np.array([f"w{number:x}" for number in range(n_distinct)])
    frequencies = 1 / np.arange(1, n_distinct + 1)
    numbers = rng.choice(n_distinct, (n_documents, n_words), p=frequencies / frequencies.sum())
    y = rng.integers(0, 2, n_documents)
    numbers[:, :5] = rng.integers(50, 150, (n_documents, 5)) * 2 + y[:, None]
    return [" ".join(row) for row in words[numbers]], y


def text(n_documents=20_000):
    """Text: TfidfVectorizer, SelectKBest, LogisticRegression; 20 candidates."""
    steps = TfidfVectorizer(), SelectKBest(k=5000), LogisticRegression()
    grid = {"logisticregression__C": np.logspace(-2, 2, 20)}
    return steps, grid, *zipf_documents(n_documents)


def digits():
    """Digits: StandardScaler, PCA, SVC; 20 candidates."""
    steps = StandardScaler(), PCA(30, random_state=0), SVC()
    grid = {"svc__C": [0.1, 1, 10, 100], "svc__gamma": np.logspace(-4, -1, 5)}
    return steps, grid, *load_digits(return_X_y=True)


def slices(n_samples=200):
    """MRI slices of 48x48: StandardScaler, PCA, SVC; 20 candidates."""
    images, y = make_brain_mri(n_samples, image_size=48, random_state=0)
    steps = StandardScaler(), PCA(50, svd_solver="full", random_state=0), SVC()
    grid = {"svc__C": [0.1, 1, 10, 100], "svc__gamma": np.logspace(-5, -2, 5)}
    return steps, grid, images.reshape(n_samples, -1).astype(np.float32), y


def table(n_samples=2000):
    """Table: KNNImputer and encoder by column, boosting; 20 candidates."""
    import pandas as pd

    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(n_samples, 12))
    y = (numbers[:, 0] + numbers[:, 1] * numbers[:, 2] > 0).astype(int)
    numbers[rng.random(numbers.shape) < 0.1] = np.nan
    X = pd.DataFrame(numbers, columns=[f"number {i}" for i in range(12)])
    for i in range(6):
        X[f"word {i}"] = np.array([f"level {j}" for j in range(20)])[
            rng.integers(0, 20, n_samples)
        ]
    encoder = make_pipeline(
        SimpleImputer(strategy="most_frequent"), OneHotEncoder(sparse_output=False)
    )
    columns = make_column_transformer((KNNImputer(), X.columns[:12]), (encoder, X.columns[12:]))
    steps = columns, HistGradientBoostingClassifier(max_iter=10, random_state=0)
    grid = {
        "histgradientboostingclassifier__learning_rate": [0.03, 0.06, 0.1, 0.2, 0.3],
        "histgradientboostingclassifier__max_leaf_nodes": [7, 15, 31, 63],
    }
    return steps, grid, X, y


def nothing():
    """Nothing to share: PCA, another in each candidate, GaussianNB; 40 candidates."""
    rng = np.random.default_rng(0)
    steps = PCA(random_state=0), GaussianNB()
    grid = {"pca__n_components": np.linspace(0.5, 0.99, 20), "pca__whiten": [True, False]}
    return steps, grid, rng.random((500, 60)), rng.integers(0, 2, 500)


def small():
    """Too small to share: StandardScaler, GaussianNB; 100 candidates."""
    rng = np.random.default_rng(0)
    grid = {"gaussiannb__var_smoothing": np.logspace(-12, -3, 100)}
    return (StandardScaler(), GaussianNB()), grid, rng.random((500, 20)), rng.integers(0, 2, 500)


CASES = {each.__name__: each for each in (text, slices, table, digits, nothing, small)}
SIDES = ["loky", "loky, memory", "skextra", "skextra, reuse_steps"]
if importlib.util.find_spec("dask_ml"):
    SIDES.append("dask-ml")
# A search of the text takes minutes without sharing; those that gain nothing are short.
N_TURNS = {"text": 1, "nothing": 9, "small": 9}
NOT_RUN = {("text", "skextra")}
SKIPPED = np.nan, np.nan, None


def cpu_seconds():
    """Return the time that this process and its descendants have spent on a core so far."""
    parents, seconds = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        parents[int(folder.name)] = int(fields[1])
        seconds[int(folder.name)] = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    own = {os.getpid()}
    while found := {pid for pid, parent in parents.items() if parent in own} - own:
        own |= found
    return sum(seconds[pid] for pid in own)


def search(steps, grid, X, y, side):
    """Return how long a search takes, the time of all processes on the cores, and its scores."""
    options = {"reuse_steps": True} if side.endswith("reuse_steps") else {}
    with tempfile.TemporaryDirectory() as folder:
        pipeline = make_pipeline(*steps, memory=folder if side.endswith("memory") else None)
        found = make_search(side)(pipeline, grid, cv=5, refit=False)
        backend = "threading" if side == "dask-ml" else side.partition(",")[0]
        with parallel_config(backend, n_jobs=2, **options):
            started, started_cpu = perf_counter(), cpu_seconds()
            found.fit(X, y)
            seconds = perf_counter() - started, cpu_seconds() - started_cpu
    return *seconds, found.cv_results_["mean_test_score"]


def make_search(side):
    """Return the class of a side's search; dask-ml has one of its own, which shares steps."""
    if side != "dask-ml":
        return GridSearchCV
    from dask_ml.model_selection import GridSearchCV as DaskGridSearchCV

    return functools.partial(DaskGridSearchCV, n_jobs=2)


def prefix_share(steps, grid, X, y):
    """Return the part of a fit and its scoring, on one core, that comes before the last step."""
    train, test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=0)
    before = whole = 0.0
    for params in list(ParameterGrid(grid))[::4]:
        pipeline = clone(make_pipeline(*steps)).set_params(**params)
        with threadpool_limits(1):
            started = process_time()
            rows = pipeline[:-1].fit_transform(train, y_train)
            test_rows = pipeline[:-1].transform(test)
            before += process_time() - started
            pipeline[-1].fit(rows, y_train).score(test_rows, y_test)
            whole += process_time() - started
    return before / whole


class Search:
    """A search by each backend, with and without what does nothing twice."""

    params = [["text", "slices", "small"], SIDES]
    param_names = ["case", "side"]
    number = 1
    repeat = 1
    timeout = 600

    def setup(self, case, side):
        """Make the data and start the workers."""
        self.case = text(1000) if case == "text" else CASES[case]()
        search(*small(), side)

    def time_search(self, case, side):
        """Search once."""
        search(*self.case, side)


def compare(n_turns=3):
    """Print the medians of each case, the sides in turns."""
    print("n_jobs=2, 5 folds, workers warm: seconds, and seconds of all processes on the cores;")
    print("share: of one fit and its scoring, before the last step; then how many times less")
    print("reuse_steps takes than loky, than loky with memory=, and than plain skextra")
    titles = "".join(f"{side.replace('skextra, ', ''):>16}" for side in SIDES)
    print(f"{'':75}{'share':>6}{titles}{'loky':>13}{'memory':>13}{'plain':>13}", flush=True)
    for name, make in CASES.items():
        case = make()
        share = prefix_share(*case)
        for side in SIDES:  # the workers start
            search(*small(), side)
        n_searches = N_TURNS.get(name, n_turns)
        sides = [side for side in SIDES if (name, side) not in NOT_RUN]
        found = [{side: search(*case, side) for side in sides} for _ in range(n_searches)]
        check_scores(name, found)
        medians = np.median([[turn.get(side, SKIPPED)[:2] for side in SIDES] for turn in found], 0)
        cells = "".join(f"{wall:8.2f}{cpu:8.2f}" for wall, cpu in medians)
        ratios = "".join(f"{wall:6.2f}x{cpu:5.2f}x" for wall, cpu in medians[:3] / medians[3])
        print(f"{make.__doc__:75}{share:6.0%}{cells}{ratios}", flush=True)


def check_scores(name, found):
    """Raise an error unless all searches of a case have the same scores, bit for bit.

    dask-ml may add them up in another order.
    """
    expected = found[0]["loky"][2]
    for turn in found:
        for side, (*_, scores) in turn.items():
            tolerance = 1e-12 if side == "dask-ml" else 0
            if not np.allclose(scores, expected, rtol=tolerance, atol=0):
                raise AssertionError(f"the scores differ: {name}, {side}")
