"""Labels and codes agree with np.unique, whatever the labels are."""

import numpy as np
import pytest

from skextra import ScratchGaussianNB
from skextra.naive_bayes import _labels
from skextra.naive_bayes._labels import Codes, check_known, distinct, exactly, union

LABELS = {
    "small": np.array([3, -2, 7]),
    "far apart": np.array([-(2**62), 0, 2**62]),
    "consecutive": np.array([4, 5, 6]),
    "int8, 200 apart": np.array([-100, 100], dtype=np.int8),
    "int16, 60,000 apart": np.array([-30_000, 0, 30_000], dtype=np.int16),
    "over int64": np.array([2**63 + 1, 2**63 + 5], dtype=np.uint64),
    "uint8": np.array([0, 200, 255], dtype=np.uint8),
    "bool": np.array([False, True]),
    "float": np.array([1.0, -3.0, 2.0]),
    "str": np.array(["b", "a", "ccc"]),
    "object": np.array(["b", "a", "ccc"], dtype=object),
}


@pytest.mark.parametrize("kind", LABELS)
def test_labels_and_codes_equal_those_of_unique(kind, monkeypatch):
    monkeypatch.setattr(_labels, "_PART", 64)
    y = np.random.default_rng(0).choice(LABELS[kind], 500)
    classes, codes = np.unique(y, return_inverse=True)
    found = distinct(y)
    assert found.dtype == classes.dtype
    assert np.array_equal(found, classes)
    assert np.array_equal(Codes(y, classes)[:], codes)
    assert np.array_equal(Codes(y, classes)[100:207], codes[100:207])


@pytest.mark.parametrize("kind", LABELS)
def test_labels_and_codes_in_one_part_equal_those_of_unique(kind):
    """Parts of the usual size: here small integers are looked up in a table."""
    y = np.random.default_rng(0).choice(LABELS[kind], 500)
    classes, codes = np.unique(y, return_inverse=True)
    assert np.array_equal(distinct(y), classes)
    assert np.array_equal(Codes(y, classes)[:], codes)


def test_all_labels_outside_the_classes_are_named():
    for y, classes in [
        (np.array([0, 5, 1, 9]), np.array([0, 1])),
        (np.array(["a", "x", "b", "y"]), np.array(["a", "b"])),
    ]:
        with pytest.raises(ValueError, match=r"'?[5x]'? '?[9y]'?\] in y do not exist"):
            check_known(y, classes)
        check_known(y[::2], np.unique(y[::2]))


BIG = [2**60, 2**60 + 1]
UNIONS = [
    (np.array(BIG), np.array(BIG, dtype=np.uint64), BIG),
    (np.array([-1, 5]), np.array([5, 7], dtype=np.uint64), [-1, 5, 7]),
    (np.array([1, 2**62]), np.array([2**63 + 1], dtype=np.uint64), [1, 2**62, 2**63 + 1]),
    (np.array([0, 1], dtype=np.int8), np.array([200], dtype=np.uint8), [0, 1, 200]),
    (np.array([1.0, 2.0]), np.array([2, 3]), [1, 2, 3]),
    (np.array([2.0**60]), np.array(BIG), BIG),
    (np.array([False, True]), np.array([1, 2]), [0, 1, 2]),
    (np.array(["a", "b"]), np.array(["bb"]), ["a", "b", "bb"]),
]
REFUSED = [
    (np.array([-1, 5]), np.array([2**63 + 1], dtype=np.uint64)),
    (np.array([2.0**63]), np.array(BIG)),
    (np.array([1, 2]), np.array(["1", "2"])),
]


@pytest.mark.parametrize(("here", "there", "expected"), UNIONS)
def test_union_of_labels_keeps_each(here, there, expected):
    for labels in (union(here, there), union(there, here)):
        assert labels.tolist() == expected


@pytest.mark.parametrize(("here", "there"), REFUSED)
def test_union_that_no_dtype_holds_is_refused(here, there):
    for left, right in ((here, there), (there, here)):
        with pytest.raises(ValueError, match="merge of classes"):
            union(left, right)


@pytest.mark.parametrize(("here", "there", "expected"), UNIONS)
def test_merge_counts_labels_of_other_dtypes(here, there, expected):
    left, right = np.repeat(here, 4), np.repeat(there, 6)
    rng = np.random.default_rng(0)
    model = ScratchGaussianNB().fit(rng.normal(size=(len(left), 2)), left)
    model.merge(ScratchGaussianNB().fit(rng.normal(size=(len(right), 2)), right))
    counts = dict(zip(model.classes_.tolist(), model.class_count_.tolist(), strict=True))
    both = left.tolist() + right.tolist()
    assert counts == {label: both.count(label) for label in expected}


def test_batch_of_another_integer_dtype_finds_its_classes():
    X = np.arange(8.0).reshape(4, 2)
    model = ScratchGaussianNB().fit(X, np.array(BIG * 2))
    model.partial_fit(X, np.array(BIG * 2, dtype=np.uint64))
    assert model.class_count_.tolist() == [4, 4]
    for unknown in (np.uint64(2**60 + 2), np.float64(2**60 + 300), np.str_("a")):
        with pytest.raises(ValueError, match="do not exist in the initial classes"):
            model.partial_fit(X, np.array([unknown] * 4))


@pytest.mark.parametrize("dtype", [np.int8, np.uint64, np.int64, np.float32, np.float64])
def test_labels_survive_a_cast_or_are_named(dtype):
    labels = [-1, 0, 1, 127, 128, 2**24 + 1, 2**53 + 1, 2**62 + 1]
    cast, same = exactly(np.array(labels), np.dtype(dtype))
    for label, after, is_same in zip(labels, cast.tolist(), same, strict=True):
        assert is_same == (int(after) == label)
