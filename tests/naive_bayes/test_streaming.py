"""Streams, merges and weights: any way to see the rows ends in the model of one fit."""

import functools
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.datasets import load_iris, make_blobs
from sklearn.exceptions import NotFittedError
from sklearn.naive_bayes import GaussianNB

from skextra import ScratchGaussianNB
from tests.naive_bayes.comparing import assert_same_model
from tests.strategies import partitions, problems


@pytest.mark.filterwarnings("ignore:Class .* has no value")  # a part may hold only gaps
@given(st.data(), problems(missing=True))
def test_any_partition_in_any_order_equals_one_fit(data, problem):
    X, y, weights = problem
    whole = ScratchGaussianNB().fit(X, y, weights)
    streamed = ScratchGaussianNB()
    for part in data.draw(partitions(len(X))):
        if not weights[part].any():
            continue  # refused, as by scikit-learn
        streamed.partial_fit(X[part], y[part], whole.classes_, weights[part])
    assert_same_model(streamed, whole)


@pytest.mark.filterwarnings("ignore:Class .* has no value")  # a part may hold only gaps
@given(st.data(), problems(missing=True))
def test_merging_models_of_parts_in_a_tree_equals_one_fit(data, problem):
    X, y, weights = problem
    whole = ScratchGaussianNB().fit(X, y, weights)
    models = []
    for part in data.draw(partitions(len(X))):
        kept = part[weights[part] > 0]
        if len(kept):
            # Each part knows only the classes that it saw.
            models.append(ScratchGaussianNB().fit(X[kept], y[kept], weights[kept]))
    while len(models) > 1:
        models = [a.merge(b) for a, b in zip(models[::2], models[1::2], strict=False)] + (
            models[-1:] if len(models) % 2 else []
        )
    assert_same_model(models[0], whole)


def test_models_fitted_in_other_processes_merge_after_pickling():
    X, y = make_blobs(600, 5, centers=4, random_state=0)
    parts = np.array_split(np.arange(600), 4)
    models = joblib.Parallel(n_jobs=2, backend="skextra")(
        joblib.delayed(ScratchGaussianNB().fit)(X[part], y[part]) for part in parts
    )
    first, *others = models
    before = pickle.dumps(others)
    for other in others:
        first.merge(other)
    assert_same_model(first, ScratchGaussianNB().fit(X, y))
    assert pickle.dumps(others) == before


def test_a_merge_that_does_not_fit_is_refused_and_changes_nothing():
    X, y = load_iris(return_X_y=True)
    model = ScratchGaussianNB().fit(pd.DataFrame(X, columns=list("abcd")), y)
    before = pickle.dumps(model)
    other = ScratchGaussianNB()
    for bad, error, message in [
        (GaussianNB().fit(X, y), TypeError, "ScratchGaussianNB, got GaussianNB"),
        (other, NotFittedError, "not fitted"),
        (clone(other).fit(X[:, :3], y), ValueError, "4 features with one of 3"),
        (clone(other).fit(X, y), ValueError, "feature names"),
        (clone(other).fit(pd.DataFrame(X, columns=list("abce")), y), ValueError, "feature names"),
        (
            clone(other).fit(pd.DataFrame(X, columns=list("abcd")), y.astype(str)),
            ValueError,
            "two",
        ),
    ]:
        with pytest.raises(error, match=message):
            model.merge(bad)
        assert pickle.dumps(model) == before
    with_priors = ScratchGaussianNB(priors=[0.2, 0.3, 0.5]).fit(X, y)
    with pytest.raises(ValueError, match="Number of priors"):
        with_priors.merge(ScratchGaussianNB().fit(X, y + 1))
    assert len(with_priors.classes_) == 3


@given(problems(missing=True))
def test_weight_zero_removes_and_weight_two_repeats(problem):
    X, y, weights = problem
    repeated = np.repeat(np.arange(len(X)), weights.astype(int))
    weighted = ScratchGaussianNB().fit(X, y, weights)
    assert_same_model(weighted, ScratchGaussianNB().fit(X[repeated], y[repeated]))


@given(problems(), st.floats(0.01, 100))
def test_scaling_all_weights_changes_only_the_counts(problem, factor):
    X, y, weights = problem
    model = ScratchGaussianNB().fit(X, y, weights)
    scaled = ScratchGaussianNB().fit(X, y, factor * weights)
    scaled.class_count_ = scaled.class_count_ / factor
    assert_same_model(scaled, model)


def in_a_chain(models):
    return functools.reduce(lambda left, right: left.merge(right), models)


def in_a_chain_backwards(models):
    return functools.reduce(lambda left, right: right.merge(left), models)


def in_a_tree(models):
    while len(models) > 1:
        merged = [a.merge(b) for a, b in zip(models[::2], models[1::2], strict=False)]
        models = merged + (models[-1:] if len(models) % 2 else [])
    return models[0]


def at_random(models):
    rng = np.random.default_rng(0)
    while len(models) > 1:
        other = models.pop(rng.integers(len(models)))
        models[rng.integers(len(models))].merge(other)
    return models[0]


@pytest.mark.parametrize("merged", [in_a_chain, in_a_chain_backwards, in_a_tree, at_random])
@pytest.mark.parametrize(("mean", "spread"), [(1e4, 1e-3), (-1e7, 1.0), (1e9, 1e2), (0.0, 1.0)])
def test_thousand_merges_keep_thirteen_digits(merged, mean, spread):
    rng = np.random.default_rng(0)
    X = mean + spread * rng.normal(size=(3003, 2))
    y, weights = np.arange(3003) % 2, rng.random(3003)
    models = [
        ScratchGaussianNB(var_smoothing=0).fit(X[i : i + 3], y[i : i + 3], weights[i : i + 3])
        for i in range(0, 3003, 3)
    ]
    stream = ScratchGaussianNB(var_smoothing=0)
    for i in range(0, 3003, 3):
        stream.partial_fit(X[i : i + 3], y[i : i + 3], [0, 1], weights[i : i + 3])
    exact, wide = X.astype(np.longdouble), weights.astype(np.longdouble)[:, None]
    variances = []
    for code in (0, 1):
        rows, w = exact[y == code], wide[y == code]
        center = (w * rows).sum(axis=0) / w.sum()
        variances.append((w * (rows - center) ** 2).sum(axis=0) / w.sum())
    for model in (merged(models), stream):
        error = np.abs(model.var_ / np.array(variances) - 1)
        assert error.max() < 1e-13
