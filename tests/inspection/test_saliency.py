"""SaliencyDisplay: maps worked by hand, found where the evidence was put, drawn as they are."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from torch import nn

from skextra import TumorCNNClassifier
from skextra.inspection import SaliencyDisplay, _occlusion
from skextra.neural_network._networks._architectures import ARCHITECTURES

CONVOLUTIONAL = sorted(set(ARCHITECTURES) - {"linear", "mlp"})


class Corner(ClassifierMixin, BaseEstimator):
    """P("bright") is the mean of the upper left quarter of 8x8 images, over 100."""

    def fit(self, X=None, y=None):
        self.classes_ = np.array(["bright", "dark"])
        return self

    def predict_proba(self, X):
        assert X.dtype == np.uint8
        bright = X.reshape(len(X), 8, 8)[:, :4, :4].mean(axis=(1, 2)) / 100
        return np.column_stack([bright, 1 - bright])


class TwoMaps(nn.Module):
    """A 1x1 convolution to two maps, their means, and a linear layer: Grad-CAM by hand."""

    def __init__(self, image_shape, n_classes):
        super().__init__()
        self.conv = nn.Conv2d(image_shape[2], 2, 1, bias=False)
        self.head = nn.Linear(2, n_classes, bias=False)

    def forward(self, images):
        return self.head(self.conv(images).mean(dim=(2, 3)))


class InPlace(TwoMaps):
    """The same with activations that overwrite their input, and one that runs again at the end."""

    def __init__(self, image_shape, n_classes):
        super().__init__(image_shape, n_classes)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, images):
        return self.relu(self.head(self.relu(self.conv(images)).mean(dim=(2, 3))) + 9) - 9


def fitted(module_class, X, y):
    """A classifier around a module, whose weights are then set by hand."""
    classifier = TumorCNNClassifier(architecture=module_class, max_epochs=1, random_state=0)
    module = classifier.fit(X, y).net_.module_
    with torch.no_grad():
        module.conv.weight[:] = torch.tensor([[[[1.0]]], [[[-2.0]]]])
        module.head.weight[:] = torch.tensor([[3.0, 0.0], [1.0, 1.0]])
    return classifier


# Occlusion.


def test_occlusion_by_hand():
    """Hiding the bright quarter by the mean takes its share, hiding another takes nothing."""
    image = np.zeros((8, 8), dtype=np.uint8)
    image[:4, :4] = 80  # P = 0.8; the image's mean is 20
    display = SaliencyDisplay.from_estimator(
        Corner().fit(), image[np.newaxis], method="occlusion", patch_size=4, stride=4
    )
    expected = np.zeros((8, 8))
    expected[:4, :4] = 0.8 - 0.2
    np.testing.assert_allclose(display.heatmaps[0], expected)
    assert display.targets.tolist() == ["bright"]
    assert display.probabilities == pytest.approx([0.8])


def test_what_speaks_against_the_class_is_negative():
    """Hiding the bright quarter raises the probability of "dark" by as much."""
    image = np.zeros((8, 8), dtype=np.uint8)
    image[:4, :4] = 80
    display = SaliencyDisplay.from_estimator(
        Corner().fit(), image[None], method="occlusion", target="dark", patch_size=4, stride=4
    )
    assert display.heatmaps[0][:4, :4] == pytest.approx(-0.6)
    assert display.probabilities == pytest.approx([0.2])


@pytest.mark.parametrize("block", [1, 7, 256])
def test_a_pixel_has_the_mean_over_the_patches_that_cover_it(monkeypatch, block):
    """Overlapping patches, the last one at the edge, equal a plain loop, block by block."""
    monkeypatch.setattr(_occlusion, "_IMAGES_PER_BLOCK", block)
    image = np.random.default_rng(0).integers(0, 100, (8, 8)).astype(np.uint8)
    model = Corner().fit()
    whole = model.predict_proba(image[None])[0, 0]
    falls = [[] for _ in range(64)]
    for top in (0, 2, 4, 5):
        for left in (0, 2, 4, 5):
            hidden = image.copy()
            hidden[top : top + 3, left : left + 3] = int(image.mean())
            fall = whole - model.predict_proba(hidden[None])[0, 0]
            for row in range(top, top + 3):
                for column in range(left, left + 3):
                    falls[8 * row + column].append(fall)
    display = SaliencyDisplay.from_estimator(
        model, image[None], method="occlusion", target="bright", patch_size=3, stride=2
    )
    np.testing.assert_allclose(display.heatmaps[0].ravel(), [np.mean(fall) for fall in falls])


def test_a_patch_larger_than_the_image_hides_all_of_it():
    """The map is then the same everywhere."""
    image = np.full((1, 8, 8), 50, dtype=np.uint8)
    image[0, 0, 0] = 90
    display = SaliencyDisplay.from_estimator(
        Corner().fit(), image, method="occlusion", patch_size=99
    )
    assert np.ptp(display.heatmaps) == 0


def test_any_classifier_of_flat_rows_is_asked_in_flat_rows():
    """A linear model on digits relies on pixels that its coefficients weigh."""
    X, y = load_digits(return_X_y=True)
    model = LogisticRegression(solver="liblinear").fit(X, y == 0)
    display = SaliencyDisplay.from_estimator(model, X[:2], method="occlusion", patch_size=1)
    assert display.images.shape == display.heatmaps.shape == (2, 8, 8)
    # A pixel that is 0 in all digits has no coefficient, and hiding it changes nothing.
    assert not display.heatmaps[:, 0, 0].any()


# Grad-CAM.


@pytest.mark.parametrize(("target", "head"), [("a", (3, 0)), ("b", (1, 1))])
def test_grad_cam_by_hand(target, head):
    """The map is the sum of the two maps, each times its weight for the class, cut at 0."""
    X = np.random.default_rng(0).integers(0, 256, (6, 9, 12)).astype(np.uint8)
    classifier = fitted(TwoMaps, X, list("ababab"))
    display = SaliencyDisplay.from_estimator(classifier, X[:2], target=target)
    pixels = X[:2] / 127.5 - 1
    expected = np.maximum(0, head[0] * pixels + head[1] * -2 * pixels)
    expected /= expected.max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(display.heatmaps, expected, atol=1e-5)


def test_activations_in_place_are_taken_after_the_convolution():
    """Grad-CAM takes the maps after an activation in place, and not its second use."""
    X = np.random.default_rng(0).integers(0, 256, (6, 9, 12)).astype(np.uint8)
    display = SaliencyDisplay.from_estimator(fitted(InPlace, X, list("ababab")), X, target="b")
    pixels = X / 127.5 - 1
    expected = np.maximum(0, pixels) + np.maximum(0, -2 * pixels)
    expected /= expected.max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(display.heatmaps, expected, atol=1e-5)


def test_where_nothing_speaks_for_a_class_the_map_is_nought():
    """An all-negative map is 0, without a warning, and drawn without a line."""
    wide = np.random.default_rng(0).integers(0, 256, (6, 9, 12)).astype(np.uint8)
    X = (wide // 3).astype(np.uint8)  # under the middle of the range: negative for the network
    display = SaliencyDisplay.from_estimator(fitted(TwoMaps, wide, list("ababab")), X, target="a")
    assert not display.heatmaps.any()
    assert all(len(axis.collections) == 0 for axis in display.axes_[1])


# Each architecture, and each kind of shape: the maps know nothing of both at once.
@pytest.mark.parametrize(
    ("architecture", "shape"),
    [*((name, (40, 26)) for name in CONVOLUTIONAL), ("resnet", (8, 8)), ("resnet", (32, 32, 3))],
)
def test_every_architecture_with_a_convolution_has_maps(architecture, shape):
    """Maps have the size of the images and run from 0 to 1, whatever the network."""
    X = np.random.default_rng(0).integers(0, 256, (8, *shape)).astype(np.uint8)
    classifier = TumorCNNClassifier(architecture=architecture, max_epochs=1, random_state=0)
    classifier.fit(X, np.arange(8) % 2)
    display = SaliencyDisplay.from_estimator(classifier, X)
    assert display.heatmaps.shape == (8, *shape[:2])
    assert np.isfinite(display.heatmaps).all()
    assert display.heatmaps.min() >= 0
    assert set(display.heatmaps.max(axis=(1, 2)).round(6)) <= {0, 1}


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("method", ["grad_cam", "occlusion"])
def test_the_evidence_is_found_where_it_was_put(network, spots, method, flat):
    """Of a network that tells bright spots from dark ones, heat lies where the spot is."""
    X, y, places = spots
    assert network.score(X, y) > 0.95
    rows = X[:8].reshape(8, -1) if flat else X[:8]
    display = SaliencyDisplay.from_estimator(network, rows, y[:8], method=method)
    heat = np.maximum(display.heatmaps, 0)
    centres = places[:8, :, None, None] + 2.5
    near = np.hypot(*(np.indices((32, 32)) - centres).transpose(1, 0, 2, 3)) <= 9
    share = (heat * near).sum(axis=(1, 2)) / heat.sum(axis=(1, 2))
    if method == "occlusion":
        assert share.mean() > 0.8
    else:  # its maps are as coarse as the last convolution's
        assert share.mean() > 1.5 * near.mean()


def test_explaining_leaves_the_network_as_it_was(network, spots):
    """Weights, gradients, predictions and torch's hooks are the same afterwards."""
    X, y, _ = spots
    before = {name: value.clone() for name, value in network.net_.module_.state_dict().items()}
    gradients = [weights.grad for weights in network.net_.module_.parameters()]
    proba = network.predict_proba(X)
    SaliencyDisplay.from_estimator(network, X[:3], y[:3])
    with pytest.raises(ValueError, match="is no layer"):
        SaliencyDisplay.from_estimator(network, X[:3], layer="nothing")
    for name, value in network.net_.module_.state_dict().items():
        assert torch.equal(value, before[name])
    for weights, gradient in zip(network.net_.module_.parameters(), gradients, strict=True):
        assert weights.grad is gradient
    assert all(not layer._forward_hooks for layer in network.net_.module_.modules())
    assert not nn.modules.module._global_forward_pre_hooks
    np.testing.assert_array_equal(network.predict_proba(X), proba)


def test_a_layer_may_be_chosen_by_name(network, spots):
    """An earlier convolution gives another map."""
    X, _, _ = spots
    last = SaliencyDisplay.from_estimator(network, X[:2])
    first = SaliencyDisplay.from_estimator(network, X[:2], layer="layers.0")
    assert not np.allclose(last.heatmaps, first.heatmaps)


# What is drawn.


def test_images_are_drawn_above_and_the_maps_over_them_below(network, spots):
    """Each column holds the image, then the image with its map; titles say what is explained."""
    X, y, _ = spots
    display = SaliencyDisplay.from_estimator(network, X[:3], y[:3])
    assert display.axes_.shape == (2, 3)
    for index, (above, below) in enumerate(display.axes_.T):
        (image,) = above.get_images()
        image_again, heat = below.get_images()
        np.testing.assert_array_equal(image.get_array(), X[index])
        np.testing.assert_array_equal(image_again.get_array(), X[index])
        np.testing.assert_array_equal(heat.get_array(), display.heatmaps[index])
        assert len(below.collections) == 1  # the line at half of the maximum
        proba = network.predict_proba(X[[index]]).max()
        said = network.predict(X[[index]])[0]
        assert above.get_title() == f"explained: {said} ({proba:.0%})\ntrue: {y[index]}"
    assert [axis.get_ylabel() for axis in display.axes_[:, 0]] == ["image", "Grad-CAM"]
    assert display.colorbar_.ax.get_ylabel().startswith("evidence for the class")
    assert (display.colorbar_.vmin, display.colorbar_.vmax) == (0, 1)


@pytest.mark.parametrize("method", ["grad_cam", "occlusion"])
def test_the_whole_picture_is_rendered_without_a_warning(network, spots, rendered, method):
    """Layout, colour bar and heat leave no warning, and there are colours beside gray."""
    X, y, _ = spots
    display = SaliencyDisplay.from_estimator(network, X[:2], y[:2], method=method)
    assert rendered(display.figure_) > 300


def test_the_scale_of_occlusion_is_in_probability_and_even_about_nought():
    """Its ends are the largest change of any image, and tiny changes get no line."""
    images = np.zeros((2, 8, 8), dtype=np.uint8)
    images[0, :4, :4] = 80
    images[1] = 50
    images[1, 0, 0] = 60
    display = SaliencyDisplay.from_estimator(
        Corner().fit(), images, method="occlusion", target="bright", patch_size=4, stride=4
    )
    assert (display.colorbar_.vmin, display.colorbar_.vmax) == pytest.approx((-0.6, 0.6))
    assert [len(axis.collections) for axis in display.axes_[1]] == [1, 0]
    assert display.axes_[1, 0].get_ylabel() == "occlusion"


def test_the_pictures_go_where_they_are_told(network, spots):
    """Given axes are drawn into."""
    figure, axes = plt.subplots(2, 2)
    display = SaliencyDisplay.from_estimator(network, spots[0][:2], ax=axes)
    assert display.figure_ is figure
    assert display.axes_.tolist() == axes.tolist()


# Bad input.


def test_a_target_may_be_given_for_each_image_and_has_to_be_a_class(network, spots):
    """One label for each image, and an unknown one is shown beside the classes."""
    X, _, _ = spots
    display = SaliencyDisplay.from_estimator(network, X[:2], target=["dark", "bright"])
    assert display.targets.tolist() == ["dark", "bright"]
    with pytest.raises(ValueError, match=r"target has \['up'\], .* \['bright', 'dark'\]"):
        SaliencyDisplay.from_estimator(network, X[:2], target="up")
    with pytest.raises(ValueError, match=r"target has shape \(3,\), but X holds 2 images"):
        SaliencyDisplay.from_estimator(network, X[:2], target=["dark"] * 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "lime"}, "method='lime' is unknown. There are grad_cam, occlusion"),
        ({"layer": "conv9"}, r"layer='conv9' is no layer .* \['layers.0', 'layers.3'"),
        ({"layer": "layers.10"}, "Linear gives no maps"),
        ({"method": "occlusion", "patch_size": 0}, "patch_size=0 must be at least 1"),
        ({"method": "occlusion", "stride": 1.5}, "stride=1.5 must be at least 1"),
    ],
)
def test_a_bad_option_is_named(network, spots, options, message):
    """The message shows the option and what would do."""
    with pytest.raises(ValueError, match=message):
        SaliencyDisplay.from_estimator(network, spots[0][:2], **options)


@pytest.mark.parametrize("architecture", ["linear", "mlp"])
def test_a_network_without_a_convolution_is_sent_to_occlusion(spots, architecture):
    """The error names the other method, which then works."""
    X, y, _ = spots
    network = TumorCNNClassifier(architecture=architecture, max_epochs=1, random_state=0)
    with pytest.raises(ValueError, match=r"no convolution .* use method='occlusion'"):
        SaliencyDisplay.from_estimator(network.fit(X, y), X[:2])
    SaliencyDisplay.from_estimator(network, X[:2], method="occlusion")


def test_an_estimator_that_does_not_suit_the_method_is_an_error():
    """No network, no probabilities, not fitted: each says so."""
    X, y = load_digits(return_X_y=True)
    with pytest.raises(ValueError, match="this GaussianNB has none: use method='occlusion'"):
        SaliencyDisplay.from_estimator(GaussianNB().fit(X, y), X[:2])
    with pytest.raises(ValueError, match="RidgeClassifier has no predict_proba"):
        SaliencyDisplay.from_estimator(RidgeClassifier().fit(X, y), X[:2], method="occlusion")
    with pytest.raises(NotFittedError):
        SaliencyDisplay.from_estimator(TumorCNNClassifier(), X[:2])
    one_class = TumorCNNClassifier(random_state=0).fit(X[:3], [1, 1, 1])
    with pytest.raises(ValueError, match="has none"):
        SaliencyDisplay.from_estimator(one_class, X[:2])
