"""Every display, over awkward inputs: no two texts overlap, and nothing leaves the figure."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from sklearn.naive_bayes import GaussianNB

from skextra.datasets import leakage_report
from skextra.inspection import (
    ConfusionExamplesDisplay,
    GaussianDensityDisplay,
    PredictionGridDisplay,
    ReliabilityDisplay,
    SaliencyDisplay,
    TrainingCurveDisplay,
)

NAMES = {
    "short": ["a", "b", "c"],
    "long": [
        "a class with a name as long as this one, and a little longer",
        "supercalifragilisticexpialidocious_glioblastoma_multiforme_grade_4",
        "WWWWWWWWWWWWWWWWWWWWWWWW MMMMMMMMMMMMMMMMMMMM",
    ],
    "odd": ["$5 to $10\nin two lines", "a\ttab,\n\nand three lines", "a_{b}^$ and \\frac"],
}
RNG = np.random.default_rng(0)
CENTRES = RNG.random((3, 64))
CODES = np.arange(90) % 3
ROWS = CENTRES[CODES] + RNG.normal(0, 0.3, (90, 64))
MODEL = GaussianNB().fit(ROWS, CODES)


def predictions(names, ax, n=12):
    options = {"labels": [0, 1, 2], "class_names": names, "n_images": n, "ax": ax}
    proba = RNG.dirichlet([1] * 3, 90)
    return PredictionGridDisplay.from_predictions(ROWS, CODES, proba, **options).figure_


def one_prediction(names, ax):
    return predictions(names, ax, n=1)


def saliency(names, ax, n=3):
    options = {"method": "occlusion", "patch_size": 8, "class_names": names, "ax": ax}
    return SaliencyDisplay.from_estimator(MODEL, ROWS[:n], CODES[:n], **options).figure_


def one_saliency(names, ax):
    return saliency(names, ax, n=1)


def densities(names, ax):
    features = [f"{names[1]} {column}" for column in range(64)]
    return GaussianDensityDisplay.from_estimator(
        MODEL, ROWS, CODES, class_names=names, feature_names=features, ax=ax
    ).figure_


def reliability(names, ax):
    return ReliabilityDisplay.from_estimator(MODEL, ROWS, CODES, class_names=names, ax=ax).figure_


def confusion(names, ax):
    proba = RNG.dirichlet([1] * 3, 90)
    return ConfusionExamplesDisplay.from_predictions(
        ROWS, CODES, proba, labels=[0, 1, 2], class_names=names, ax=ax
    ).figure_


def training(names, ax):
    return (
        TrainingCurveDisplay(
            [1234.5, 0.5], validation_scores=[0.5, 0.7], learning_rates=[1e-3, 1e-4], best_epoch=2
        )
        .plot(ax=ax)
        .figure_
    )


def leakage(names, ax):
    images = ROWS.reshape(-1, 8, 8)
    return leakage_report(images, images).plot(ax=ax).figure_


NAMED = [predictions, one_prediction, saliency, one_saliency, densities, reliability, confusion]


def texts_of(figure):
    """Return the texts that are drawn, with their boxes in pixels."""
    figure.canvas.draw()
    artists = [figure._suptitle] if figure.get_suptitle() else []
    artists += [text for one in figure.legends for text in one.get_texts()]
    axes, found = list(figure.axes), []
    while axes:
        axis = axes.pop()
        axes += axis.child_axes
        found.append(axis)
    for axis in set(found):
        if axis.get_legend():
            artists += axis.get_legend().get_texts()
        if not axis.axison:
            continue
        artists += [axis.title, axis.xaxis.label, axis.yaxis.label]
        artists += [axis.xaxis.get_offset_text(), axis.yaxis.get_offset_text()]
        for side in (axis.xaxis, axis.yaxis):
            low, high = sorted(side.get_view_interval())
            ticks = [tick for tick in side.get_major_ticks() if low <= tick.get_loc() <= high]
            artists += [tick.label1 for tick in ticks]
    return [
        (text.get_text(), text.get_window_extent())
        for text in artists
        if text.get_visible() and text.get_text().strip()
    ]


def check_layout(figure):
    texts = texts_of(figure)
    assert texts
    width, height = figure.bbox.size
    outside = [
        text
        for text, box in texts
        if box.x0 < -1 or box.y0 < -1 or box.x1 > width + 1 or box.y1 > height + 1
    ]
    assert outside == []
    overlapping = [
        (text, other)
        for index, (text, a) in enumerate(texts)
        for other, b in texts[index + 1 :]
        if min(a.x1, b.x1) - max(a.x0, b.x0) > 1 and min(a.y1, b.y1) - max(a.y0, b.y0) > 1
    ]
    assert overlapping == []


PLACES = {
    "own figure": lambda: None,
    "default axes": lambda: plt.subplots()[1],
    "beside others": lambda: plt.subplots(1, 2, figsize=(9, 4.5))[1][1],
    "constrained": lambda: plt.subplots(2, 1, figsize=(6, 8), layout="constrained")[1][0],
    "free axes": lambda: plt.figure().add_axes((0.1, 0.1, 0.8, 0.7)),
}


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("draw", NAMED)
def test_awkward_names_stay_apart(draw, names):
    check_layout(draw(names, None))


@pytest.mark.parametrize("place", [place for place in PLACES if place != "own figure"])
@pytest.mark.parametrize("draw", NAMED)
def test_long_names_fit_into_given_axes(draw, place):
    check_layout(draw(NAMES["long"], PLACES[place]()))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("draw", [training, leakage])
def test_displays_without_names_stay_apart(draw, place):
    check_layout(draw(None, PLACES[place]()))


@pytest.mark.parametrize(("draw", "shape"), [(predictions, (2, 6)), (saliency, (2, 3)),
                                             (confusion, (3, 3)), (training, (3, 1))])  # fmt: skip
def test_arrays_of_axes_are_titled_in_their_room(draw, shape):
    check_layout(draw(NAMES["long"], plt.subplots(*shape)[1]))


@pytest.mark.parametrize("draw", [*NAMED, training, leakage])
def test_dark_style_keeps_lines_and_texts_visible(draw):
    with plt.style.context("dark_background"):
        figure = draw(NAMES["short"], None)
        figure.canvas.draw()
        axes = [axis for one in figure.axes for axis in (one, *one.child_axes)]
        for axis in axes:
            background = to_rgb(axis.get_facecolor())
            for line in axis.lines:
                assert to_rgb(line.get_color()) != background
            for text in (axis.title, axis.xaxis.label, axis.yaxis.label):
                assert to_rgb(text.get_color()) != background


@pytest.mark.parametrize("draw", [*NAMED, training, leakage])
def test_large_fonts_stay_apart(draw):
    with plt.rc_context({"font.size": 16}):
        check_layout(draw(NAMES["long"], None))


@pytest.mark.parametrize("draw", [predictions, densities, reliability])
def test_part_of_a_figure_is_as_good_as_a_figure(draw):
    part = plt.figure(figsize=(10, 5)).subfigures(1, 2)[1]
    check_layout(draw(NAMES["long"], part.subplots()).get_figure(root=True))


@pytest.mark.parametrize("n_classes", [1, 2, 9, 20])
def test_any_number_of_classes_has_its_place(n_classes):
    codes = np.arange(4 * n_classes) % n_classes
    names = [f"class number {code}" for code in range(n_classes)]
    proba = np.full((len(codes), n_classes), 0.2 / n_classes)
    proba[np.arange(len(codes)), codes] += 0.8
    options = {"labels": np.arange(n_classes), "class_names": names}
    check_layout(ReliabilityDisplay.from_predictions(codes, proba, **options).figure_)
    if n_classes < 20:
        images = RNG.random((len(codes), 4, 4))
        display = ConfusionExamplesDisplay.from_predictions(images, codes, proba, **options)
        check_layout(display.figure_)


def test_a_dollar_is_shown_as_it_is():
    figure = predictions(NAMES["odd"], None)
    shown = " ".join(text for text, _ in texts_of(figure))
    assert "$5 to $10" in shown
    assert "\\frac" in shown


def test_one_image_is_an_inch_wide():
    for figure in (one_prediction(NAMES["long"], None), one_saliency(NAMES["long"], None)):
        figure.canvas.draw()
        pictures = [axis for one in figure.axes for axis in one.child_axes if axis.get_images()]
        assert min(axis.get_window_extent().width for axis in pictures) > figure.dpi
