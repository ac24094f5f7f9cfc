"""Short trainings, other inputs, odd parameters and threads: right or refused."""

import functools
import threading

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from skextra import TumorCNNClassifier


@pytest.fixture(scope="module")
def digits():
    images, target = load_digits(return_X_y=True)
    return images.reshape(-1, 8, 8)[:600], target[:600]


class Module(torch.nn.Module):
    """A small network whose end is exchanged."""

    def __init__(self, image_shape, n_classes):
        super().__init__()
        self.convolution = torch.nn.Conv2d(1, 4, 3, padding=1)
        self.head = torch.nn.Linear(4 * image_shape[0] * image_shape[1], n_classes)

    def forward(self, x):
        x = self.convolution(x).relu()
        return self.end(self.head(x.view(len(x), -1)))

    def end(self, logits):
        return logits


class Probabilities(Module):
    def end(self, logits):
        return logits.softmax(1)


class TwoOutputs(Module):
    def end(self, logits):
        return logits, logits


@pytest.mark.parametrize("architecture", ["resnet", "mobilenet"])
def test_few_epochs_predict_what_was_learnt(digits, architecture):
    network = TumorCNNClassifier(architecture=architecture, max_epochs=3, random_state=0)
    assert network.fit(*digits).score(*digits) > 0.5


def test_partial_fit_predicts_what_was_learnt(digits):
    network = TumorCNNClassifier(architecture="resnet", random_state=0)
    for _ in range(4):
        network.partial_fit(*digits, classes=np.arange(10))
    assert network.score(*digits) > 0.5


@pytest.mark.parametrize("n_channels", [1, 3])
@pytest.mark.parametrize("when", ["fit", "predict"])
def test_channels_first_images_are_refused(n_channels, when):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (8, 16, 16, n_channels)).astype(np.uint8)
    network = TumorCNNClassifier(architecture="linear", max_epochs=1, random_state=0)
    first = images.transpose(0, 3, 1, 2)
    if when == "predict":
        network.fit(images, np.arange(8) % 2)
    with pytest.raises(ValueError, match=r"transpose\(0, 2, 3, 1\)"):
        network.fit(first, np.arange(8) % 2) if when == "fit" else network.predict(first)


@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.int32, np.float32])
def test_type_of_the_same_pixels_changes_nothing(digits, dtype):
    images, target = (digits[0] * 15).astype(np.uint8), digits[1]
    network = TumorCNNClassifier(architecture="mlp", max_epochs=2, random_state=0)
    expected = network.fit(images, target).score(images, target)
    found = network.fit(images.astype(dtype), target).score(images.astype(dtype), target)
    assert found == pytest.approx(expected, abs=0.1)


def test_prediction_on_another_scale_warns(digits):
    images = (digits[0] * 15).astype(np.uint8)
    network = TumorCNNClassifier(architecture="linear", max_epochs=1).fit(images, digits[1])
    with pytest.warns(UserWarning, match="range"):
        network.predict(images / 255)


def test_rate_in_partial_is_the_rate(digits):
    optimizer = functools.partial(torch.optim.SGD, lr=0.0)
    network = TumorCNNClassifier(
        architecture="linear", optimizer=optimizer, max_epochs=2, random_state=0, lr_scheduler=None
    ).fit(*digits)
    assert np.allclose(network.loss_curve_[0], network.loss_curve_[1])


@pytest.mark.parametrize(
    ("module", "error", "words"),
    [(Probabilities, ValueError, "logits"), (TwoOutputs, TypeError, "one tensor, the logits")],
)
def test_outputs_that_are_no_logits_are_refused(digits, module, error, words):
    with pytest.raises(error, match=words):
        TumorCNNClassifier(architecture=module, max_epochs=1).fit(*digits)


def test_module_that_views_its_activations_works(digits):
    network = TumorCNNClassifier(architecture=Module, max_epochs=1, random_state=0)
    assert network.fit(*digits).predict(digits[0]).shape == (600,)


def test_failed_fit_does_not_predict(digits):
    network = TumorCNNClassifier(architecture="linear", optimizer="Adamm", max_epochs=1)
    with pytest.raises(ValueError, match="Adamm"):
        network.fit(*digits)
    with pytest.raises(Exception, match="not fitted yet"):
        network.predict(digits[0])


def test_warm_start_with_another_architecture_is_refused(digits):
    network = TumorCNNClassifier(architecture="linear", max_epochs=1, warm_start=True)
    network.fit(*digits).set_params(architecture="mlp")
    with pytest.raises(ValueError, match="architecture='mlp'"):
        network.fit(*digits)


def test_prediction_beside_partial_fit_changes_no_bit(digits):
    def train(reads):
        network = TumorCNNClassifier(architecture="resnet", random_state=0)
        network.partial_fit(*digits, classes=np.arange(10))
        over = threading.Event()

        def read():
            while reads and not over.is_set():
                assert np.isfinite(network.predict_proba(digits[0][:32])).all()

        reader = threading.Thread(target=read)
        reader.start()
        network.partial_fit(*digits)
        over.set()
        reader.join()
        return network.predict_proba(digits[0])

    assert np.array_equal(train(reads=True), train(reads=False))
