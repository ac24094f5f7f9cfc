"""Naive Bayes on Dask collections beside the same rows in memory."""

import itertools
import subprocess
import sys
import threading
from collections import Counter

import dask
import dask.array as da
import dask.dataframe as dd
import joblib
import numpy as np
import pandas as pd
import pytest
from joblib.parallel import MultiprocessingBackend
from numpy.testing import assert_allclose
from scipy import sparse

from skextra import ScratchGaussianNB
from tests.naive_bayes.comparing import PREDICTIONS, assert_same_model

N = 330
CHUNKS = (100, 37, 93, 100)


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, N)
    X = rng.normal(size=(N, 4)) + y[:, None]
    X[rng.random(X.shape) < 0.05] = np.nan
    return X, y, rng.integers(0, 3, N).astype(float)


def divided(array):
    chunks = (CHUNKS, *((n,) for n in array.shape[1:]))
    return da.from_array(array, chunks=chunks)


def of_unknown_sizes(array):
    array = divided(array)
    return array[da.ones(N, chunks=(CHUNKS,), dtype=bool)]


def uncomputable(shape, chunks):
    def fail(block):
        raise AssertionError("a block was computed")

    return da.zeros(shape, chunks=chunks).map_blocks(fail, meta=np.empty((0,) * len(shape)))


def csr_blocks(X):
    return divided(X).map_blocks(sparse.csr_array, meta=sparse.csr_array((0, 0)))


def frame_of(X, y):
    frame = pd.DataFrame(X, columns=list("abcd")).assign(label=y)
    collection = dd.from_pandas(frame, npartitions=4)
    return collection[list("abcd")], collection["label"], frame[list("abcd")]


@pytest.mark.parametrize("divide", [divided, of_unknown_sizes, csr_blocks])
def test_blocks_equal_one_fit(rows, divide):
    X, y, weight = rows
    of_vectors = of_unknown_sizes if divide is of_unknown_sizes else divided
    ours = ScratchGaussianNB().fit(divide(X), of_vectors(y), of_vectors(weight))
    assert_same_model(ours, ScratchGaussianNB().fit(X, y, weight), rtol=1e-12)


def test_labels_in_memory_are_divided(rows):
    X, y, weight = rows
    ours = ScratchGaussianNB().fit(divided(X), list(y), pd.Series(weight))
    assert_same_model(ours, ScratchGaussianNB().fit(X, y, weight), rtol=1e-12)


def test_labels_of_other_chunks_are_divided_again(rows):
    X, y, _ = rows
    ours = ScratchGaussianNB().fit(divided(X), da.from_array(y, chunks=50))
    assert_same_model(ours, ScratchGaussianNB().fit(X, y), rtol=1e-12)


def test_column_chunks_are_joined(rows):
    X, y, _ = rows
    parted = da.from_array(X, chunks=(CHUNKS, (3, 1)))
    ours = ScratchGaussianNB().fit(parted, divided(y))
    assert_same_model(ours, ScratchGaussianNB().fit(X, y), rtol=1e-12)
    assert np.array_equal(ours.predict(parted).compute(), ours.predict(X))


def test_frame_keeps_names(rows):
    X, y, frame = frame_of(*rows[:2])
    ours, theirs = ScratchGaussianNB().fit(X, y), ScratchGaussianNB().fit(frame, rows[1])
    assert_same_model(ours, theirs, rtol=1e-12)
    assert ours.feature_names_in_.tolist() == list("abcd")
    assert np.array_equal(ours.predict(X).compute(), theirs.predict(frame))
    with pytest.raises(ValueError, match="feature names should match"):
        ours.predict(X[list("badc")])


def test_unnamed_array_warns_named_model_once(rows):
    X, y, _ = frame_of(*rows[:2])
    ours = ScratchGaussianNB().fit(X, y)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        lazy = ours.predict(divided(rows[0]))
    lazy.compute()  # silent, as every warning is an error


@pytest.mark.parametrize("kind", ["array", "frame"])
def test_chunk_is_computed_once(rows, kind):
    counts, lock = Counter(), threading.Lock()

    def count(block, i):
        with lock:
            counts[i] += 1
        return block

    table = np.column_stack([rows[0], rows[1]])
    blocks = np.array_split(table, 6)
    parts = [dask.delayed(count)(block, i) for i, block in enumerate(blocks)]
    if kind == "array":
        source = da.concatenate(
            [da.from_delayed(p, b.shape, float) for p, b in zip(parts, blocks, strict=True)]
        )
        X, y = source[:, :4], source[:, 4].astype(int)
    else:
        frames = [dask.delayed(pd.DataFrame)(part, columns=list("abcdy")) for part in parts]
        meta = pd.DataFrame(table[:0], columns=list("abcdy"))
        source = dd.from_delayed(frames, meta=meta, verify_meta=False)
        X, y = source[list("abcd")], source["y"].astype(int)
    model = ScratchGaussianNB().fit(X, y)
    assert counts == dict.fromkeys(range(6), 1)
    model.score(X, y)
    assert counts == dict.fromkeys(range(6), 2)


@pytest.mark.parametrize("method", [*PREDICTIONS, "predict"])
def test_predictions_are_lazy_and_typed(rows, method):
    X, y, _ = rows
    labels = np.array(["one", "two", "three"])[y]
    model = ScratchGaussianNB().fit(X, labels)
    expected = getattr(model, method)(X)
    frame, _, in_memory = frame_of(X, y)
    named = ScratchGaussianNB().fit(in_memory, labels)
    for collection in (divided(X), csr_blocks(X), frame):
        lazy = getattr(named if collection is frame else model, method)(collection)
        assert isinstance(lazy, da.Array)
        assert lazy.dtype == lazy._meta.dtype == expected.dtype
        assert lazy._meta.ndim == lazy.ndim == expected.ndim
        assert lazy.shape[1:] == expected.shape[1:]
        if hasattr(collection, "chunks"):
            assert lazy.chunks[0] == CHUNKS
        computed = lazy.compute()
        assert computed.dtype == expected.dtype
        if method == "predict":
            assert np.array_equal(computed, expected)
        else:
            assert_allclose(computed, expected, rtol=1e-9, atol=1e-12)


def test_predictions_keep_the_model_of_the_call(rows):
    X, y, _ = rows
    model = ScratchGaussianNB().fit(X, y)
    expected, lazy = model.predict(X), model.predict(divided(X))
    model.fit(X + 5, (y + 1) % 3)
    assert np.array_equal(lazy.compute(), expected)


def test_score_equals_score_in_memory(rows):
    X, y, weight = rows
    model = ScratchGaussianNB().fit(X, y)
    assert model.score(divided(X), divided(y)) == model.score(X, y)
    assert model.score(divided(X), y, divided(weight)) == pytest.approx(model.score(X, y, weight))


def test_partial_fit_streams_collections(rows):
    X, y, _ = rows
    model = ScratchGaussianNB().partial_fit(divided(X), divided(y), classes=[0, 1, 2, 3])
    model.partial_fit(X[:50], y[:50]).partial_fit(divided(X), y)
    whole = ScratchGaussianNB().partial_fit(
        np.vstack([X, X[:50], X]), np.hstack([y, y[:50], y]), classes=[0, 1, 2, 3]
    )
    assert_same_model(model, whole, rtol=1e-12)
    with pytest.raises(ValueError, match="do not exist in the initial classes"):
        model.partial_fit(divided(X), divided(y + 7))


def test_digits_are_those_of_memory():
    rng = np.random.default_rng(0)
    X = 1e4 + 1e-3 * rng.normal(size=(6000, 2))
    y = rng.integers(0, 2, 6000)
    exact = X.astype(np.longdouble)
    expected = np.array([exact[y == code].var(axis=0) for code in range(2)])
    model = ScratchGaussianNB(var_smoothing=0)
    model.fit(da.from_array(X, chunks=(97, 2)), da.from_array(y, chunks=97))
    assert float(np.abs(model.var_ / expected - 1).max()) < 1e-13


def test_same_chunks_give_the_same_bits(rows):
    X, y, _ = rows
    models = [ScratchGaussianNB().fit(divided(X), divided(y)) for _ in range(2)]
    with dask.config.set(scheduler="synchronous"):
        models.append(ScratchGaussianNB().fit(divided(X), divided(y)))
    merged = ScratchGaussianNB()
    edges = np.cumsum((0, *CHUNKS))
    for first, last in itertools.pairwise(edges):
        merged.partial_fit(X[first:last], y[first:last], classes=[0, 1, 2])
    for model in models:
        for name in ("theta_", "var_", "class_count_", "class_prior_"):
            assert np.array_equal(getattr(model, name), getattr(merged, name))


def test_classes_may_be_in_some_blocks_only():
    X = np.arange(40.0).reshape(20, 2)
    y = np.repeat(["a", "b", "cc", "dddd"], 5)
    model = ScratchGaussianNB().fit(da.from_array(X, chunks=(5, 2)), da.from_array(y, chunks=5))
    assert_same_model(model, ScratchGaussianNB().fit(X, y), rtol=1e-12)
    assert model.classes_.dtype == y.dtype


def test_empty_and_weightless_blocks_count_nothing(rows):
    X, y, weight = rows
    weight = weight.copy()
    weight[:100] = 0
    keep = divided(np.arange(N) < 230)  # the last block becomes empty
    model = ScratchGaussianNB().fit(divided(X)[keep], divided(y)[keep], divided(weight)[keep])
    assert_same_model(model, ScratchGaussianNB().fit(X[:230], y[:230], weight[:230]), rtol=1e-12)
    assert len(model.predict_proba(divided(X)[keep]).compute()) == 230


@pytest.mark.parametrize(
    ("y", "weight", "message"),
    [
        (np.zeros(29), None, "X has 30 rows, y has 29"),
        (da.zeros(31, chunks=10), None, "X has 30 rows, y has 31"),
        (da.zeros((30, 2), chunks=10), None, "y should be a 1d array"),
        (np.zeros(30), np.ones(3), "sample_weight has 3"),
        (np.zeros(30), da.ones(20, chunks=10), "sample_weight has 20"),
    ],
)
def test_mismatch_is_refused_before_computing(y, weight, message):
    model = ScratchGaussianNB()
    before = dict(vars(model))
    with pytest.raises(ValueError, match=message):
        model.fit(uncomputable((30, 2), 10), y, weight)
    assert vars(model) == before


def test_collection_that_is_no_table_is_refused():
    y = np.zeros(30)
    with pytest.raises(ValueError, match="Expected a 2-dimensional Dask collection"):
        ScratchGaussianNB().fit(uncomputable((30,), 10), y)
    with pytest.raises(TypeError, match=r"X must be a Dask array or DataFrame.*Delayed"):
        ScratchGaussianNB().fit(dask.delayed(np.zeros((30, 2))), y)
    with pytest.raises(ValueError, match="real numbers"):
        ScratchGaussianNB().fit(da.zeros((30, 2), dtype=complex), y)
    with pytest.raises(ValueError, match="in memory, but how many rows"):
        ScratchGaussianNB().fit(of_unknown_sizes(np.zeros((N, 2))), np.zeros(N))
    model = ScratchGaussianNB().fit(np.eye(2), [0, 1])
    with pytest.raises(ValueError, match="expecting 2 features"):
        model.predict(uncomputable((30, 3), (10, 3)))


def test_blocks_of_other_lengths_are_refused(rows):
    X, y, _ = rows
    shorter = divided(y)[divided(np.arange(N) > 3)]
    with pytest.raises(ValueError, match=r"Block 0 of X has 100 rows, but that of y has 96"):
        ScratchGaussianNB().fit(of_unknown_sizes(X), shorter)


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_bad_weight_in_a_block_is_refused(rows, bad):
    X, y, weight = rows
    weight = np.where(np.arange(N) == 200, bad, weight)
    with pytest.raises(ValueError, match=r"[Ww]eight"):
        ScratchGaussianNB().fit(divided(X), y, divided(weight))
    with pytest.raises(ValueError, match="non-zero"):
        ScratchGaussianNB().fit(divided(X), y, da.zeros(N, chunks=(CHUNKS,)))


def test_infinity_in_a_weightless_block_is_refused(rows):
    X = np.where(np.arange(N)[:, None] == 3, np.inf, rows[0])
    weight = (np.arange(N) >= 100).astype(float)
    with pytest.raises(ValueError, match="infinity"):
        ScratchGaussianNB().fit(divided(X), rows[1], divided(weight))


def test_lazy_labels_of_rows_in_memory_are_read(rows):
    X, y, weight = rows
    ours = ScratchGaussianNB().fit(X, divided(y), divided(weight))
    assert_same_model(ours, ScratchGaussianNB().fit(X, y, weight), rtol=1e-12)


def test_rows_in_memory_import_no_dask():
    code = (
        "import sys, numpy as np; from skextra import ScratchGaussianNB;"
        "m = ScratchGaussianNB().fit(np.eye(4), [0, 1, 0, 1]); m.predict(np.eye(4));"
        "sys.exit(any(name.partition('.')[0] in ('dask', 'distributed') for name in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_rows_in_memory_stay_here_with_cluster_backend(monkeypatch):
    class Cluster(MultiprocessingBackend):
        """Any backend but those of joblib and this package may send to other machines."""

        def effective_n_jobs(self, n_jobs):
            return 64

        def submit(self, func, callback=None):
            raise AssertionError("rows were sent to a cluster")

        apply_async = submit

    joblib.register_parallel_backend("a-cluster", Cluster)
    X = np.random.default_rng(0).normal(size=(200_000, 4))
    with joblib.parallel_config("a-cluster"):
        ScratchGaussianNB().fit(X, np.arange(len(X)) % 2).predict(X)
