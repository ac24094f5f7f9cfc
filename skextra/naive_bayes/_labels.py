"""Labels to codes, part by part, so that no copy of y is made."""

import itertools

import numpy as np
from sklearn.utils.multiclass import unique_labels

_PART = 2**17
# So many rows most often hold all labels.
_FIRST = 2**12
_INT64 = np.iinfo(np.int64)


def _parts(y):
    return (y[start : start + _PART] for start in range(0, len(y), _PART))


def _span(y):
    """Return (smallest, largest) of integers that a table can index, else None."""
    if y.dtype.kind not in "iu" or len(y) == 0:
        return None
    low, high = int(y.min()), int(y.max())
    return (low, high) if high - low < _PART and high <= _INT64.max else None


def distinct(y):
    """Return the distinct labels, sorted: np.unique, some ten times faster on small integers."""
    span = _span(y)
    if span is None:
        return np.unique(np.concatenate([y[:0], *(np.unique(part) for part in _parts(y))]))
    low, high = span
    seen = np.zeros(high - low + 1, dtype=bool)
    for part in itertools.chain([y[:_FIRST]], _parts(y[_FIRST:])):
        seen[_above(part, low)] = True
        if seen.all():
            break
    return (np.flatnonzero(seen) + low).astype(y.dtype)


def classes_in(y):
    """Return the distinct labels, sorted; raise a ValueError if they cannot be labels."""
    classes = distinct(y)
    if classes.dtype.kind in "iubU":  # integers and strings are labels
        return classes
    return unique_labels(classes)  # refuses fractions; strings become NumPy's


def _above(part, low):
    """Return ``part - low`` as int64: in the dtype of small integers the difference would wrap."""
    return part if low == 0 and part.dtype == np.int64 else part.astype(np.int64) - low


def exactly(labels, dtype):
    """Return labels in another dtype and which of them it holds as they are.

    Comparing int64 with uint64, or either with float64, NumPy rounds both to float64, where labels
    above 2**53 that differ become one.
    """
    if labels.dtype == dtype or (labels.dtype.kind in "OU" and dtype.kind in "OU"):
        return labels, np.ones(len(labels), dtype=bool)
    if labels.dtype.kind not in "iubf" or dtype.kind not in "iubf":
        return labels, np.zeros(len(labels), dtype=bool)
    with np.errstate(invalid="ignore"):
        cast = labels.astype(dtype)
        same = (cast.astype(labels.dtype) == labels) & ((cast < 0) == (labels < 0))
        # Rounded up to 2**63 or 2**64, a label comes back as the largest integer.
        if labels.dtype.kind in "iu" and dtype.kind == "f":
            same &= cast < 2.0 ** (8 * labels.dtype.itemsize - (labels.dtype.kind == "i"))
    return cast, same


def union(here, there):
    """Return the sorted labels of two models, in a dtype that holds all of them.

    Raises
    ------
    ValueError
        If the labels are of two kinds, or no dtype of NumPy holds both sides as they are.
    """
    if (here.dtype.kind in "OSU") != (there.dtype.kind in "OSU"):
        raise ValueError(
            f"merge of classes {here} with classes {there}: labels of two types. Fit both models "
            "with labels of one type."
        )
    if here.dtype.kind in "OSU":
        return np.union1d(here, there)
    common = np.result_type(here, there)
    for dtype in (common, here.dtype, there.dtype):
        (left, left_same), (right, right_same) = exactly(here, dtype), exactly(there, dtype)
        if left_same.all() and right_same.all():
            return np.union1d(left, right)
    raise ValueError(
        f"merge of classes of dtype {here.dtype} with classes of dtype {there.dtype}: neither "
        "holds the labels of both as they are. Fit both models with labels of one dtype."
    )


def check_known(y, classes):
    """Raise if a label is not among the classes; all such labels are named."""
    labels = distinct(y)
    cast, same = exactly(labels, classes.dtype)
    known = np.zeros(len(labels), dtype=bool)
    known[same] = np.isin(cast[same], classes)
    if not known.all():
        raise ValueError(
            f"The target label(s) {labels[~known]} in y do not exist in the initial classes "
            f"{classes}"
        )


class Codes:
    """The place of each label among the sorted classes; a slice of it is worked out when asked.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
        Labels, each of them among the classes.
    classes : ndarray of shape (n_classes,)
        Sorted distinct labels.
    """

    def __init__(self, y, classes):
        self._y, self._classes = y, classes
        self._casts = y.dtype != classes.dtype and classes.dtype.kind not in "OSU"
        self._table, self._first = None, None
        if classes.dtype.kind not in "iu" or y.dtype.kind not in "iu":
            return
        self._low, high = int(classes[0]), int(classes[-1])
        if high - self._low == len(classes) - 1 and high <= _INT64.max:
            self._first = self._low  # consecutive numbers are codes but for their start
        elif high - self._low < _PART and high <= _INT64.max:
            self._table = np.zeros(high - self._low + 1, dtype=np.int64)
            self._table[_above(classes, self._low)] = np.arange(len(classes))

    def __len__(self):
        return len(self._y)

    def part(self, start, stop):
        """Return the same for a part of the rows, still not worked out."""
        part = object.__new__(Codes)
        vars(part).update(vars(self), _y=self._y[start:stop])
        return part

    def __getitem__(self, rows):
        """Return the codes of a slice of the rows, or of rows by number, as int64."""
        part = self._y[rows]
        if self._first is not None:
            return _above(part, self._first)
        if self._table is not None:
            return self._table[_above(part, self._low)]
        if self._casts:  # searchsorted would compare both in float64
            part = part.astype(self._classes.dtype)
        return np.searchsorted(self._classes, part)
