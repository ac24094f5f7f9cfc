"""ConfusionExamplesDisplay: counts, shares and the image of each cell."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import confusion_matrix
from sklearn.naive_bayes import GaussianNB

from skextra.inspection import ConfusionExamplesDisplay

IMAGES = np.arange(5)[:, None, None] * np.ones((5, 3, 4), dtype=np.uint8)
# Predicted a a b b a; true a b b a a.
PROBABILITIES = np.array([[0.6, 0.4], [0.9, 0.1], [0.3, 0.7], [0.2, 0.8], [0.7, 0.3]])
TRUE = np.array(["a", "b", "b", "a", "a"])


def test_cells_by_hand():
    display = ConfusionExamplesDisplay.from_predictions(IMAGES, TRUE, PROBABILITIES)
    assert display.counts.tolist() == [[2, 1], [1, 1]]
    assert display.examples.tolist() == [[4, 3], [1, 2]]  # of images 0 and 4, 4 is the surer
    shown = [axis.get_images()[0].get_array()[0, 0] for axis in display.axes_.flat]
    assert shown == [4, 3, 1, 2]
    titles = [axis.get_title() for axis in display.axes_.flat]
    assert titles == ["predicted: a\n2 (67%)", "predicted: b\n1 (33%)", "1 (50%)", "1 (50%)"]
    assert [axis.get_ylabel() for axis in display.axes_[:, 0]] == ["true: a", "true: b"]
    assert display.figure_.get_suptitle().startswith("3 of 5 predictions are right")


def test_mistakes_alone_are_framed():
    display = ConfusionExamplesDisplay.from_predictions(IMAGES, TRUE, PROBABILITIES)
    frames = [axis.spines["top"] for axis in display.axes_.flat]
    assert [frame.get_linewidth() > 1 for frame in frames] == [False, True, True, False]
    assert to_hex(frames[1].get_edgecolor()) == "#d55e00"


def test_counts_equal_confusion_matrix():
    X, y = load_digits(return_X_y=True)
    model = GaussianNB(var_smoothing=0.05).fit(X[:900], y[:900])
    display = ConfusionExamplesDisplay.from_estimator(model, X[900:], y[900:])
    expected = confusion_matrix(y[900:], model.predict(X[900:]))
    np.testing.assert_array_equal(display.counts, expected)
    np.testing.assert_array_equal(display.examples >= 0, expected > 0)


def test_classifier_without_probabilities_will_do():
    X, y = load_digits(n_class=3, return_X_y=True)
    display = ConfusionExamplesDisplay.from_estimator(
        RidgeClassifier().fit(X, y), X, y, class_names=["zero", "one", "two"]
    )
    assert display.axes_[0, 2].get_title().startswith("predicted: two\n")


def test_empty_cell_says_nought():
    display = ConfusionExamplesDisplay.from_predictions(IMAGES, TRUE, TRUE)
    assert display.axes_[1, 0].get_title() == "0"
    assert not display.axes_[1, 0].get_images()


@pytest.mark.parametrize(
    ("y_true", "y_pred", "options", "message"),
    [
        (TRUE[:4], TRUE, {}, "inconsistent numbers of samples"),
        (TRUE, PROBABILITIES, {"labels": list("abc")}, "2 columns, but there are 3 labels"),
        ([0, 1, 1, 0, 0], TRUE, {}, "y_true has labels such as 0, 1, but those of the predicti"),
        ([0, 1, 1, 0, 0], PROBABILITIES, {"labels": ["a", "b"]}, "y_true has labels such as 0"),
        (
            ["a", "x", "b", "a", "a"],
            TRUE,
            {"labels": ["a", "b"]},
            r"labels \['x'\], which are",
        ),
        (TRUE, TRUE, {"class_names": "ab"}, "class_names holds 2 names"),
    ],
)
def test_bad_input_is_named(y_true, y_pred, options, message):
    with pytest.raises(ValueError, match=message):
        ConfusionExamplesDisplay.from_predictions(IMAGES, y_true, y_pred, **options)


def test_estimator_has_to_be_fitted():
    with pytest.raises(NotFittedError):
        ConfusionExamplesDisplay.from_estimator(GaussianNB(), np.zeros((2, 4)), [0, 1])
