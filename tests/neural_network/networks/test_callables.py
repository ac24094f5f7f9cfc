"""Architectures that are callables: functions, partials, classes, objects, pretrained networks."""

import copy
import functools
import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from torch import nn

from skextra import TumorCNNClassifier
from skextra.neural_network import load_model, save_model
from skextra.neural_network._networks._callables import describe, have_same_name

X, Y = load_digits().images[:120], load_digits().target[:120] % 3


class Net(nn.Module):
    def __init__(self, image_shape, n_classes, width=4, act=nn.ReLU):
        super().__init__()
        self.conv = nn.Conv2d(image_shape[2], width, 3, padding=1)
        self.norm, self.act = nn.BatchNorm2d(width), act()
        self.head = nn.Linear(width, n_classes)

    @classmethod
    def narrow(cls, image_shape, n_classes):
        return cls(image_shape, n_classes, width=2)

    def forward(self, images):
        return self.head(self.act(self.norm(self.conv(images))).mean((2, 3)))


def build(image_shape, n_classes):
    return Net(image_shape, n_classes)


def lazy(image_shape, n_classes):
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(n_classes))


class Builder:
    def __init__(self, width):
        self.width = width

    def __call__(self, image_shape, n_classes):
        return Net(image_shape, n_classes, self.width)


SHARED = Net((8, 8, 1), 3)


def shared(image_shape, n_classes):
    return SHARED


CALLABLES = [Net, Net.narrow, build, functools.partial(Net, width=3), Builder(3), lazy]


def make(architecture, **parameters):
    parameters = {"max_epochs": 1, "learning_rate": 0.01, "random_state": 0} | parameters
    return TumorCNNClassifier(architecture=architecture, **parameters)


@pytest.mark.parametrize("architecture", CALLABLES, ids=describe)
def test_every_kind_fits_copies_and_stores(architecture, tmp_path):
    model = make(architecture).fit(X, Y)
    expected = model.predict_proba(X)
    save_model(model, tmp_path / "model")
    with pytest.raises(ValueError, match="give it as architecture="):
        load_model(tmp_path / "model")
    read = load_model(tmp_path / "model", architecture=architecture)
    others = [pickle.loads(pickle.dumps(model)), copy.deepcopy(model), copy.copy(model), read]
    others.append(clone(model).fit(X, Y))
    for other in others:
        assert np.array_equal(other.predict_proba(X), expected)
        other.set_params(warm_start=True).partial_fit(X, Y).fit(X, Y)


@pytest.mark.parametrize("architecture", [Net, build, functools.partial(Net, width=4)])
def test_features_start_networks_of_other_callables(architecture, tmp_path):
    source = make(functools.partial(Net)).fit(X, Y)
    save_model(source, tmp_path / "model")
    for init_from in (FrozenEstimator(source), tmp_path / "model"):
        started = make(architecture, init_from=init_from, learning_rate=1e-12).fit(X, Y)
        expected = source.net_.module_.conv.weight
        torch.testing.assert_close(started.net_.module_.conv.weight, expected)


def test_equal_partials_go_on_and_others_are_refused():
    model = make(functools.partial(Net, width=3), warm_start=True).fit(X, Y)
    model.set_params(architecture=functools.partial(Net, width=3)).fit(X, Y)
    with pytest.raises(ValueError, match=r"architecture.*width=3.*width=2"):
        model.set_params(architecture=functools.partial(Net, width=2)).fit(X, Y)


def test_search_chooses_among_callables():
    search = GridSearchCV(make(Net), {"architecture": [*CALLABLES, lambda s, n: Net(s, n)]}, cv=2)
    search.fit(X, Y)
    assert len(search.cv_results_["mean_test_score"]) == len(CALLABLES) + 1
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_network_that_is_returned_twice_is_not_shared():
    before = copy.deepcopy(SHARED.state_dict())
    first = make(shared).fit(X, Y)
    answers = first.predict_proba(X)
    second = make(shared).fit(X, Y)
    assert np.array_equal(second.predict_proba(X), answers)
    assert np.array_equal(first.predict_proba(X), answers)
    for name, value in SHARED.state_dict().items():
        assert torch.equal(value, before[name])


def test_lambda_fits_but_has_no_name(tmp_path):
    model = make(lambda image_shape, n_classes: Net(image_shape, n_classes))
    model.set_params(checkpoint=tmp_path / "checkpoints").fit(X, Y)
    with pytest.raises(ValueError, match=r"<lambda> has no name.*made by def"):
        save_model(model, tmp_path / "model")
    assert not (tmp_path / "model").exists()
    assert copy.deepcopy(model).predict(X).shape == Y.shape


@pytest.mark.parametrize(
    ("architecture", "error", "message"),
    [
        (Net((8, 8, 1), 3), TypeError, "built already, a Net.*Give a callable"),
        (lambda image_shape: None, TypeError, r"called with \(image_shape, n_classes\)"),
        (lambda image_shape, n_classes: Net, TypeError, "returned type, no torch.nn.Module"),
        (lambda image_shape, n_classes: None, TypeError, "returned NoneType, no torch"),
        (lambda image_shape, n_classes: Net(image_shape, 7), ValueError, r"\(\d+, 3\)"),
    ],
)
def test_wrong_callables_are_refused(architecture, error, message):
    with pytest.raises(error, match=message):
        make(architecture).fit(X, Y)


def test_file_refuses_another_callable_that_fits(tmp_path):
    save_model(make(functools.partial(Net, act=nn.Tanh)).fit(X, Y), tmp_path / "model")
    for other in (Net, build, functools.partial(Net, act=nn.ReLU)):
        with pytest.raises(ValueError, match=r"partial\(.*Net, act=.*Tanh\) has made, but"):
            load_model(tmp_path / "model", architecture=other)


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("__main__.Net", "package.train.Net", True),
        (
            "functools.partial(__main__.Net, width=0.5)",
            "functools.partial(a.Net, width=0.5)",
            True,
        ),
        ("functools.partial(a.Net, width=0.5)", "functools.partial(a.Net, width=1.5)", False),
        ("a.make.<locals>.Net", "b.make.<locals>.Net", True),
        ("a.Net", "a.Nets", False),
    ],
)
def test_names_may_move_between_modules(one, other, is_same):
    assert have_same_name(one, other) is is_same
