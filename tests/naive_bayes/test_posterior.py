"""Finished blocks against the definition, where exp is large, subnormal and 0."""

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import log_softmax

from skextra.naive_bayes._prediction._posterior import (
    log_normalise,
    most_probable,
    normalise,
    normalise_relative,
)


def blocks(n_classes):
    """Blocks with differences of all sizes; the largest ones underflow."""
    rng = np.random.default_rng(0)
    for scale in (0.0, 1e-3, 1.0, 30.0, 300.0, 1e4):
        yield scale * rng.normal(size=(n_classes, 500)) - 1000.0


def exact(column):
    with mpmath.workdps(50):
        terms = [mpmath.exp(mpmath.mpf(value)) for value in column.tolist()]
        return [float(term / mpmath.fsum(terms)) for term in terms]


@pytest.mark.parametrize("n_classes", [1, 2, 3, 20])
def test_probabilities_agree_with_fifty_digits(n_classes):
    for block in blocks(n_classes):
        proba = normalise(block.copy())
        for row in range(0, 500, 25):
            # A difference of 700 is known to one part in 1e16: its exp to one in 1e13.
            assert_allclose(proba[:, row], exact(block[:, row]), rtol=1e-12, atol=5e-324)
        assert_allclose(proba.sum(axis=0), 1.0, rtol=1e-14)


@pytest.mark.parametrize("n_classes", [2, 3, 20])
def test_ratios_to_the_last_class_give_the_probabilities(n_classes):
    finished = []
    for block in blocks(n_classes):
        ratios = block[:-1] - block[-1]
        out = np.full(block.shape, -1.0)
        finished.append(normalise_relative(ratios.copy(), out))
        if not finished[-1]:
            assert (out == -1.0).all()
            assert abs(ratios).max() > 680
            continue
        for row in range(0, 500, 25):
            column = np.append(ratios[:, row], 0.0)
            assert_allclose(out[:, row], exact(column), rtol=1e-12, atol=5e-324)
        assert_allclose(out.sum(axis=0), 1.0, rtol=1e-14)
    assert finished[:4] == [True] * 4
    assert not finished[-1]


@pytest.mark.parametrize("n_classes", [1, 2, 3, 20])
def test_logarithms_of_probabilities_agree_with_scipy(n_classes):
    for block in blocks(n_classes):
        expected = log_softmax(block, axis=0)
        assert_allclose(log_normalise(block.copy()), expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_class_of_prior_zero_has_probability_zero(n_classes):
    block = np.zeros((n_classes, 4))
    block[0] = -np.inf
    assert normalise(block.copy())[0].tolist() == [0, 0, 0, 0]
    assert np.isneginf(log_normalise(block)[0]).all()


@pytest.mark.parametrize("n_classes", [1, 2, 4, 5, 30])
def test_the_most_probable_class_is_the_first_of_the_largest(n_classes):
    block = np.random.default_rng(0).integers(0, 3, (n_classes, 200)).astype(float)
    classes = np.array([f"class {code}" for code in range(n_classes)])
    assert np.array_equal(most_probable(classes, block.copy()), classes[block.argmax(axis=0)])
