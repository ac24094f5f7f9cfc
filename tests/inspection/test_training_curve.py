"""TrainingCurveDisplay: the curves that are drawn are those of the training."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skextra import TumorCNNClassifier
from skextra.inspection import TrainingCurveDisplay


def drawn(display):
    return {
        axis.get_ylabel(): line.get_ydata()
        for axis, line in zip(display.axes_, display.lines_, strict=True)
    }


def test_curves_are_drawn_by_epoch_each_in_its_panel():
    display = TrainingCurveDisplay(
        [3.0, 2.0, 1.0], validation_scores=[0.5, 0.9, 0.8], learning_rates=[0.1] * 3, best_epoch=2
    ).plot()
    curves = drawn(display)
    assert list(curves) == ["training loss", "validation accuracy", "learning rate"]
    assert curves["training loss"].tolist() == [3, 2, 1]
    assert curves["validation accuracy"].tolist() == [0.5, 0.9, 0.8]
    assert all(line.get_xdata().tolist() == [1, 2, 3] for line in display.lines_)
    assert display.axes_[-1].get_xlabel() == "epoch"
    assert display.axes_[0].get_ylim()[0] == 0


def test_the_best_epoch_is_a_dashed_line_in_every_panel_and_said_above():
    display = TrainingCurveDisplay([3, 2, 1], validation_scores=[0.5, 0.9, 0.8], best_epoch=2)
    display.plot()
    for axis in display.axes_:
        (line,) = [line for line in axis.lines if line not in display.lines_]
        assert set(line.get_xdata()) == {2}
        assert line.get_linestyle() == "--"
    title = display.axes_[0].get_title()
    assert title == "dashed: epoch 2, whose weights were kept (accuracy 0.900)"


def test_a_loss_alone_is_one_panel_without_a_best_epoch():
    display = TrainingCurveDisplay([1.0]).plot()
    assert list(drawn(display)) == ["training loss"]
    assert len(display.axes_[0].lines) == 1


def test_the_training_of_a_network_is_drawn_as_it_stores_it(network):
    display = TrainingCurveDisplay.from_estimator(network)
    curves = drawn(display)
    np.testing.assert_array_equal(curves["training loss"], network.loss_curve_)
    np.testing.assert_array_equal(curves["validation accuracy"], network.validation_scores_)
    assert set(curves["learning rate"]) == {network.recipe_["learning_rate"]}
    assert display.best_epoch == network.best_epoch_


@pytest.mark.parametrize(
    "lr_scheduler",
    ["OneCycleLR", "CosineAnnealingLR", "StepLR", "CosineAnnealingWarmRestarts",
     "ReduceLROnPlateau", None],
)  # fmt: skip
def test_the_learning_rate_is_the_one_that_was_used(spots, lr_scheduler):
    X, y, _ = spots
    optimizers, used = [], []

    def optimizer(parameters, **options):
        optimizers.append(torch.optim.AdamW(parameters, **options))
        return optimizers[-1]

    def note_the_rate(batch):
        used.append(optimizers[-1].param_groups[0]["lr"])
        return batch

    classifier = TumorCNNClassifier(
        architecture="linear",
        max_epochs=15,
        batch_size=40,
        learning_rate=0.05,
        lr_scheduler=lr_scheduler,
        optimizer=optimizer,
        augmentation=note_the_rate,
        random_state=0,
    ).fit(X, y)
    at_the_end_of_each_epoch = np.reshape(used, (15, -1))[:, -1]
    assert (len(set(at_the_end_of_each_epoch)) > 1) == (
        lr_scheduler not in (None, "CosineAnnealingWarmRestarts", "ReduceLROnPlateau")
    )
    display = TrainingCurveDisplay.from_estimator(classifier)
    np.testing.assert_allclose(drawn(display)["learning rate"], at_the_end_of_each_epoch)


def test_partial_fit_has_a_constant_rate_whatever_the_schedule(spots):
    X, y, _ = spots
    classifier = TumorCNNClassifier(
        architecture="linear", lr_scheduler="OneCycleLR", learning_rate=0.01, random_state=0
    )
    for _ in range(3):
        classifier.partial_fit(X, y, classes=["bright", "dark"])
    rates = drawn(TrainingCurveDisplay.from_estimator(classifier))["learning rate"]
    assert rates.tolist() == [0.01] * 3


def test_a_pipeline_and_a_search_show_the_network_inside(spots):
    X, y, _ = spots
    network = TumorCNNClassifier(architecture="linear", max_epochs=2, random_state=0)
    pipeline = make_pipeline(StandardScaler(), network).fit(X.reshape(120, -1), y)
    curves = drawn(TrainingCurveDisplay.from_estimator(pipeline))
    np.testing.assert_array_equal(curves["training loss"], pipeline[-1].loss_curve_)
    search = GridSearchCV(network, {"learning_rate": [1e-3]}, cv=2).fit(X, y)
    curves = drawn(TrainingCurveDisplay.from_estimator(search))
    np.testing.assert_array_equal(curves["training loss"], search.best_estimator_.loss_curve_)


def test_scikit_learns_own_network_is_drawn_too():
    X, y = load_digits(return_X_y=True)
    network = MLPClassifier(
        (16,), early_stopping=True, max_iter=200, n_iter_no_change=3, random_state=0
    ).fit(X, y)
    display = TrainingCurveDisplay.from_estimator(network)
    assert list(drawn(display)) == ["training loss", "validation accuracy"]
    assert display.best_epoch == 1 + np.argmax(network.validation_scores_)


def test_the_whole_picture_is_rendered_without_a_warning(network, rendered):
    assert rendered(TrainingCurveDisplay.from_estimator(network).figure_) > 10


def test_a_long_training_is_drawn_without_markers():
    assert TrainingCurveDisplay(np.ones(61)).plot().lines_[0].get_marker() == "None"
    assert TrainingCurveDisplay(np.ones(60)).plot().lines_[0].get_marker() == "o"


def test_the_panels_go_where_they_are_told(network):
    figure, axes = plt.subplots(3, 2)
    display = TrainingCurveDisplay.from_estimator(network, ax=axes[:, 1])
    assert display.figure_ is figure
    assert display.axes_.tolist() == axes[:, 1].tolist()
    assert len(TrainingCurveDisplay.from_estimator(network, ax=axes[0, 0]).axes_) == 3


def test_what_has_no_curve_is_an_error_that_says_what_has():
    with pytest.raises(ValueError, match=r"GaussianNB has no loss curve. .*TumorCNNClassifier"):
        TrainingCurveDisplay.from_estimator(GaussianNB().fit([[0], [1]], [0, 1]))
    with pytest.raises(NotFittedError):
        TrainingCurveDisplay.from_estimator(TumorCNNClassifier())
    one_class = TumorCNNClassifier(random_state=0).fit(np.zeros((3, 8, 8)), [1, 1, 1])
    with pytest.raises(ValueError, match="no loss curve"):
        TrainingCurveDisplay.from_estimator(one_class)
