"""A training that starts from features which another classifier has learnt."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV

from skextra import TumorCNNClassifier
from skextra.neural_network import save_model
from skextra.neural_network._networks._architectures import ResNet, SequentialCNN
from skextra.neural_network._transfer import copy_features


@pytest.fixture(scope="module")
def digits():
    images, target = load_digits(return_X_y=True)
    return images.reshape(-1, 8, 8), target


@pytest.fixture(scope="module")
def source(digits):
    """A classifier of the digits 0 to 4."""
    images, target = digits
    few = target < 5
    return TumorCNNClassifier(architecture="resnet", max_epochs=5, random_state=0).fit(
        images[few], target[few]
    )


def test_all_weights_but_those_of_the_last_layer_are_copied():
    source, module = ResNet((8, 8, 1), 3), ResNet((8, 8, 1), 5)
    head = module.head.weight.clone()
    copy_features(source.state_dict(), module, with_head=False)
    for name, weights in source.state_dict().items():
        if not name.startswith("head."):
            assert torch.equal(module.state_dict()[name], weights), name
    assert torch.equal(module.head.weight, head)


def test_features_of_some_digits_help_to_learn_the_others_from_few_examples(digits, source):
    images, target = digits
    others = np.flatnonzero(target >= 5)
    train, test = others[:25], others[25:]
    scores = [
        np.mean(
            [
                TumorCNNClassifier(
                    architecture="resnet", max_epochs=8, init_from=init_from, random_state=seed
                )
                .fit(images[train], target[train])
                .score(images[test], target[test])
                for seed in range(2)
            ]
        )
        for init_from in (None, source)
    ]
    assert scores[1] > scores[0] + 0.05


def test_a_search_can_choose_between_a_file_a_frozen_classifier_and_nothing(
    digits, source, tmp_path
):
    images, target = digits[0][:100], digits[1][:100]
    save_model(source, tmp_path / "source")
    search = GridSearchCV(
        TumorCNNClassifier(architecture="resnet", max_epochs=2, random_state=0),
        {"init_from": [None, str(tmp_path / "source"), FrozenEstimator(source)]},
        cv=2,
    ).fit(images, target)
    nothing, from_file, frozen = search.cv_results_["mean_test_score"]
    assert from_file == frozen != nothing


def test_the_same_classes_keep_their_last_layer(digits, source):
    images, target = digits
    few = np.flatnonzero(target < 5)[:200]
    classifier = TumorCNNClassifier(
        architecture="resnet", max_epochs=1, learning_rate=1e-9, init_from=source, random_state=0
    ).fit(images[few], target[few])
    assert classifier.score(images[few], target[few]) > 0.9


def test_a_clone_of_a_classifier_with_a_fitted_one_says_how_to_keep_the_fit(digits, source):
    classifier = clone(TumorCNNClassifier(architecture="resnet", init_from=source))
    with pytest.raises(ValueError, match=r"init_from=.*FrozenEstimator"):
        classifier.fit(*digits)


def test_features_of_another_network_or_size_are_refused_by_name(digits, source):
    with pytest.raises(ValueError, match="network ResNet, but this classifier has SequentialCNN"):
        TumorCNNClassifier(architecture="sequential", init_from=source).fit(*digits)
    message = r"weights layers\.10\.weight of shape \(256, 128\).*has \(256, 512\).*image_size"
    weights = SequentialCNN((8, 8, 1), 3).state_dict()
    with pytest.raises(ValueError, match=message):
        copy_features(weights, SequentialCNN((16, 16, 1), 3), with_head=True)


def test_partial_fit_starts_from_the_features_as_well(digits, source):
    images, target = digits
    classifier = TumorCNNClassifier(architecture="resnet", init_from=source, random_state=0)
    few = np.flatnonzero(target < 5)[:64]
    classifier.partial_fit(images[few], target[few], classes=np.arange(5))
    assert classifier.score(images[target < 5], target[target < 5]) > 0.8
