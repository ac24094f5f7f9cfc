"""Predictions show what the last pass of the training saw, whenever training stops."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from benchmarks.short_trainings import ARCHITECTURES, WAYS, mean_gap
from skextra import TumorCNNClassifier
from skextra.datasets import make_brain_mri
from skextra.neural_network._training._norms import norms_of, recompute
from tests.neural_network.small_nets import make_batches

X, Y = make_brain_mri(200, image_size=16, random_state=0)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@settings(max_examples=4, deadline=None, derandomize=True)
@given(
    n_rows=st.sampled_from([60, 120]),
    n_epochs=st.sampled_from([1, 2, 4]),
    batch_size=st.sampled_from([16, 64, 256]),
    how=st.sampled_from(WAYS),
)
def test_predictions_are_as_good_as_the_pass(architecture, n_rows, n_epochs, batch_size, how):
    training = X[:n_rows], Y[:n_rows], n_epochs, batch_size
    assert mean_gap(ARCHITECTURES[architecture], how, *training) >= -0.05


@pytest.mark.parametrize("architecture", ["resnet", "mobilenet"])
def test_stream_of_small_calls_predicts_what_it_learnt(architecture):
    assert mean_gap(architecture, "partial_fit", X[:120], Y[:120], 2, 16) >= -0.05


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
