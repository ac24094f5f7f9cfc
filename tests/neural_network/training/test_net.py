"""The training loop against plain PyTorch; batches, averaged weights, optimizers."""

import functools
import pickle

import pytest
import torch
from numpy.testing import assert_allclose
from torch.nn import functional

from skextra.neural_network._networks._architectures import ResNet, SequentialCNN
from skextra.neural_network._training._net import WeightAverage, make_optimizer
from skextra.neural_network._training._runtime import private_generator, threads_for
from tests.neural_network.small_nets import CPU, RECIPE, make_batches, make_net


def test_training_equals_a_plain_pytorch_loop_bit_for_bit():
    batches = make_batches()
    with private_generator(3, CPU):
        net = make_net()
        losses = [net.train_epoch(batches) for _ in range(3)]

    with private_generator(3, CPU), threads_for(1):
        module = SequentialCNN((8, 8, 1), 3, dropout=0.5).to(memory_format=torch.channels_last)
        optimizer = torch.optim.AdamW(module.parameters(), 1e-3, weight_decay=0.01, fused=True)
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


def test_mixed_precision_takes_nearly_the_same_steps_with_the_same_bits_each_time():
    batches, losses, weights = make_batches(), {}, []
    for run, is_mixed in enumerate([False, True, True]):
        with private_generator(3, CPU):
            net = make_net(mixed_precision=is_mixed)
            losses[run] = [net.train_epoch(batches) for _ in range(3)]
            weights.append(torch.cat([value.flatten() for value in net.module_.parameters()]))
    assert losses[1] != losses[0]
    assert_allclose(losses[1], losses[0], rtol=0.02)
    assert weights[1].dtype == torch.float32
    assert torch.equal(weights[1], weights[2])


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


def test_a_loss_that_is_not_finite_stops_at_once_and_names_epoch_batch_and_rate():
    net, batches = make_net(), make_batches()
    net.train_epoch(batches)
    with torch.no_grad():
        net.module_.layers[-1].bias[0] = float("nan")
    cause = r"nan in epoch 2, batch 1 of 4\. Most likely learning_rate=0\.001 is too large"
    with pytest.raises(FloatingPointError, match=cause):
        net.train_epoch(batches, epoch=2)


def test_images_out_of_scale_are_named_as_the_cause_of_a_loss_that_is_not_finite():
    batches = make_batches(augment=lambda images: images * float("inf"))
    with pytest.raises(FloatingPointError, match=r"images reach (inf|nan).*augmentation"):
        make_net().train_epoch(batches)


def test_an_output_of_the_wrong_width_is_named_with_the_module():
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 2))
    with pytest.raises(ValueError, match=r"Sequential.*\(13, 2\).*\(13, 3\)"):
        make_net(module).train_epoch(make_batches())


def test_averaged_weights_are_the_moving_average_of_what_they_saw():
    module = torch.nn.Linear(1, 1)
    values = [1.0, 5.0, 2.0, 8.0]
    torch.nn.init.constant_(module.weight, values[0])
    average = WeightAverage(module, decay=0.25)
    expected = values[0]
    for step, value in enumerate(values[1:], start=1):
        torch.nn.init.constant_(module.weight, value)
        average.update()
        memory = min(0.25, (1 + step) / (10 + step))
        expected = memory * expected + (1 - memory) * value
    assert average.module.weight.item() == pytest.approx(expected)
    assert module.weight.item() == 8


def test_a_finished_net_predicts_with_the_averaged_weights_and_has_no_optimizer():
    net = make_net(weight_averaging=0.9)
    net.average_weights()
    net.train_epoch(make_batches())
    averaged = {name: value.clone() for name, value in net.predictor.state_dict().items()}
    assert not torch.equal(averaged["layers.0.weight"], net.module_.layers[0].weight)
    net.end_training()
    for name, value in net.predictor.state_dict().items():
        assert torch.equal(value, averaged[name]), name
    assert net.predictor is net.module_
    assert net.optimizer_ is None


def test_weight_decay_spares_biases_and_norms_only_where_the_recipe_says_so():
    module = ResNet((8, 8, 1), 3)
    spared = make_optimizer(module, {**RECIPE, "decay_norms": False}).param_groups
    assert [group["weight_decay"] for group in spared] == [0.01, 0.0]
    assert {parameter.ndim for parameter in spared[0]["params"]} == {2, 4}
    assert {parameter.ndim for parameter in spared[1]["params"]} == {0, 1}
    assert len(make_optimizer(module, RECIPE).param_groups) == 1


@pytest.mark.parametrize(
    "optimizer",
    ["SGD", "Adagrad", "Adadelta", "RMSprop", "Adam", "NAdam", "Adamax", "Rprop", "LBFGS"]
    + [functools.partial(torch.optim.SGD, momentum=0.9, nesterov=True)],
)
def test_every_optimizer_of_torch_that_takes_dense_weights_lowers_the_loss(optimizer):
    batches = make_batches(batch_size=50)
    net = make_net(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3)))
    net = make_net(net.module_, optimizer=optimizer, learning_rate=0.01)
    losses = [net.train_epoch(batches) for _ in range(3)]
    assert losses[-1] < losses[0]


def test_a_net_that_was_on_a_device_is_pickled_for_the_cpu():
    net = make_net()
    net.train_epoch(make_batches())
    net.device = "cuda:0"  # where its tensors would lie if this machine had one
    again = pickle.loads(pickle.dumps(net))
    assert again.device == "cpu"
    for name, value in again.module_.state_dict().items():
        assert torch.equal(value, net.module_.state_dict()[name]), name
    group = again.optimizer_.param_groups[0]["params"]
    assert all(a is b for a, b in zip(group, again.module_.parameters(), strict=True))
    net.device = "cpu"
    with private_generator(0, CPU):
        expected = net.train_epoch(make_batches())
    with private_generator(0, CPU):
        assert again.train_epoch(make_batches()) == expected


def test_the_loss_curve_is_that_of_the_network_and_loop_of_a_tutorial():
    batches = make_batches()
    with private_generator(3, CPU):
        net = make_net(SequentialCNN((8, 8, 1), 3, dropout=0.0))
        start = [weights.clone() for weights in net.module_.parameters()]
        torch.manual_seed(5)
        losses = [net.train_epoch(batches) for _ in range(4)]

    layers = []
    for n_in, n_out in [(1, 32), (32, 64), (64, 128)]:
        convolution = torch.nn.Conv2d(n_in, n_out, 3, padding=1)
        layers += [convolution, torch.nn.ReLU(), torch.nn.MaxPool2d(2)]
    layers += [torch.nn.Flatten(), torch.nn.Linear(128, 256), torch.nn.ReLU()]
    plain = torch.nn.Sequential(*layers, torch.nn.Linear(256, 3))
    with torch.no_grad():
        for weights, value in zip(plain.parameters(), start, strict=True):
            weights.copy_(value)
    optimizer = torch.optim.AdamW(plain.parameters(), lr=1e-3, weight_decay=0.01)
    expected = []
    with private_generator(5, CPU), threads_for(1):
        for _ in range(4):
            sums = 0.0
            for index in torch.randperm(50).tensor_split(4):
                optimizer.zero_grad()
                outputs = plain(batches.images[index])
                loss = functional.cross_entropy(
                    outputs, batches.codes[index], reduction="none", label_smoothing=0.1
                )
                loss = (loss * batches.weights[index]).mean()
                loss.backward()
                optimizer.step()
                sums += loss.item() * len(index)
            expected.append(sums / 50)
    assert_allclose(losses, expected, rtol=1e-4)
