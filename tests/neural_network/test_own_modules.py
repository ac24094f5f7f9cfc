"""Networks of the user's own: what they may return, how they are written, stored and started."""

import warnings
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from torch import nn

from skextra import TumorCNNClassifier
from skextra.neural_network import load_model, save_model
from skextra.neural_network._networks._architectures import ResNet
from skextra.neural_network._prediction import for_inference

X, Y = load_digits().images[:150], load_digits().target[:150]


class Flat(nn.Module):
    def __init__(self, image_shape, n_classes):
        super().__init__()
        self.head = nn.Linear(64, n_classes)

    def forward(self, images):
        return self.head(images.flatten(1))


class Softmax(Flat):
    def forward(self, images):
        return super().forward(images).softmax(1)


class Sigmoid(Flat):
    def __init__(self, image_shape, n_classes):
        super().__init__(image_shape, n_classes)
        self.last = nn.Sigmoid()

    def forward(self, images):
        return self.last(super().forward(images))


class Two(Flat):
    def forward(self, images):
        return super().forward(images), images


class Named(Flat):
    def forward(self, images):
        return {"logits": super().forward(images)}


class Views(nn.Module):
    def __init__(self, image_shape, n_classes):
        super().__init__()
        height, width, channels = image_shape
        self.conv = nn.Conv2d(channels, 8, 3, padding=1)
        self.head = nn.Linear(8 * height * width, n_classes)

    def forward(self, images):
        images = torch.relu(self.conv(images))
        return self.head(images.view(images.size(0), -1))


class RawAndNormed(nn.Module):
    """The convolution's output goes to the norm and past it."""

    def __init__(self, image_shape=(8, 8, 1), n_classes=10):
        super().__init__()
        self.block = nn.Sequential(nn.Conv2d(1, n_classes, 3, padding=1), nn.BatchNorm2d(10))

    def forward(self, images):
        raw = self.block[0](images)
        return (raw + self.block[1](raw).relu()).mean((2, 3))


class RawResNet(ResNet):
    def forward(self, images):
        return super().forward(images) + self.stem.conv[0].weight.sum()


def make(architecture, **parameters):
    return TumorCNNClassifier(
        architecture=architecture, max_epochs=1, random_state=0, **parameters
    )


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (Softmax, "probabilities, which sum to 1.*leave out the softmax"),
        (Sigmoid, "sigmoid puts out"),
        (Two, "a tuple of 2.*must return one tensor"),
        (Named, "a dict.*must return one tensor"),
    ],
)
def test_outputs_that_are_no_logits_are_refused(module, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make(module).fit(X, Y)


@pytest.mark.parametrize("channels", [1, 3])
def test_module_that_views_its_activations_works(channels):
    images = np.repeat(X[..., None], channels, axis=3)
    assert make(Views).fit(images, Y).predict(images).shape == Y.shape


@pytest.mark.parametrize("module", [RawAndNormed, RawResNet])
def test_norms_of_own_networks_are_not_folded(module):
    network = module((8, 8, 1), 10)
    images = torch.rand(8, 1, 8, 8)
    for _ in range(20):
        network.train()(3 + 2 * images)
    with torch.inference_mode():
        expected = network.eval()(images)
        assert torch.equal(for_inference(network, torch.float32)(images), expected)


def test_weights_changed_by_hand_predict_at_once():
    model = make("resnet").fit(X, Y)
    before = model.predict_proba(X)
    model.net_.module_.head.weight.data.mul_(2)  # in a way that torch's counters do not see
    assert not np.array_equal(model.predict_proba(X), before)


@pytest.mark.parametrize("architecture", ["mlp", "resnet"])
def test_default_precision_of_the_program_does_not_matter(architecture):
    expected = make(architecture).fit(X, Y).predict(X).shape
    torch.set_default_dtype(torch.float64)
    try:
        assert make(architecture).fit(X, Y).predict(X).shape == expected
    finally:
        torch.set_default_dtype(torch.float32)


def test_own_network_starts_from_a_file(tmp_path):
    source = make(Flat).fit(X, Y)
    save_model(source, tmp_path / "model")
    started = make(Flat, init_from=tmp_path / "model", learning_rate=1e-12).fit(X, Y)
    np.testing.assert_allclose(started.predict_proba(X), source.predict_proba(X), atol=1e-5)
    with pytest.raises(ValueError, match="network Flat, but this classifier has Views"):
        make(Views, init_from=tmp_path / "model").fit(X, Y)


def test_file_of_any_name_is_read_again(tmp_path):
    source = make("linear").fit(X, Y)
    for name in ("ä b.c", "x", "\udce9", "n" * 200):
        save_model(source, tmp_path / name)
        assert load_model(tmp_path / name).n_iter_ == 1


def test_rate_and_decay_inside_a_partial_are_used():
    optimizer = partial(torch.optim.SGD, lr=0.125, weight_decay=0.0, momentum=0.5)
    model = make("mlp", optimizer=optimizer).partial_fit(X, Y, classes=np.arange(10))
    (group,) = model.net_.optimizer_.param_groups
    assert (group["lr"], group["weight_decay"], group["momentum"]) == (0.125, 0.0, 0.5)
    assert model.recipe_["learning_rate"] == 0.125
    with pytest.raises(ValueError, match=r"carries lr=0\.125, but learning_rate=0\.5"):
        model.set_params(learning_rate=0.5).fit(X, Y)


def test_unseen_class_keeps_calibration_finite():
    model = make("mlp").partial_fit(X[Y < 9], Y[Y < 9], classes=np.arange(10))
    assert np.isfinite(model.decision_function(X)).all()
    assert (model.predict_proba(X)[:, 9] == 0).all()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what scikit-learn says of few rows of a class
        calibrated = CalibratedClassifierCV(FrozenEstimator(model), method="sigmoid").fit(X, Y)
    assert np.isfinite(calibrated.predict_proba(X)).all()
