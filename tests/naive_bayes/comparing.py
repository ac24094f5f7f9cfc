"""When two models, and their predictions, are the same."""

import numpy as np
from numpy.testing import assert_allclose

PREDICTIONS = ["predict_joint_log_proba", "predict_log_proba", "predict_proba"]


def assert_same_model(left, right, rtol=1e-9):
    assert np.array_equal(left.classes_, right.classes_)
    # Sums in another order differ on the scale of what is summed, also where they cancel.
    scale = np.abs(right.theta_).max() + 1
    assert_allclose(left.class_count_, right.class_count_, rtol=rtol)
    assert_allclose(left.class_prior_, right.class_prior_, rtol=rtol)
    assert_allclose(left.theta_, right.theta_, rtol=rtol, atol=rtol * scale)
    assert_allclose(left.var_, right.var_, rtol=rtol, atol=1e-12 * scale**2)
    assert_allclose(left.epsilon_, right.epsilon_, rtol=rtol, atol=1e-300)


def assert_same_predictions(left, right, X, rtol=1e-7):
    for method in PREDICTIONS:
        ours, theirs = getattr(left, method)(X), getattr(right, method)(X)
        assert_allclose(ours, theirs, rtol=rtol, atol=1e-9, err_msg=method)
