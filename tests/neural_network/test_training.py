"""The training loop against plain PyTorch, the schedules, and the order of rows and weights."""

import functools

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch.nn import functional

from skextra.neural_network._architectures import SequentialCNN
from skextra.neural_network._training import (
    Batches,
    BestEpoch,
    build_net,
    hold_out,
    make_schedule,
    merge_repeats,
    private_generator,
)

CPU = torch.device("cpu")
RECIPE = {
    "optimizer": "AdamW",
    "learning_rate": 1e-3,
    "weight_decay": 0.01,
    "label_smoothing": 0.1,
    "batch_size": 16,
    "max_epochs": 3,
}


def make_batches(n_samples=50, batch_size=16, augment=None):
    generator = torch.Generator().manual_seed(0)
    return Batches(
        images=torch.randn((n_samples, 1, 8, 8), generator=generator),
        codes=torch.randint(0, 3, (n_samples,), generator=generator),
        weights=torch.rand(n_samples, generator=generator) + 0.5,
        batch_size=batch_size,
        to_input=lambda batch: batch,
        augment=augment,
        device=CPU,
    )


def make_net(**recipe):
    return build_net(SequentialCNN((8, 8, 1), 3, dropout=0.5), {**RECIPE, **recipe}, CPU)


def test_training_equals_a_plain_pytorch_loop_bit_for_bit():
    batches = make_batches()
    with private_generator(3, CPU):
        net = make_net()
        losses = [net.train_epoch(batches) for _ in range(3)]

    with private_generator(3, CPU):
        module = SequentialCNN((8, 8, 1), 3, dropout=0.5).train()
        optimizer = torch.optim.AdamW(module.parameters(), lr=1e-3, weight_decay=0.01)
        expected = []
        for _ in range(3):
            total = 0.0
            for index in torch.randperm(50).tensor_split(4):
                optimizer.zero_grad()
                loss = functional.cross_entropy(
                    module(batches.images[index]),
                    batches.codes[index],
                    reduction="none",
                    label_smoothing=0.1,
                )
                loss = (loss * batches.weights[index]).mean()
                loss.backward()
                optimizer.step()
                total += loss.item() * len(index)
            expected.append(total / 50)

    assert_allclose(losses, expected, rtol=1e-12)
    for name, weights in net.module_.state_dict().items():
        assert torch.equal(weights, module.state_dict()[name]), name


@pytest.mark.parametrize(("n_samples", "batch_size"), [(1, 32), (32, 32), (33, 32), (50, 16)])
def test_an_epoch_holds_every_row_once_in_batches_of_nearly_equal_size(n_samples, batch_size):
    batches = make_batches(n_samples, batch_size)
    batches.codes = torch.arange(n_samples)
    parts = [codes for _, (codes, _) in batches]
    sizes = [len(part) for part in parts]
    assert len(sizes) == batches.n_batches
    assert max(sizes) <= batch_size
    assert max(sizes) - min(sizes) <= 1
    assert sorted(torch.cat(parts).tolist()) == list(range(n_samples))


def test_batches_are_augmented_after_scaling():
    batches = make_batches(augment=lambda batch: batch * 0 + 7)
    batch, _ = next(iter(batches))
    assert (batch == 7).all()


def test_the_private_generator_leaves_the_global_one_where_it_was():
    before = torch.random.get_rng_state()
    with private_generator(0, CPU) as get_state:
        first = torch.rand(3)
        state = get_state()
        later = torch.rand(3)
    assert torch.equal(torch.random.get_rng_state(), before)
    with private_generator(0, CPU):
        assert torch.equal(torch.rand(3), first)
    with private_generator(state, CPU):
        assert torch.equal(torch.rand(3), later)


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


def test_a_loss_that_is_not_finite_stops_and_names_epoch_batch_and_rate():
    batches = make_batches()
    batches.images[:] = float("inf")
    with pytest.raises(FloatingPointError, match=r"epoch 1, batch 1 of 4.*learning_rate=0.001"):
        make_net().train_epoch(batches)


def test_repeats_merge_within_a_class_and_weight_zero_is_gone():
    rows = np.array([[1.0, 2.0], [3.0, 4.0], [1.0, 2.0], [1.0, 2.0], [5.0, 6.0]])
    codes = np.array([0, 1, 0, 1, 1])
    index, weights = merge_repeats(rows, codes, np.array([1.0, 2.0, 0.5, 3.0, 0.0]))
    merged = {(codes[i], *rows[i]): weight for i, weight in zip(index, weights, strict=True)}
    assert merged == {(0, 1.0, 2.0): 1.5, (1, 1.0, 2.0): 3.0, (1, 3.0, 4.0): 2.0}


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64, np.int64, bool])
def test_merging_does_not_depend_on_the_order_of_the_rows(dtype):
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 3, (40, 3)).astype(dtype)
    codes, weights = rng.integers(0, 2, 40), rng.integers(0, 3, 40).astype(float)
    order = rng.permutation(40)
    index, merged = merge_repeats(rows, codes, weights)
    index_2, merged_2 = merge_repeats(rows[order], codes[order], weights[order])
    assert np.array_equal(rows[index], rows[order][index_2])
    assert np.array_equal(codes[index], codes[order][index_2])
    assert_allclose(merged, merged_2)


def test_the_part_held_out_keeps_the_proportion_of_the_classes():
    codes = np.repeat([0, 1], [80, 20])
    training, held_out = hold_out(codes, 0.25, seed=0)
    assert sorted([*training, *held_out]) == list(range(100))
    assert np.bincount(codes[held_out]).tolist() == [20, 5]


def test_small_classes_give_one_row_and_single_rows_stay_in_training():
    training, held_out = hold_out(np.array([0, 1, 1, 2, 2, 2]), 0.1, seed=0)
    codes = np.array([0, 1, 1, 2, 2, 2])
    assert codes[held_out].tolist() == [1, 2]
    assert sorted([*training, *held_out]) == list(range(6))
    with pytest.raises(ValueError, match=r"early_stopping=True.*n_samples=2"):
        hold_out(np.array([0, 1]), 0.5, seed=0)


def test_the_best_epoch_is_kept_and_patience_counts_real_gains_only():
    module = torch.nn.Linear(1, 1)
    best = BestEpoch(n_iter_no_change=2, tol=0.1)
    for epoch, score in enumerate([0.5, 0.7, 0.75], start=1):
        torch.nn.init.constant_(module.weight, epoch)
        best.update(epoch, score, module)
        assert not best.is_over
    torch.nn.init.constant_(module.weight, 4)
    best.update(4, 0.6, module)
    assert best.is_over
    assert best.epoch == 3
    best.restore(module)
    assert module.weight.item() == 3
