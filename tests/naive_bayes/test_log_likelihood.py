"""The joint log-likelihood against mpmath and long double, where it is easy and where not."""

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from skextra.naive_bayes import _blocks
from skextra.naive_bayes._prediction._coefficients import coefficients
from skextra.naive_bayes._prediction._differences import few_rows
from skextra.naive_bayes._prediction._log_likelihood import joint_log_likelihood


def joint(X, prior, theta, var, weight=None):
    weight = np.ones_like(theta) if weight is None else weight
    model = coefficients(np.log(prior), theta, var, weight, centered=not sparse.issparse(X))
    out = np.empty((len(theta), X.shape[0]))
    return joint_log_likelihood(X, model, lambda block: block, out)[0]


def reference(X, prior, theta, var):
    """The formula as it stands, in long double, NaN left out."""
    X, theta, var = (np.asarray(a, dtype=np.longdouble) for a in (X, theta, var))
    terms = -0.5 * (np.log(2 * np.pi * var) + (X[:, None] - theta) ** 2 / var)
    terms = np.where(np.isnan(X)[:, None], 0, terms)
    return (np.log(prior) + terms.sum(axis=2)).astype(np.float64)


def test_one_row_agrees_with_fifty_digits():
    x, theta, var, prior = [0.3, -2.0], [[0.1, 1.0], [0.2, -3.0]], [[2.0, 0.5], [1e-3, 4.0]], 0.25
    with mpmath.workdps(50):
        expected = [
            float(
                mpmath.log(prior if k == 0 else 1 - prior)
                - sum(
                    (mpmath.log(2 * mpmath.pi * v) + (mpmath.mpf(a) - m) ** 2 / v) / 2
                    for a, m, v in zip(x, theta[k], var[k], strict=True)
                )
            )
            for k in range(2)
        ]
    result = joint(np.array([x]), np.array([prior, 1 - prior]), np.array(theta), np.array(var))
    assert_allclose(result[0], expected, rtol=1e-14)


@pytest.mark.parametrize("variance", [1e-12, 1.0, 1e12])
@pytest.mark.parametrize("place", [0.0, 1.0, 1e4, 1e8])
def test_no_digits_are_lost_for_any_mean_and_variance(place, variance):
    rng = np.random.default_rng(0)
    theta = place * rng.uniform(-1, 1, (5, 6))
    var = variance * rng.uniform(0.5, 2, (5, 6))
    y = rng.integers(0, 5, 300)
    X = theta[y] + np.sqrt(var[y]) * rng.normal(size=(300, 6))
    result, expected = (
        joint(X, np.full(5, 0.2), theta, var),
        reference(X, np.full(5, 0.2), theta, var),
    )
    # Log-probabilities of a row are compared on the scale of the best class, which decides.
    scale = 1 + np.abs(expected.max(axis=1, keepdims=True))
    likely = expected > expected.max(axis=1, keepdims=True) - 100
    assert_allclose((result / scale)[likely], (expected / scale)[likely], atol=1e-10)
    assert_allclose(result, expected, rtol=1e-9)


@pytest.mark.parametrize(("n_classes", "n_features"), [(1000, 3), (3, 10_000), (1, 1)])
def test_extreme_shapes_agree_with_the_formula(n_classes, n_features):
    rng = np.random.default_rng(0)
    theta, var = (
        rng.normal(size=(n_classes, n_features)),
        rng.uniform(1, 2, (n_classes, n_features)),
    )
    X, prior = rng.normal(size=(7, n_features)), rng.dirichlet(np.ones(n_classes))
    assert_allclose(joint(X, prior, theta, var), reference(X, prior, theta, var), rtol=1e-11)


def test_missing_values_are_left_out_of_the_sum(monkeypatch):
    monkeypatch.setattr(_blocks, "BLOCK", 200)
    rng = np.random.default_rng(0)
    theta, var = rng.normal(size=(4, 6)), rng.uniform(1, 2, (4, 6))
    theta[:, 0] *= 1e6  # beyond what the products may take
    X, prior = rng.normal(size=(100, 6)), np.full(4, 0.25)
    X[rng.random(X.shape) < 0.3] = np.nan
    X[5] = np.nan
    result = joint(X, prior, theta, var)
    assert_allclose(result, reference(X, prior, theta, var), rtol=1e-11)
    assert_allclose(result[5], np.log(prior))


def test_a_class_that_saw_a_feature_only_missing_is_not_judged_by_it():
    theta, var = np.zeros((2, 2)), np.ones((2, 2))
    weight = np.array([[1.0, 0.0], [1.0, 1.0]])
    X = np.array([[0.5, 9.0], [np.nan, 9.0]])
    result = joint(X, np.array([0.5, 0.5]), theta, var, weight)
    expected = reference(np.array([[0.5, np.nan], [np.nan, np.nan]]), [0.5, 0.5], theta, var)
    assert_allclose(result[:, 0], expected[:, 0], rtol=1e-13)
    assert_allclose(result[:, 1], reference(X, [0.5, 0.5], theta, var)[:, 1], rtol=1e-13)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_few_rows_get_the_numbers_that_they_have_among_many(dtype):
    rng = np.random.default_rng(0)
    theta, var = rng.normal(size=(40, 3000)), rng.uniform(0.5, 2, (40, 3000))
    X = rng.normal(size=(6, 3000)).astype(dtype)
    X[1, :100] = np.nan
    X[2] = np.nan
    weight = np.ones_like(theta)
    weight[3, 50:60] = 0.0
    weight[4] = 0.0
    prior = np.full(40, 1 / 39)
    prior[5] = 0.0
    with np.errstate(divide="ignore"):
        log_prior = np.log(prior)
    model = coefficients(log_prior, theta, var, weight)
    expected, _ = joint_log_likelihood(X, model, lambda block: block, np.empty((40, 6)))
    assert_allclose(few_rows(X, log_prior, theta, var, weight)[0].T, expected, rtol=1e-12)
    X[0, 0] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        few_rows(X, log_prior, theta, var, weight)


def test_values_too_large_to_be_squared_give_minus_infinity_not_nan():
    X = np.array([[1e200, 0.0], [0.0, 0.0]])
    with np.errstate(over="ignore", invalid="ignore"):
        result = joint(
            X, np.array([0.5, 0.5]), np.array([[0.0, 1.0], [1.0, 0.0]]), np.ones((2, 2))
        )
    assert np.array_equal(result[0], [-np.inf, -np.inf])
    assert np.isfinite(result[1]).all()


@pytest.mark.parametrize("layout", [sparse.csr_array, sparse.csc_array, sparse.csc_matrix])
@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_sparse_rows_get_the_numbers_of_dense_ones(scale, layout, monkeypatch):
    monkeypatch.setattr(_blocks, "BLOCK", 300)
    rng = np.random.default_rng(0)
    theta, var = scale * rng.normal(size=(3, 20)), rng.uniform(1, 2, (3, 20))
    dense = rng.normal(size=(90, 20)) * (rng.random((90, 20)) < 0.2)
    dense[7, 2] = np.nan
    prior = np.full(3, 1 / 3)
    result = joint(layout(dense), prior, theta, var)
    assert_allclose(result, reference(dense, prior, theta, var), rtol=1e-11)
