"""Predictions show what the last pass of the training saw, whenever training stops."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from skextra import TumorCNNClassifier
from skextra.datasets import make_brain_mri
from skextra.neural_network._training._net import TrainingNet
from skextra.neural_network._training._norms import norms_of, recompute
from tests.neural_network.small_nets import make_batches

X, Y = make_brain_mri(200, image_size=16, random_state=0)


class Normed(nn.Module):
    def __init__(self, image_shape, n_classes):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(image_shape[2], 16, 3, 2, 1),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, 2, 1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(128, n_classes),
        )

    def forward(self, images):
        return self.layers(images)


def record_passes(monkeypatch):
    """Return a function of the accuracy of the outputs that the pass of an epoch learnt from."""
    seen = {}
    get_loss, train_epoch = TrainingNet.get_loss, TrainingNet.train_epoch

    def recorded(self, outputs, targets, **kwargs):
        loss = get_loss(self, outputs, targets, **kwargs)
        seen[self._position[0]].append((outputs.argmax(1) == targets[0]).numpy())
        return loss

    def begun(self, batches, schedule=None, epoch=1):
        seen[epoch] = []
        return train_epoch(self, batches, schedule, epoch)

    monkeypatch.setattr(TrainingNet, "get_loss", recorded)
    monkeypatch.setattr(TrainingNet, "train_epoch", begun)
    return lambda epoch: float(np.concatenate(seen[epoch]).mean())


@pytest.mark.parametrize("architecture", ["resnet", "mobilenet", Normed])
@settings(max_examples=5, deadline=None, derandomize=True)
@given(
    n_samples=st.sampled_from([60, 200]),
    n_epochs=st.sampled_from([1, 2, 5, 10]),
    batch_size=st.sampled_from([16, 64, 256]),
    how=st.sampled_from(["fit", "partial_fit", "early_stopping", "warm_start"]),
)
def test_predictions_are_as_good_as_the_pass(architecture, n_samples, n_epochs, batch_size, how):
    with pytest.MonkeyPatch.context() as monkeypatch:
        accuracy = record_passes(monkeypatch)
        model = TumorCNNClassifier(
            architecture=architecture,
            batch_size=batch_size,
            max_epochs=n_epochs,
            early_stopping=how == "early_stopping",
            warm_start=how == "warm_start",
            random_state=0,
        )
        for _ in range({"partial_fit": n_epochs, "warm_start": 2}.get(how, 1)):
            if how == "partial_fit":
                model.partial_fit(X[:n_samples], Y[:n_samples], classes=np.unique(Y))
            else:
                model.fit(X[:n_samples], Y[:n_samples])
        expected = accuracy(model.best_epoch_)
        assert model.score(X[:n_samples], Y[:n_samples]) >= expected - 0.05


def test_statistics_are_those_of_the_sample():
    module, batches = nn.Sequential(nn.BatchNorm2d(1), nn.Flatten()), make_batches(50, 64)
    recompute(module, norms_of(module), batches)
    norm = module[0]
    assert norm.running_mean.item() == pytest.approx(batches.images.mean().item(), abs=1e-6)
    assert norm.running_var.item() == pytest.approx(batches.images.var().item(), rel=1e-5)
    assert norm.momentum == 0.1
    assert not norm.training


def test_sample_is_even_and_draws_no_numbers():
    batches = make_batches(3000, 64)
    before = torch.get_rng_state()
    parts = list(batches.sample(1024, 64))
    assert torch.equal(torch.get_rng_state(), before)
    assert [len(part) for part in parts] == [64] * 16


def test_frozen_norm_keeps_its_statistics():
    module = nn.Sequential(nn.BatchNorm2d(1), nn.BatchNorm2d(1))
    module[0].requires_grad_(False)
    assert norms_of(module) == ["1"]


@pytest.mark.parametrize("architecture", ["resnet", "mobilenet"])
def test_small_calls_keep_statistics_of_earlier_ones(architecture):
    model = TumorCNNClassifier(architecture=architecture, random_state=0)
    for start in range(0, 200, 8):
        model.partial_fit(X[start : start + 8], Y[start : start + 8], classes=np.unique(Y))
    answers = model.predict_proba(X)
    only_one = model.partial_fit(X[:1], Y[:1]).predict_proba(X)
    assert np.abs(only_one - answers).mean() < 0.1
    assert model.score(X, Y) > 0.5
