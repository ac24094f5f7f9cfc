"""A fit in progress: the best epoch, and a state from which it goes on."""

import io

import pytest
import torch

from skextra.neural_network._training._fit_in_progress import BestEpoch, Training
from skextra.neural_network._training._runtime import private_generator
from skextra.neural_network._training._schedules import make_schedule
from tests.neural_network.small_nets import CPU, make_batches, make_net


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


@pytest.mark.parametrize(
    "schedule",
    [None, "OneCycleLR", "MultiStepLR", "CosineAnnealingLR", "ReduceLROnPlateau", "StepLR"],
)
@pytest.mark.parametrize("optimizer", ["AdamW", "SGD", "RMSprop"])
def test_a_stored_training_goes_on_to_the_same_bits(optimizer, schedule):
    def start():
        net = make_net(optimizer=optimizer, weight_averaging=0.9)
        net.average_weights()
        batches = make_batches()
        best = BestEpoch(n_iter_no_change=10, tol=0.0)
        return Training(net, batches, make_schedule(schedule, net, 4, batches), 4, best)

    def run(training, n_epochs):
        for _ in range(n_epochs):
            training.run_epoch()
            training.note_score(-training.loss_curve[-1])

    stored = io.BytesIO()
    with private_generator(0, CPU):
        undisturbed = start()
        run(undisturbed, 2)
        torch.save(undisturbed.state_dict(), stored)
        run(undisturbed, 2)
    with private_generator(99, CPU):
        resumed = start()
        stored.seek(0)
        resumed.load_state_dict(torch.load(stored, weights_only=True))
        run(resumed, 2)
    assert resumed.loss_curve == undisturbed.loss_curve
    assert resumed.validation_scores == undisturbed.validation_scores
    assert resumed.is_over
    assert resumed.finish() == undisturbed.finish()
    for name, weights in resumed.net.module_.state_dict().items():
        assert torch.equal(weights, undisturbed.net.module_.state_dict()[name]), name
