"""The networks and the table of their names.

Each network is an :class:`torch.nn.Module` built from ``(image_shape, n_classes)``, where
``image_shape`` is ``(height, width, channels)``; its input is ``(n, channels, height, width)``
and its output the logits ``(n, n_classes)``.
"""

import difflib
from functools import partial
from itertools import pairwise
from math import ceil, log2, prod

import torch
from torch import nn
from torch.nn import functional

from skextra.neural_network._networks._callables import build_from_callable, refuse_module
from skextra.neural_network._recipes import BASELINE, MOBILE, REFERENCE, RESIDUAL, Recipe


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


class BatchNorm(nn.BatchNorm2d):
    """Batch norm that also takes a batch of one value a channel.

    One value has no spread: the running mean and variance stand in for it.
    """

    def forward(self, batch):
        """Return the batch, normalised a channel."""
        if self.training and batch.numel() == batch.shape[1]:
            return functional.batch_norm(
                batch, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(batch)


class ConvNorm(nn.Sequential):
    """Layers of which each convolution's output goes to the batch norm behind it, nowhere else."""


def _conv(n_in, n_out, side, *, stride=1, groups=1):
    """Return a convolution with batch norm, which keeps the size or divides it by the stride."""
    return ConvNorm(
        nn.Conv2d(n_in, n_out, side, stride, side // 2, groups=groups, bias=False),
        BatchNorm(n_out),
    )


class Stem(nn.Module):
    """Turn blocks of 4x4 pixels (2x2 in images under 64 pixels) into channels.

    Nothing is lost, and all that follows works on a sixteenth of the places. `n_steps` is how
    often a side can then be halved before 3 pixels are left.
    """

    def __init__(self, image_shape, n_out):
        super().__init__()
        side = max(image_shape[:2])
        self.block = 4 if side >= 64 else 2
        self.n_steps = ceil(log2(side / self.block / 3))
        self.conv = _conv(image_shape[2] * self.block**2, n_out, 3)

    def forward(self, images):
        """Return (n, n_out, H/4, W/4); sides that are no multiple of the block are continued."""
        height, width = images.shape[2:]
        if height % self.block or width % self.block:
            missing = (0, -width % self.block, 0, -height % self.block)
            images = functional.pad(images, missing, mode="replicate")
        return functional.relu(self.conv(functional.pixel_unshuffle(images, self.block)))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions whose result is added to the input (He et al., 2016).

    The last batch norm starts at scale 0: the block starts as its shortcut, and a deep network
    as a shallow one. Where the block halves the image, the shortcut is the average of 2x2 pixels.
    """

    def __init__(self, n_in, n_out, stride):
        super().__init__()
        self.first = _conv(n_in, n_out, 3, stride=stride)
        self.second = _conv(n_out, n_out, 3)
        nn.init.zeros_(self.second[1].weight)
        shortcut = [nn.AvgPool2d(2, ceil_mode=True)] if stride == 2 else []
        if n_in != n_out:
            shortcut += _conv(n_in, n_out, 1)
        self.shortcut = ConvNorm(*shortcut)

    def forward(self, images):
        """Return (n, n_out, H/stride, W/stride)."""
        added = self.second(functional.relu(self.first(images)))
        return functional.relu(added + self.shortcut(images))


class ResNet(nn.Module):
    """Four residual blocks of 32, 64, 128 and 256 channels, and the mean power of all places.

    The power is learnt from 3 on (Radenovic et al., 2019): the mean of high powers is nearer to
    the largest value, as a tumour fills few places. Small images have fewer blocks: each but the
    first halves the image, down to 2 or 3 pixels.
    """

    WIDTHS = (32, 64, 128, 256)

    def __init__(self, image_shape, n_classes, dropout=0.2):
        super().__init__()
        self.stem = Stem(image_shape, self.WIDTHS[0])  # (n, 32, H/4, W/4)
        widths = self.WIDTHS[: 1 + self.stem.n_steps]
        blocks = [ResidualBlock(widths[0], widths[0], stride=1)]
        for n_in, n_out in pairwise(widths):
            blocks.append(ResidualBlock(n_in, n_out, stride=2))  # (n, 64, H/8, W/8) and so on
        self.blocks = nn.Sequential(*blocks)
        self.power = nn.Parameter(torch.tensor(3.0))
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(widths[-1], n_classes)

    def forward(self, images):
        """Return logits of shape (n, n_classes)."""
        places = self.blocks(self.stem(images)).clamp(min=1e-3)  # (n, 256, H/32, W/32)
        power = self.power.clamp(min=1.0)  # at 1 the average; at 0 there would be no mean
        features = places.pow(power).mean(dim=(2, 3)).pow(1 / power)  # (n, 256)
        return self.head(self.dropout(features))


class InvertedResidual(nn.Module):
    """Widen by 1x1, convolve each channel alone by 3x3, narrow by 1x1 (Sandler et al., 2018).

    What passes between blocks is narrow; the input is added where it has the shape of the result.
    """

    EXPANSION = 4

    def __init__(self, n_in, n_out, stride):
        super().__init__()
        n_wide = self.EXPANSION * n_in
        self.widen = _conv(n_in, n_wide, 1)
        self.depthwise = _conv(n_wide, n_wide, 3, stride=stride, groups=n_wide)
        self.narrow = _conv(n_wide, n_out, 1)
        self.adds = stride == 1 and n_in == n_out

    def forward(self, images):
        """Return (n, n_out, H/stride, W/stride)."""
        wide = functional.relu6(self.widen(images))  # (n, 4 * n_in, H, W)
        narrow = self.narrow(functional.relu6(self.depthwise(wide)))
        return images + narrow if self.adds else narrow


class MobileNet(nn.Module):
    """Inverted residuals of 32, 48, 80 and 128 channels, two of each width that halves the image.

    Small images have fewer widths, as in :class:`ResNet`.
    """

    WIDTHS = (32, 48, 80, 128)

    def __init__(self, image_shape, n_classes, dropout=0.2):
        super().__init__()
        self.stem = Stem(image_shape, self.WIDTHS[0])  # (n, 32, H/4, W/4)
        widths = self.WIDTHS[: 1 + self.stem.n_steps]
        blocks = [InvertedResidual(widths[0], widths[0], stride=1)]
        for n_in, n_out in pairwise(widths):
            blocks.append(InvertedResidual(n_in, n_out, stride=2))  # (n, 48, H/8, W/8) and so on
            blocks.append(InvertedResidual(n_out, n_out, stride=1))
        self.blocks = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(widths[-1], n_classes)

    def forward(self, images):
        """Return logits of shape (n, n_classes)."""
        features = self.blocks(self.stem(images)).mean(dim=(2, 3))  # (n, 128)
        return self.head(self.dropout(features))


ARCHITECTURES = {
    "sequential": (SequentialCNN, REFERENCE),
    "resnet": (ResNet, RESIDUAL),
    "mobilenet": (MobileNet, MOBILE),
    "mlp": (MLP, BASELINE),
    "linear": (SoftmaxRegression, BASELINE),
}


def find_architecture(architecture):
    """Return (factory taking image_shape, n_classes and dropout, recipe) of a name or callable."""
    if not isinstance(architecture, str):
        refuse_module(architecture)
        # A callable of the user's takes what the contract names and brings its own dropout.
        return partial(_build_custom, architecture), Recipe()
    if architecture not in ARCHITECTURES:
        near = difflib.get_close_matches(architecture.lower(), ARCHITECTURES, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"architecture={architecture!r} is unknown. There are {', '.join(ARCHITECTURES)}, or "
            f"give a class of torch.nn.Module or another callable.{hint}"
        )
    return ARCHITECTURES[architecture]


def is_ours(module):
    """Return whether a module is one of the networks that have a name here."""
    return type(module) in {factory for factory, _ in ARCHITECTURES.values()}


def build_module(architecture, image_shape, n_classes, dropout):
    """Return the network that a name or a callable stands for, in single precision.

    torch's default precision, which the program may have set to double, does not matter.
    """
    factory, _ = find_architecture(architecture)
    return factory(image_shape, n_classes, dropout).float()


def _build_custom(architecture, image_shape, n_classes, dropout):
    return build_from_callable(architecture, image_shape, n_classes)
