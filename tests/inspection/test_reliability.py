"""ReliabilityDisplay: bins, errors and lines are those of the predictions."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import RidgeClassifier
from sklearn.naive_bayes import GaussianNB

from benchmarks.brain_mri import N_BINS, expected_calibration_error
from skextra.inspection import ReliabilityDisplay

# Confidences 0.9, 0.9, 0.6, 0.6; right, right, right, wrong.
PROBABILITIES = np.array([[0.9, 0.1], [0.1, 0.9], [0.6, 0.4], [0.6, 0.4]])
TRUE = np.array(["a", "b", "a", "b"])


def test_error_by_hand():
    """Two bins: 0.9 stated and 1 seen, 0.6 stated and 0.5 seen, half of the rows each."""
    display = ReliabilityDisplay.from_predictions(TRUE, PROBABILITIES, n_bins=4)
    assert display.ece_ == pytest.approx(0.1)
    assert display.counts.tolist() == [0, 0, 2, 2]
    np.testing.assert_allclose(display.confidence[2:], [0.6, 0.9])
    np.testing.assert_allclose(display.accuracy[2:], [0.5, 1])
    heights = [bar.get_height() for bar in display.axes_[0].containers[0]]
    assert heights == [0, 0, 0.5, 1]
    assert display.axes_[0].get_title() == "expected calibration error (ECE): 10.0%"


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    model = GaussianNB(var_smoothing=0.05).fit(X[:900], y[:900])
    return model, X[900:], y[900:]


def test_error_equals_that_of_the_benchmark(digits):
    model, X, y = digits
    display = ReliabilityDisplay.from_estimator(model, X, y, n_bins=N_BINS)
    expected = expected_calibration_error(y, model.predict_proba(X), model.classes_)
    assert display.ece_ == pytest.approx(expected)


def test_class_lines_equal_calibration_curve(digits):
    """Each class against the rest is scikit-learn's curve of two classes."""
    model, X, y = digits
    display = ReliabilityDisplay.from_estimator(model, X, y, n_bins=5)
    proba = model.predict_proba(X)
    for code, (stated, seen) in enumerate(display.class_curves):
        expected_seen, expected_stated = calibration_curve(y == code, proba[:, code], n_bins=5)
        np.testing.assert_allclose(stated, expected_stated)
        np.testing.assert_allclose(seen, expected_seen)
    worst = set(np.argsort(-display.class_ece)[:7])
    assert len(display.lines_) == 7
    assert "the 7 worst of 10 classes" in display.axes_[0].get_title().replace("\n", " ")
    texts = [text.get_text() for text in display.legend_.get_texts()]
    assert {int(text.split(":")[0]) for text in texts[1:]} == worst


def test_class_names_stand_in_the_legend():
    display = ReliabilityDisplay.from_predictions(
        TRUE, PROBABILITIES, class_names=["glioma", "none"]
    )
    texts = [text.get_text() for text in display.legend_.get_texts()]
    assert texts[0] == "predicted class"
    assert [text.split(":")[0] for text in texts[1:]] == ["glioma", "none"]


@pytest.mark.parametrize(
    ("y_true", "y_prob", "options", "message"),
    [
        (TRUE, PROBABILITIES, {"labels": ["a", "b", "c"]}, "one column for each of the 3 labels"),
        (TRUE, 4 * PROBABILITIES, {}, "y_prob holds no probabilities"),
        (TRUE, PROBABILITIES[:3], {}, "inconsistent numbers of samples"),
        ([0, 1, 0, 1], PROBABILITIES, {"labels": ["a", "b"]}, "y_true has labels such as 0, 1"),
        (TRUE, PROBABILITIES, {"n_bins": 0}, "n_bins=0 must be a whole number"),
        (TRUE, PROBABILITIES, {"class_names": ["a"]}, "class_names holds 1 names"),
    ],
)
def test_bad_input_is_named(y_true, y_prob, options, message):
    with pytest.raises(ValueError, match=message):
        ReliabilityDisplay.from_predictions(y_true, y_prob, **options)


def test_estimator_needs_probabilities(digits):
    _, X, y = digits
    with pytest.raises(ValueError, match="RidgeClassifier has no predict_proba"):
        ReliabilityDisplay.from_estimator(RidgeClassifier().fit(X, y), X, y)
    with pytest.raises(NotFittedError):
        ReliabilityDisplay.from_estimator(GaussianNB(), X, y)
