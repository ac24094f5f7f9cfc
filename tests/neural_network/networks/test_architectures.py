"""The networks compute what their recipes say."""

import pytest
import torch

from skextra.neural_network._networks._architectures import (
    ARCHITECTURES,
    ResidualBlock,
    ResNet,
    SequentialCNN,
    Stem,
    find_architecture,
)


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
@pytest.mark.parametrize("image_shape", [(8, 8, 1), (8, 21, 3), (32, 32, 1)])
def test_every_network_maps_images_to_one_logit_a_class(name, image_shape):
    factory, recipe = find_architecture(name)
    height, width, channels = image_shape
    module = factory(image_shape, 5, recipe.dropout)
    assert module(torch.zeros(2, channels, height, width)).shape == (2, 5)


def test_the_reference_has_the_parameters_counted_by_hand():
    conv = (3 * 3 * 3 + 1) * 32 + (32 * 9 + 1) * 64 + (64 * 9 + 1) * 128
    dense = (128 * 16 * 16 + 1) * 256 + (256 + 1) * 4
    module = SequentialCNN((128, 128, 3), 4)
    assert sum(weights.numel() for weights in module.parameters()) == conv + dense == 8_483_140


def test_pooling_before_relu_is_the_reference_function():
    torch_order = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.MaxPool2d(2))
    our_order = torch.nn.Sequential(torch.nn.MaxPool2d(2), torch.nn.ReLU())
    x = torch.randn(3, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(torch_order(x), our_order(x))


def count(module):
    return sum(weights.numel() for weights in module.parameters())


@pytest.mark.parametrize("power", [-2.0, 0.0, 1.0])
def test_a_power_that_was_learnt_too_low_is_the_average(power):
    module = ResNet((16, 16, 1), 3).eval()
    module.power.data.fill_(power)
    images = torch.rand(2, 1, 16, 16)
    places = module.blocks(module.stem(images)).clamp(min=1e-3)
    torch.testing.assert_close(module(images), module.head(places.mean(dim=(2, 3))))


def test_the_residual_network_has_the_parameters_counted_by_hand():
    def conv(n_in, n_out, side=3):
        return n_in * n_out * side**2 + 2 * n_out  # no bias, but a batch norm

    blocks = 2 * conv(32, 32)
    for n_in, n_out in [(32, 64), (64, 128), (128, 256)]:
        blocks += conv(n_in, n_out) + conv(n_out, n_out) + conv(n_in, n_out, side=1)
    assert count(ResNet((128, 128, 1), 4)) == conv(16, 32) + blocks + 1 + 256 * 4 + 4 == 1_231_173


def test_a_residual_block_starts_as_its_shortcut():
    images = torch.rand((2, 8, 6, 6))
    assert torch.equal(ResidualBlock(8, 8, stride=1).eval()(images), images)


@pytest.mark.parametrize(
    ("side", "places", "n_steps"), [(128, 32, 4), (64, 16, 3), (28, 14, 3), (8, 4, 1), (13, 7, 2)]
)
def test_the_stem_leaves_so_many_places_and_halvings(side, places, n_steps):
    stem = Stem((side, side, 1), 32)
    assert stem(torch.zeros(2, 1, side, side)).shape == (2, 32, places, places)
    assert stem.n_steps == n_steps


@pytest.mark.parametrize("name", ["resnet", "mobilenet"])
def test_networks_with_batch_norm_train_on_one_row_of_one_place(name):
    factory, _ = find_architecture(name)
    module = factory((8, 8, 1), 3, 0.0).train()
    module(torch.rand(1, 1, 8, 8)).sum().backward()
    assert all(torch.isfinite(weights.grad).all() for weights in module.parameters())


def test_an_unknown_architecture_is_named_with_what_there_is_and_the_nearest():
    with pytest.raises(ValueError, match=r"'resnt'.*sequential, resnet, .*mean 'resnet'\?"):
        find_architecture("resnt")


def test_a_class_of_the_users_gets_image_shape_and_number_of_classes():
    seen = []

    class Net(torch.nn.Module):
        def __init__(self, image_shape, n_classes):
            super().__init__()
            seen.append((image_shape, n_classes))

    factory, recipe = find_architecture(Net)
    factory((8, 9, 1), 3, recipe.dropout)
    assert seen == [((8, 9, 1), 3)]


def count_multiplications(module, image_shape):
    height, width, channels = image_shape
    total = 0

    def note(layer, inputs, output):
        nonlocal total
        n_places = output[0, 0].numel() if output.ndim == 4 else 1
        total += layer.weight.numel() * n_places

    for layer in module.modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
            layer.register_forward_hook(note)
    module.eval()(torch.zeros(1, channels, height, width))
    return total


@pytest.mark.parametrize(
    ("name", "multiplications", "weights"),
    [
        ("sequential", 164_103_168, 8_482_564),
        ("resnet", 67_634_176, 1_231_173),
        ("mobilenet", 36_935_168, 339_844),
        ("mlp", 4_195_328, 4_195_588),
        ("linear", 65_536, 65_540),
    ],
)
def test_the_user_guide_counts_multiplications_and_weights_rightly(name, multiplications, weights):
    factory, recipe = find_architecture(name)
    module = factory((128, 128, 1), 4, recipe.dropout)
    assert count_multiplications(module, (128, 128, 1)) == multiplications
    assert count(module) == weights
