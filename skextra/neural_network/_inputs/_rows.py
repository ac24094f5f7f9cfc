"""Rows of X that are read when they are needed, so that X is never copied whole."""

import hashlib

import numpy as np

# Bytes of X that are looked at in one go.
BLOCK_BYTES = 2**22


class Rows:
    """Some rows of an array, which may be a file that is mapped into memory.

    Parameters
    ----------
    array : ndarray of shape (n_samples, n_features)
        All rows.
    index : ndarray of shape (n_rows,)
        Which of them are meant, in order.
    """

    def __init__(self, array, index):
        self.array, self.index = array, index

    def __len__(self):
        return len(self.index)

    @property
    def dtype(self):
        """Type of the values."""
        return self.array.dtype

    @property
    def shape(self):
        """As of an array of these rows."""
        return len(self.index), self.array.shape[1]

    def __getitem__(self, part):
        """Return a copy of the rows of a slice or an index, or of some of their columns."""
        if isinstance(part, tuple):
            return self.array[self.index[part[0]], part[1]]
        return self.array[self.index[part]]

    def subset(self, part):
        """Return some of the rows, still to be read."""
        return Rows(self.array, self.index[part])

    def digest(self):
        """Return bytes that stand for the content."""
        digest = hashlib.sha256(f"{self.dtype.str} {self.shape}".encode())
        for block in row_blocks(self):
            digest.update(np.ascontiguousarray(block))
        return digest.digest()


def row_blocks(rows):
    """Yield all rows of an array or of `Rows`, a block of them at a time."""
    step = max(1, BLOCK_BYTES // (rows.shape[1] * rows.dtype.itemsize))
    for start in range(0, len(rows), step):
        yield rows[start : start + step]


def column_blocks(rows):
    """Yield all columns of an array or of `Rows` as float64, a block of them at a time."""
    n_rows, n_columns = rows.shape
    step = max(16, BLOCK_BYTES // (8 * n_rows))
    if step >= n_columns:
        yield rows[:].astype(np.float64)
        return
    for start in range(0, n_columns, step):
        yield rows[:, start : start + step].astype(np.float64)


def ranks(rows, kept):
    """Return for each row its place among all in the order of their bytes; equal rows share one.

    The bytes are compared a block of columns at a time, and only of rows that no block before
    has told apart: memory does not grow with X.

    Parameters
    ----------
    rows : ndarray of shape (n_samples, n_features)
        All rows.
    kept : ndarray of shape (n_rows,)
        Which of them are ranked.
    """
    found = np.zeros(len(kept), dtype=np.int64)
    tied, start = np.arange(len(kept)), 0
    while start < rows.shape[1] and len(tied) > 1:
        width = max(1, BLOCK_BYTES // (len(tied) * rows.dtype.itemsize))
        block = np.ascontiguousarray(rows[kept[tied], start : start + width])
        as_bytes = block.view(np.dtype((np.void, block.dtype.itemsize * block.shape[1]))).ravel()
        part = np.unique(as_bytes, return_inverse=True)[1]
        order = np.lexsort((part, found[tied]))
        tied, part = tied[order], part[order]
        rank = found[tied]
        place = np.arange(len(tied))
        is_first_of_rank = np.r_[True, rank[1:] != rank[:-1]]
        is_first = is_first_of_rank | np.r_[True, part[1:] != part[:-1]]
        begin_of_rank = np.maximum.accumulate(np.where(is_first_of_rank, place, 0))
        begin = np.maximum.accumulate(np.where(is_first, place, 0))
        found[tied] = rank + begin - begin_of_rank
        is_alone = is_first & np.r_[is_first[1:], True]
        tied, start = tied[~is_alone], start + width
    return found
