"""Weights that the network's maker froze stay as they are, bit for bit."""

import copy
import pickle

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from skextra import TumorCNNClassifier
from skextra.neural_network import load_model, save_model
from skextra.neural_network._networks._architectures import ResNet
from skextra.neural_network._training._frozen import frozen_layers
from skextra.neural_network._training._norms import norms_of
from tests.neural_network.small_nets import make_batches, make_net

X, Y = load_digits().images[:120], load_digits().target[:120] % 3
MODES = []  # whether each norm was in training mode, in the order of the passes


class Noted(nn.BatchNorm2d):
    def forward(self, batch):
        if torch.is_grad_enabled():
            MODES.append(self.training)
        return super().forward(batch)


class Backbone(nn.Module):
    def __init__(self, n_classes=3, affine=True):
        super().__init__()
        torch.manual_seed(1)
        self.features = nn.Sequential(
            nn.Conv2d(1, 4, 3), Noted(4, affine=affine), nn.ReLU(), nn.Dropout(0.1)
        )
        self.features[0].weight.grad = torch.ones_like(self.features[0].weight)  # left over
        self.features[0].weight.data[0] = -0.0
        self.features[1].running_mean.fill_(0.5)
        self.features.requires_grad_(False)
        self.register_buffer("mask", torch.full((2,), -torch.inf))
        self.norm = nn.BatchNorm2d(4)
        self.head = nn.Linear(4, n_classes)

    def forward(self, images):
        return self.head(self.norm(self.features(images)).mean((2, 3)))


def backbone(image_shape, n_classes):
    return Backbone(n_classes)


def plain(image_shape, n_classes):
    return Backbone(n_classes, affine=False)


def bits(module):
    return {name: value.numpy().tobytes() for name, value in module.state_dict().items()}


def assert_only_the_rest_moved(module, affine=True):
    now, start = bits(module), bits(Backbone(affine=affine))
    for name in now:
        is_still = name.startswith("features") or name == "mask"
        assert (now[name] == start[name]) == is_still, name


@pytest.mark.parametrize("architecture", [backbone, plain])
@pytest.mark.parametrize("optimizer", ["AdamW", "SGD", "Muon", "LBFGS", torch.optim.Adam], ids=str)
@pytest.mark.parametrize("how", ["fit", "partial_fit", "early_stopping"])
def test_frozen_weights_and_statistics_keep_their_bits(architecture, optimizer, how):
    MODES.clear()
    model = TumorCNNClassifier(
        architecture=architecture,
        optimizer=optimizer,
        learning_rate=0.01,
        weight_decay=0.5,
        max_epochs=2,
        early_stopping=how == "early_stopping",
        random_state=0,
    )
    if how == "partial_fit":
        model.partial_fit(X, Y, classes=range(3))
        if optimizer != "LBFGS":  # torch cannot copy it
            model.partial_fit(X, Y)
    else:
        model.fit(X, Y)
    assert MODES
    assert not any(MODES)
    assert_only_the_rest_moved(model.net_.module_, affine=architecture is backbone)


def test_averaged_weights_keep_frozen_bits():
    net = make_net(Backbone(), weight_averaging=0.9, decay_norms=False)
    net.average_weights()
    net.train_epoch(make_batches())
    assert_only_the_rest_moved(net.predictor)
    net.end_training()
    assert_only_the_rest_moved(net.module_)


def test_frozen_part_of_the_default_network_stays():
    module = ResNet((8, 8, 1), 3)
    module.stem.requires_grad_(False)
    before = bits(module.stem)
    net = make_net(module, weight_averaging=0.9, optimizer="Muon")
    net.average_weights()
    net.train_epoch(make_batches())
    net.end_training()
    assert bits(net.module_.stem) == before


def test_network_without_weights_to_train_is_refused():
    def frozen(image_shape, n_classes):
        return Backbone(n_classes).requires_grad_(False)

    with pytest.raises(ValueError, match=r"no weights to train.*last layer unfrozen"):
        TumorCNNClassifier(architecture=frozen).fit(X, Y)


def test_thawed_weights_are_trained_by_the_next_call():
    model = TumorCNNClassifier(architecture=backbone, learning_rate=0.01, random_state=0)
    model.partial_fit(X, Y, classes=range(3))
    model.net_.module_.requires_grad_(True)
    model = pickle.loads(pickle.dumps(model))
    before = copy.deepcopy(model.net_.module_.features[0].weight)
    model.partial_fit(X, Y)
    assert not torch.equal(model.net_.module_.features[0].weight, before)


def test_stored_models_keep_what_is_frozen(tmp_path):
    model = TumorCNNClassifier(architecture=backbone, max_epochs=1, random_state=0).fit(X, Y)
    named = TumorCNNClassifier(architecture="mlp", max_epochs=1, random_state=0).fit(X, Y)
    named.net_.module_.layers[1].requires_grad_(False)
    thawed = copy.deepcopy(model)
    thawed.net_.module_.requires_grad_(True)
    whole = copy.deepcopy(model)
    whole.net_.module_.requires_grad_(False)
    for one in (model, named, thawed, whole):
        save_model(one, tmp_path / "model")
        given = None if one is named else backbone
        read = load_model(tmp_path / "model", architecture=given)
        for other in (read, pickle.loads(pickle.dumps(one)), copy.deepcopy(one)):
            flags = [
                [value.requires_grad for value in each.net_.module_.parameters()]
                for each in (other, one)
            ]
            assert flags[0] == flags[1]
            assert np.array_equal(other.predict_proba(X), one.predict_proba(X))


@pytest.mark.parametrize("kind", [nn.BatchNorm2d, nn.InstanceNorm2d])
def test_norms_count_as_frozen_by_the_weights_around_them(kind):
    module = nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 2, 3), kind(2, affine=False, track_running_stats=True)),
        nn.Sequential(nn.Conv2d(2, 2, 3), kind(2, affine=True, track_running_stats=True)),
    )
    assert frozen_layers(module) == []
    module[0].requires_grad_(False)
    assert frozen_layers(module) == [module[0][1]]
    module[1][1].weight.requires_grad_(False)  # its bias is learnt, so it is
    assert frozen_layers(module) == [module[0][1]]
    if kind is nn.BatchNorm2d:
        assert norms_of(module) == ["1.1"]
