"""What displays take: labels of the right kind, class names, tables, searches and pipelines."""

import inspect
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler

from skextra import TumorCNNClassifier, inspection
from skextra.inspection import (
    ConfusionExamplesDisplay,
    GaussianDensityDisplay,
    PredictionGridDisplay,
    ReliabilityDisplay,
    SaliencyDisplay,
)

X, CODES = load_digits(n_class=3, return_X_y=True)
NAMES = np.array(["zero", "one", "two"])
Y = NAMES[CODES]
MODEL = GaussianNB(var_smoothing=0.05).fit(X, Y)


def saliency(model, X, y, **options):
    return SaliencyDisplay.from_estimator(model, X[:2], y[:2], method="occlusion", **options)


DISPLAYS = [
    ConfusionExamplesDisplay.from_estimator,
    GaussianDensityDisplay.from_estimator,
    PredictionGridDisplay.from_estimator,
    ReliabilityDisplay.from_estimator,
    saliency,
]


@pytest.mark.parametrize("draw", DISPLAYS)
@pytest.mark.parametrize("y", [CODES, CODES.astype(float), CODES.astype(object), Y == "one"])
def test_labels_of_another_kind_are_refused(draw, y):
    with pytest.raises(ValueError, match=r"y(_true)? has labels such as .*fitted with"):
        draw(MODEL, X, y)


@pytest.mark.parametrize("draw", DISPLAYS)
def test_labels_that_are_no_class_are_refused(draw):
    with pytest.raises(ValueError, match="has labels such as 'Zero'"):
        draw(MODEL, X, np.full(len(Y), "Zero"))


def test_one_unseen_label_among_others_counts_as_mistake():
    y = Y.astype(object)
    y[0] = "three"
    display = PredictionGridDisplay.from_estimator(MODEL, X, y)
    assert 0 in display.shown_


@pytest.mark.parametrize("draw", DISPLAYS)
def test_class_names_are_those_of_classes_(draw):
    model = GaussianNB(var_smoothing=0.05).fit(X, CODES)
    display = draw(model, X, CODES, class_names=NAMES)
    display.figure_.canvas.draw()
    axes = [axis for one in display.figure_.axes for axis in (one, *one.child_axes)]
    texts = [axis.get_title() + axis.get_ylabel() for axis in axes]
    texts += [text.get_text() for legend in display.figure_.legends for text in legend.get_texts()]
    assert "zero" in " ".join(texts)
    with pytest.raises(ValueError, match="class_names holds 2 names, but there are 3 classes"):
        draw(model, X, CODES, class_names=["a", "b"])


def test_every_display_of_classes_takes_class_names():
    for name in set(inspection.__all__) - {"TrainingCurveDisplay"}:
        assert (
            "class_names" in inspect.signature(getattr(inspection, name).from_estimator).parameters
        )


@pytest.mark.parametrize(
    "frame", [pd.DataFrame, lambda data, columns: pl.DataFrame(data, schema=columns)]
)
@pytest.mark.parametrize("draw", DISPLAYS)
def test_tables_keep_their_columns(draw, frame):
    table = frame(X, columns=[f"pixel {i}" for i in range(64)])
    model = GaussianNB(var_smoothing=0.05).fit(table, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw(model, table, Y)


def test_occlusion_of_a_table_equals_that_of_its_array():
    table = pd.DataFrame(X, columns=[f"pixel {i}" for i in range(64)])
    model = GaussianNB(var_smoothing=0.05).fit(table, Y)
    expected = saliency(MODEL, X, Y).heatmaps
    np.testing.assert_array_equal(saliency(model, table, Y).heatmaps, expected)


# Searches and pipelines around the network.


def test_grad_cam_takes_a_search(network, spots):
    X, y, _ = spots
    search = GridSearchCV(network, {"max_epochs": [1]}, cv=2).fit(X, y)
    expected = SaliencyDisplay.from_estimator(search.best_estimator_, X[:2]).heatmaps
    np.testing.assert_array_equal(SaliencyDisplay.from_estimator(search, X[:2]).heatmaps, expected)


def test_grad_cam_takes_a_pipeline_of_flat_rows(spots):
    X, y, _ = spots
    rows = X.reshape(len(X), -1).astype(np.float32)
    network = TumorCNNClassifier(architecture="sequential", max_epochs=1, random_state=0)
    pipeline = make_pipeline(MinMaxScaler(), network).fit(rows, y)
    display = SaliencyDisplay.from_estimator(pipeline, rows[:2])
    scaled = pipeline[:-1].transform(rows[:2])
    expected = SaliencyDisplay.from_estimator(pipeline[-1], scaled).heatmaps
    np.testing.assert_array_equal(display.heatmaps, expected)
    np.testing.assert_array_equal(display.images, rows[:2].reshape(2, 32, 32, 1)[..., :1])


def test_grad_cam_of_resized_images_has_the_size_shown(spots):
    X, y, _ = spots
    network = TumorCNNClassifier(architecture="sequential", max_epochs=1, random_state=0)
    halve = FunctionTransformer(lambda images: images[:, ::2, ::2])
    pipeline = make_pipeline(halve, network).fit(X, y)
    display = SaliencyDisplay.from_estimator(pipeline, X[:2])
    assert display.images.shape == display.heatmaps.shape == (2, 32, 32)
    assert display.heatmaps.max() <= 1


def test_grad_cam_takes_a_tuned_threshold(network, spots):
    X, y, _ = spots
    tuned = FixedThresholdClassifier(network, threshold=0.4, pos_label="dark").fit(X, y)
    assert SaliencyDisplay.from_estimator(tuned, X[:2]).heatmaps.shape == (2, 32, 32)


def test_grid_and_confusion_unfold_rows_of_a_search(network, spots):
    X, y, _ = spots
    rows = X.reshape(len(X), -1)
    search = GridSearchCV(network, {"max_epochs": [1]}, cv=2).fit(X, y)
    for display in (PredictionGridDisplay, ConfusionExamplesDisplay):
        assert display.from_estimator(search, rows, y).images.shape[1:3] == (32, 32)
