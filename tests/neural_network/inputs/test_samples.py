"""The rows to train on: repeats, order, weights, a part held out."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skextra.neural_network._inputs._samples import hold_out, merge_repeats


def test_repeats_merge_within_a_class_and_weight_zero_is_gone():
    rows = np.array([[1.0, 2.0], [3.0, 4.0], [1.0, 2.0], [1.0, 2.0], [5.0, 6.0]])
    codes = np.array([0, 1, 0, 1, 1])
    index, weights = merge_repeats(rows, codes, np.array([1.0, 2.0, 0.5, 3.0, 0.0]))
    merged = {(codes[i], *rows[i]): weight for i, weight in zip(index, weights, strict=True)}
    assert merged == {(0, 1.0, 2.0): 1.5, (1, 1.0, 2.0): 3.0, (1, 3.0, 4.0): 2.0}


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64, np.int64, bool])
def test_merging_does_not_depend_on_the_order_of_the_rows(dtype):
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 3, (40, 3)).astype(dtype)
    codes, weights = rng.integers(0, 2, 40), rng.integers(0, 3, 40).astype(float)
    order = rng.permutation(40)
    index, merged = merge_repeats(rows, codes, weights)
    index_2, merged_2 = merge_repeats(rows[order], codes[order], weights[order])
    assert np.array_equal(rows[index], rows[order][index_2])
    assert np.array_equal(codes[index], codes[order][index_2])
    assert_allclose(merged, merged_2)


def test_the_part_held_out_keeps_the_proportion_of_the_classes():
    codes = np.repeat([0, 1], [80, 20])
    training, held_out = hold_out(codes, 0.25, seed=0)
    assert sorted([*training, *held_out]) == list(range(100))
    assert np.bincount(codes[held_out]).tolist() == [20, 5]


def test_small_classes_give_one_row_and_single_rows_stay_in_training():
    training, held_out = hold_out(np.array([0, 1, 1, 2, 2, 2]), 0.1, seed=0)
    codes = np.array([0, 1, 1, 2, 2, 2])
    assert codes[held_out].tolist() == [1, 2]
    assert sorted([*training, *held_out]) == list(range(6))
    with pytest.raises(ValueError, match=r"early_stopping=True.*n_samples=2"):
        hold_out(np.array([0, 1]), 0.5, seed=0)
