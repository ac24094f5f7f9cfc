"""Parts of CSR and CSC matrices in any state: entries stored twice, unsorted indices, zeros.

A part shares the memory of its matrix or is a copy of about one block; no matrix is copied whole.
"""

import numpy as np
from scipy import sparse

from skextra.naive_bayes._blocks import BLOCK


def major_part(X, start, stop):
    """Return rows `start` to `stop` of a CSR matrix, or columns of a CSC one, without a copy."""
    begin, end = X.indptr[start], X.indptr[stop]
    other = X.shape[1] if X.format == "csr" else X.shape[0]
    shape = (stop - start, other) if X.format == "csr" else (other, stop - start)
    layout = sparse.csr_array if X.format == "csr" else sparse.csc_array
    indptr = X.indptr[start : stop + 1] - begin
    return layout((X.data[begin:end], X.indices[begin:end], indptr), shape=shape)


def canonical(part):
    """Return a part whose indices are sorted and whose entries are stored once.

    Entries stored twice are added in the dtype of the matrix, as scipy does it.
    """
    if not part.has_canonical_format:
        part = part.copy()
        part.sum_duplicates()
    return part


def row_parts(X, start, stop, n_rows, n_stored):
    """Yield (first row, some rows as canonical CSR) until rows `start` to `stop` are covered.

    Parameters
    ----------
    X : CSR or CSC matrix of shape (n_samples, n_features)
        In any state that scipy allows.
    start, stop : int
        The rows to cover.
    n_rows, n_stored : int
        At most so many rows, and about so many stored numbers, per part; at least one row.

    Yields
    ------
    first : int
        The first row of the part.
    rows : csr_array of shape (n_rows, n_features)
        The rows.
    """
    if X.format == "csr":
        first = start
        while first < stop:
            within = int(X.indptr[first]) + n_stored
            # In another dtype indptr would be copied whole to look a number up in it.
            within = np.array([min(within, int(X.indptr[-1]))], dtype=X.indptr.dtype)
            last = int(np.searchsorted(X.indptr, within, side="right")[0]) - 1
            last = min(max(last, first + 1), first + n_rows, stop)
            yield first, canonical(major_part(X, first, last))
            first = last
        return
    per_row = max(1, X.nnz // max(1, X.shape[0]))
    n_rows = max(1, min(n_rows, n_stored // per_row))
    between = _bisecting(X, start) if X.has_sorted_indices else _scanning(X)
    for first in range(start, stop, n_rows):
        last = min(first + n_rows, stop)
        stored, indptr = between(first, last)
        part = sparse.csc_array(
            (X.data[stored], X.indices[stored] - first, indptr), shape=(last - first, X.shape[1])
        )
        yield first, canonical(part.tocsr())


def _bisecting(X, start):
    """Return a function that finds the entries of rows that follow each other in a sorted CSC.

    Where each column begins in the next part is found by bisecting all columns at once.
    """
    begin = _bisect(X, X.indptr[:-1].astype(np.int64), start)

    def between(first, last):
        nonlocal begin
        end = _bisect(X, begin, last)
        counts = end - begin
        indptr = np.concatenate([[0], np.cumsum(counts)])
        stored = np.arange(indptr[-1]) + np.repeat(begin - indptr[:-1], counts)
        begin = end
        return stored, indptr

    return between


def _bisect(X, low, row):
    """Return where each column of a CSC matrix, from `low` on, reaches a row."""
    low, high = low.copy(), X.indptr[1:].astype(np.int64)
    while (apart := np.flatnonzero(low < high)).size:
        middle = (low[apart] + high[apart]) // 2
        before = X.indices[middle] < row
        low[apart[before]] = middle[before] + 1
        high[apart[~before]] = middle[~before]
    return low


def _scanning(X):
    """Return a function that finds the entries of rows in a CSC matrix of unsorted indices."""

    def between(first, last):
        found = []
        for begin in range(0, X.nnz, BLOCK):
            rows = X.indices[begin : min(begin + BLOCK, X.nnz)]
            found.append(np.flatnonzero((rows >= first) & (rows < last)) + begin)
        stored = np.concatenate([np.empty(0, dtype=np.int64), *found])
        return stored, np.searchsorted(stored, X.indptr)

    return between
