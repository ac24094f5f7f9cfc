"""GaussianDensityDisplay: bells, bars and regions are those of the model and the data."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex
from scipy import sparse
from scipy.stats import norm
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.naive_bayes import GaussianNB, MultinomialNB

from skextra import ScratchGaussianNB
from skextra.inspection import GaussianDensityDisplay

IRIS, KINDS = load_iris(return_X_y=True, as_frame=True)
ROWS = IRIS.to_numpy()
NAMES = list(IRIS.columns)


def bars(axis):
    """Heights and edges of the filled histograms."""
    return [
        (np.array([bar.get_height() for bar in group]), np.array([bar.get_x() for bar in group]))
        for group in axis.containers
        if len(group) > 1
    ]


@pytest.mark.parametrize("estimator", [ScratchGaussianNB(), GaussianNB()])
def test_the_lines_are_the_densities_of_the_model(estimator):
    estimator.fit(ROWS, KINDS)
    display = GaussianDensityDisplay.from_estimator(estimator, ROWS, KINDS, features=[1, 3])
    for lines, feature in zip(display.lines_, (1, 3), strict=True):
        for code, line in enumerate(lines):
            grid, density = line.get_data()
            spread = np.sqrt(estimator.var_[code, feature])
            expected = norm.pdf(grid, estimator.theta_[code, feature], spread)
            np.testing.assert_allclose(density, expected)
            assert grid[0] < ROWS[:, feature].min() < ROWS[:, feature].max() < grid[-1]


def test_the_bars_are_the_density_of_the_rows_of_each_class():
    model = ScratchGaussianNB().fit(ROWS, KINDS)
    display = GaussianDensityDisplay.from_estimator(model, ROWS, KINDS, features=[2])
    assert len(display.axes_) == 1
    edges = np.histogram_bin_edges(ROWS[:, 2], 20)
    for code, (heights, left) in enumerate(bars(display.axes_[0])):
        expected, _ = np.histogram(ROWS[code == KINDS, 2], edges, density=True)
        np.testing.assert_allclose(heights, expected)
        np.testing.assert_allclose(left, edges[:-1])


def regions(display):
    """Index of the class whose colour fills each point of a grid, and the points."""
    axis = display.axes_[2]
    grid = np.stack(
        np.meshgrid(*(np.linspace(*limits, 40)[1:-1] for limits in (axis.get_xlim(),
                                                                     axis.get_ylim()))),
        axis=-1,
    ).reshape(-1, 2)  # fmt: skip
    (filled,) = [one for one in axis.collections if len(one.get_facecolor()) > 1
                 and hasattr(one, "levels")]  # fmt: skip
    inside = np.array([path.contains_points(grid) for path in filled.get_paths()])
    return grid, inside


def test_the_regions_are_what_the_model_predicts_without_the_other_features():
    model = ScratchGaussianNB().fit(ROWS, KINDS)
    display = GaussianDensityDisplay.from_estimator(model, ROWS, KINDS, features=[2, 3])
    grid, inside = regions(display)
    unknown = np.full((len(grid), 4), np.nan)
    unknown[:, 2:] = grid
    predicted = model.predict(unknown)
    agree = inside[predicted, np.arange(len(grid))]
    assert agree.mean() > 0.98  # the rest lies on a boundary, within a step of the picture's grid
    assert len(np.unique(predicted)) == 3


def test_the_regions_of_a_model_of_two_features_are_its_predictions():
    priors = [0.9, 0.05, 0.05]
    model = GaussianNB(priors=priors).fit(ROWS[:, :2], KINDS)
    display = GaussianDensityDisplay.from_estimator(model, ROWS[:, :2], KINDS)
    grid, inside = regions(display)
    assert inside[model.predict(grid), np.arange(len(grid))].mean() > 0.98


def test_the_rows_are_drawn_into_the_regions_each_class_with_its_marker():
    model = ScratchGaussianNB().fit(ROWS, KINDS)
    display = GaussianDensityDisplay.from_estimator(model, ROWS, KINDS, features=[2, 3])
    clouds = [one for one in display.axes_[2].collections if len(one.get_offsets()) == 50]
    for code, cloud in enumerate(clouds):
        np.testing.assert_allclose(cloud.get_offsets(), ROWS[code == KINDS, 2:])
    assert len({to_hex(cloud.get_facecolor()[0]) for cloud in clouds}) == 3
    assert len({cloud.get_paths()[0].vertices.tobytes() for cloud in clouds}) == 3
    assert len({line.get_linestyle() for line in display.lines_[0]}) == 3


def test_names_come_from_the_table_or_the_caller():
    model = ScratchGaussianNB().fit(IRIS, KINDS)
    display = GaussianDensityDisplay.from_estimator(
        model, IRIS, KINDS, features=[NAMES[3], 0], class_names=["se", "ve", "vi"]
    )
    assert [axis.get_xlabel() for axis in display.axes_] == [NAMES[3], NAMES[0], NAMES[3]]
    assert display.axes_[2].get_ylabel() == NAMES[0]
    legend = [text.get_text() for text in display.figure_.legends[0].get_texts()]
    assert legend == ["se", "ve", "vi"]
    display = GaussianDensityDisplay.from_estimator(
        ScratchGaussianNB().fit(ROWS, KINDS), ROWS, KINDS, features=["b"], feature_names="abcd"
    )
    assert display.axes_[0].get_xlabel() == "b"
    np.testing.assert_array_equal(display.values[:, 0], ROWS[:, 1])


LONG = ["a class with a name as long as this one", "short", "another one of the long names"]


def test_the_legend_hides_nothing(rendered):
    """However long the names, the legend of a figure of its own overlaps no panel."""
    model = ScratchGaussianNB().fit(ROWS, KINDS)
    display = GaussianDensityDisplay.from_estimator(model, ROWS, KINDS, class_names=LONG)
    rendered(display.figure_)
    legend = display.figure_.legends[0].get_window_extent()
    assert not any(legend.overlaps(axis.get_tightbbox()) for axis in display.axes_)
    figure, axis = plt.subplots()
    display.plot(ax=axis)
    assert figure.legends == []
    assert len(display.legend_.get_texts()) == 3


@pytest.mark.parametrize(("features", "n_panels"), [([0], 1), ([0, 1], 3), ([0, 1, 3], 3)])
def test_only_two_features_have_a_boundary(features, n_panels):
    model = ScratchGaussianNB().fit(ROWS, KINDS)
    display = GaussianDensityDisplay.from_estimator(model, ROWS, KINDS, features=features)
    assert len(display.axes_) == n_panels
    assert len(display.lines_) == len(features)


def test_missing_values_are_left_out():
    X = ROWS.copy()
    X[::3, 2] = np.nan
    X[KINDS == 1, 3] = np.nan
    model = ScratchGaussianNB()
    with pytest.warns(UserWarning, match="no value"):
        model.fit(X, KINDS)
    display = GaussianDensityDisplay.from_estimator(model, X, KINDS, features=[2, 3])
    heights, left = bars(display.axes_[0])[0]
    edges = np.append(left, left[-1] + (left[1] - left[0]))
    kept = X[(KINDS == 0) & ~np.isnan(X[:, 2]), 2]
    np.testing.assert_allclose(heights, np.histogram(kept, edges, density=True)[0])
    assert len(bars(display.axes_[1])) == 2


@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csc_matrix])
def test_sparse_rows_are_drawn_like_dense_ones(kind):
    model = ScratchGaussianNB().fit(ROWS, KINDS)
    dense = GaussianDensityDisplay.from_estimator(model, ROWS, KINDS)
    thin = GaussianDensityDisplay.from_estimator(model, kind(ROWS), KINDS)
    np.testing.assert_array_equal(dense.values, thin.values)


def test_a_class_that_does_not_vary_leaves_the_others_in_sight():
    X = np.concatenate([np.zeros(50), np.random.default_rng(0).normal(5, 1, 50)])[:, None]
    y = np.repeat([0, 1], 50)
    model = ScratchGaussianNB().fit(X, y)
    display = GaussianDensityDisplay.from_estimator(model, X, y)
    assert display.lines_[0][0].get_ydata().max() == 0 or display.axes_[0].get_ylim()[1] < 20


def test_a_class_without_rows_still_has_its_bell():
    model = ScratchGaussianNB().fit(ROWS, KINDS)
    some = KINDS != 2
    display = GaussianDensityDisplay.from_estimator(model, ROWS[some], KINDS[some])
    assert [len(lines) for lines in display.lines_] == [3, 3]
    assert len(bars(display.axes_[0])) == 2


def test_more_classes_than_colours_go_round():
    X = np.arange(40.0)[:, None] + np.zeros(2)
    y = np.arange(40) // 4
    display = GaussianDensityDisplay.from_estimator(ScratchGaussianNB().fit(X, y), X, y)
    assert len(display.lines_[0]) == 10


def test_many_features_go_into_rows_of_three_and_into_as_many_axes_as_are_given():
    X = np.random.default_rng(0).normal(size=(20, 5))
    y = np.arange(20) % 2
    model = ScratchGaussianNB().fit(X, y)
    display = GaussianDensityDisplay.from_estimator(model, X, y, features=range(5))
    assert display.figure_.axes[0].get_subplotspec().get_gridspec().get_geometry() == (2, 3)
    assert [axis.axison for axis in display.figure_.axes] == [True] * 5 + [False]
    assert len(display.axes_) == 5
    _, axes = plt.subplots(5)
    display.plot(ax=axes)
    assert [axis.get_xlabel() for axis in axes] == [f"feature {column}" for column in range(5)]


@pytest.mark.parametrize("features", [[2, 3], [0, 1, 2, 3]])
def test_the_whole_picture_is_rendered_without_a_warning(rendered, features):
    model = ScratchGaussianNB().fit(IRIS, KINDS)
    display = GaussianDensityDisplay.from_estimator(model, IRIS, KINDS, features=features)
    assert rendered(display.figure_) > 10


def test_the_panels_go_where_they_are_told():
    figure, axes = plt.subplots(3)
    model = ScratchGaussianNB().fit(ROWS, KINDS)
    display = GaussianDensityDisplay.from_estimator(model, ROWS, KINDS, ax=axes)
    assert display.figure_ is figure
    assert display.axes_.tolist() == axes.tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features": ["petal"]}, "features has 'petal', which is none of"),
        ({"features": [4]}, "features has 4, but there are 4 features"),
        ({"features": []}, "features is empty"),
        ({"feature_names": ["a"]}, "feature_names holds 1 names, .* 4 features"),
        ({"class_names": ["a"]}, "class_names holds 1 names, .* 3 classes"),
    ],
)
def test_a_bad_option_is_named(options, message):
    model = ScratchGaussianNB().fit(ROWS, KINDS)
    with pytest.raises(ValueError, match=message):
        GaussianDensityDisplay.from_estimator(model, ROWS, KINDS, **options)


def test_what_does_not_fit_the_model_is_an_error():
    model = ScratchGaussianNB().fit(ROWS, KINDS)
    with pytest.raises(ValueError, match="X must have 4 features per row"):
        GaussianDensityDisplay.from_estimator(model, ROWS[:, :3], KINDS)
    with pytest.raises(ValueError, match=r"y has the labels \[7\]"):
        GaussianDensityDisplay.from_estimator(model, ROWS, np.where(KINDS == 1, 7, KINDS))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        GaussianDensityDisplay.from_estimator(model, ROWS, KINDS[:-1])
    with pytest.raises(ValueError, match="MultinomialNB has no means"):
        GaussianDensityDisplay.from_estimator(MultinomialNB().fit(ROWS, KINDS), ROWS, KINDS)
    with pytest.raises(NotFittedError):
        GaussianDensityDisplay.from_estimator(ScratchGaussianNB(), ROWS, KINDS)
