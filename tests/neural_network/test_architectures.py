"""The networks compute what their recipes say."""

import pytest
import torch

from skextra.neural_network._architectures import (
    ARCHITECTURES,
    Recipe,
    SequentialCNN,
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


AUTO = dict.fromkeys(Recipe.__dataclass_fields__, "auto")


def test_a_chosen_setting_overrides_the_recipe_and_auto_does_not():
    settings = Recipe().resolve(
        {**AUTO, "optimizer": "SGD", "learning_rate": 0.5}, n_samples=5000, size=(128, 128)
    )
    assert settings["optimizer"] == "SGD"
    assert settings["learning_rate"] == 0.5
    assert settings["max_epochs"] == 25
    assert settings["batch_size"] == 32


def test_small_images_learn_faster_and_small_sets_longer():
    settings = Recipe().resolve(AUTO, n_samples=10, size=(8, 8))
    assert settings["learning_rate"] == pytest.approx(1e-3)
    assert settings["batch_size"] == 10
    assert settings["max_epochs"] == 200


def test_a_class_of_the_users_gets_image_shape_and_number_of_classes():
    seen = []

    class Net(torch.nn.Module):
        def __init__(self, image_shape, n_classes):
            super().__init__()
            seen.append((image_shape, n_classes))

    factory, recipe = find_architecture(Net)
    factory((8, 9, 1), 3, recipe.dropout)
    assert seen == [((8, 9, 1), 3)]
