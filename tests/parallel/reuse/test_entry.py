"""Entries: pickles in sealed memory."""

import os
import threading

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse

from skextra.parallel._reuse._entry import Entry, digest_of, read_entry

a = np.arange(60_000.0).reshape(300, 200)
VIEWS = {
    "rows": a,
    "columns": a.T,
    "part of columns": a[:, :50],
    "backwards": a[::-1, ::3],
    "small part": a[:3, :2],
    "one number": np.array(3.0),
    "no rows": np.zeros((0, 5)),
    "one row many times": np.broadcast_to(a[0], (10, 200)),
    "objects": np.array(["a", None], dtype=object),
}


@pytest.fixture
def store():
    """Return a function that writes an entry and reads it as often as it is asked to."""
    descriptors = []

    def write(output, state=None):
        descriptors.append(Entry(output, state).write())
        return lambda: read_entry(descriptors[-1])

    yield write
    for descriptor in descriptors:
        os.close(descriptor)


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_array_is_read_with_its_layout(view, store):
    found, _ = store(view)()
    assert_array_equal(found, view)
    assert found.dtype == view.dtype
    assert not view.size or found.strides == view.strides


def test_output_that_is_an_attribute_is_read_as_one(store):
    output, state = store(a, {"embedding": a})()
    assert output is state["embedding"]


def test_change_by_one_reader_is_his_own(store):
    read = store(a, sparse.csr_array(a))
    first, state = read()
    first[:] = -1
    state.data[:] = -1
    second, other_state = read()
    assert_array_equal(second, a)
    assert_array_equal(other_state.toarray(), a)


def test_nobody_can_write_to_a_written_entry():
    descriptor = Entry(a, None).write()
    with pytest.raises(PermissionError):
        os.write(descriptor, b"x")
    with pytest.raises(PermissionError):
        os.truncate(descriptor, 0)
    os.close(descriptor)


def test_size_of_entry_is_known_before_it_is_written():
    entry = Entry({"a": a, "b": a[:, 1:]}, "state")
    descriptor = entry.write()
    assert os.fstat(descriptor).st_size == entry.nbytes
    os.close(descriptor)


def test_views_of_the_same_memory_are_noticed():
    assert Entry(a[:, :50], a).overlaps
    assert not Entry(a, a).overlaps
    assert not Entry(a.copy(), a).overlaps
    assert Entry(a[5:], None).output_overlaps(a, None)
    matrix = sparse.csr_array(a[:1])
    matrix.data = a[0]
    assert Entry(matrix, None).output_overlaps(a)
    assert not Entry(a.copy(), None).output_overlaps(a, None)


def test_digest_changes_with_what_is_changed_in_place():
    values = {"a": a.copy(), "words": {"b": 1}}
    before = digest_of(values)
    assert digest_of(values) == before
    values["a"][1, 1] += 1
    changed = digest_of(values)
    values["words"].pop("b")
    assert len({before, changed, digest_of(values)}) == 3


def test_digest_tells_layouts_and_types_apart():
    rows = np.arange(6.0).reshape(2, 3)
    values = [rows, np.asfortranarray(rows), np.arange(12.0).reshape(2, 6)[:, ::2]]
    values[2][...] = rows
    values += [rows.astype("f4"), rows.tolist(), sparse.csr_array(rows), sparse.csc_array(rows)]
    values += [sparse.csr_matrix(rows), None, ["a", "bc"], ["ab", "c"], ("a", "bc")]
    assert len(set(map(digest_of, values))) == len(values)


def test_digest_of_sparse_matrix_stays_when_scipy_looks_at_it():
    matrix = sparse.csr_array(a)
    before = digest_of(matrix)
    assert matrix.has_sorted_indices
    assert matrix.has_canonical_format
    assert digest_of(matrix) == before
    matrix.data[0] += 1
    assert digest_of(matrix) != before


def test_what_cannot_be_pickled_is_no_entry():
    with pytest.raises(TypeError, match="lock"):
        Entry(a, threading.Lock())
