"""PredictionGridDisplay: which images are drawn, in which order, and what is said above them."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import RidgeClassifier

from skextra import ScratchGaussianNB
from skextra.inspection import PredictionGridDisplay

IMAGES = np.arange(5)[:, None, None] * np.ones((5, 3, 4), dtype=np.uint8)
# Predicted a a b b a; true a b b a b: 1, 3 and 4 are wrong.
PROBABILITIES = np.array([[0.6, 0.4], [0.9, 0.1], [0.3, 0.7], [0.2, 0.8], [0.7, 0.3]])
TRUE = np.array(["a", "b", "b", "a", "b"])


def first_pixels(display):
    return [axis.get_images()[0].get_array()[0, 0] for axis in display.axes_.flat]


def test_sure_mistakes_come_first_then_doubtful_successes():
    display = PredictionGridDisplay.from_predictions(IMAGES, TRUE, PROBABILITIES, n_columns=5)
    assert display.shown_.tolist() == [1, 3, 4, 0, 2]
    assert first_pixels(display) == [1, 3, 4, 0, 2]
    titles = [axis.get_title() for axis in display.axes_.flat]
    assert titles[0] == "predicted: a (90%)\ntrue: b"
    assert titles[3] == "predicted: a (60%)\ntrue: a"
    assert display.figure_.get_suptitle() == (
        "3 of 5 predictions are wrong: these come first, in thick frames"
    )


def test_mistakes_alone_have_a_thick_frame():
    display = PredictionGridDisplay.from_predictions(IMAGES, TRUE, PROBABILITIES, n_columns=5)
    frames = [axis.spines["top"] for axis in display.axes_.flat]
    assert [frame.get_linewidth() > 3 for frame in frames] == [True, True, True, False, False]
    assert to_hex(frames[0].get_edgecolor()) == "#d55e00"


def test_classes_alone_keep_the_order_of_the_rows():
    display = PredictionGridDisplay.from_predictions(IMAGES, TRUE, list("aabba"), n_columns=5)
    assert display.shown_.tolist() == [1, 3, 4, 0, 2]
    assert display.axes_.flat[0].get_title() == "predicted: a\ntrue: b"


def test_without_true_classes_the_least_sure_come_first():
    display = PredictionGridDisplay.from_predictions(
        IMAGES, None, PROBABILITIES, labels=["a", "b"], n_columns=5
    )
    assert display.shown_.tolist() == [0, 2, 4, 3, 1]
    assert display.axes_.flat[0].get_title() == "predicted: a (60%)"
    assert display.figure_.get_suptitle() == ""


@pytest.mark.parametrize(
    ("n_images", "n_columns", "shape", "n_drawn"),
    [(5, 3, (2, 3), 5), (2, 6, (1, 2), 2), (99, 2, (3, 2), 5), (1, 1, (1, 1), 1)],
)
def test_the_grid_is_as_large_as_the_images_need(n_images, n_columns, shape, n_drawn):
    display = PredictionGridDisplay.from_predictions(
        IMAGES, TRUE, PROBABILITIES, n_images=n_images, n_columns=n_columns
    )
    assert display.axes_.shape == shape
    assert sum(len(axis.get_images()) for axis in display.axes_.flat) == n_drawn
    assert all(axis.axison == bool(axis.get_images()) for axis in display.axes_.flat)


def test_an_estimator_shows_its_own_predictions():
    X, y = load_digits(return_X_y=True)
    model = ScratchGaussianNB(var_smoothing=0.01).fit(X[:900], y[:900])
    display = PredictionGridDisplay.from_estimator(model, X[900:], y[900:])
    n_wrong = np.sum(model.predict(X[900:]) != y[900:])
    assert f"{n_wrong} of {len(y) - 900} predictions" in display.figure_.get_suptitle()
    worst = display.shown_[0]
    np.testing.assert_array_equal(
        display.axes_.flat[0].get_images()[0].get_array(), X[900 + worst].reshape(8, 8)
    )
    proba = model.predict_proba(X[900:][[worst]])[0]
    assert f"predicted: {proba.argmax()} ({proba.max():.0%})" in display.axes_.flat[0].get_title()


def test_an_estimator_without_probabilities_will_do():
    X, y = load_digits(return_X_y=True)
    display = PredictionGridDisplay.from_estimator(RidgeClassifier().fit(X, y), X, y)
    assert "%" not in display.axes_.flat[0].get_title()


def test_a_network_shows_the_images_it_was_given(network, spots):
    X, y, _ = spots
    flat = PredictionGridDisplay.from_estimator(network, X.reshape(120, -1), y)
    square = PredictionGridDisplay.from_estimator(network, X, y)
    assert flat.shown_.tolist() == square.shown_.tolist()
    np.testing.assert_array_equal(flat.images[..., 0], square.images)


def test_the_whole_picture_is_rendered_without_a_warning(network, spots, rendered):
    display = PredictionGridDisplay.from_estimator(network, *spots[:2], n_images=8)
    assert rendered(display.figure_) > 100


def test_long_names_stay_in_the_picture(rendered):
    """Titles of long class names are broken into lines that end inside the figure."""
    names = ["a class with a name as long as this one", "another one of the long names"]
    display = PredictionGridDisplay.from_predictions(IMAGES[:1], names[:1], names[1:])
    rendered(display.figure_)
    for text in (display.axes_.flat[0].title, display.figure_._suptitle):
        extent = text.get_window_extent()
        assert extent.x0 >= 0
        assert extent.x1 <= display.figure_.bbox.x1


def test_where_all_are_right_nothing_is_said_of_mistakes():
    display = PredictionGridDisplay.from_predictions(IMAGES, TRUE, TRUE)
    assert display.figure_.get_suptitle() == "0 of 5 predictions are wrong"


def test_the_images_go_where_they_are_told():
    figure, axes = plt.subplots(1, 3)
    display = PredictionGridDisplay.from_predictions(
        IMAGES, TRUE, PROBABILITIES, n_images=3, n_columns=3, ax=axes
    )
    assert display.figure_ is figure
    assert figure.get_suptitle() == ""
    assert first_pixels(display) == [1, 3, 4]


@pytest.mark.parametrize(
    ("y_true", "y_pred", "options", "message"),
    [
        (TRUE[:4], TRUE, {}, "inconsistent numbers of samples"),
        (TRUE, PROBABILITIES, {"labels": ["a", "b", "c"]}, "2 columns, but there are 3 labels"),
        (None, PROBABILITIES, {}, "neither labels nor y_true"),
    ],
)
def test_what_does_not_fit_together_is_an_error(y_true, y_pred, options, message):
    with pytest.raises(ValueError, match=message):
        PredictionGridDisplay.from_predictions(IMAGES, y_true, y_pred, **options)


def test_an_estimator_has_to_be_fitted():
    with pytest.raises(NotFittedError):
        PredictionGridDisplay.from_estimator(ScratchGaussianNB(), np.zeros((2, 4)))
