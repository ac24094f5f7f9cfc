"""The network as a transformer: features before the last layer."""

import threading

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC
from torch import nn

from skextra import TumorCNNClassifier

X, Y = load_digits().images[:200], load_digits().target[:200]


class Pooled(nn.Module):
    """Its last convolution has places, which are averaged behind it; norms stand last."""

    def __init__(self, image_shape, n_classes):
        super().__init__()
        self.head = nn.utils.parametrizations.weight_norm(nn.Conv2d(3, n_classes, 1))
        self.first = nn.Conv2d(1, 3, 3, stride=4)
        self.norm = nn.BatchNorm1d(n_classes)

    def forward(self, images):
        return self.norm(self.head(self.first(images).relu()).mean((2, 3)))


def head_of(module):
    return module.head if hasattr(module, "head") else module.layers[-1]


@pytest.mark.parametrize(
    ("architecture", "n_features"),
    [("resnet", 64), ("sequential", 256), ("mobilenet", 48), ("mlp", 256), ("linear", 64)],
)
def test_head_makes_logits_of_features(architecture, n_features):
    model = TumorCNNClassifier(
        architecture=architecture, augmentation="affine", max_epochs=1, random_state=0
    ).fit(X, Y)
    features = model.transform(X)
    assert features.shape == (200, n_features)
    assert len(model.get_feature_names_out()) == n_features
    head = head_of(model.net_.module_)
    weight, bias = (value.detach().double().numpy() for value in (head.weight, head.bias))
    logits = (features @ weight.T + bias) / model.recipe_["temperature"]
    assert_allclose(logits, model.decision_function(X), atol=1e-4)
    assert np.array_equal(model.transform(X[:3]), features[:3])


def test_last_layer_is_the_one_that_runs_last():
    model = TumorCNNClassifier(architecture=Pooled, max_epochs=1, random_state=0).fit(X, Y)
    assert model.transform(X).shape == (200, 3 * 2 * 2)


def test_support_vectors_on_frozen_features():
    model = TumorCNNClassifier(architecture="mlp", max_epochs=20, random_state=0).fit(X, Y)
    before = model.predict_proba(X)
    pipeline = make_pipeline(FrozenEstimator(model), SVC())
    pipeline.set_output(transform="pandas")
    assert cross_val_score(pipeline, X, Y, cv=2).mean() > 0.8
    assert pipeline.fit(X, Y).score(X, Y) > 0.9
    assert np.array_equal(model.predict_proba(X), before)
    assert make_pipeline(model, SVC()).fit(X, Y).score(X, Y) > 0.9  # fits both


def test_predictions_meanwhile_stay_as_they_are():
    model = TumorCNNClassifier(max_epochs=1, random_state=0).fit(X, Y)
    expected, errors = model.predict_proba(X), []

    def predict():
        for _ in range(5):
            if not np.array_equal(model.predict_proba(X), expected):
                errors.append("other bits")

    thread = threading.Thread(target=predict)
    thread.start()
    features = [model.transform(X) for _ in range(5)]
    thread.join()
    assert errors == []
    assert all(np.array_equal(features[0], other) for other in features)


def test_one_class_has_no_features():
    model = TumorCNNClassifier().fit(X, np.zeros(len(X)))
    with pytest.raises(ValueError, match="one class only"):
        model.transform(X)
