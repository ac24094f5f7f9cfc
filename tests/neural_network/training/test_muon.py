"""Muon: orthogonal updates of convolutions, AdamW's of the rest."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from skextra.neural_network._training._muon import Muon, _orthogonalise


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 40, 3),
        nn.BatchNorm2d(40),
        nn.Conv2d(40, 8, 1),
        nn.Flatten(),
        nn.Linear(288, 4),
    )


def put_gradients(module, seed=0):
    images = torch.randn(16, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
    module.zero_grad()
    module(images).square().sum().backward()


@pytest.mark.parametrize("layer", [0, 2])  # more rows than columns, and fewer
def test_the_first_update_of_a_convolution_is_near_the_orthogonal_factor_of_its_gradient(layer):
    module = network()
    put_gradients(module)
    before = module[layer].weight.detach().flatten(1).double().numpy()
    gradient = module[layer].weight.grad.flatten(1).double().numpy()
    Muon(module.parameters(), lr=0.1, weight_decay=0.5).step()
    after = module[layer].weight.detach().flatten(1).double().numpy()
    update = (before * (1 - 0.1 * 0.5) - after) / 0.1 / (0.2 * np.sqrt(max(before.shape)))
    left, values, right = np.linalg.svd(gradient, full_matrices=False)
    strong = values > 0.05 * np.linalg.norm(values)  # five steps do not reach the weakest
    in_its_directions = np.diag(left.T @ update @ right.T)
    assert strong.sum() >= 4
    assert ((in_its_directions[strong] > 0.6) & (in_its_directions[strong] < 1.3)).all()


def test_the_factors_multiplied_up_give_the_steps_of_newton_and_schulz():
    matrix = torch.randn(20, 90, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    matrix /= matrix.norm()
    expected = matrix
    for _ in range(5):
        square = expected @ expected.T
        expected = (
            (3.4445 * expected) - 4.7750 * square @ expected + 2.0315 * square @ square @ expected
        )
    torch.testing.assert_close(_orthogonalise(matrix), expected, rtol=1e-9, atol=1e-12)


def test_what_is_no_convolution_gets_the_bits_of_adamw():
    ours, theirs = network(), network()
    optimizers = (
        Muon(ours.parameters(), lr=0.01, betas=(0.9, 0.99)),
        torch.optim.AdamW(theirs.parameters(), lr=0.01, betas=(0.9, 0.99)),
    )
    for seed in range(3):
        put_gradients(ours, seed)
        for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            other.grad = mine.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(mine, other) == (mine.ndim != 4)


def test_an_optimizer_that_was_stored_goes_on_to_the_same_bits():
    module = network()
    optimizer = Muon(module.parameters(), fused=True)
    put_gradients(module)
    optimizer.step()
    other = copy.deepcopy(module)
    resumed = Muon(other.parameters(), fused=True)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for network_, steps in ((module, optimizer), (other, resumed)):
        put_gradients(network_, seed=1)
        steps.step()
    for mine, theirs in zip(module.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_a_closure_is_called_once_and_its_loss_returned():
    module, calls = network(), []

    def closure():
        calls.append(None)
        put_gradients(module)
        return torch.tensor(1.5)

    assert Muon(module.parameters()).step(closure) == 1.5
    assert len(calls) == 1
