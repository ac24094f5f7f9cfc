"""Labels and codes agree with np.unique, whatever the labels are."""

import numpy as np
import pytest

from skextra.naive_bayes import _labels
from skextra.naive_bayes._labels import Codes, check_known, distinct

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
