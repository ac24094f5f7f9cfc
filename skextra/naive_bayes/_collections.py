"""Naive Bayes on Dask collections: the moments of each block are collected where the block lies.

The parts of all blocks are merged in a tree on the workers, so that what comes back has the size
of the model. Dask is imported by whoever made a collection, never by this module otherwise.
"""

import copy
import sys
from numbers import Number
from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.exceptions import DataConversionWarning
from sklearn.metrics import accuracy_score
from sklearn.utils.validation import validate_data

from skextra._sklearn import floating_dtype, to_numpy
from skextra.naive_bayes._checks import check_weights, warn_at_caller
from skextra.naive_bayes._labels import Codes, check_known, classes_in, union
from skextra.naive_bayes._moments import Moments, empty, merge, place
from skextra.naive_bayes._moments._dense import missing_in
from skextra.naive_bayes._moments._rows import moments_of_rows

# So many parts are merged by one task: the depth of the tree against the parts that a worker
# holds at once.
_MERGED_AT_ONCE = 8
_KINDS_OF_NUMBERS = "fiubO"


class Part(NamedTuple):
    """The sorted labels of some blocks of rows, and the moments of each class."""

    classes: np.ndarray
    moments: Moments


def is_collection(data):
    """Whether an object is a Dask collection, of any kind."""
    dask = sys.modules.get("dask")
    return dask is not None and hasattr(data, "__dask_graph__") and dask.is_dask_collection(data)


def check_features(model, X, reset):
    """Check the number and the names of the features of a collection; with `reset`, set both.

    Raises
    ------
    TypeError, ValueError
        If X is no two-dimensional Dask array or DataFrame of real numbers, or its features are
        not those of the model.
    """
    if not (_is_array(X) or _is_frame(X)):
        raise TypeError(
            f"X must be a Dask array or DataFrame if it is a Dask collection, got "
            f"{type(X).__module__}.{type(X).__name__}."
        )
    if X.ndim != 2:
        raise ValueError(
            f"Expected a 2-dimensional Dask collection as X, got {X.ndim} dimensions. Take "
            "X.reshape(-1, 1) of an array, or X.to_frame() of a Series, if X has one feature."
        )
    n_features = X.shape[1]
    if _is_array(X):
        if np.isnan(n_features):
            raise ValueError(
                "X has an unknown number of features: call X.compute_chunk_sizes() first."
            )
        if X.dtype.kind not in _KINDS_OF_NUMBERS:
            raise ValueError(f"X must be real numbers, got a Dask array of dtype {X.dtype}.")
        if X.shape[0] == 0:
            raise ValueError(
                f"Found array with 0 sample(s) (shape={X.shape}) while a minimum of 1 is required."
            )
    if n_features == 0:
        raise ValueError("Found a Dask collection with 0 feature(s) while 1 is required.")
    meta = np.empty((0, n_features)) if _is_array(X) else X._meta
    validate_data(model, meta, reset=reset, skip_check_array=True)


def collect(model, X, y, sample_weight, classes=None):
    """Return the labels and moments of all rows of a collection.

    Parameters
    ----------
    model : ScratchGaussianNB
        What validates each block.
    X : dask.array.Array or dask.dataframe.DataFrame of shape (n_samples, n_features)
        The rows.
    y, sample_weight : Dask collection or array-like of shape (n_samples,)
        Their labels and weights; the weights may also be a number or None.
    classes : ndarray of shape (n_classes,) or None
        All labels that y may hold; None takes those that it holds.

    Returns
    -------
    Part

    Raises
    ------
    ValueError
        If the chunks of the three do not match, which is found before anything is computed, or
        if a block holds what `ScratchGaussianNB.fit` refuses.
    """
    import dask

    blocks = _blocks(X, y, sample_weight)
    model = dask.delayed(_bare(model), pure=False)
    classes = dask.delayed(classes, pure=False)
    part_of_block, merge_parts = dask.delayed(_part_of_block), dask.delayed(_merge_parts)
    parts = [
        part_of_block(model, place, *block, classes, pure=False, dask_key_name=_key("moments"))
        for place, block in enumerate(blocks)
    ]
    while len(parts) > 1:
        parts = [
            merge_parts(parts[first : first + _MERGED_AT_ONCE], dask_key_name=_key("merge"))
            for first in range(0, len(parts), _MERGED_AT_ONCE)
        ]
    (part,) = dask.compute(parts[0])
    if part is None:
        raise ValueError("Found array with 0 sample(s) while a minimum of 1 is required.")
    if not part.moments.class_weight.sum() > 0:
        raise ValueError("Sample weights must contain at least one non-zero number.")
    return part


def predict(model, X, method):
    """Return what a method of a fitted model returns, as a lazy Dask array of the chunks of X.

    The chunks of a DataFrame have unknown sizes, as Dask does not know how many rows they have.
    """
    import dask

    known = copy.deepcopy(vars(model))
    model = _bare(model)
    vars(model).update(known, n_jobs=1)
    if method == "predict":
        shape, dtype = (), model.classes_.dtype
    else:
        like = np.empty((1, 1), X.dtype if _is_array(X) and X.dtype.kind == "f" else np.float64)
        shape = (len(model.classes_),)
        dtype = np.result_type(floating_dtype(like), model.theta_.dtype)
    # The names were compared with those of X; the blocks need not be compared again.
    vars(model).pop("feature_names_in_", None)
    meta = np.empty((0, *shape), dtype=dtype)
    options = {"method": method, "meta": meta}
    if not _is_array(X):
        return X.map_partitions(_predict_block, model, method, meta, meta=meta)
    X = _with_whole_rows(X)
    options |= {"model": dask.delayed(model, pure=False), "empty": meta, "dtype": dtype}
    if shape:
        return X.map_blocks(_predict_block, chunks=(X.chunks[0], shape), **options)
    return X.map_blocks(_predict_block, chunks=(X.chunks[0],), drop_axis=1, **options)


def score(model, X, y, sample_weight):
    """Return the accuracy on a collection, computed block by block in one pass."""
    import dask

    blocks = _blocks(X, y, sample_weight)
    state = copy.deepcopy(vars(model))
    model = _bare(model)
    vars(model).update(state, n_jobs=1)
    vars(model).pop("feature_names_in_", None)
    model = dask.delayed(model, pure=False)
    score_block = dask.delayed(_score_block)
    totals = dask.compute(
        *(
            score_block(model, place, *block, pure=False, dask_key_name=_key("score"))
            for place, block in enumerate(blocks)
        )
    )
    correct, weight = (sum(column) for column in zip(*totals, strict=True))
    if not weight > 0:
        raise ValueError("score needs at least one row whose weight is not zero.")
    return float(correct / weight)


# What runs on the workers.


def _part_of_block(model, position, X, y, sample_weight, classes):
    """Return the labels and moments of one block, None if it has no rows."""
    if _check_lengths(position, X, y, sample_weight) == 0:
        return None
    model = copy.copy(model)  # threads of one process share it
    X, y = model._validate(_values(X), y, reset=True)
    X, y = to_numpy(X), to_numpy(y)
    if classes is None:
        classes = classes_in(y)
    else:
        check_known(y, classes)
    n_classes = len(classes)
    if (
        sample_weight is not None
        and not np.any(sample_weight)
        and not isinstance(sample_weight, Number)
    ):
        # Other blocks may have weights; here only values that are refused count.
        missing_in(X.data if sparse.issparse(X) else X)
        return Part(classes, empty(n_classes, X.shape[1]))
    sample_weight = check_weights(sample_weight, X)
    return Part(classes, moments_of_rows(X, Codes(y, classes), sample_weight, n_classes, 1))


def _merge_parts(parts):
    """Return the labels and moments of all parts together, merged in their order."""
    merged = None
    for part in parts:
        if part is None or merged is None:
            merged = merged or part
            continue
        classes = union(merged.classes, part.classes)
        sides = [
            place(side.moments, Codes(side.classes, classes)[:], len(classes))
            for side in (merged, part)
        ]
        merged = Part(classes, merge(*sides))
    return merged


def _predict_block(X, model, method, empty):
    """Return the predictions for one block."""
    return empty if X.shape[0] == 0 else getattr(model, method)(_values(X))


def _score_block(model, position, X, y, sample_weight):
    """Return the weight of the rows that are predicted right, and that of all rows."""
    n_samples = _check_lengths(position, X, y, sample_weight)
    if n_samples == 0:
        return 0.0, 0.0
    if isinstance(sample_weight, Number):
        sample_weight = np.full(n_samples, float(sample_weight))
    predicted = model.predict(_values(X))
    correct = accuracy_score(y, predicted, normalize=False, sample_weight=sample_weight)
    return float(correct), float(n_samples if sample_weight is None else np.sum(sample_weight))


def _check_lengths(position, X, y, sample_weight):
    """Return the number of rows of a block; raise if it has other numbers of labels or weights."""
    for name, values in (("y", y), ("sample_weight", sample_weight)):
        if hasattr(values, "shape") and values.shape[0] != X.shape[0]:
            raise ValueError(
                f"Block {position} of X has {X.shape[0]} rows, but that of {name} has "
                f"{values.shape[0]}: X and {name} must be divided into blocks alike."
            )
    return X.shape[0]


def _values(X):
    """Return a block without the names of its columns: those of the collection were checked."""
    if hasattr(X, "columns"):
        X = X.set_axis(range(X.shape[1]), axis=1)
    return X


# What prepares the collections.


def _bare(model):
    """Return an unfitted model of the same parameters, which works in one thread."""
    return type(model)(**{**model.get_params(deep=False), "n_jobs": 1})


def _key(name):
    """Return the name of a task, as Dask's dashboard shows it."""
    from dask.tokenize import tokenize

    return f"naive-bayes-{name}-{tokenize(object())}"


def _blocks(X, y, sample_weight):
    """Return the (rows, labels, weights) of each block, lazily."""
    # Optimised apart, collections of one source would compute that source once for each of them.
    rows = _with_whole_rows(X).to_delayed(optimize_graph=False)
    rows = list(rows[:, 0] if _is_array(X) else rows)
    labels = _divided_like(X, len(rows), y, "y")
    if sample_weight is None or isinstance(sample_weight, Number):
        weights = [sample_weight] * len(rows)
    else:
        weights = _divided_like(X, len(rows), sample_weight, "sample_weight")
    return list(zip(rows, labels, weights, strict=True))


def _divided_like(X, n_blocks, values, name):
    """Return labels or weights in blocks that match those of X."""
    chunks = X.chunks[0] if _is_array(X) else (np.nan,) * n_blocks
    values = _as_column(values, name)
    if not is_collection(values):
        if n_blocks == 1 and np.isnan(chunks[0]):
            chunks = (len(values),)
        if np.isnan(chunks).any():
            raise ValueError(
                f"{name} is in memory, but how many rows the blocks of X have is unknown: make "
                f"{name} a Dask collection that is divided as X is, or call "
                "X.compute_chunk_sizes() (of a DataFrame, X = X.to_dask_array(lengths=True))."
            )
        _check_equal(X, sum(chunks), name, len(values))
        return np.split(values, np.cumsum(chunks)[:-1])
    if not _is_array(values):
        _check_blocks(n_blocks, name, values.npartitions)
        return values.to_delayed(optimize_graph=False)
    there = values.chunks[0]
    if not np.isnan([*chunks, *there]).any():
        _check_equal(X, sum(chunks), name, sum(there))
        values = values.rechunk((chunks,))
    _check_blocks(n_blocks, name, values.npartitions)
    return values.to_delayed(optimize_graph=False).tolist()


def _as_column(values, name):
    """Return labels or weights as something of one dimension; an array if they are in memory."""
    if not is_collection(values):
        if not hasattr(values, "shape"):
            values = np.asarray(values)
    elif not (_is_array(values) or _is_frame(values)):
        raise TypeError(
            f"{name} must be a Dask array or Series if it is a Dask collection, got "
            f"{type(values).__module__}.{type(values).__name__}."
        )
    shape = tuple(values.shape)
    if len(shape) == 2 and shape[1] == 1 and name == "y":
        warn_at_caller(
            "A column-vector y was passed when a 1d array was expected.", DataConversionWarning
        )
        values = values[values.columns[0]] if hasattr(values, "columns") else values[:, 0]
    elif len(shape) != 1:
        raise ValueError(f"{name} should be a 1d array, got one of shape {shape} instead.")
    return values if is_collection(values) else np.asarray(values)


def _check_equal(X, n_rows, name, n_values):
    if n_rows != n_values:
        raise ValueError(
            f"Found input variables with inconsistent numbers of samples: X has {n_rows} rows, "
            f"{name} has {n_values}."
        )


def _check_blocks(n_rows, name, n_values):
    if n_rows != n_values:
        raise ValueError(
            f"X has {n_rows} blocks of rows and {name} has {n_values}, of unknown sizes"
            f": divide X and {name} alike, or call compute_chunk_sizes() of both."
        )


# By their types: an object of type Delayed has any attribute that it is asked for.


def _is_array(data):
    return hasattr(type(data), "chunks") and hasattr(type(data), "to_delayed")


def _is_frame(data):
    """Whether a collection is a DataFrame or a Series."""
    return hasattr(type(data), "map_partitions") and hasattr(type(data), "ndim")


def _with_whole_rows(X):
    """Return an array whose blocks have all features."""
    return X.rechunk({1: -1}) if _is_array(X) and X.numblocks[1] != 1 else X
