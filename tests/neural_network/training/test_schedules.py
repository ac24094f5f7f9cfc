"""Learning-rate schedules by name."""

import functools

import pytest
import torch
from numpy.testing import assert_allclose

from skextra.neural_network._training._schedules import make_schedule
from tests.neural_network.small_nets import make_batches, make_net


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (None, [1.0, 1.0, 1.0, 1.0]),
        ("StepLR", [1.0, 1.0, 0.1, 0.1]),
        ("MultiStepLR", [1.0, 1.0, 0.1, 0.01]),
        ("ExponentialLR", [1.0, 0.95, 0.9025, 0.857375]),
        ("CosineAnnealingLR", [1.0, (1 + 0.5**0.5) / 2, 0.5, (1 - 0.5**0.5) / 2]),
    ],
)
def test_a_named_schedule_follows_its_formula_over_the_epochs(name, expected):
    net = make_net(learning_rate=1.0, optimizer="SGD", weight_decay=0.0)
    batches = make_batches()
    schedule = make_schedule(name, net, 4, batches)
    rates = []
    for _ in range(4):
        rates.append(net.optimizer_.param_groups[0]["lr"])
        net.optimizer_.step()
        if schedule is not None:
            schedule.after_epoch(1.0)
    assert_allclose(rates, expected)


def test_one_cycle_peaks_at_the_rate_and_ends_near_zero_with_the_last_batch():
    net = make_net(learning_rate=0.01)
    batches = make_batches()
    schedule = make_schedule("OneCycleLR", net, 10, batches)
    rates = []
    train_step = net.train_step

    def recorded(batch):
        rates.append(net.optimizer_.param_groups[0]["lr"])
        return train_step(batch)

    net.train_step = recorded
    for _ in range(10):
        net.train_epoch(batches, schedule)
    assert len(rates) == 40
    assert max(rates) == pytest.approx(0.01)
    assert rates[-1] < 1e-6


@pytest.mark.parametrize("optimizer", ["Adagrad", "Rprop", "RMSprop", "SGD", "Muon"])
def test_one_cycle_takes_optimizers_with_and_without_momentum(optimizer):
    net, batches = make_net(learning_rate=0.01, optimizer=optimizer), make_batches()
    schedule = make_schedule("OneCycleLR", net, 2, batches)
    losses = [net.train_epoch(batches, schedule) for _ in range(2)]
    assert losses[1] != losses[0]
    assert net.optimizer_.param_groups[0]["lr"] < 1e-3


def test_one_cycle_leaves_the_momentum_alone_where_the_recipe_says_so():
    for cycles in (True, False):
        net, batches = make_net(learning_rate=0.01, cycle_momentum=cycles), make_batches()
        first = net.optimizer_.param_groups[0]["betas"][0]
        schedule = make_schedule("OneCycleLR", net, 2, batches)
        net.train_epoch(batches, schedule)
        assert (net.optimizer_.param_groups[0]["betas"][0] == first) is not cycles


@pytest.mark.parametrize("n_updates", [1, 2, 3, 4, 5, 6, 10])
def test_one_cycle_takes_trainings_of_few_updates(n_updates):
    net = make_net(learning_rate=0.01, warm_up=0.2)
    batches = make_batches(n_samples=16)
    schedule = make_schedule("OneCycleLR", net, n_updates, batches)
    for _ in range(n_updates):
        last_rate = net.optimizer_.param_groups[0]["lr"]
        net.train_epoch(batches, schedule)
    assert last_rate < 1e-6


def test_a_plateau_lowers_the_rate_when_the_loss_stands_still():
    net = make_net(learning_rate=1.0)
    plateau = functools.partial(torch.optim.lr_scheduler.ReduceLROnPlateau, patience=0)
    schedule = make_schedule(plateau, net, 3, make_batches())
    for loss in (1.0, 1.0):
        schedule.after_epoch(loss)
    assert net.optimizer_.param_groups[0]["lr"] == pytest.approx(0.1)


@pytest.mark.parametrize("name", ["CosineAnealingLR", "Optimizer", "step"])
def test_an_unknown_schedule_is_named_with_the_nearest_that_exists(name):
    with pytest.raises(ValueError, match="lr_scheduler=") as error:
        make_schedule(name + "x", make_net(), 1, make_batches())
    if name == "CosineAnealingLR":
        assert "Did you mean 'CosineAnnealingLR'?" in str(error.value)
