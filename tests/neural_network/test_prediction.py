"""One path for every prediction."""

import textwrap
from pathlib import Path

import numpy as np
import pytest
import sklearn
import torch
from numpy.testing import assert_allclose
from scipy.special import softmax
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss

from skextra import TumorCNNClassifier
from skextra.datasets import make_brain_mri
from skextra.neural_network._networks._architectures import MobileNet, ResNet, SequentialCNN
from skextra.neural_network._prediction import for_inference


@pytest.fixture(scope="module")
def digits():
    images, target = load_digits(return_X_y=True)
    return images.reshape(-1, 8, 8), target


def trained(factory):
    """Return a network whose batch norms have statistics of their own."""
    generator = torch.Generator().manual_seed(0)
    module = factory((16, 16, 1), 3)
    for name, value in module.state_dict().items():
        if "running" in name or (value.ndim == 1 and value.is_floating_point()):
            value.copy_(torch.rand(value.shape, generator=generator) + 0.5)
    return module.eval()


def n_norms(module):
    return sum(isinstance(layer, torch.nn.BatchNorm2d) for layer in module.modules())


@pytest.mark.parametrize("factory", [ResNet, MobileNet])
def test_folded_batch_norms_compute_the_same_function(factory):
    module = trained(factory)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    folded = for_inference(module, torch.float64)
    assert n_norms(folded) < n_norms(module)
    images = torch.rand(5, 1, 16, 16, dtype=torch.float64)
    assert_allclose(
        folded(images).detach(), module.double()(images).detach(), rtol=1e-10, atol=1e-10
    )
    for name, value in before.items():
        assert_allclose(module.state_dict()[name], value, err_msg=name)


def test_a_network_without_batch_norms_is_not_copied():
    module = SequentialCNN((8, 8, 1), 3)
    assert for_inference(module, torch.float32) is module


@pytest.mark.parametrize("architecture", ["sequential", "resnet", "mobilenet", "mlp", "linear"])
@pytest.mark.parametrize("kind", ["bytes", "floats", "features"])
def test_one_image_gets_the_bits_it_gets_among_a_thousand(digits, architecture, kind):
    images, target = digits
    X = images.astype(np.uint8) if kind == "bytes" else images
    X = X.reshape(len(X), -1) if kind == "features" else X
    classifier = TumorCNNClassifier(architecture=architecture, max_epochs=2, random_state=0)
    classifier.fit(X[:200], target[:200])
    together = classifier.decision_function(X[:1000])
    for some in ([0], [999], [510, 3], range(200, 265)):
        assert np.array_equal(classifier.decision_function(X[some]), together[some])


@pytest.mark.parametrize("architecture", ["sequential", "resnet"])
def test_one_resized_and_mirrored_image_gets_the_bits_it_gets_among_others(architecture):
    images = np.random.default_rng(0).integers(0, 256, (11, 140, 131)).astype(np.uint8)
    classifier = TumorCNNClassifier(
        architecture=architecture, augmentation="affine", max_epochs=1, random_state=0
    )
    classifier.fit(images[:8], np.arange(8) % 2)
    together = classifier.decision_function(images)
    alone = [classifier.decision_function(image[np.newaxis])[0] for image in images]
    assert np.array_equal(alone, together)


def test_the_memory_of_a_prediction_does_not_grow_with_the_number_of_images(digits):
    images = np.zeros((200, 64, 64), np.uint8)
    classifier = TumorCNNClassifier(architecture="sequential", max_epochs=1, random_state=0)
    classifier.fit(images[:4] + np.arange(4, dtype=np.uint8)[:, None, None], [0, 1, 0, 1])
    largest = 0

    def note(layer, inputs, output):
        nonlocal largest
        largest = max(largest, output.numel())

    classifier.net_.module_.layers[0].register_forward_hook(note)
    classifier.predict(images)
    assert largest <= 32 * 2**17


def test_an_image_and_its_mirror_image_get_the_same_answer_where_both_are_asked():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (20, 40, 48)).astype(np.uint8)
    classifier = TumorCNNClassifier(architecture="resnet", max_epochs=1, random_state=0)
    classifier.fit(images, np.arange(20) % 2)
    assert classifier.recipe_["flip_at_prediction"]
    assert_allclose(
        classifier.decision_function(images),
        classifier.decision_function(images[:, :, ::-1]),
        atol=1e-5,
    )


needs_temperature = pytest.mark.skipif(
    tuple(map(int, sklearn.__version__.split(".")[:2])) < (1, 8),
    reason="scikit-learn calibrates by a temperature from version 1.8 on",
)


@needs_temperature
def test_calibration_of_an_overconfident_network_lowers_the_log_loss(digits):
    images, target = digits
    train, test = slice(0, 300), slice(900, None)
    sure = TumorCNNClassifier(architecture="mlp", max_epochs=3, learning_rate=0.3, random_state=0)
    calibrated = CalibratedClassifierCV(sure, method="temperature", cv=3, ensemble=False)
    calibrated.fit(images[train], target[train])
    proba = calibrated.predict_proba(images[test])
    assert_allclose(proba.sum(axis=1), 1)
    uncalibrated = sure.fit(images[train], target[train]).predict_proba(images[test])
    uncalibrated = uncalibrated.clip(1e-15)
    assert log_loss(target[test], proba) < log_loss(
        target[test], uncalibrated / uncalibrated.sum(axis=1, keepdims=True)
    )


@needs_temperature
def test_a_temperature_undoes_the_modesty_that_label_smoothing_teaches(digits):
    images, target = digits
    modest = TumorCNNClassifier(
        architecture="mlp", max_epochs=10, label_smoothing=0.3, random_state=0
    )
    calibrated = CalibratedClassifierCV(modest, method="temperature", cv=3, ensemble=False)
    losses = []
    for model in (modest, calibrated):
        proba = model.fit(images[:900], target[:900]).predict_proba(images[900:])
        losses.append(log_loss(target[900:], proba))
    answers = [model.predict(images[900:]) for model in (modest, calibrated)]
    assert np.array_equal(*answers)
    assert losses[1] < 0.8 * losses[0]


@pytest.mark.parametrize("architecture", ["sequential", "resnet"])
def test_export_of_the_guide_answers_as_the_classifier(architecture, tmp_path, monkeypatch):
    guide = Path(__file__).parents[2] / "docs/user_guide/neural_network.rst"
    text = guide.read_text().partition("answers as ``predict_proba`` does:")[2]
    lines = text.partition(".. code-block:: python")[2].partition("Same seed, same bits")[0]
    X, y = make_brain_mri(12, image_size=40, random_state=0)
    X[0] = 0  # a black slice
    classifier = TumorCNNClassifier(architecture=architecture, max_epochs=1, random_state=0)
    classifier.fit(X, y)
    monkeypatch.chdir(tmp_path)
    exec(textwrap.dedent(lines), {"X": X, "classifier": classifier})
    program = torch.export.load("network.pt2").module()
    answers = program(torch.from_numpy(X).unsqueeze(1)).detach()
    assert_allclose(answers, classifier.predict_proba(X), atol=1e-4)


def test_the_probabilities_of_the_residual_recipe_are_calibrated_as_they_are(digits):
    images, target = digits
    network = TumorCNNClassifier(architecture="resnet", max_epochs=12, random_state=0)
    proba = network.fit(images[:900], target[:900]).predict_proba(images[900:])
    confidence, right = proba.max(axis=1), network.predict(images[900:]) == target[900:]
    gaps = np.bincount((confidence * 15).astype(int).clip(max=14), weights=right - confidence)
    assert abs(gaps).sum() / len(right) < 0.03
    logits = network.decision_function(images[900:]) * network.recipe_["temperature"]
    assert log_loss(target[900:], proba) < 0.6 * log_loss(target[900:], softmax(logits, axis=1))
