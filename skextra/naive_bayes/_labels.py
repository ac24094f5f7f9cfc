"""Labels to codes, part by part, so that no copy of y is made."""

import copy

import numpy as np

_PART = 2**17
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
    for part in _parts(y):
        seen[_above(part, low)] = True
    return (np.flatnonzero(seen) + low).astype(y.dtype)


def _above(part, low):
    """Return ``part - low`` as int64: in the dtype of small integers the difference would wrap."""
    return part if low == 0 and part.dtype == np.int64 else part.astype(np.int64) - low


def check_known(y, classes):
    """Raise if a label is not among the classes; all such labels are named."""
    unknown = np.setdiff1d(distinct(y), classes)
    if len(unknown):
        raise ValueError(
            f"The target label(s) {unknown} in y do not exist in the initial classes {classes}"
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
        span = _span(y) if classes.dtype.kind in "iu" else None
        self._table, self._first = None, None
        if span is None:
            return
        self._low, high = span
        first, last = int(classes[0]), int(classes[-1])
        if last - first == len(classes) - 1 and first <= self._low and high <= last:
            self._first = first  # consecutive numbers are codes but for their start
            return
        inside = (classes >= self._low) & (classes <= high)
        self._table = np.zeros(high - self._low + 1, dtype=np.int64)
        self._table[_above(classes[inside], self._low)] = np.flatnonzero(inside)

    def __len__(self):
        return len(self._y)

    def part(self, start, stop):
        """Return the same for a part of the rows, still not worked out."""
        part = copy.copy(self)
        part._y = self._y[start:stop]
        return part

    def __getitem__(self, rows):
        """Return the codes of a slice of the rows, or of rows by number, as int64."""
        part = self._y[rows]
        if self._first is not None:
            return _above(part, self._first)
        if self._table is not None:
            return self._table[_above(part, self._low)]
        return np.searchsorted(self._classes, part)
