"""What "auto" means."""

import pytest
import torch

from skextra.neural_network import _recipes
from skextra.neural_network._recipes import RESIDUAL, Recipe

AUTO = dict.fromkeys(
    [
        *("image_size", "max_epochs", "batch_size", "learning_rate", "weight_decay", "optimizer"),
        *("lr_scheduler", "dropout", "label_smoothing", "augmentation"),
    ],
    "auto",
)


def resolve(recipe, chosen=(), n_samples=5000, side=128, are_features=False):
    chosen = {**AUTO, **dict(chosen)}
    return recipe.resolve(
        chosen,
        n_samples=n_samples,
        size=(side, side),
        are_features=are_features,
        device=torch.device("cpu"),
    )


def test_a_chosen_setting_overrides_the_recipe_and_auto_does_not():
    settings = resolve(Recipe(), {"optimizer": "SGD", "learning_rate": 0.5})
    assert settings["optimizer"] == "SGD"
    assert settings["learning_rate"] == 0.5
    assert settings["max_epochs"] == 25
    assert settings["batch_size"] == 32


def test_small_images_learn_faster_and_small_sets_longer():
    settings = resolve(Recipe(), n_samples=10, side=8)
    assert settings["learning_rate"] == pytest.approx(1e-3)
    assert settings["max_epochs"] == 200
    assert resolve(Recipe(), n_samples=6400, side=33)["learning_rate"] == pytest.approx(1e-4)
    assert resolve(Recipe(), {"max_epochs": 2}, n_samples=10)["max_epochs"] == 2


def test_only_images_over_32_pixels_are_augmented_and_asked_mirrored():
    settings = resolve(RESIDUAL)
    assert (settings["augmentation"], settings["flip_at_prediction"]) == ("scan", True)
    assert settings["standardise_images"]
    small = resolve(RESIDUAL, side=32)
    assert (small["augmentation"], small["flip_at_prediction"]) == (None, False)
    features = resolve(RESIDUAL, side=200, are_features=True)
    assert (features["augmentation"], features["standardise_images"]) == (None, False)
    assert not resolve(RESIDUAL, {"augmentation": None})["flip_at_prediction"]
    assert resolve(RESIDUAL, {"augmentation": "affine"}, side=28)["flip_at_prediction"]


def test_the_temperature_goes_with_the_label_smoothing_of_the_recipe():
    assert resolve(RESIDUAL)["temperature"] == pytest.approx(0.55)
    assert resolve(RESIDUAL, {"label_smoothing": 0.05})["temperature"] == pytest.approx(0.55)
    assert resolve(RESIDUAL, {"label_smoothing": 0.0})["temperature"] == 1.0
    assert resolve(Recipe(), {"label_smoothing": 0.2})["temperature"] == 1.0


@pytest.mark.parametrize("has_instructions", [True, False])
def test_bfloat16_is_for_large_images_where_the_cpu_has_instructions(
    monkeypatch, has_instructions
):
    monkeypatch.setattr(_recipes, "multiplies_bfloat16", lambda device: has_instructions)
    assert resolve(RESIDUAL)["mixed_precision"] == has_instructions
    assert not resolve(RESIDUAL, side=32)["mixed_precision"]
    assert not resolve(RESIDUAL, side=200, are_features=True)["mixed_precision"]
    assert not resolve(Recipe())["mixed_precision"]
