"""The networks, their recipes, and the table of their names.

Each network is an :class:`torch.nn.Module` built from ``(image_shape, n_classes)``, where
``image_shape`` is ``(height, width, channels)``; its input is ``(n, channels, height, width)``
and its output the logits ``(n, n_classes)``.
"""

from dataclasses import dataclass
from functools import partial
from math import ceil, prod

from torch import nn


@dataclass(frozen=True)
class Recipe:
    """What ``"auto"`` means for an architecture."""

    image_size: int = 128
    max_epochs: int = 25
    batch_size: int = 32
    learning_rate: float = 1e-4
    weight_decay: float = 0.01
    optimizer: str = "AdamW"
    lr_scheduler: str | None = None
    dropout: float = 0.0
    label_smoothing: float = 0.0
    augmentation: str | None = None

    def resolve(self, chosen, *, n_samples, size):
        """Return the settings of a training: `chosen`, with each "auto" filled in.

        Two rules look at the data: images of at most 32 pixels a side learn at ten times the
        rate of the recipe (their networks are small), and a set so small that the recipe's epochs
        would be under 200 updates gets more epochs.
        """
        settings = {
            name: getattr(self, name) if isinstance(value, str) and value == "auto" else value
            for name, value in chosen.items()
        }
        if chosen["learning_rate"] == "auto" and max(size) <= 32:
            settings["learning_rate"] = 10 * self.learning_rate
        settings["batch_size"] = min(settings["batch_size"], n_samples)
        if chosen["max_epochs"] == "auto":
            n_batches = ceil(n_samples / settings["batch_size"])
            settings["max_epochs"] = max(self.max_epochs, ceil(200 / n_batches))
        return settings


class SequentialCNN(nn.Module):
    """The reference: three convolutions with 32, 64 and 128 channels, then 256 units.

    Pooling stands before ReLU: the maximum and ReLU commute, so the function is the same, and
    ReLU then touches a quarter of the values.
    """

    def __init__(self, image_shape, n_classes, dropout=0.5):
        super().__init__()
        height, width, channels = image_shape
        n_flat = 128 * (height // 8) * (width // 8)
        self.layers = nn.Sequential(
            nn.Conv2d(channels, 32, 3, padding=1),  # (n, 32, H, W)
            nn.MaxPool2d(2),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, padding=1),  # (n, 64, H/2, W/2)
            nn.MaxPool2d(2),
            nn.ReLU(),
            nn.Conv2d(64, 128, 3, padding=1),  # (n, 128, H/4, W/4)
            nn.MaxPool2d(2),
            nn.ReLU(),
            nn.Flatten(),  # (n, 128 * H/8 * W/8)
            nn.Linear(n_flat, 256),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(256, n_classes),
        )

    def forward(self, images):
        """Return logits of shape (n, n_classes)."""
        return self.layers(images)


class MLP(nn.Module):
    """One hidden layer of 256 units on the pixels: a baseline that knows no neighbourhood."""

    def __init__(self, image_shape, n_classes, dropout=0.0):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(prod(image_shape), 256),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(256, n_classes),
        )

    def forward(self, images):
        """Return logits of shape (n, n_classes)."""
        return self.layers(images)


class SoftmaxRegression(nn.Module):
    """Multinomial logistic regression on the pixels: the simplest baseline."""

    def __init__(self, image_shape, n_classes, dropout=0.0):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Dropout(dropout), nn.Linear(prod(image_shape), n_classes)
        )

    def forward(self, images):
        """Return logits of shape (n, n_classes)."""
        return self.layers(images)


ARCHITECTURES = {
    "sequential": (SequentialCNN, Recipe(dropout=0.5)),
    "mlp": (MLP, Recipe()),
    "linear": (SoftmaxRegression, Recipe()),
}


def find_architecture(architecture):
    """Return (factory taking image_shape, n_classes and dropout, recipe) of a name or class."""
    if not isinstance(architecture, str):
        # A class of the user's takes what the contract names and brings its own dropout.
        return partial(_build_custom, architecture), Recipe()
    return ARCHITECTURES[architecture]


def _build_custom(module_class, image_shape, n_classes, dropout):
    return module_class(image_shape, n_classes)
